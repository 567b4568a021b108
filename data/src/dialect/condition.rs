//! Conditions on parts: the table `when` of a dialect's file. All of them must hold.
//!
//! ```toml
//! when = { "$actor.kind" = ["ui", "api"], "$data.uuid" = { kind = "text" }, "$header.x-secret" = { not = "$secret" } }
//! ```
//!
//! What is compared with something that is absent never holds, whichever way it is asked; a part that is absent is
//! different from everything that is there.

use std::fmt;

use toml::de::DeValue;

use super::{
    context::Context,
    expression::Expression,
    file::{Section, Text, Value as Written},
    part::{Part, Roots},
    value::Value,
};
use crate::signature::constant_time_eq;

/// All conditions of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct When(Vec<Condition>);

/// One condition on one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) part: Part,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    OneOf(Vec<Expression>),
    NoneOf(Vec<Expression>),
    Kind(Kind),
    Present(bool),
}

/// What a value is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string that is not empty.
    Text,
    /// Digits in groups of 8, 4, 4, 4 and 12.
    Uuid,
    Integer,
    Number,
    Boolean,
    Object,
    List,
}

const KINDS: &[(&str, Kind)] = &[
    ("text", Kind::Text),
    ("uuid", Kind::Uuid),
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("object", Kind::Object),
    ("list", Kind::List),
];

impl When {
    /// Reads a table whose keys and values may name the parts of `allowed`.
    pub(super) fn read(section: Section<'_, '_>, allowed: Roots) -> Self {
        let read = |(key, value): (Text<'_, '_>, Written<'_, '_>)| {
            if let (false, DeValue::Table(table)) = (key.value.starts_with('$'), &value.value) {
                // `actor.kind = "ui"`, which TOML reads as a table.
                let rest = table.keys().next().map(|rest| format!(".{}", rest.get_ref()));
                let whole = format!("${}{}", key.value, rest.unwrap_or_default());
                match Part::alone(&whole, allowed) {
                    Ok(_) => key.wrong(format!("is half a part; put all of it in quotes: \"{whole}\" = …")),
                    Err(_) => drop(key.compile(|text| Part::alone(text, allowed))),
                }
                return None;
            }
            let part = key.compile(|text| Part::alone(text, allowed));
            let of_status = part.as_ref().is_some_and(Part::is_status);
            let test = Test::read(value, allowed, of_status);
            Some(Condition { part: part?, test: test? })
        };
        Self(section.entries().into_iter().filter_map(read).collect())
    }

    /// Whether there is none, so that they always hold.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they hold for nobody who does not know the secret: one of them asks a part of the message to be
    /// something that, whichever it is, takes the secret to say.
    pub(super) fn proves_the_sender(&self) -> bool {
        let takes_the_secret = |expected: &Expression| expected.parts().any(Part::is_the_secret);
        self.0.iter().any(|Condition { part, test }| match test {
            Test::OneOf(expected) => part.is_of_a_message() && expected.iter().all(takes_the_secret),
            _ => false,
        })
    }

    /// Whether all of them hold.
    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        self.0.iter().all(|condition| condition.holds(context))
    }

    /// Those that do not hold.
    pub(super) fn broken<'w>(&'w self, context: &Context<'_>) -> impl Iterator<Item = &'w Condition> {
        self.0.iter().filter(|condition| !condition.holds(context))
    }

    /// Each of them in words: "$data.uuid is a UUID".
    pub(super) fn in_words(&self) -> Vec<String> {
        let one_of = |expected: &[Expression]| {
            expected.iter().map(Expression::written).collect::<Vec<_>>().join(" or ")
        };
        let in_words = |Condition { part, test }: &Condition| match test {
            Test::OneOf(expected) => format!("{} is {}", part.name, one_of(expected)),
            Test::NoneOf(expected) => format!("{} is not {}", part.name, one_of(expected)),
            Test::Kind(kind) => format!("{} is {kind}", part.name),
            Test::Present(true) => format!("{} is there", part.name),
            Test::Present(false) => format!("{} is not there", part.name),
        };
        self.0.iter().map(in_words).collect()
    }

    /// Every part that they name.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().flat_map(|condition| {
            let expected = match &condition.test {
                Test::OneOf(expected) | Test::NoneOf(expected) => &expected[..],
                Test::Kind(_) | Test::Present(_) => &[],
            };
            std::iter::once(&condition.part).chain(expected.iter().flat_map(Expression::parts))
        })
    }
}

impl Test {
    fn read(value: Written<'_, '_>, allowed: Roots, of_status: bool) -> Option<Self> {
        if !value.value.is_table() {
            return expressions(value, allowed, of_status).map(Self::OneOf);
        }
        let mut section = value.section()?;
        let not = section.value("not");
        let kind = section.text("kind");
        let present = section.value("present");
        let test = match (not, kind, present) {
            (Some(not), None, None) => expressions(not, allowed, of_status).map(Self::NoneOf),
            (None, Some(kind), None) => Kind::read(&kind).map(Self::Kind),
            (None, None, Some(present)) => match present.value.as_bool() {
                Some(present) => Some(Self::Present(present)),
                None => {
                    present.wrong("is neither true nor false");
                    None
                }
            },
            _ => {
                section.wrong("", "has not exactly one of `not`, `kind` and `present`");
                None
            }
        };
        section.finish();
        test
    }
}

/// One value to compare with, or a list of them.
fn expressions(value: Written<'_, '_>, allowed: Roots, of_status: bool) -> Option<Vec<Expression>> {
    if value.value.as_array().is_some_and(|items| items.is_empty()) {
        value.wrong("is an empty list, which nothing is compared with; name a value, or take the line out");
        return None;
    }
    let sound = |item: &Written<'_, '_>| {
        let text = match &item.value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) => number.as_str(),
            _ => "",
        };
        let sound = !of_status || text.contains('$') || is_status(text);
        if !sound {
            item.wrong("is not a status; write one like 404, or a class like \"4xx\"");
        }
        sound
    };
    let read = |item: Written<'_, '_>| match &item.value {
        _ if !sound(&item) => None,
        DeValue::String(_) => item.text()?.compile(|text| Expression::parse(text, allowed)),
        DeValue::Integer(number) => Expression::parse(number.as_str(), allowed).ok(),
        DeValue::Boolean(flag) => Expression::parse(&flag.to_string(), allowed).ok(),
        _ => {
            item.wrong("is not something to compare with; give a text, a whole number, true or false");
            None
        }
    };
    let read: Vec<_> = value.items().map(read).collect();
    read.into_iter().collect()
}

/// Three digits, or a class of the statuses that HTTP has.
fn is_status(text: &str) -> bool {
    let number = text.len() == 3 && text.parse::<u16>().is_ok_and(|status| (100..1000).contains(&status));
    number || matches!(text, "1xx" | "2xx" | "3xx" | "4xx" | "5xx")
}

impl Kind {
    pub(super) fn read(text: &Text<'_, '_>) -> Option<Self> {
        let kind = KINDS.iter().find(|(name, _)| *name == text.value).map(|(_, kind)| *kind);
        if kind.is_none() {
            let known: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
            text.wrong(format!("`{}` is not a kind; choose from {}", text.value, known.join(", ")));
        }
        kind
    }

    /// Whether a text, taken by itself, is of this kind.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Text => !text.is_empty(),
            Self::Uuid => is_uuid(text),
            Self::Integer => text.parse::<i64>().is_ok(),
            Self::Number => serde_json::from_str::<serde_json::Number>(text).is_ok(),
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Object => text.starts_with('{'),
            Self::List => text.starts_with('['),
        }
    }

    fn is_of(self, value: Value<'_>) -> bool {
        let json = match &value {
            Value::Json(json) => json.as_bytes(),
            Value::Bytes(bytes) => bytes,
            Value::Integer(_) => return matches!(self, Self::Integer | Self::Number),
            Value::Text(_) | Value::Short(_) => b"\"",
        };
        let first = json.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        let right = match self {
            Self::Text | Self::Uuid => first == Some(b'"'),
            Self::Integer | Self::Number => matches!(first, Some(b'-' | b'0'..=b'9')),
            Self::Boolean => matches!(first, Some(b't' | b'f')),
            Self::Object => return first == Some(b'{'),
            Self::List => return first == Some(b'['),
        };
        right && self.fits(&value.into_text())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text that is not empty",
            Self::Uuid => "a UUID",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Object => "an object",
            Self::List => "a list",
        })
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Condition {
    fn holds(&self, context: &Context<'_>) -> bool {
        let value = self.part.value(context);
        match &self.test {
            Test::Present(present) => value.is_some() == *present,
            Test::Kind(kind) => value.is_some_and(|value| kind.is_of(value)),
            Test::OneOf(expected) => value.is_some_and(|value| {
                let value = value.into_text();
                expected.iter().any(|expected| self.equal(&value, expected, context) == Some(true))
            }),
            Test::NoneOf(expected) => {
                let value = value.map(Value::into_text);
                let differs = |expected: &Expression| match &value {
                    Some(value) => self.equal(value, expected, context) == Some(false),
                    None => expected.text(context).is_some(),
                };
                expected.iter().all(differs)
            }
        }
    }

    /// Compared in constant time, since one of the two may be a secret. Absent if what is expected is.
    fn equal(&self, value: &str, expected: &Expression, context: &Context<'_>) -> Option<bool> {
        let expected = expected.text(context)?;
        let class = expected.strip_suffix("xx").filter(|_| self.part.is_status() && value.len() == 3);
        Some(match class {
            Some(class) => value.starts_with(class),
            None => constant_time_eq(value.as_bytes(), expected.as_bytes()),
        })
    }

    /// What it asks for, in words: "must be `ui` or `api`".
    pub(super) fn asks(&self, context: &Context<'_>) -> String {
        let all = |expected: &[Expression]| {
            let each = expected.iter().map(|expected| match (expected.constant(), expected.text(context)) {
                (Some(constant), _) => format!("`{constant}`"),
                (None, Some(text)) => {
                    format!("`{}`, as is `{}`", crate::limits::shorten(&text), expected.shown())
                }
                (None, None) => format!("the same as `{}`", expected.shown()),
            });
            each.collect::<Vec<_>>().join(" or ")
        };
        match &self.test {
            Test::OneOf(expected) => format!("must be {}", all(expected)),
            Test::NoneOf(expected) => format!("must not be {}", all(expected)),
            Test::Kind(kind) => format!("must be {kind}"),
            Test::Present(true) => "must be there".to_owned(),
            Test::Present(false) => "must not be there".to_owned(),
        }
    }
}
