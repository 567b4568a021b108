//! Patterns over event types, and an index that finds all that match without trying each.
//!
//! The only place that knows `glob`. Its semantics are the contract: `*` takes any number of
//! characters, dots among them, so `cases.*` takes `cases.created` and `cases.tasks.created`,
//! not `cases`; `?` takes one character and `[ab]` one of a set.
//!
//! One thing is not `glob`: [operational events](crate::operational) are taken only by patterns that begin with their
//! first segment, literally, so that `*` goes on to mean the host's own events.

mod index;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::index::PatternIndex;
use crate::{
    error::{Error, Result},
    limits,
    operational::{self, is_operational},
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
        if is_operational(event_type) && !self.text.starts_with(operational::PREFIX) {
            return false;
        }
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

    /// The segments without a metacharacter: everything that matches has each of them among its own, whole, for what
    /// stands on either side of it is a dot or an end.
    fn whole_segments(&self) -> impl Iterator<Item = &str> {
        let (mut in_set, mut is_first) = (false, false);
        let segments = self.text.split(move |character| {
            // As glob reads it: what comes first in a set, or first after its `!`, does not close it.
            match character {
                '[' if !in_set => (in_set, is_first) = (true, true),
                '!' if is_first => {}
                ']' if !is_first => in_set = false,
                _ => is_first = false,
            }
            // A dot in a set is one of its characters.
            character == '.' && !in_set
        });
        segments.filter(|segment| !segment.contains(['*', '?', '[', ']']))
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

#[cfg(test)]
mod tests {
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
    fn operational_events_are_for_patterns_that_name_them() {
        for text in
            ["casewire.*", "casewire.endpoint.failing", "casewire.*.failing", "casewire.e*", "casewire.[e]*"]
        {
            assert!(pattern(text).matches("casewire.endpoint.failing"), "{text}");
            assert!(!pattern(text).matches("casewired.endpoint.failing"), "{text}");
        }
        for text in ["*", "**", "casewire*", "c*.failing", "*.endpoint.failing", "?asewire.*", "[c]asewire.*"]
        {
            assert!(!pattern(text).matches("casewire.endpoint.failing"), "{text}");
            let host = "casewired.endpoint.failing";
            assert_eq!(
                pattern(text).matches(host),
                glob::Pattern::new(text).unwrap().matches(host),
                "{text}"
            );
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
}
