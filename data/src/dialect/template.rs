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
    part::{Part, Roots, write_json},
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Timestamp,
        dialect::{body::ROOTS, context::EventParts},
        event::{Actor, ActorId, NewEvent, Resource, Tenant},
        id::EventId,
    };

    fn event(data: &str) -> NewEvent {
        NewEvent::new("cases.tasks.created", data.to_owned()).unwrap()
    }

    fn render(template: &str, content: &NewEvent) -> String {
        let tenant = Tenant::default();
        let published_at = Timestamp::from_micros(1_711_479_196_818_040);
        let parts = EventParts { id: EventId::from_u128(1), tenant: &tenant, published_at, content };
        let context = Context { event: Some(parts), ..Context::default() };
        let mut out = Vec::new();
        Template::compile(template, ROOTS).unwrap().write(&context, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_data_its_bytes() {
        let data = r#"{ "z": 1.0, "a": "\u00e9é\/", "n": 12345678901234567890123 }"#;
        let body =
            render(r#"{ "z": $type, "data": $data, "a": [1, 2.5, null, $id], "n": $data.n }"#, &event(data));
        let id = "evt_00000000000000000000000001";
        assert_eq!(
            body,
            format!(
                r#"{{"z":"cases.tasks.created","data":{data},"a":[1,2.5,null,"{id}"],"n":12345678901234567890123}}"#
            )
        );
        assert_eq!(render(" $data ", &event(data)), data);
    }

    #[test]
    fn parts_stand_in_keys_and_within_text() {
        let mut event = event("1");
        event.resource = Some(Resource { kind: "people \"x\"".into(), id: "7".into() });
        assert_eq!(
            render(r#"{$type:head: 1, $resource.type: 2}"#, &event),
            r#"{"cases":1,"people \"x\"":2}"#
        );
        assert_eq!(
            render(r#"{"a":"$type:tail:upper of ${resource.id}.","b":"$$5","c":"no $actor.name"}"#, &event),
            r#"{"a":"TASKS.CREATED of 7.","b":"$5"}"#
        );
    }

    #[test]
    fn absent_leaves_no_key_and_is_not_null() {
        let template = r#"{"agency":$agency,"by":{"id":$actor.id,"name":$actor.name},"none":{},"l":[$agency],"of":$resource.id}"#;
        let mut event = event("1");
        assert_eq!(render(template, &event), r#"{"none":{}}"#);
        event.actor = Some(Actor { kind: "api".into(), id: None, name: Some("A \"B\"".into()) });
        event.resource = Some(Resource { kind: "people".into(), id: "7".into() });
        assert_eq!(render(template, &event), r#"{"by":{"name":"A \"B\""},"none":{},"of":"7"}"#);
        assert_eq!(render(r#"{"a":$agency}"#, &event), "");
        assert_eq!(render(r#"{"a":$data.x}"#, &event), "");
    }

    #[test]
    fn an_actor_id_keeps_its_json_type_and_times_have_the_format_asked_for() {
        let mut event = event("1");
        for (id, json) in [(ActorId::Integer(-7), "-7"), (ActorId::Text("7".into()), "\"7\"")] {
            event.actor = Some(Actor { kind: "ui".into(), id: Some(id), name: None });
            assert_eq!(render(r#"{"id":$actor.id}"#, &event), format!("{{\"id\":{json}}}"));
        }
        let times = r#"{"s":$occurred_at:seconds,"u":$published_at:micros,"m":$occurred_at:epoch_millis,"i":$id:uuid}"#;
        let expected = r#"{"s":"2024-03-26T18:53:16Z","u":"2024-03-26T18:53:16.818040Z","m":1711479196818,"i":"00000000-0000-0000-0000-000000000001"}"#;
        assert_eq!(render(times, &event), expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (template, at) in [
            ("", 0),
            ("{\n  \"a\": $nothing }", 9),
            ("{\"a\":$occurred_at}", 5),
            ("{\"a\":$secret}", 5),
            ("{\"a\":${type}", 12),
            ("{\"a\":${type:head", 16),
            ("{\"é\":1 \"b\":2}", 8),
            ("{\"a\":1,\"a\":2}", 7),
            ("{\"a\":1,}", 7),
            ("{1:2}", 1),
            ("{} x", 3),
            (&"{\"a\":".repeat(17), 80),
        ] {
            assert_eq!(Template::compile(template, ROOTS).expect_err(template).at, at, "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic_and_what_it_renders_is_json(template in r#"[{}$":, a-c1.é\\\[\]id]{0,24}"#) {
            if Template::compile(&template, ROOTS).is_ok() {
                let rendered = render(&template, &event("[1]"));
                prop_assert!(rendered.is_empty() || serde_json::from_str::<Json>(&rendered).is_ok(), "{}", rendered);
            }
        }

        #[test]
        fn text_of_any_kind_comes_back_from_what_is_rendered(text: String) {
            let mut event = event("{}");
            event.agency = Some(text.clone());
            let rendered: Json = serde_json::from_str(&render(r#"{"a":$agency,"b":"<$agency>"}"#, &event)).unwrap();
            prop_assert_eq!(rendered["a"].as_str(), Some(text.as_str()));
            let bracketed = format!("<{text}>");
            prop_assert_eq!(rendered["b"].as_str(), Some(&*bracketed));
        }
    }
}
