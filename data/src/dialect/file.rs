//! A dialect's file as it is written. Every mistake in it is noted with its line, and none ends the reading.

use std::{
    cell::RefCell,
    fmt,
    ops::{Range, RangeInclusive},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::expression::name_of;
use crate::limits;

/// Mistakes that are told at once; of the rest only the number is.
const MISTAKES_MAX: usize = 100;

/// One mistake in a dialect's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in lines from 1.
    pub line: usize,
    /// Path of the key: `signature.header`; empty where TOML itself is at fault.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.message),
            field => write!(f, "line {}, {field}: {}", self.line, self.message),
        }
    }
}

/// What is wrong within a text of the file: behind how many of its bytes, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// The file, and what was found wrong in it so far.
pub(super) struct Sheet<'t> {
    text: &'t str,
    /// Where its line breaks are.
    breaks: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
    mentions: RefCell<Vec<Mention>>,
}

/// A place of the file that names the secret or a parameter.
struct Mention {
    /// `secret`, `params.court`.
    name: String,
    line: usize,
    field: String,
}

impl<'t> Sheet<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { text, breaks, mistakes: RefCell::default(), mentions: RefCell::default() }
    }

    /// The whole file as a section; nothing if it is not TOML.
    pub(super) fn root(&self) -> Option<Section<'_, 't>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let part = self.text[span.start..].strip_prefix('$').map(name_of).filter(|name| !name.is_empty());
            match part {
                Some(name) => self.note(span, "", format!("put the part in quotes: \"${name}\"")),
                None => self.note(span, "", error.message()),
            }
        }
        let span = table.span();
        errors.is_empty().then(|| Section {
            sheet: self,
            name: String::new(),
            span,
            table: table.into_inner(),
            asked: Vec::new(),
        })
    }

    /// All mistakes, in the order of their lines; of very many the first ones, and how many more there are.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        if let Some(next) = mistakes.get(MISTAKES_MAX) {
            let message =
                format!("and {} more from here on; mend those above", mistakes.len() - MISTAKES_MAX);
            let rest = Mistake { line: next.line, field: String::new(), message };
            mistakes.truncate(MISTAKES_MAX);
            mistakes.push(rest);
        }
        mistakes
    }

    fn note(&self, span: Range<usize>, field: &str, message: impl Into<String>) {
        let mistake =
            Mistake { line: self.line_of(span.start), field: field.to_owned(), message: message.into() };
        self.mistakes.borrow_mut().push(mistake);
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.breaks.partition_point(|line_break| *line_break < at)
    }
}

/// A text of the file, with its place.
pub(super) struct Text<'s, 't> {
    sheet: &'s Sheet<'t>,
    pub(super) field: String,
    pub(super) value: String,
    span: Range<usize>,
}

impl Text<'_, '_> {
    /// What `read` makes of it; what it finds wrong is noted with the line on which that stands.
    pub(super) fn compile<T>(&self, read: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let compiled = read(&self.value).map_err(|fault| self.note(&fault)).ok();
        if compiled.is_some() {
            self.sheet.mentions.borrow_mut().extend(self.mentions());
        }
        compiled
    }

    /// Where it names the secret or a parameter.
    fn mentions(&self) -> Vec<Mention> {
        let (mut mentions, mut line, mut at) = (Vec::new(), self.first_line(), 0);
        while let Some(dollar) = self.value[at..].find('$').map(|found| at + found) {
            line += self.value[at..dollar].matches('\n').count();
            let rest = &self.value[dollar + 1..];
            let name = name_of(rest.strip_prefix('{').unwrap_or(rest)).split(':').next().unwrap_or_default();
            if name == "secret" || name.starts_with("params.") {
                mentions.push(Mention { name: name.to_owned(), line, field: self.field.clone() });
            }
            at = dollar + 1 + usize::from(rest.starts_with('$'));
        }
        mentions
    }

    /// As [`Text::compile`], for checks that do not tell the place within the text.
    pub(super) fn check<T>(&self, read: impl FnOnce(&str) -> crate::Result<T>) -> Option<T> {
        self.compile(|text| read(text).map_err(|error| Fault::new(0, error.message())))
    }

    /// It, unless there is nothing in it, which is noted as wrong.
    pub(super) fn not_empty(self) -> Option<Self> {
        if self.value.trim().is_empty() {
            self.wrong("is empty; say it in a line");
            return None;
        }
        Some(self)
    }

    /// Notes that the whole of it is wrong.
    pub(super) fn wrong(&self, message: impl Into<String>) {
        self.note(&Fault::new(0, message));
    }

    /// The line on which its value begins.
    fn first_line(&self) -> usize {
        let written = &self.sheet.text[self.span.clone()];
        let long = ["'''", "\"\"\""].into_iter().find_map(|quotes| written.strip_prefix(quotes));
        // TOML drops a line break right behind the opening quotes.
        let dropped = usize::from(long.is_some_and(|text| text.starts_with(['\n', '\r'])));
        self.sheet.line_of(self.span.start) + dropped
    }

    fn note(&self, fault: &Fault) {
        let within = self.value.as_bytes()[..fault.at].iter().filter(|byte| **byte == b'\n').count();
        self.sheet.mistakes.borrow_mut().push(Mistake {
            line: self.first_line() + within,
            field: self.field.clone(),
            message: fault.message.clone(),
        });
    }
}

/// A table of the file, read key by key.
pub(super) struct Section<'s, 't> {
    sheet: &'s Sheet<'t>,
    name: String,
    span: Range<usize>,
    table: DeTable<'t>,
    /// The keys that it may have, and where those that it has stand.
    asked: Vec<(&'static str, Option<Range<usize>>)>,
}

impl<'s, 't> Section<'s, 't> {
    /// A text that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Option<Text<'s, 't>> {
        if !self.table.contains_key(key) {
            self.asked.push((key, None));
            self.wrong(key, format!("is missing; write {key} = \"…\""));
            return None;
        }
        self.text(key)
    }

    /// A text for people to read, which must be there and not be empty.
    pub(super) fn words(&mut self, key: &'static str) -> Option<Text<'s, 't>> {
        self.required(key)?.not_empty()
    }

    /// A text that may be there.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Text<'s, 't>> {
        self.value(key)?.text()
    }

    /// A list of texts; empty if it is not there.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Text<'s, 't>> {
        self.value(key).map(Value::texts).unwrap_or_default()
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let number = match &value.value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            value.wrong(format!("is not a whole number from {} to {}", bounds.start(), bounds.end()));
        }
        number
    }

    /// True or false; false if it is not there.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        let Some(value) = self.value(key) else { return false };
        let flag = value.value.as_bool();
        if flag.is_none() {
            value.wrong("is neither true nor false");
        }
        flag.unwrap_or_default()
    }

    /// A table.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'s, 't>> {
        self.value(key)?.section()
    }

    /// A list of tables; one table counts as a list of one, and none as an empty one.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'s, 't>> {
        match self.value(key) {
            Some(value) if value.value.is_array() => value.items().filter_map(Value::section).collect(),
            Some(value) => value.section().into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Any value.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'s, 't>> {
        let value = self.table.remove(key);
        self.asked.push((key, value.as_ref().map(Spanned::span)));
        let value = value?;
        Some(Value {
            sheet: self.sheet,
            field: self.path(key),
            span: value.span(),
            value: value.into_inner(),
        })
    }

    /// Keys and values that the file itself names, in the order written.
    pub(super) fn entries(self) -> Vec<(Text<'s, 't>, Value<'s, 't>)> {
        let (sheet, name) = (self.sheet, self.name);
        let mut entries: Vec<_> = self.table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (Spanned<_>, Spanned<_>)| {
            let span = key.span();
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            let field = format!("{name}.{}", limits::shorten(&key));
            let text = Text { sheet, field: field.clone(), value: key.into_owned(), span };
            (text, Value { sheet, field, span: value.span(), value: value.into_inner() })
        };
        entries.into_iter().map(entry).collect()
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let known: Vec<_> = self.asked.iter().map(|(key, _)| *key).collect();
            let known = known.join(", ");
            let message = format!("is not a key here; take it out, or correct it to one of {known}");
            self.sheet.note(key.span(), &self.path(&limits::shorten(key.get_ref())), message);
        }
    }

    /// Notes what is wrong with a key, where it stands if it is there, or with the section as a whole if `key` is empty.
    pub(super) fn wrong(&self, key: &str, message: impl Into<String>) {
        let span = self.span_of(key).unwrap_or_else(|| self.span.clone());
        self.sheet.note(span, &self.path(key), message);
    }

    /// Notes what is wrong with naming `secret` or `params.…`, wherever the file names it.
    pub(super) fn wrong_to_name(&self, name: &str, message: &str) {
        for mention in self.sheet.mentions.borrow().iter().filter(|mention| mention.name == name) {
            let Mention { line, field, .. } = mention;
            let mistake = Mistake { line: *line, field: field.clone(), message: message.to_owned() };
            self.sheet.mistakes.borrow_mut().push(mistake);
        }
    }

    /// Whether a key that was asked for is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.span_of(key).is_some()
    }

    /// Whether nothing was found wrong with a key, or below it, so far.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        let path = self.path(key);
        let below = |field: &str| {
            field.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !self.sheet.mistakes.borrow().iter().any(|mistake| below(&mistake.field))
    }

    fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.asked.iter().find(|(asked, _)| *asked == key)?.1.clone()
    }

    fn path(&self, key: &str) -> String {
        match (self.name.as_str(), key) {
            ("", key) => key.to_owned(),
            (name, "") => name.to_owned(),
            (name, key) => format!("{name}.{key}"),
        }
    }
}

/// A value of the file, with its place.
pub(super) struct Value<'s, 't> {
    sheet: &'s Sheet<'t>,
    field: String,
    span: Range<usize>,
    pub(super) value: DeValue<'t>,
}

impl<'s, 't> Value<'s, 't> {
    /// It as a text; noted as wrong if it is none.
    pub(super) fn text(self) -> Option<Text<'s, 't>> {
        match self.value {
            DeValue::String(text) => {
                Some(Text { sheet: self.sheet, field: self.field, value: text.into_owned(), span: self.span })
            }
            _ => {
                self.wrong("is not a text; put it in quotes");
                None
            }
        }
    }

    /// It as texts: one, or a list of them.
    pub(super) fn texts(self) -> Vec<Text<'s, 't>> {
        if self.value.is_array() {
            return self.items().filter_map(Self::text).collect();
        }
        self.text().into_iter().collect()
    }

    /// It as a table; noted as wrong if it is none.
    pub(super) fn section(self) -> Option<Section<'s, 't>> {
        match self.value {
            DeValue::Table(table) => Some(Section {
                sheet: self.sheet,
                name: self.field,
                span: self.span,
                table,
                asked: Vec::new(),
            }),
            _ => {
                self.wrong("is not a table; write it in braces, or under a heading in brackets");
                None
            }
        }
    }

    /// Its items, if it is a list, and it alone if it is not.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let (sheet, field) = (self.sheet, self.field);
        let (single, list) = match self.value {
            DeValue::Array(items) => (None, items.into_iter().collect::<Vec<_>>()),
            value => (Some((self.span, value)), Vec::new()),
        };
        let list = list.into_iter().map(|item| (item.span(), item.into_inner()));
        single.into_iter().chain(list).map(move |(span, value)| Self {
            sheet,
            field: field.clone(),
            span,
            value,
        })
    }

    /// Notes that it is wrong.
    pub(super) fn wrong(&self, message: impl Into<String>) {
        self.sheet.note(self.span.clone(), &self.field, message);
    }
}
