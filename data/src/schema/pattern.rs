//! A pattern, and what it costs to hold a text against it.

/// Bytes that a compiled pattern may take, as powers of two KiB: no text takes long, and cheap ones count as cheap.
const BYTES_MAX: [usize; 5] = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10];

/// See the module. Linear in the text, but each byte of it is held against every state of the pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: regex_lite::Regex,
    steps_per_byte: usize,
}

impl Pattern {
    /// Compiles it; the error says what is wrong, or that it is too large.
    pub(super) fn new(text: &str) -> Result<Self, regex_lite::Error> {
        let mut compiled = Self::within(text, BYTES_MAX[0]);
        for bytes_max in &BYTES_MAX[1..] {
            compiled = compiled.or_else(|_| Self::within(text, *bytes_max));
        }
        compiled
    }

    fn within(text: &str, bytes_max: usize) -> Result<Self, regex_lite::Error> {
        let regex = regex_lite::RegexBuilder::new(text).size_limit(bytes_max).build()?;
        Ok(Self { regex, steps_per_byte: bytes_max >> 10 })
    }

    /// What a text of so many bytes costs at most.
    pub(super) fn steps(&self, text_bytes: usize) -> usize {
        (text_bytes + 1) * self.steps_per_byte
    }

    /// Whether a text matches anywhere.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}
