//! A template of JSON, in which `$name` stands for a part of an event or of a message.
//!
//! ```text
//! { "id": $id, $type:head: $data, "by": { "name": $actor.name }, "title": "Case $resource.id" }
//! ```
//!
//! Keys come out in the order written, without white space. JSON is spliced in byte for byte. A part that is absent
//! leaves no key (absent is not null), and an object all of whose members are absent is absent too.

use serde::Deserialize;
use serde_json::value::{RawValue, Value as Json};

use super::{
    context::Context,
    expression::Expression,
    file::Fault,
    part::{Part, Roots},
    value::write_json,
};

/// How deep objects and lists of a template may nest.
const DEPTH_MAX: usize = 16;
/// Keys of one object.
const MEMBERS_MAX: usize = 1_000;

/// A template, compiled once; rendering it is a pure function of the context.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Object(Vec<Member>),
    List(Vec<Node>),
    /// JSON that is always the same.
    Constant(Box<[u8]>),
    /// A string with parts in it.
    Text(Expression),
    Part(Part),
}

#[derive(Clone, Debug, PartialEq)]
struct Member {
    key: Key,
    value: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// As it is written out, with quotes and colon.
    Constant(Box<[u8]>),
    Part(Part),
}

impl Template {
    /// Compiles a template in which the parts of `allowed` may be named.
    pub(super) fn compile(text: &str, allowed: Roots) -> Result<Self, Fault> {
        let mut parser = Parser { text, at: 0, allowed };
        let root = parser.node(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.wrong("the template ends before this; remove it"));
        }
        Ok(Self { root })
    }

    /// Appends its JSON and says so; appends nothing if it is absent.
    pub(super) fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) -> bool {
        self.root.write(context, out)
    }

    /// The part that is all of the template.
    pub(super) fn only_part(&self) -> Option<&Part> {
        if let Node::Part(part) = &self.root { Some(part) } else { None }
    }

    /// Whether what it renders is always an object, or whatever one part holds.
    pub(super) fn is_body(&self) -> bool {
        match &self.root {
            Node::Object(_) => true,
            Node::Part(part) => part.is_whole(),
            _ => false,
        }
    }

    /// Every part that it names.
    pub(super) fn parts(&self) -> Vec<&Part> {
        let mut parts = Vec::new();
        self.root.collect(&mut parts);
        parts
    }
}

impl Node {
    fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Constant(json) => out.extend_from_slice(json),
            Self::Text(expression) => match expression.text(context) {
                Some(text) => write_json(&*text, out),
                None => return false,
            },
            Self::Part(part) => match part.value(context) {
                Some(value) => value.write_json(out),
                None => return false,
            },
            Self::List(items) => return write_all(items, b"[]", out, |item, out| item.write(context, out)),
            Self::Object(members) => {
                return write_all(members, b"{}", out, |member, out| {
                    member.key.write(context, out) && member.value.write(context, out)
                });
            }
        }
        true
    }

    fn collect<'n>(&'n self, parts: &mut Vec<&'n Part>) {
        match self {
            Self::Constant(_) => {}
            Self::Text(expression) => parts.extend(expression.parts()),
            Self::Part(part) => parts.push(part),
            Self::List(items) => items.iter().for_each(|item| item.collect(parts)),
            Self::Object(members) => members.iter().for_each(|member| {
                if let Key::Part(part) = &member.key {
                    parts.push(part);
                }
                member.value.collect(parts);
            }),
        }
    }
}

/// Writes those items that are there between brackets; nothing if there are items and none is there.
fn write_all<T>(
    items: &[T],
    brackets: &[u8; 2],
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>) -> bool,
) -> bool {
    let start = out.len();
    out.push(brackets[0]);
    let empty = out.len();
    for item in items {
        let before = out.len();
        if before > empty {
            out.push(b',');
        }
        if !write(item, out) {
            out.truncate(before);
        }
    }
    if out.len() == empty && !items.is_empty() {
        out.truncate(start);
        return false;
    }
    out.push(brackets[1]);
    true
}

impl Key {
    fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Constant(key) => out.extend_from_slice(key),
            Self::Part(part) => {
                let Some(value) = part.value(context) else { return false };
                write_json(&*value.into_text(), out);
                out.push(b':');
            }
        }
        true
    }
}

/// Reads a template from left to right. `at` is always on a character boundary.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    allowed: Roots,
}

impl<'a> Parser<'a> {
    fn node(&mut self, depth: usize) -> Result<Node, Fault> {
        self.skip_space();
        match self.rest().bytes().next() {
            Some(b'{' | b'[') if depth >= DEPTH_MAX => {
                Err(self.wrong("this nests too deep; 16 levels are allowed"))
            }
            Some(b'{') => self.all('}', |parser, members| parser.member(members, depth)).map(Node::Object),
            Some(b'[') => self
                .all(']', |parser, items| {
                    items.push(parser.node(depth + 1)?);
                    Ok(())
                })
                .map(Node::List),
            Some(b'$') => self.part().map(Node::Part),
            Some(b'"') => self.string(),
            _ => self.constant::<&RawValue>().map(|json| Node::Constant(json.get().as_bytes().into())),
        }
    }

    /// What stands between brackets, separated by commas.
    fn all<T>(
        &mut self,
        closing: char,
        mut item: impl FnMut(&mut Self, &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.rest().starts_with(closing) {
            self.at += 1;
            return Ok(items);
        }
        loop {
            item(self, &mut items)?;
            self.skip_space();
            if self.rest().starts_with(closing) {
                self.at += 1;
                return Ok(items);
            }
            self.expect(',', &format!("a comma or `{closing}` is due here"))?;
        }
    }

    fn member(&mut self, members: &mut Vec<Member>, depth: usize) -> Result<(), Fault> {
        self.skip_space();
        let start = self.at;
        let key = if self.rest().starts_with('$') {
            Key::Part(self.part()?)
        } else {
            if !self.rest().starts_with('"') {
                return Err(self.wrong("a key in quotes, or a part, is due here"));
            }
            let name = self.constant()?;
            Key::Constant(format!("{}:", Json::String(name)).into_bytes().into())
        };
        if members.iter().any(|member| member.key == key) {
            self.at = start;
            return Err(self.wrong("this key is there already; remove one of the two"));
        }
        if members.len() == MEMBERS_MAX {
            return Err(self.wrong(&format!("an object has at most {MEMBERS_MAX} keys")));
        }
        self.expect(':', "a colon is due here")?;
        members.push(Member { key, value: self.node(depth + 1)? });
        Ok(())
    }

    fn string(&mut self) -> Result<Node, Fault> {
        let start = self.at;
        let text: String = self.constant()?;
        // Where in a string with escapes a part stands is not told more exactly than by the string.
        let expression =
            Expression::parse(&text, self.allowed).map_err(|fault| Fault::new(start, fault.message))?;
        Ok(match expression.constant() {
            Some(text) => Node::Constant(Json::from(text).to_string().into_bytes().into()),
            None => Node::Text(expression),
        })
    }

    fn part(&mut self) -> Result<Part, Fault> {
        let (part, length) = Part::parse_bare(&self.rest()[1..], self.allowed)
            .map_err(|fault| Fault::new(self.at + fault.at, fault.message))?;
        self.at += 1 + length;
        Ok(part)
    }

    /// One complete JSON value that is written out in the template.
    fn constant<T: Deserialize<'a>>(&mut self) -> Result<T, Fault> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<T>();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            _ if self.rest().starts_with('"') => Err(self.wrong_string()),
            _ => Err(self.wrong("this is neither JSON nor a part like `$id`")),
        }
    }

    /// What is wrong with the string that begins here.
    fn wrong_string(&self) -> Fault {
        let (mut escaped, quoted) = (false, &self.rest()[1..]);
        let ends = |(_, byte): &(usize, u8)| {
            let ends = *byte < b' ' || (*byte == b'"' && !escaped);
            escaped = *byte == b'\\' && !escaped;
            ends
        };
        match quoted.bytes().enumerate().find(ends) {
            Some((at, byte)) if byte < b' ' => Fault::new(
                self.at + 1 + at,
                "a string in JSON holds no line break, tab or other control character as it is; write `\\n` or `\\t`, \
                 or close its quotes before",
            ),
            Some(_) => self.wrong("this string has an escape that JSON does not know"),
            None => self.wrong("this string has no closing quote"),
        }
    }

    fn expect(&mut self, character: char, otherwise: &str) -> Result<(), Fault> {
        self.skip_space();
        if !self.rest().starts_with(character) {
            return Err(self.wrong(otherwise));
        }
        self.at += character.len_utf8();
        Ok(())
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, why: &str) -> Fault {
        Fault::new(self.at, why)
    }
}

#[cfg(test)]
mod tests;
