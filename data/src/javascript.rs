//! JSON as JavaScript writes it: the form for which `JSON.stringify(JSON.parse(body)) === body` holds.
//!
//! A receiver that verifies a signature over the body it parsed and wrote out again sees the signed bytes only if they
//! are in this form already. What defines it, all in ECMA-262 (2024): `JSON.parse` (25.5.1), `JSON.stringify` and its
//! `QuoteJSONString` (25.5.2), `Number::toString` (6.1.6.1.20) and the order of an object's keys,
//! `OrdinaryOwnPropertyKeys` (10.1.11.1).

mod number;
mod problem;
mod string;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::error::{Error, Result};
use problem::{Problem, Step};

/// How deep arrays and objects may lie inside each other.
pub const DEPTH_MAX: usize = 128;

/// Up to so many members an object's keys are compared each with each, beyond it they are sorted.
const COMPARED_MEMBERS_MAX: usize = 24;

/// Brings one JSON value to the form that JavaScript would give it, in one pass; borrows what is in that form already.
///
/// Spelling and white space change, and the place of keys such as `"7"`, which JavaScript puts first; a value never
/// does. Refused, with the path from `data` to the place and what to do about it: a number that JavaScript would
/// change, a key that is there twice, more than [`DEPTH_MAX`] levels, and what is not one JSON value in UTF-8.
pub fn canonical(json: &[u8]) -> Result<Cow<'_, [u8]>> {
    if let Err(error) = std::str::from_utf8(json) {
        return Err(Error::field("data", format!("is not UTF-8 at byte {}", error.valid_up_to())));
    }
    let mut pass = Pass { json, at: 0, out: Vec::new(), copied: 0, members: Vec::new() };
    pass.space();
    let read = pass.value(1).and_then(|()| pass.end());
    match read {
        Ok(()) if pass.copied == 0 => Ok(Cow::Borrowed(json)),
        Ok(()) => {
            pass.flush();
            Ok(Cow::Owned(pass.out))
        }
        Err(problem) => Err((*problem).into_error()),
    }
}

/// One pass over a text. What comes out is `out`, then the text from `copied` to `at`: as long as nothing differs,
/// nothing is copied.
struct Pass<'a> {
    json: &'a [u8],
    at: usize,
    out: Vec<u8>,
    copied: usize,
    /// The members so far of all objects around `at`, the innermost object's last.
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    /// As it comes out, without quotes. Equal keys have equal spellings.
    key: Cow<'a, [u8]>,
    /// [`Pass::reached`] where it begins.
    start: usize,
    /// See [`rank`].
    rank: u32,
}

impl<'a> Pass<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// How many bytes came out so far.
    fn reached(&self) -> usize {
        self.out.len() + self.at - self.copied
    }

    /// Lets `with` come out for the text from `from` to `at`.
    fn replace(&mut self, from: usize, with: &[u8]) {
        if &self.json[from..self.at] != with {
            self.out.extend_from_slice(&self.json[self.copied..from]);
            self.out.extend_from_slice(with);
            self.copied = self.at;
        }
    }

    fn flush(&mut self) {
        self.out.extend_from_slice(&self.json[self.copied..self.at]);
        self.copied = self.at;
    }

    fn malformed<T>(&self) -> Step<T> {
        Err(Problem::new(format!("is not valid JSON: byte {} is none that can stand there", self.at)))
    }

    #[inline]
    fn space(&mut self) {
        let from = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.at > from {
            self.replace(from, b"");
        }
    }

    fn end(&mut self) -> Step {
        if self.at == self.json.len() { Ok(()) } else { self.malformed() }
    }

    /// A value and the space behind it. `depth` is the level of what is in it, if it is an array or object.
    fn value(&mut self, depth: usize) -> Step {
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{' | b'[') if depth > DEPTH_MAX => {
                return Err(Problem::new(format!("lies deeper than {DEPTH_MAX} levels; send it flatter")));
            }
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return self.malformed(),
        }
        self.space();
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Step {
        if !self.json[self.at..].starts_with(word) {
            return self.malformed();
        }
        self.at += word.len();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Step {
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        for index in 0usize.. {
            self.value(depth + 1).map_err(|problem| problem.in_element(index))?;
            if self.take(b']') {
                break;
            }
            if !self.take(b',') {
                return self.malformed();
            }
            self.space();
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Step {
        let first = self.members.len();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.member(depth)?;
            if self.take(b'}') {
                break;
            }
            if !self.take(b',') {
                return self.malformed();
            }
            self.space();
        }
        let members = &self.members[first..];
        if let Some(key) = twice(members) {
            let message = "is there twice, and JavaScript would keep only the last; send each key once";
            return Err(Problem::new(message.into()).in_member(key));
        }
        if !members.is_sorted_by_key(|member| member.rank) {
            self.reorder(first);
        }
        self.members.truncate(first);
        Ok(())
    }

    /// A key, its value, and the space behind it.
    fn member(&mut self, depth: usize) -> Step {
        if self.peek() != Some(b'"') {
            return self.malformed();
        }
        let (from, start, copied) = (self.at, self.reached(), self.copied);
        self.string()?;
        let key = if self.copied == copied {
            Cow::Borrowed(&self.json[from + 1..self.at - 1])
        } else {
            self.flush();
            Cow::Owned(self.out[start + 1..self.out.len() - 1].to_vec())
        };
        let rank = rank(&key);
        let index = self.members.len();
        self.members.push(Member { key, start, rank });
        self.space();
        if !self.take(b':') {
            return self.malformed();
        }
        self.space();
        self.value(depth + 1).map_err(|problem| problem.in_member(&self.members[index].key))
    }

    /// Puts the members of an object that has just come to its end into JavaScript's order.
    fn reorder(&mut self, first: usize) {
        self.flush();
        let members = &self.members[first..];
        // A member ends where a comma or the closing brace stands.
        let ends = members[1..].iter().map(|next| next.start).chain([self.out.len()]);
        let mut ordered: Vec<_> = members.iter().zip(ends).collect();
        ordered.sort_by_key(|(member, _)| member.rank);
        let mut object = Vec::with_capacity(self.out.len() - members[0].start);
        for (member, end) in ordered {
            object.extend_from_slice(&self.out[member.start..end - 1]);
            object.push(b',');
        }
        object.pop();
        object.push(b'}');
        self.out.truncate(members[0].start);
        self.out.append(&mut object);
    }
}

/// Where a key comes in an object: array indices, 0 to 2^32 - 2 in their only spelling, in ascending order, then all
/// others as they were written.
fn rank(key: &[u8]) -> u32 {
    const INDEX_BYTES_MAX: usize = "4294967294".len();
    const OTHERS: u32 = u32::MAX;
    let index = match key {
        b"0" => true,
        [b'1'..=b'9', rest @ ..] => key.len() <= INDEX_BYTES_MAX && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !index {
        return OTHERS;
    }
    let value = key.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    value.try_into().unwrap_or(OTHERS)
}

/// The key of an object that is there twice.
fn twice<'k>(members: &'k [Member]) -> Option<&'k [u8]> {
    if members.len() <= COMPARED_MEMBERS_MAX {
        let mut pairs = members.iter().enumerate();
        return pairs.find_map(|(index, member)| {
            members[..index].iter().find(|earlier| earlier.key == member.key).map(|it| &*it.key)
        });
    }
    let mut keys: Vec<&[u8]> = members.iter().map(|member| &*member.key).collect();
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
