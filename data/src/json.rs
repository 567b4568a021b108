//! JSON as it was written, read without what a general reader would change: numbers keep all their digits, and what is
//! not asked for is not read.
//!
//! What is read here was checked to be JSON. Were it none, less would be found in it; nothing else.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Visitor};

pub(crate) use self::{number::Number, tree::Tree};

mod number;
mod tree;

/// The characters of a string with its quotation marks.
pub(crate) fn text(json: &[u8]) -> Cow<'_, [u8]> {
    if !json.contains(&b'\\') {
        return Cow::Borrowed(json.get(1..json.len() - 1).unwrap_or_default());
    }
    serde_json::from_slice(json).map(|Bytes(text)| Cow::Owned(text)).unwrap_or_default()
}

/// A string's characters as bytes: half of a surrogate pair is no character, and must not hide what stands around it.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsBytes;
        impl Visitor<'_> for AsBytes {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Bytes(bytes.to_owned()))
            }
        }
        deserializer.deserialize_bytes(AsBytes)
    }
}

/// A way through JSON.
pub(crate) struct Scan<'a> {
    /// All of it.
    pub(crate) json: &'a [u8],
    /// How far it has come.
    pub(crate) at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// At the bracket that begins an object or an array, or behind one of what it holds: goes to the next of it. Tells
    /// whether there is one; if not, it stands behind the object or array.
    pub(crate) fn next_element(&mut self) -> bool {
        self.space();
        let before = self.peek();
        self.at = self.json.len().min(self.at + 1);
        if !matches!(before, Some(b'{' | b'[' | b',')) {
            return false;
        }
        self.space();
        let is_empty = matches!(self.peek(), Some(b'}' | b']'));
        self.at += usize::from(is_empty);
        !is_empty && self.peek().is_some()
    }

    /// As [`Scan::next_element`], of an object: the next name, with its quotation marks, and to what it names.
    pub(crate) fn next_name(&mut self) -> Option<&'a [u8]> {
        if !self.next_element() {
            return None;
        }
        let start = self.at;
        self.skip();
        let name = &self.json[start..self.at];
        self.space();
        self.at = self.json.len().min(self.at + 1);
        self.space();
        name.starts_with(b"\"").then_some(name)
    }

    /// The elements of an array, from the bracket that begins it.
    pub(crate) fn elements(mut self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || {
            let start = self.next_element().then_some(self.at)?;
            self.skip();
            Some(&self.json[start..self.at])
        })
    }

    /// Goes behind a value, however deep it is.
    pub(crate) fn skip(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                // What the value stands in ends with it.
                b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at = self.json.len().min(self.at + 1),
                _ => {}
            }
        }
    }
}
