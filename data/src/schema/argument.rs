//! What stands beside a keyword: counts, names, patterns, types.

use std::borrow::Cow;

use super::{Rule, Tree, Type, compile::Compiler, pattern::Pattern};
use crate::limits;

impl<'t> Compiler<'t> {
    pub(super) fn types(&mut self, at: &str, value: &Tree<'_>) -> Option<Rule> {
        let named = |it: &Tree<'_>| match it {
            Tree::Text(text) => {
                Type::ALL.iter().find(|(name, _)| name.as_bytes() == &**text).map(|(_, one)| *one)
            }
            _ => None,
        };
        let types: Option<Vec<_>> = match value {
            Tree::Array(all) if !all.is_empty() => all.iter().map(named).collect(),
            one => named(one).map(|one| vec![one]),
        };
        if types.is_none() {
            let known = Type::ALL.map(|(name, _)| name).join(", ");
            self.refuse(at, format!("must be one or a list of {known}"));
        }
        types.map(|types| Rule::Types(types.into()))
    }

    pub(super) fn pattern(&mut self, at: &str, value: &Tree<'_>) -> Option<Pattern> {
        match value {
            Tree::Text(text) => self.regex(at, &String::from_utf8_lossy(text)),
            _ => {
                self.refuse(at, "must be a string");
                None
            }
        }
    }

    pub(super) fn regex(&mut self, at: &str, text: &str) -> Option<Pattern> {
        let refuse = |error| self.refuse(at, format!("is a pattern that cannot be used: {error}"));
        Pattern::new(text).map_err(refuse).ok()
    }

    pub(super) fn count(&mut self, at: &str, value: &Tree<'_>) -> u64 {
        let Tree::Number(number) = value else {
            self.refuse(at, "must be a whole number, 0 or more");
            return 0;
        };
        number.as_count().unwrap_or_else(|| {
            self.refuse(at, "must be a whole number, 0 or more");
            0
        })
    }

    pub(super) fn names(&mut self, at: &str, value: &Tree<'_>) -> Box<[Box<str>]> {
        let name = |it: &Tree<'_>| match it {
            Tree::Text(text) => Some(String::from_utf8_lossy(text).into()),
            _ => None,
        };
        let names = match value {
            Tree::Array(items) => items.iter().map(name).collect(),
            _ => None,
        };
        names.unwrap_or_else(|| {
            self.refuse(at, "must be a list of names");
            Box::default()
        })
    }

    /// The members of a keyword's object, ascending: name, place and value.
    pub(super) fn entries(&mut self, at: &str, value: &'t Tree<'t>) -> Vec<(Box<str>, String, &'t Tree<'t>)> {
        let Tree::Object(members) = value else {
            self.refuse(at, "must be an object");
            return Vec::new();
        };
        let entry = |(name, value): (&Cow<'_, [u8]>, &'t Tree<'t>)| {
            let name = String::from_utf8_lossy(name);
            (name.as_ref().into(), format!("{at}/{}", escape(&name)), value)
        };
        members.iter().map(entry).collect()
    }
}

/// A name as a step of a JSON Pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A value as an error shows it.
pub(super) fn show(value: &Tree<'_>) -> String {
    match value {
        Tree::Null => "null".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Number(number) => limits::shorten(&number.to_string()),
        Tree::Text(text) => format!("\"{}\"", limits::shorten(&String::from_utf8_lossy(text))),
        Tree::Array(_) => "an array".to_owned(),
        Tree::Object(_) => "an object".to_owned(),
    }
}
