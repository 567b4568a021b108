//! What a part comes to, and the formats that make another text of it.

use std::{borrow::Cow, fmt};

use crate::{
    id::EventId,
    signature::{hex, sha256},
};

/// What a part comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// JSON, as it was written.
    Json(&'a str),
    Text(Cow<'a, str>),
    /// Text as well, of the engine's own making.
    Short(ShortText),
    Integer(i64),
    /// A whole body. Whoever puts it into JSON has seen to it that it is JSON.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Appends it as JSON; what is JSON already byte for byte.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Text(text) => write_json(text, out),
            Self::Short(text) => write_json(text.as_str(), out),
            Self::Integer(number) => write_json(number, out),
        }
    }

    /// It as text: a JSON string without its quotes, anything else as it is written.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Json(json) => match serde_json::from_str::<String>(json) {
                Ok(text) => text.into(),
                Err(_) => json.into(),
            },
            Self::Text(text) => text,
            Self::Short(text) => text.as_str().to_owned().into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes),
        }
    }
}

/// A short text on the stack: an id, a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ShortText {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl ShortText {
    /// As long as the longest of them, an id of 26 characters behind its prefix.
    const BYTES_MAX: usize = 32;

    /// A number in decimal.
    pub(super) fn of_number(number: i64) -> Self {
        Self::of(itoa::Buffer::new().format(number))
    }

    /// An id as it is written everywhere.
    pub(super) fn of_id(id: EventId) -> Self {
        let mut digits = [0; ulid::ULID_LEN];
        Self::of(EventId::PREFIX).and(id.digits(&mut digits))
    }

    fn of(text: &str) -> Self {
        Self { bytes: [0; Self::BYTES_MAX], length: 0 }.and(text)
    }

    fn and(mut self, text: &str) -> Self {
        let end = self.length + text.len();
        self.bytes[self.length..end].copy_from_slice(text.as_bytes());
        self.length = end;
        self
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("it was written from text")
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Appends text or a number as JSON.
pub(super) fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("text and numbers are JSON, and a vector takes any bytes");
}

/// What is made of a text, one format after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// What stands before the first dot.
    Head,
    /// What stands behind the first dot; absent if there is none.
    Tail,
    Upper,
    Lower,
    /// SHA-256 in lower-case hex.
    Sha256,
}

const FORMATS: &[(&str, Format)] = &[
    ("head", Format::Head),
    ("tail", Format::Tail),
    ("upper", Format::Upper),
    ("lower", Format::Lower),
    ("sha256", Format::Sha256),
];

impl Format {
    /// The format of a name; the error lists those that there are.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| {
            FORMATS.iter().map(|(known, _)| format!(":{known}")).collect::<Vec<_>>().join(", ")
        })
    }

    /// What it makes of a value.
    pub(super) fn apply(self, value: Value<'_>) -> Option<Value<'_>> {
        if let (Self::Sha256, Value::Bytes(bytes)) = (self, &value) {
            return Some(Value::Text(hex(&sha256(bytes)).into()));
        }
        let text = value.into_text();
        let formatted = match self {
            Self::Head => text.split('.').next()?.to_owned(),
            Self::Tail => text.split_once('.')?.1.to_owned(),
            Self::Upper => text.to_uppercase(),
            Self::Lower => text.to_lowercase(),
            Self::Sha256 => hex(&sha256(text.as_bytes())),
        };
        Some(Value::Text(formatted.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_short_text_is_what_is_displayed(number: i64, id: u128) {
            let short = ShortText::of_number(number);
            prop_assert_eq!(short.as_str(), number.to_string());
            let id = crate::id::EventId::from_u128(id);
            let short = ShortText::of_id(id);
            prop_assert_eq!(short.as_str(), id.to_string());
        }
    }
}
