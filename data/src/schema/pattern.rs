//! A pattern, and what it costs to hold a text against it.

use std::{borrow::Cow, sync::Arc};

use super::ecma;

/// Bytes that a compiled pattern may take, as powers of two KiB: no text takes long, and cheap ones count as cheap.
const BYTES_MAX: [usize; 5] = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10];

/// See the module. Linear in the text, but each byte of it is held against every state of the pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As it was written.
    text: Arc<str>,
    regex: Arc<regex_lite::Regex>,
    /// Which it takes compiled, at most.
    bytes: usize,
}

impl Pattern {
    /// Compiles a pattern of ECMA-262; the error says what is wrong, or that it is too large.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        Self::compile(text, &ecma::rewritten(text)?)
    }

    /// Compiles one that was accepted once, when more than ECMA-262 was.
    pub(super) fn stored(text: &str) -> Result<Self, String> {
        Self::new(text).or_else(|_| Self::compile(text, text))
    }

    fn compile(text: &str, rewritten: &str) -> Result<Self, String> {
        let within = |bytes: usize| {
            let regex = regex_lite::RegexBuilder::new(rewritten).size_limit(bytes).build()?;
            Ok(Self { text: text.into(), regex: Arc::new(regex), bytes })
        };
        let mut compiled = within(BYTES_MAX[0]);
        for bytes in &BYTES_MAX[1..] {
            compiled = compiled.or_else(|_| within(*bytes));
        }
        compiled.map_err(|error: regex_lite::Error| error.to_string())
    }

    /// Bytes that it takes in memory, at most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a text of so many bytes costs at most.
    pub(super) fn steps(&self, text_bytes: usize) -> usize {
        (text_bytes + 1).saturating_mul(self.bytes >> 10)
    }

    /// Whether a text matches anywhere.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// A text's characters, each half of a surrogate pair as the one that stands for none.
pub(super) fn characters(text: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut whole = String::with_capacity(text.len());
            for chunk in text.utf8_chunks() {
                whole.push_str(chunk.valid());
                // A half is three bytes, each invalid by itself; the first tells of it.
                if chunk.invalid().first() == Some(&0xed) {
                    whole.push(char::REPLACEMENT_CHARACTER);
                }
            }
            Cow::Owned(whole)
        }
    }
}

/// How many characters a text has; half of a surrogate pair is one.
pub(super) fn count(text: &[u8]) -> u64 {
    text.iter().filter(|byte| (**byte & 0xc0) != 0x80).count() as u64
}
