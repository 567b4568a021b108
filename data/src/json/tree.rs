//! JSON as a tree that can be compared: as it is worth, whatever it looks like.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Number, Scan, text};

/// A value. Two are equal if JSON Schema calls them so: 1 and 1.0 are, objects are whatever the order of their members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tree<'a> {
    Null,
    Bool(bool),
    Number(Number),
    /// In UTF-8, but for halves of surrogate pairs.
    Text(Cow<'a, [u8]>),
    Array(Vec<Tree<'a>>),
    /// Of a name that comes twice, the last.
    Object(BTreeMap<Cow<'a, [u8]>, Tree<'a>>),
}

impl<'a> Tree<'a> {
    /// Reads a text that is valid JSON and nests no deeper than what is taken in.
    pub(crate) fn of(json: &'a [u8]) -> Self {
        Self::read(&mut Scan { json, at: 0 })
    }

    fn read(scan: &mut Scan<'a>) -> Self {
        scan.space();
        let start = scan.at;
        match scan.peek() {
            Some(b'{') => {
                let mut members = BTreeMap::new();
                while let Some(name) = scan.next_name() {
                    members.insert(text(name), Self::read(scan));
                }
                Self::Object(members)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                while scan.next_element() {
                    items.push(Self::read(scan));
                }
                Self::Array(items)
            }
            first => {
                scan.skip();
                let json = &scan.json[start..scan.at];
                match first {
                    Some(b'"') => Self::Text(text(json)),
                    Some(b't') => Self::Bool(true),
                    Some(b'f') => Self::Bool(false),
                    Some(b'n') | None => Self::Null,
                    Some(_) => Self::Number(Number::of(str::from_utf8(json).unwrap_or_default())),
                }
            }
        }
    }

    /// How much there is to compare: values, and pieces of 64 bytes of long texts and numbers.
    pub(crate) fn weight(&self) -> usize {
        1 + match self {
            Self::Null | Self::Bool(_) => 0,
            Self::Number(number) => number.digits() / 64,
            Self::Text(text) => text.len() / 64,
            Self::Array(items) => items.iter().map(Tree::weight).sum(),
            Self::Object(members) => members.iter().map(|(name, it)| name.len() / 64 + it.weight()).sum(),
        }
    }

    /// The same, of a text of its own.
    pub(crate) fn into_owned(self) -> Tree<'static> {
        match self {
            Self::Null => Tree::Null,
            Self::Bool(value) => Tree::Bool(value),
            Self::Number(number) => Tree::Number(number),
            Self::Text(text) => Tree::Text(Cow::Owned(text.into_owned())),
            Self::Array(items) => Tree::Array(items.into_iter().map(Tree::into_owned).collect()),
            Self::Object(members) => Tree::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                    .collect(),
            ),
        }
    }
}
