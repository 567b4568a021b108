//! The body of a response: where it ends, and its beginning, which is kept.

use casewire_data::limits::{RESPONSE_KEPT_BYTES_MAX, RESPONSE_READ_BYTES_MAX};

/// Digits of a chunk's size: as many as surely fit.
const SIZE_DIGITS_MAX: u8 = 15;

/// Where a body ends, counted down as it comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After that many bytes more.
    Length(u64),
    /// After the chunk that is empty and its trailers.
    Chunked(Chunk),
    /// Where the connection does.
    UntilClose,
}

impl Framing {
    /// A chunked body from its beginning.
    pub const fn chunked() -> Self {
        Self::Chunked(Chunk::Size { size: 0, digits: 0 })
    }
}

/// The place within a chunked body (RFC 9112, 7.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Among the digits of a size.
    Size { size: u64, digits: u8 },
    /// Behind them, before the line's end; extensions mean nothing here.
    Extension { size: u64 },
    /// Before that many bytes of data.
    Data { left: u64 },
    /// Behind the data, before the line end that follows it.
    DataEnd,
    /// In a trailer's line, which has some bytes or none yet.
    Trailer { empty: bool },
    /// Behind it all.
    End,
}

/// What a piece of a body came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// More is to follow.
    All,
    /// The body ended after that many bytes of the piece.
    End(usize),
    /// The framing is broken, or the end too far away: the connection is of no more use.
    Lost,
}

/// A body as it is read.
pub(super) struct Body {
    framing: Framing,
    read: usize,
    enough: usize,
}

impl Body {
    /// A body of which nothing has come.
    pub const fn new(framing: Framing) -> Self {
        // What will not be read to its end is read no further than it is kept.
        let enough = match framing {
            Framing::Length(length) if length > RESPONSE_READ_BYTES_MAX as u64 => RESPONSE_KEPT_BYTES_MAX,
            _ => RESPONSE_READ_BYTES_MAX,
        };
        Self { framing, read: 0, enough }
    }

    /// Whether its end is told by the connection's end alone.
    pub const fn is_unframed(&self) -> bool {
        matches!(self.framing, Framing::UntilClose)
    }

    /// Takes the next piece, and adds to `kept` what there is room for.
    pub fn take(&mut self, piece: &[u8], kept: &mut Vec<u8>) -> Taken {
        let taken = match &mut self.framing {
            Framing::Length(left) => {
                let used = data(left, piece, kept);
                if *left == 0 { Taken::End(used) } else { Taken::All }
            }
            Framing::Chunked(chunk) => chunks(chunk, piece, kept),
            Framing::UntilClose => {
                keep(piece, kept);
                Taken::All
            }
        };
        self.read += piece.len();
        if taken == Taken::All && self.read >= self.enough { Taken::Lost } else { taken }
    }
}

fn keep(bytes: &[u8], kept: &mut Vec<u8>) {
    let room = RESPONSE_KEPT_BYTES_MAX - kept.len();
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Takes what belongs to the data from the front of a piece; says how much that was.
fn data(left: &mut u64, piece: &[u8], kept: &mut Vec<u8>) -> usize {
    let used = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
    keep(&piece[..used], kept);
    *left -= used as u64;
    used
}

fn chunks(chunk: &mut Chunk, piece: &[u8], kept: &mut Vec<u8>) -> Taken {
    let mut at = 0;
    while let Some(&byte) = piece.get(at) {
        if let Chunk::Data { left } = chunk {
            at += data(left, &piece[at..], kept);
            if *left == 0 {
                *chunk = Chunk::DataEnd;
            }
            continue;
        }
        at += 1;
        match chunk.after(byte) {
            Some(Chunk::End) => return Taken::End(at),
            Some(next) => *chunk = next,
            None => return Taken::Lost,
        }
    }
    Taken::All
}

impl Chunk {
    /// The place after one more byte that is no data; none if that byte cannot stand there. Carriage returns
    /// are not insisted on.
    fn after(&self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (&Self::Size { size, digits: 1.. } | &Self::Extension { size }, b'\n') => match size {
                0 => Self::Trailer { empty: true },
                left => Self::Data { left },
            },
            (&Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t' | b'\r') => Self::Extension { size },
            (&Self::Size { size, digits: digits @ ..SIZE_DIGITS_MAX }, digit) => {
                let digit = char::from(digit).to_digit(16)?;
                Self::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (&Self::Extension { size }, _) => Self::Extension { size },
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::Trailer { empty: true }, b'\n') => Self::End,
            (&Self::Trailer { empty }, b'\r') => Self::Trailer { empty },
            (Self::Trailer { .. }, byte) => Self::Trailer { empty: byte == b'\n' },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes a text in pieces that end at some places; what it came to, and what was kept.
    fn take(framing: Framing, text: &[u8], ends: &[usize]) -> (Taken, Vec<u8>) {
        let (mut body, mut kept, mut from) = (Body::new(framing), Vec::new(), 0);
        for &end in ends.iter().chain([&text.len()]) {
            match body.take(&text[from..end], &mut kept) {
                Taken::All => from = end,
                Taken::End(used) => return (Taken::End(from + used), kept),
                Taken::Lost => return (Taken::Lost, kept),
            }
        }
        (Taken::All, kept)
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let chunked = [
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("003;name=\"v\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "abc0123456789"),
            ("1 \nx\n0\n\n", "x"),
        ];
        for (text, expected) in chunked {
            let all = format!("{text}HTTP/1.1 200 OK");
            let (taken, kept) = take(Framing::chunked(), all.as_bytes(), &[]);
            assert_eq!((taken, kept), (Taken::End(text.len()), expected.as_bytes().to_vec()), "{text:?}");
        }
        assert_eq!(take(Framing::Length(2), b"abc", &[]), (Taken::End(2), b"ab".to_vec()));
        assert_eq!(take(Framing::Length(0), b"", &[]), (Taken::End(0), vec![]));
        assert_eq!(take(Framing::UntilClose, b"abc", &[1]), (Taken::All, b"abc".to_vec()));
    }

    #[test]
    fn chunks_that_are_none_are_lost() {
        for text in ["\r\n", "x", "-1\r\n", "3\r\nabcd", ";\r\n", "11111111111111111\r\n"] {
            assert_eq!(take(Framing::chunked(), text.as_bytes(), &[]).0, Taken::Lost, "{text:?}");
        }
    }

    #[test]
    fn of_a_body_that_is_too_long_no_more_is_read() {
        let long = vec![b'x'; RESPONSE_READ_BYTES_MAX];
        for framing in [Framing::UntilClose, Framing::Length(10_000_000_000)] {
            let (taken, kept) = take(framing, &long, &[]);
            assert_eq!((taken, kept.len()), (Taken::Lost, RESPONSE_KEPT_BYTES_MAX));
        }
        let endless = [b"fffffff\r\n".to_vec(), long].concat();
        assert_eq!(take(Framing::chunked(), &endless, &[]).0, Taken::Lost);
        let (taken, _) = take(Framing::Length(10_000_000_000), &[b'x'; RESPONSE_KEPT_BYTES_MAX], &[]);
        assert_eq!(taken, Taken::Lost, "it will not be read to its end");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_a_body_comes(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..5),
            ends in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                text.extend([chunk.as_slice(), b"\r\n"].concat());
            }
            text.extend(b"0\r\n\r\nrest");
            let mut ends: Vec<_> = ends.iter().map(|end| end.index(text.len())).collect();
            ends.sort_unstable();
            let expected = (Taken::End(text.len() - 4), chunks.concat());
            prop_assert_eq!(take(Framing::chunked(), &text, &ends), expected);
        }
    }
}
