//! Headers as they are written on the wire, line behind line in one piece of memory: a delivery makes no string for
//! each name and each value.

use std::fmt;

/// Bytes that hold the lines of most requests.
const LINES_BYTES: usize = 512;

/// Headers that frame a message or belong to its connection. Whoever sends them writes them, and nobody else.
const FRAMING: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "te",
    "trailer",
    "proxy-authorization",
];

/// Headers of a request in order, in the letters in which they are sent, each a line that ends with CR LF.
///
/// Whatever is added, the lines are headers and nothing else: one that would be more than itself is not among them, and
/// [`HeaderLines::refused`] tells of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderLines {
    /// Visible ASCII and ends of lines.
    lines: Vec<u8>,
    says_type: bool,
    says_agent: bool,
    refused: Option<Box<str>>,
}

impl HeaderLines {
    /// No lines, with room for those of most requests.
    pub fn with_room() -> Self {
        Self { lines: Vec::with_capacity(LINES_BYTES), ..Self::default() }
    }

    /// Adds a line.
    pub fn add(&mut self, name: &str, value: &str) {
        self.add_with(name, |line| {
            line.extend_from_slice(value.as_bytes());
            true
        });
    }

    /// Adds a line whose value is what `write` appends; none if it says false.
    pub(super) fn add_with(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let begin = self.lines.len();
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.extend_from_slice(b": ");
        let value = self.lines.len();
        let is_there = write(&mut self.lines);
        let is_sound = is_token(name) && is_visible(&self.lines[value..]) && !is_framing(name);
        if is_there && is_sound {
            self.lines.extend_from_slice(b"\r\n");
            self.says_type |= is_named(name, "content-type");
            self.says_agent |= is_named(name, "user-agent");
            return;
        }
        self.lines.truncate(begin);
        if is_there && self.refused.is_none() {
            self.refused = Some(name.into());
        }
    }

    /// Adds the lines of another one.
    pub fn extend(&mut self, other: &Self) {
        self.lines.extend_from_slice(&other.lines);
        self.says_type |= other.says_type;
        self.says_agent |= other.says_agent;
        if self.refused.is_none() {
            self.refused.clone_from(&other.refused);
        }
    }

    /// The lines, each with its end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.lines
    }

    /// As [`HeaderLines::as_bytes`], for people and tests.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.lines).expect("they are visible ASCII")
    }

    /// The name of a header that was added and cannot be sent, the first if there are several: it is no token, it frames
    /// the message, or its value is not visible ASCII.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split_terminator("\r\n").filter_map(|line| line.split_once(": "))
    }

    /// Whether `Content-Type` is among them, in whatever letters.
    pub fn says_type(&self) -> bool {
        self.says_type
    }

    /// Whether `User-Agent` is among them, in whatever letters.
    pub fn says_agent(&self) -> bool {
        self.says_agent
    }

    /// Names and values for those who keep them one by one.
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for HeaderLines {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut lines = Self::default();
        pairs.into_iter().for_each(|(name, value)| lines.add(name, value));
        lines
    }
}

// The values may hold a secret, or an operator's credentials.
impl fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// What bytes a header's name can be made of (RFC 9110, 5.6.2).
const TOKEN_BYTES: [bool; 256] = {
    let (mut table, others, mut byte) = ([false; 256], b"!#$%&'*+-.^_`|~", 0);
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a text is a token (RFC 9110, 5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| TOKEN_BYTES[usize::from(byte)])
}

/// Whether a text can stand in a header (RFC 9110, 5.5) and means the same to everyone: no obs-text.
pub fn is_visible(value: &[u8]) -> bool {
    let is_fit = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let (words, rest) = value.as_chunks::<8>();
    words.iter().all(|word| is_plain(*word) || is_fit(word)) && is_fit(rest)
}

/// Whether all of these are printable ASCII, at a look. May say no where a tab stands, or beside what is wrong.
fn is_plain(bytes: [u8; 8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_ne_bytes(bytes);
    // The high bit of a byte: it was there, or came by a subtraction from less than a space, or from none but DEL.
    let above = word | word.wrapping_sub(EACH * 0x20) | (word ^ (EACH * 0x7f)).wrapping_sub(EACH);
    above & (EACH * 0x80) == 0
}

/// Whether nobody but the sender sets a header of this name.
pub(super) fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|own| is_named(name, own))
}

/// Whether a header has a name, given in lower case, in whatever letters. Most differ in length or at their first letter.
#[inline]
fn is_named(name: &str, wanted: &str) -> bool {
    let first = |name: &str| name.as_bytes().first().map(|byte| byte | 0x20);
    name.len() == wanted.len() && first(name) == first(wanted) && name.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_stand_in_order_in_their_letters() {
        let lines: HeaderLines = [("X-B", "1"), ("a", ""), ("X-B", "a b")].into_iter().collect();
        assert_eq!(lines.as_str(), "X-B: 1\r\na: \r\nX-B: a b\r\n");
        assert_eq!(lines.refused(), None);
        assert_eq!(lines.iter().collect::<Vec<_>>(), [("X-B", "1"), ("a", ""), ("X-B", "a b")]);
        assert!(!lines.says_type() && !lines.says_agent());
        let lines: HeaderLines = [("CONTENT-type", "a"), ("user-Agent", "b")].into_iter().collect();
        assert!(lines.says_type() && lines.says_agent());
    }

    #[test]
    fn a_line_whose_value_is_absent_is_not_there() {
        let mut lines = HeaderLines::with_room();
        lines.add_with("a", |value| {
            value.extend_from_slice(b"half of it");
            false
        });
        assert_eq!((lines.as_str(), lines.refused()), ("", None));
    }

    #[test]
    fn what_frames_the_message_is_refused() {
        for name in ["Host", "content-LENGTH", "te", "", "a b", "a:", "é"] {
            let lines: HeaderLines = [("a", "1"), (name, "1"), ("b", "1\r\nc: 2")].into_iter().collect();
            assert_eq!((lines.as_str(), lines.refused()), ("a: 1\r\n", Some(name)));
        }
    }

    proptest! {
        #[test]
        fn a_look_at_eight_bytes_sees_what_a_look_at_each_does(
            value in proptest::collection::vec(prop_oneof![8 => b' '..=b'~', 1 => any::<u8>(), 1 => Just(b'\t')], 0..40)
        ) {
            let each = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
            prop_assert_eq!(is_visible(&value), each);
        }

        #[test]
        fn whatever_is_added_is_one_line_or_none(name: String, value: String) {
            let lines: HeaderLines = [(&*name, &*value)].into_iter().collect();
            let count = lines.as_str().matches('\n').count() + lines.as_str().matches('\r').count();
            prop_assert_eq!(count, if lines.refused().is_some() { 0 } else { 2 });
            prop_assert!(lines.iter().all(|(one, other)| one == name && other == value));
        }
    }
}
