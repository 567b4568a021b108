//! Text with parts in it: `sha256=$signature`, `$id.$timestamp.$body`. `$$` is a dollar sign.

use std::borrow::Cow;

use super::{
    context::Context,
    file::Fault,
    header::is_value,
    part::{Part, Roots},
    value::{ShortText, Value},
};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(Box<str>),
    Part(Part),
}

impl Expression {
    /// Reads an expression in which the parts of `allowed` may be named.
    pub(super) fn parse(text: &str, allowed: Roots) -> Result<Self, Fault> {
        let (mut pieces, mut words, mut rest) = (Vec::new(), String::new(), text);
        while let Some(dollar) = rest.find('$') {
            words.push_str(&rest[..dollar]);
            let at = text.len() - rest.len() + dollar;
            rest = &rest[dollar + 1..];
            if let Some(literal) = rest.strip_prefix('$') {
                words.push('$');
                rest = literal;
                continue;
            }
            let (part, length) =
                Part::parse(rest, allowed).map_err(|fault| Fault::new(at + fault.at, fault.message))?;
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words).into()));
            }
            pieces.push(Piece::Part(part));
            rest = &rest[length..];
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words.into()));
        }
        Ok(Self { pieces })
    }

    /// The text; absent if a part is.
    pub(super) fn text<'a>(&'a self, context: &Context<'a>) -> Option<Cow<'a, str>> {
        if let [only] = &self.pieces[..] {
            return match only {
                Piece::Words(words) => Some(Cow::Borrowed(words)),
                Piece::Part(part) => part.value(context).map(Value::into_text),
            };
        }
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Part(part) => text.push_str(&part.value(context)?.into_text()),
            }
        }
        Some(text.into())
    }

    /// Appends the text; false if a part is absent, with some of it appended.
    pub(super) fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) -> bool {
        self.each(context, |bytes| out.extend_from_slice(bytes))
    }

    /// Hands the bytes on, piece by piece, without a copy of a body; false if a part is absent.
    pub(super) fn each(&self, context: &Context<'_>, mut take: impl FnMut(&[u8])) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Words(words) => {
                take(words.as_bytes());
                true
            }
            Piece::Part(part) => match part.value(context) {
                Some(Value::Bytes(bytes)) => {
                    take(bytes);
                    true
                }
                Some(Value::Short(text)) => {
                    take(text.as_bytes());
                    true
                }
                Some(Value::Integer(number)) => {
                    take(ShortText::of_number(number).as_bytes());
                    true
                }
                Some(value) => {
                    take(value.into_text().as_bytes());
                    true
                }
                None => false,
            },
        })
    }

    /// The parts that it names.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.pieces.iter().filter_map(|piece| if let Piece::Part(part) = piece { Some(part) } else { None })
    }

    /// Its text, if it names no part.
    pub(super) fn constant(&self) -> Option<&str> {
        match &self.pieces[..] {
            [] => Some(""),
            [Piece::Words(words)] => Some(words),
            _ => None,
        }
    }

    /// Whether its words can stand in a header's value; its parts are looked at when they are there.
    pub(super) fn is_header_value(&self) -> bool {
        let words = |piece: &Piece| match piece {
            Piece::Words(words) => words.to_string(),
            Piece::Part(_) => "x".to_owned(),
        };
        is_value(&self.pieces.iter().map(words).collect::<String>())
    }

    /// As it stands in the file.
    pub(super) fn written(&self) -> String {
        let mut written = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            // A dot or a colon goes on with a name only if more of a name follows, as where it is read.
            let goes_on = |next: &Piece| match next {
                Piece::Words(words) => is_word(words.strip_prefix(['.', ':']).unwrap_or(words)),
                Piece::Part(_) => false,
            };
            match piece {
                Piece::Words(words) => written.push_str(&words.replace('$', "$$")),
                Piece::Part(part) if self.pieces.get(at + 1).is_some_and(goes_on) => {
                    written.push_str(&format!("${{{}}}", part.name.trim_start_matches('$')));
                }
                Piece::Part(part) => written.push_str(&part.name),
            }
        }
        written
    }

    /// As a reader of an error sees it: `$type` for a part, words as they are.
    pub(super) fn shown(&self) -> String {
        let shown = |piece: &Piece| match piece {
            Piece::Words(words) => words.to_string(),
            Piece::Part(part) => part.field().to_owned(),
        };
        self.pieces.iter().map(shown).collect()
    }
}

/// The longest name at the beginning of a text. A dot or a colon belongs to it if more of a name follows.
pub(super) fn name_of(text: &str) -> &str {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let word_at = |at: usize| text.as_bytes()[at..].iter().take_while(|byte| word(byte)).count();
    let mut end = word_at(0);
    while text[end..].starts_with(['.', ':']) {
        match word_at(end + 1) {
            0 => break,
            more => end += 1 + more,
        }
    }
    &text[..end]
}

/// Whether a text begins with what can stand in a part's name.
fn is_word(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-'))
}
