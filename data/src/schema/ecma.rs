//! Patterns as JSON Schema has them, which are those of ECMA-262, written as the regex crates read them: many are the same,
//! and some would be read as something else without anybody noticing.
//!
//! Groups capture nothing, as nobody asks what they matched.

use std::{fmt::Write, str::Chars};

/// What `\s` is, as the inside of a class: white space and line terminators (ECMA-262, 12.2 and 12.3).
const SPACE: &str =
    r"\x09-\x0d\x20\xa0\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";
/// All else.
const NO_SPACE: &str = r"\x00-\x08\x0e-\x1f\x21-\x9f\u{a1}-\u{167f}\u{1681}-\u{1fff}\u{200b}-\u{2027}\u{202a}-\u{202e}\u{2030}-\u{205e}\u{2060}-\u{2fff}\u{3001}-\u{fefe}\u{ff00}-\u{10ffff}";
/// `.`: all but line terminators.
const DOT: &str = r"[^\n\r\u{2028}\u{2029}]";
const UNFINISHED: &str = "ends within an escape";

/// A pattern as `regex_lite` reads it. The error says what of it cannot be used, and what to do.
pub(super) fn rewritten(pattern: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(2 * pattern.len()), pattern.chars());
    while let Some(character) = rest.next() {
        match character {
            '.' => out.push_str(DOT),
            '[' => class(&mut rest, &mut out)?,
            '(' => group(&mut rest, &mut out)?,
            '\\' => match rest.clone().next() {
                // In a group, since `\b{start}` is something else there.
                Some(edge @ ('b' | 'B')) => {
                    rest.next();
                    let _ = write!(out, "(?:\\{edge})");
                }
                _ => match Atom::escaped(&mut rest)? {
                    Atom::One(one) => literal(one, &mut out),
                    Atom::Set(set) => {
                        let _ = write!(out, "[{set}]");
                    }
                },
            },
            other => out.push(other),
        }
    }
    Ok(out)
}

/// What begins with a parenthesis.
fn group(rest: &mut Chars<'_>, out: &mut String) -> Result<(), String> {
    out.push_str("(?:");
    let text = rest.as_str();
    if let Some(inside) = text.strip_prefix("?:") {
        *rest = inside.chars();
    } else if ["?=", "?!", "?<=", "?<!"].iter().any(|look| text.starts_with(look)) {
        return Err(
            "looks around itself with (?=…), (?!…), (?<=…) or (?<!…), which is not supported; say it with \
                    `allOf`, `not` or another pattern"
                .to_owned(),
        );
    } else if let Some(named) = text.strip_prefix("?<") {
        let (_, inside) =
            named.split_once('>').ok_or("has a group whose name does not end; write (?<name>…)")?;
        *rest = inside.chars();
    } else if text.starts_with('?') {
        return Err(
            "has a group that ECMA-262 does not have, like (?i) or (?P<name>…); spell out what is meant, \
                    [aA] for either case"
                .to_owned(),
        );
    }
    Ok(())
}

/// What begins with a bracket. A bracket within it is one like any other character.
fn class(rest: &mut Chars<'_>, out: &mut String) -> Result<(), String> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut inside = String::new();
    loop {
        let first = match rest.next().ok_or("has a class that does not end; close it with ]")? {
            ']' => break,
            '\\' => Atom::escaped_in_class(rest)?,
            other => Atom::One(other),
        };
        let mut ahead = rest.clone();
        let is_range = ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None);
        match first {
            Atom::One(start) if is_range => {
                rest.next();
                let end = match rest.next() {
                    Some('\\') => Atom::escaped_in_class(rest)?,
                    other => Atom::One(other.ok_or(UNFINISHED)?),
                };
                literal(start, &mut inside);
                match end {
                    Atom::One(end) if start <= end => inside.push('-'),
                    Atom::One(_) => return Err("has a range whose end comes first, like [z-a]".to_owned()),
                    // Then `-` is itself.
                    Atom::Set(_) => literal('-', &mut inside),
                }
                end.put(&mut inside);
            }
            one => one.put(&mut inside),
        }
    }
    let _ = match (inside.is_empty(), negated) {
        (false, false) => write!(out, "[{inside}]"),
        (false, true) => write!(out, "[^{inside}]"),
        // Nothing, and anything.
        (true, false) => write!(out, r"[^\x00-\u{{10ffff}}]"),
        (true, true) => write!(out, r"[\x00-\u{{10ffff}}]"),
    };
    Ok(())
}

/// One character, or a set of them as the inside of a class.
enum Atom {
    One(char),
    Set(&'static str),
}

impl Atom {
    fn put(&self, out: &mut String) {
        match self {
            Self::One(one) => literal(*one, out),
            Self::Set(set) => out.push_str(set),
        }
    }

    fn escaped_in_class(rest: &mut Chars<'_>) -> Result<Self, String> {
        if rest.as_str().starts_with('b') {
            rest.next();
            return Ok(Self::One('\x08'));
        }
        Self::escaped(rest)
    }

    /// What comes behind a backslash.
    fn escaped(rest: &mut Chars<'_>) -> Result<Self, String> {
        let one = rest.next().ok_or(UNFINISHED)?;
        Ok(match one {
            'd' => Self::Set(r"\d"),
            'D' => Self::Set(r"\D"),
            'w' => Self::Set(r"\w"),
            'W' => Self::Set(r"\W"),
            's' => Self::Set(SPACE),
            'S' => Self::Set(NO_SPACE),
            't' => Self::One('\t'),
            'n' => Self::One('\n'),
            'v' => Self::One('\x0b'),
            'f' => Self::One('\x0c'),
            'r' => Self::One('\r'),
            '0' if !rest.as_str().starts_with(|next: char| next.is_ascii_digit()) => Self::One('\0'),
            'c' => Self::One(control(rest)?),
            'x' => Self::One(char::from_u32(hex(rest, 2)?).ok_or(UNFINISHED)?),
            'u' => Self::One(code_point(rest)?),
            'p' | 'P' => {
                let message = "names characters by a Unicode property, which is not supported; list them, like [A-Za-zÀ-ÿ]";
                return Err(message.to_owned());
            }
            '0'..='9' | 'k' => {
                return Err(
                    "refers back to a group, which is not supported; repeat what it matches".to_owned()
                );
            }
            other if other.is_ascii_alphabetic() => {
                return Err(format!(
                    "has the escape \\{other}, which ECMA-262 does not know; leave out the backslash"
                ));
            }
            other => Self::One(other),
        })
    }
}

/// A character that means itself, wherever it stands.
fn literal(one: char, out: &mut String) {
    let _ = write!(out, "\\u{{{:x}}}", u32::from(one));
}

fn control(rest: &mut Chars<'_>) -> Result<char, String> {
    let letter = rest.next().filter(char::is_ascii_alphabetic);
    let letter = letter.ok_or("has \\c without a letter; write it like \\cM")?;
    Ok(char::from(letter as u8 & 0x1f))
}

fn hex(rest: &mut Chars<'_>, digits: usize) -> Result<u32, String> {
    let text = rest.as_str();
    let digits = text.get(..digits).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
    let digits = digits.ok_or("has \\x or \\u without its digits; write it like \\x41 or \\u0041")?;
    *rest = text[digits.len()..].chars();
    u32::from_str_radix(digits, 16).map_err(|error| error.to_string())
}

/// What comes behind `\u`: digits in braces, four digits, or twice four for the halves of a surrogate pair.
fn code_point(rest: &mut Chars<'_>) -> Result<char, String> {
    let number = match rest.as_str().strip_prefix('{') {
        Some(inside) => {
            let (digits, behind) = inside.split_once('}').ok_or(UNFINISHED)?;
            *rest = behind.chars();
            u32::from_str_radix(digits, 16).unwrap_or(u32::MAX)
        }
        None => match hex(rest, 4)? {
            high @ 0xd800..0xdc00 if rest.as_str().starts_with("\\u") => {
                *rest = rest.as_str()[2..].chars();
                match hex(rest, 4)? {
                    low @ 0xdc00..0xe000 => 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00),
                    _ => high,
                }
            }
            number => number,
        },
    };
    char::from_u32(number)
        .ok_or_else(|| "names no character with \\u; write it like \\u0041 or \\u{1F600}".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let rewritten = rewritten(pattern).unwrap_or_else(|error| panic!("{pattern} {error}"));
        regex_lite::Regex::new(&rewritten)
            .unwrap_or_else(|error| panic!("{rewritten} {error}"))
            .is_match(text)
    }

    #[test]
    fn a_pattern_means_what_ecma_262_says() {
        for (pattern, matching, others) in [
            (r"^\s$", &["\u{a0}", "\u{feff}", "\u{2003}", "\t"][..], &["x", "\u{200b}"][..]),
            (r"^[\s,]$", &["\u{3000}", ","], &["x"]),
            (r"^\S$", &["x", "é"], &["\u{a0}", "\n"]),
            (r"^[\s\S]$", &["\n", "\u{a0}", "x", "\u{1f600}"], &[""]),
            (r"^[^\S]$", &["\u{a0}"], &["x"]),
            ("^.$", &["x", "\u{85}", "\u{1f600}"], &["\n", "\r", "\u{2028}", "ab"]),
            (r"^\d\w$", &["1a"], &["١a", "1é"]),
            ("^[]a]", &[], &["]", "a", ""]),
            ("^[^]$", &["\n", "]"], &[""]),
            ("^[[:alpha:]]$", &["[]", "a]"], &["a", "b"]),
            ("^[[a&&b~~c]$", &["[", "&", "~", "c"], &["d"]),
            (r"^[\w-.]$", &["-", ".", "a"], &[","]),
            (r"^[a\]\-z]$", &["]", "-", "z"], &["b"]),
            (r"^[+--]$", &["+", ",", "-"], &["."]),
            (r"^\<\>\@\/\-\ $", &["<>@/- "], &["a"]),
            (r"\bcat\b", &["a cat"], &["concat"]),
            (r"^[\b]$", &["\x08"], &["b"]),
            (r"^\cM\x41\u0042\u{43}\uD83D\uDE00\0$", &["\rABC\u{1f600}\0"], &["ABC"]),
            (r"^(?<year>\d{4})-(?:a|(b))$", &["2024-a", "2024-b"], &["2024-c"]),
            ("^€{2}$", &["€€"], &["€"]),
        ] {
            for text in matching {
                assert!(matches(pattern, text), "{pattern} {text:?}");
            }
            for text in others {
                assert!(!matches(pattern, text), "{pattern} {text:?}");
            }
        }
    }

    #[test]
    fn what_would_mean_something_else_or_nothing_is_refused() {
        for pattern in [
            "(?i)a",
            "(?P<n>a)",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            r"\1",
            r"(a)\k<n>",
            r"\p{L}",
            r"\A",
            r"\z",
            r"\a",
            r"\U0041",
            r"\",
            "[a",
            r"[\",
            "[z-a]",
            r"\uD800",
            r"\u{110000}",
            r"\x4",
            r"\c1",
            "(?<n",
        ] {
            assert!(rewritten(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in r"[\[\]()\\^\-?<>{}bdsSwuxcp0-9aAé|*+.$,&~:=!]{0,16}", text in "[ab0 \\-]{0,6}") {
            let read = |it: String| regex_lite::RegexBuilder::new(&it).size_limit(1 << 16).build().ok();
            if let Some(regex) = rewritten(&pattern).ok().and_then(read) {
                regex.is_match(&text);
            }
        }
    }
}
