//! What stands beside a keyword: counts, names, types, schemas by name or in a list.

use super::{
    Name, Rule, Tree, Type,
    compile::{Compiler, below},
};
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
        let Some(mut types) = types else {
            let known = Type::ALL.map(|(name, _)| name).join(", ");
            self.refuse(at, format!("must be one or a list of {known}"));
            return None;
        };
        types.sort_unstable();
        types.dedup();
        Some(Rule::Types(types.into()))
    }

    pub(super) fn count(&mut self, at: &str, value: &Tree<'_>) -> u64 {
        let count = if let Tree::Number(number) = value { number.as_count() } else { None };
        count.unwrap_or_else(|| {
            self.refuse(at, "must be a whole number, 0 or more");
            0
        })
    }

    pub(super) fn names(&mut self, at: &str, value: &Tree<'_>) -> Box<[Name]> {
        let name = |it: &Tree<'_>| if let Tree::Text(text) = it { Some(Name::from(&**text)) } else { None };
        let names = if let Tree::Array(items) = value { items.iter().map(name).collect() } else { None };
        names.unwrap_or_else(|| {
            self.refuse(at, "must be a list of names");
            Box::default()
        })
    }

    /// The members of a keyword's object, ascending: name, place and value.
    pub(super) fn entries(&mut self, at: &str, value: &'t Tree<'t>) -> Vec<(Name, String, &'t Tree<'t>)> {
        let Tree::Object(members) = value else {
            self.refuse(at, "must be an object");
            return Vec::new();
        };
        members.iter().map(|(name, value)| (Name::from(&**name), below(at, name), value)).collect()
    }

    /// The schemas of a keyword's list, each with its place.
    pub(super) fn list(&mut self, at: &str, value: &'t Tree<'t>) -> Vec<(String, &'t Tree<'t>)> {
        match value {
            Tree::Array(items) if !items.is_empty() => {
                items.iter().enumerate().map(|(index, it)| (format!("{at}.{index}"), it)).collect()
            }
            _ => {
                self.refuse(at, "must be a list of one schema or more");
                Vec::new()
            }
        }
    }
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
