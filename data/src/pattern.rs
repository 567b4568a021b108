//! Patterns over event types, and an index that finds all that match without trying each.
//!
//! The only place that knows `glob`. Its semantics are the contract: `*` takes any number of
//! characters, dots among them, so `cases.*` takes `cases.created` and `cases.tasks.created`,
//! not `cases`; `?` takes one character and `[ab]` one of a set.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    limits,
};

/// What selects event types: a name, or a glob over dotted names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Pattern {
    text: Arc<str>,
    shape: Shape,
}

/// How a pattern can be tested; follows from its text alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// No metacharacter: equal or not.
    Exact,
    /// One `*`, at the end: the rest is a literal prefix.
    Prefix,
    /// Anything else. Not compiled here: that takes many times the text, and endpoints share few patterns.
    Glob,
}

impl Pattern {
    /// A pattern, if some event type could match it; the error gives the offset in characters.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > limits::PATTERN_BYTES_MAX {
            let message = format!(
                "a pattern has 1 to {} bytes, this one {}; write it like `cases.created` or `cases.*`",
                limits::PATTERN_BYTES_MAX,
                text.len()
            );
            return Err(Error::field("pattern", message));
        }
        glob::Pattern::new(text).map_err(|error| wrong(text, error.pos, hint_for(error.msg)))?;
        check_characters(text)?;
        let shape = match text.find(['*', '?', '[']) {
            None => Shape::Exact,
            Some(at) if at + 1 == text.len() && text.ends_with('*') => Shape::Prefix,
            Some(_) => Shape::Glob,
        };
        Ok(Self { text: text.into(), shape })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it takes an event type. For many questions, ask a [`PatternIndex`].
    pub fn matches(&self, event_type: &str) -> bool {
        match &self.shape {
            Shape::Exact => *self.text == *event_type,
            Shape::Prefix => event_type.starts_with(self.literal()),
            Shape::Glob => self.compiled().matches(event_type),
        }
    }

    fn compiled(&self) -> glob::Pattern {
        glob::Pattern::new(&self.text).expect("it was compiled when it was checked")
    }

    /// What stands before the first metacharacter: everything that matches begins with it.
    fn literal(&self) -> &str {
        self.text.find(['*', '?', '[']).map_or(&*self.text, |end| &self.text[..end])
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text.as_ref().to_owned()
    }
}

impl TryFrom<String> for Pattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

fn wrong(text: &str, offset: usize, why: &str) -> Error {
    Error::field("pattern", format!("`{}` is wrong at offset {offset}: {why}", limits::shorten(text)))
}

fn hint_for(glob_message: &str) -> &'static str {
    if glob_message.contains("range") {
        "this `[` is not closed; write a set like `[ab]`"
    } else {
        "write a single `*`, which spans dots"
    }
}

/// Refuses what glob would take literally and no event type can contain: such a pattern would wait in silence forever.
fn check_characters(text: &str) -> Result<()> {
    let mut in_set = false;
    let mut before = '.';
    let mut characters = text.chars().enumerate().peekable();
    while let Some((offset, character)) = characters.next() {
        match character {
            '[' if !in_set => {
                in_set = true;
                characters.next_if(|(_, next)| *next == '!');
            }
            ']' if in_set => in_set = false,
            '*' | '?' if !in_set => {}
            '.' if !in_set && before == '.' => return Err(wrong(text, offset, "a segment is empty")),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' => {}
            '{' | '}' | ',' => {
                return Err(wrong(
                    text,
                    offset,
                    "there are no alternatives in braces; write several patterns",
                ));
            }
            _ => {
                let why =
                    "no event type contains this character; use letters, digits, `_`, `-`, `.`, `*`, `?`";
                return Err(wrong(text, offset, why));
            }
        }
        before = character;
    }
    if before == '.' {
        return Err(wrong(text, text.chars().count() - 1, "the last segment is empty; append `*` or a name"));
    }
    Ok(())
}

/// Many patterns, each leading to numbers, arranged so that one event type touches few of them, and a change none but
/// its own.
#[derive(Clone, Debug, Default)]
pub struct PatternIndex {
    exact: HashMap<Arc<str>, Vec<u32>>,
    prefixes: ByPrefix<Vec<u32>>,
    /// By their text, each compiled once.
    globs: ByPrefix<BTreeMap<Arc<str>, Glob>>,
}

#[derive(Clone, Debug)]
struct Glob {
    compiled: glob::Pattern,
    targets: Vec<u32>,
}

/// Values by literal prefix, looked up for all prefixes of a text at once.
#[derive(Clone, Debug)]
struct ByPrefix<T> {
    values: HashMap<Box<str>, T>,
    /// How many keys there are of each length: only these need a look-up.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for ByPrefix<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), lengths: BTreeMap::new() }
    }
}

impl<T: Default> ByPrefix<T> {
    fn entry(&mut self, prefix: &str) -> &mut T {
        if !self.values.contains_key(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        self.values.entry(prefix.into()).or_default()
    }

    /// Changes the value under a prefix, and lets go of it if nothing is left.
    fn reduce(&mut self, prefix: &str, change: impl FnOnce(&mut T), is_empty: impl FnOnce(&T) -> bool) {
        let Some(value) = self.values.get_mut(prefix) else { return };
        change(value);
        if !is_empty(value) {
            return;
        }
        self.values.remove(prefix);
        if let Some(keys) = self.lengths.get_mut(&prefix.len()) {
            *keys -= 1;
            if *keys == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    fn of<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a T> {
        self.lengths
            .keys()
            .map_while(|length| text.get(..*length))
            .filter_map(|prefix| self.values.get(prefix))
    }
}

impl PatternIndex {
    /// An index over patterns and what each leads to; a number may have several patterns.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, u32)>) -> Self {
        let mut index = Self::default();
        patterns.into_iter().for_each(|(pattern, target)| index.insert(&pattern, target));
        index
    }

    /// Has a pattern lead to a number.
    pub fn insert(&mut self, pattern: &Pattern, target: u32) {
        let targets = match pattern.shape {
            Shape::Exact => self.exact.entry(pattern.text.clone()).or_default(),
            Shape::Prefix => self.prefixes.entry(pattern.literal()),
            Shape::Glob => {
                let globs = self.globs.entry(pattern.literal()).entry(pattern.text.clone());
                &mut globs
                    .or_insert_with(|| Glob { compiled: pattern.compiled(), targets: Vec::new() })
                    .targets
            }
        };
        targets.push(target);
    }

    /// Takes one such lead away again.
    pub fn remove(&mut self, pattern: &Pattern, target: u32) {
        match pattern.shape {
            Shape::Exact => {
                if let Some(targets) = self.exact.get_mut(&pattern.text) {
                    take(targets, target);
                    if targets.is_empty() {
                        self.exact.remove(&pattern.text);
                    }
                }
            }
            Shape::Prefix => {
                self.prefixes.reduce(pattern.literal(), |targets| take(targets, target), Vec::is_empty);
            }
            Shape::Glob => {
                let take_from = |globs: &mut BTreeMap<Arc<str>, Glob>| {
                    if let Some(glob) = globs.get_mut(&pattern.text) {
                        take(&mut glob.targets, target);
                        if glob.targets.is_empty() {
                            globs.remove(&pattern.text);
                        }
                    }
                };
                self.globs.reduce(pattern.literal(), take_from, BTreeMap::is_empty);
            }
        }
    }

    /// What the patterns that match an event type lead to: ascending, each number once.
    pub fn matches(&self, event_type: &str) -> Vec<u32> {
        let mut found = self.exact.get(event_type).cloned().unwrap_or_default();
        for targets in self.prefixes.of(event_type) {
            found.extend_from_slice(targets);
        }
        for glob in self.globs.of(event_type).flat_map(BTreeMap::values) {
            if glob.compiled.matches(event_type) {
                found.extend_from_slice(&glob.targets);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn take(targets: &mut Vec<u32>, target: u32) {
    if let Some(at) = targets.iter().position(|one| *one == target) {
        targets.swap_remove(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn a_star_spans_dots_and_needs_what_stands_before_it() {
        for (text, taken, refused) in [
            (
                "cases.*",
                &["cases.created", "cases.tasks.created"][..],
                &["cases", "case.created", "assignments.created"][..],
            ),
            ("cases.created", &["cases.created"], &["cases.created.x", "cases", "Cases.created"]),
            ("*", &["a", "a.b.c"], &[]),
            ("**", &["a", "a.b.c"], &[]),
            ("*.created", &["cases.created", "cases.tasks.created"], &["created", "cases.createdx"]),
            ("cases.*.created", &["cases.tasks.created", "cases.a.b.created"], &["cases.created"]),
            ("v?.[ab].[!c]", &["v1.a.b", "v2.b.d"], &["v1.c.b", "v1.a.c", "v.a.b"]),
        ] {
            for name in taken {
                assert!(pattern(text).matches(name), "{text} takes {name}");
            }
            for name in refused {
                assert!(!pattern(text).matches(name), "{text} does not take {name}");
            }
        }
    }

    #[test]
    fn what_can_never_match_is_refused_with_its_offset() {
        for (text, offset) in [
            ("cases.**", 5),
            ("cases**", 4),
            ("***", 2),
            ("cases.[ab", 6),
            ("[", 0),
            ("cases/created", 5),
            ("cases.{created,closed}", 6),
            ("cases created", 5),
            ("fälle.*", 1),
            ("cases.]", 6),
            ("cases.[a b]", 8),
            ("cases.[]]", 8),
            (".created", 0),
            ("cases..created", 6),
            ("cases.", 5),
            ("cases.\u{0}", 6),
        ] {
            let message = Pattern::new(text).expect_err(text).to_string();
            assert!(message.contains(&format!("at offset {offset}:")), "{text}: {message}");
        }
        assert!(Pattern::new("").is_err());
        assert!(Pattern::new(&"a".repeat(limits::PATTERN_BYTES_MAX)).is_ok());
        assert!(Pattern::new(&"a".repeat(limits::PATTERN_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_pattern_is_stored_as_its_text_and_checked_when_read() {
        let json = serde_json::to_string(&pattern("cases.*")).unwrap();
        assert_eq!(json, r#""cases.*""#);
        assert_eq!(serde_json::from_str::<Pattern>(&json).unwrap(), pattern("cases.*"));
        assert!(serde_json::from_str::<Pattern>(r#""cases.[""#).is_err());
    }

    #[test]
    fn overlapping_patterns_of_one_target_give_it_once_and_in_order() {
        let index = PatternIndex::new(
            [("cases.*", 9), ("*", 2), ("cases.created", 9), ("*.created", 9), ("c*d", 1), ("tasks.*", 3)]
                .map(|(text, target)| (pattern(text), target)),
        );
        assert_eq!(index.matches("cases.created"), [1, 2, 9]);
        assert_eq!(index.matches("fälle"), [2]);
        assert_eq!(index.matches(""), [2]);
    }

    /// Names and patterns over a tiny alphabet, so that most patterns match something.
    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}", 1..4).prop_map(|segments| segments.join("."))
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_glob_itself(
            texts in proptest::collection::vec(r"(\*\*|[ab.*?]{1,7}|[ab]{1,2}\.[ab]{0,2}\*?|[ab.*]{0,3}\[!?[ab]\][ab.*]{0,3})", 0..24),
            gone in proptest::collection::vec(r"[ab.*?]{1,5}", 0..8),
            names in proptest::collection::vec(name(), 1..12),
        ) {
            let patterns: Vec<_> =
                texts.iter().filter_map(|text| Pattern::new(text).ok()).zip((0..8).cycle()).collect();
            let mut index = PatternIndex::new(patterns.clone());
            // What was there and is gone leaves no trace.
            let gone: Vec<_> = gone.iter().filter_map(|text| Pattern::new(text).ok()).zip((0..8).cycle()).collect();
            gone.iter().for_each(|(pattern, target)| index.insert(pattern, *target));
            gone.iter().for_each(|(pattern, target)| index.remove(pattern, *target));
            for name in names {
                let mut expected: Vec<u32> = patterns
                    .iter()
                    .filter(|(pattern, _)| glob::Pattern::new(pattern.as_str()).unwrap().matches(&name))
                    .map(|(_, target)| *target)
                    .collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(index.matches(&name), expected, "{}", name);
                for (pattern, _) in &patterns {
                    let glob = glob::Pattern::new(pattern.as_str()).unwrap();
                    prop_assert_eq!(pattern.matches(&name), glob.matches(&name), "{} {}", pattern, name);
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", name in ".{0,20}") {
            if let Ok(pattern) = Pattern::new(&text) {
                PatternIndex::new([(pattern, 0)]).matches(&name);
            }
        }
    }
}
