//! A body template: JSON in which `$name` stands for a part of the event.
//!
//! ```text
//! { "id": $id, "created_at": $occurred_at:seconds, "by": { "name": $actor.name }, "data": $data }
//! ```
//!
//! Keys come out in the order written, without white space. `$data` is spliced in byte for byte. A part that the event
//! lacks leaves no key (absent is not null), and an object all of whose members are absent is absent too.

use bytes::Bytes;
use serde_json::value::Value;

use crate::{
    Timestamp,
    error::{Error, Result},
    event::{ActorId, Event},
    limits,
};

/// How deep objects of a template may nest.
const DEPTH_MAX: usize = 16;

/// A template, compiled once; rendering it is a pure function of the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Object(Vec<Member>),
    /// JSON that is the same for every event.
    Constant(Box<[u8]>),
    Part(Part),
}

#[derive(Clone, Debug, PartialEq)]
struct Member {
    /// The key as it is written out, with quotes and colon.
    key: Box<[u8]>,
    value: Node,
}

/// A part of the event, by the name that templates give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Id,
    Type,
    Data,
    Agency,
    ActorKind,
    ActorId,
    ActorName,
    ResourceType,
    ResourceId,
    OccurredAt(TimeFormat),
    PublishedAt(TimeFormat),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeFormat {
    /// RFC 3339 in whole seconds.
    Seconds,
    /// RFC 3339 with exactly six fractional digits.
    Micros,
    /// A JSON integer, milliseconds since 1970.
    EpochMillis,
}

/// Every part, as a template names it; the list that an error shows.
const PARTS: &[(&str, Part)] = &[
    ("id", Part::Id),
    ("type", Part::Type),
    ("data", Part::Data),
    ("agency", Part::Agency),
    ("actor.kind", Part::ActorKind),
    ("actor.id", Part::ActorId),
    ("actor.name", Part::ActorName),
    ("resource.type", Part::ResourceType),
    ("resource.id", Part::ResourceId),
    ("occurred_at:seconds", Part::OccurredAt(TimeFormat::Seconds)),
    ("occurred_at:micros", Part::OccurredAt(TimeFormat::Micros)),
    ("occurred_at:epoch_millis", Part::OccurredAt(TimeFormat::EpochMillis)),
    ("published_at:seconds", Part::PublishedAt(TimeFormat::Seconds)),
    ("published_at:micros", Part::PublishedAt(TimeFormat::Micros)),
    ("published_at:epoch_millis", Part::PublishedAt(TimeFormat::EpochMillis)),
];

impl Template {
    /// Compiles a template: an object, or `$data` alone. The error gives line and column.
    pub fn compile(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0 };
        let root = parser.node(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.wrong("the template ends before this; remove it"));
        }
        match root {
            Node::Object(_) | Node::Part(Part::Data) => Ok(Self { root }),
            _ => Err(Error::field("template", "a body is an object in braces, or `$data` alone")),
        }
    }

    /// The body of an event.
    pub fn render(&self, event: &Event) -> Bytes {
        const ENVELOPE_BYTES: usize = 256;
        let mut out = Vec::with_capacity(event.content.data.len() + ENVELOPE_BYTES);
        match &self.root {
            // Passed on as it is, without a copy.
            Node::Part(Part::Data) => return event.content.data.clone(),
            root if root.write(event, &mut out) => {}
            _ => out.extend_from_slice(b"{}"),
        }
        out.into()
    }
}

impl Node {
    /// Appends its JSON and says so; appends nothing if it is absent.
    fn write(&self, event: &Event, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Constant(json) => out.extend_from_slice(json),
            Self::Part(part) => return part.write(event, out),
            Self::Object(members) => {
                let start = out.len();
                out.push(b'{');
                let empty = out.len();
                for member in members {
                    let before = out.len();
                    if before > empty {
                        out.push(b',');
                    }
                    out.extend_from_slice(&member.key);
                    if !member.value.write(event, out) {
                        out.truncate(before);
                    }
                }
                if out.len() == empty && !members.is_empty() {
                    out.truncate(start);
                    return false;
                }
                out.push(b'}');
            }
        }
        true
    }
}

impl Part {
    fn write(self, event: &Event, out: &mut Vec<u8>) -> bool {
        let (actor, resource) = (event.content.actor.as_ref(), event.content.resource.as_ref());
        let text = match self {
            Self::Id => Some(event.id.to_string()),
            Self::Data => {
                out.extend_from_slice(&event.content.data);
                return true;
            }
            Self::OccurredAt(format) => return format.write(event.occurred_at(), out),
            Self::PublishedAt(format) => return format.write(event.published_at, out),
            Self::ActorId => match actor.and_then(|actor| actor.id.as_ref()) {
                Some(ActorId::Integer(id)) => {
                    out.extend_from_slice(id.to_string().as_bytes());
                    return true;
                }
                Some(ActorId::Text(id)) => Some(id.clone()),
                None => None,
            },
            Self::Type => Some(event.event_type().as_str().to_owned()),
            Self::Agency => event.content.agency.clone(),
            Self::ActorKind => actor.map(|actor| actor.kind.clone()),
            Self::ActorName => actor.and_then(|actor| actor.name.clone()),
            Self::ResourceType => resource.map(|resource| resource.kind.clone()),
            Self::ResourceId => resource.map(|resource| resource.id.clone()),
        };
        text.is_some_and(|text| write_json(&text, out))
    }
}

impl TimeFormat {
    fn write(self, at: Timestamp, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Seconds => write_json(&at.to_rfc3339_seconds(), out),
            Self::Micros => write_json(&at.to_rfc3339_micros(), out),
            Self::EpochMillis => write_json(&at.as_millis(), out),
        }
    }
}

fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, value).expect("text and numbers are JSON, and a vector takes any bytes");
    true
}

/// Reads a template from left to right. `at` is always on a character boundary.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn node(&mut self, depth: usize) -> Result<Node> {
        self.skip_space();
        match self.rest().bytes().next() {
            Some(b'{') if depth >= DEPTH_MAX => {
                Err(self.wrong("objects nest too deep; 16 levels are allowed"))
            }
            Some(b'{') => self.object(depth),
            Some(b'$') => self.part().map(Node::Part),
            _ => Ok(Node::Constant(self.constant()?.to_string().into_bytes().into())),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node> {
        self.expect('{', "here an object begins")?;
        let mut members: Vec<Member> = Vec::new();
        self.skip_space();
        if self.rest().starts_with('}') {
            self.at += 1;
            return Ok(Node::Object(members));
        }
        loop {
            self.skip_space();
            let start = self.at;
            let Value::String(name) = self.constant()? else {
                self.at = start;
                return Err(self.wrong("a key in quotes is due here"));
            };
            let key: Box<[u8]> = format!("{}:", Value::String(name)).into_bytes().into();
            if members.iter().any(|member| member.key == key) {
                self.at = start;
                return Err(self.wrong("this key is there already; remove one of the two"));
            }
            self.expect(':', "a colon is due here")?;
            members.push(Member { key, value: self.node(depth + 1)? });
            self.skip_space();
            if self.rest().starts_with('}') {
                self.at += 1;
                return Ok(Node::Object(members));
            }
            self.expect(',', "a comma or a closing brace is due here")?;
        }
    }

    fn part(&mut self) -> Result<Part> {
        let named = &self.rest()[1..];
        let end = named.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')));
        let name = &named[..end.unwrap_or(named.len())];
        let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = PARTS.iter().map(|(known, _)| format!("${known}")).collect();
            let why =
                format!("there is no part `${}`; choose from {}", limits::shorten(name), known.join(", "));
            return Err(self.wrong(&why));
        };
        self.at += 1 + name.len();
        Ok(*part)
    }

    /// One complete JSON value that is written out in the template.
    fn constant(&mut self) -> Result<Value> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            _ => Err(self.wrong("neither JSON nor a part like `$id`")),
        }
    }

    fn expect(&mut self, character: char, otherwise: &str) -> Result<()> {
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

    fn wrong(&self, why: &str) -> Error {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Error::field("template", format!("line {line}, column {column} of the template: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::{Actor, NewEvent, Resource, Tenant},
        id::EventId,
    };

    fn event(data: &str) -> Event {
        Event {
            seq: 1,
            position: 0,
            id: EventId::from_u128(1),
            tenant: Tenant::default(),
            published_at: Timestamp::from_micros(1_711_479_196_818_040),
            content: NewEvent::new("cases.created", data.to_owned()).unwrap(),
        }
    }

    fn render(template: &str, event: &Event) -> String {
        String::from_utf8(Template::compile(template).unwrap().render(event).to_vec()).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_data_its_bytes() {
        let data = r#"{ "z": 1.0, "a": "\u00e9é\/", "n": 12345678901234567890123 }"#;
        let body = render(r#"{ "z": $type, "data": $data, "a": [1, 2.50, null], "id": $id }"#, &event(data));
        assert_eq!(
            body,
            format!(
                r#"{{"z":"cases.created","data":{data},"a":[1,2.5,null],"id":"evt_00000000000000000000000001"}}"#
            )
        );
        assert_eq!(render(" $data ", &event(data)), data);
    }

    #[test]
    fn absent_leaves_no_key_and_is_not_null() {
        let template =
            r#"{"agency":$agency,"by":{"id":$actor.id,"name":$actor.name},"none":{},"of":$resource.id}"#;
        let mut event = event("1");
        assert_eq!(render(template, &event), r#"{"none":{}}"#);
        event.content.actor = Some(Actor { kind: "api".into(), id: None, name: Some("A \"B\"".into()) });
        event.content.resource = Some(Resource { kind: "people".into(), id: "7".into() });
        assert_eq!(render(template, &event), r#"{"by":{"name":"A \"B\""},"none":{},"of":"7"}"#);
        assert_eq!(render(r#"{"a":$agency}"#, &event), "{}");
    }

    #[test]
    fn an_actor_id_keeps_its_json_type_and_times_have_the_format_asked_for() {
        let mut event = event("1");
        for (id, json) in [(ActorId::Integer(-7), "-7"), (ActorId::Text("7".into()), "\"7\"")] {
            event.content.actor = Some(Actor { kind: "ui".into(), id: Some(id), name: None });
            assert_eq!(render(r#"{"id":$actor.id}"#, &event), format!("{{\"id\":{json}}}"));
        }
        let times = r#"{"s":$occurred_at:seconds,"u":$published_at:micros,"m":$occurred_at:epoch_millis}"#;
        let expected = r#"{"s":"2024-03-26T18:53:16Z","u":"2024-03-26T18:53:16.818040Z","m":1711479196818}"#;
        assert_eq!(render(times, &event), expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (template, place) in [
            ("", "line 1, column 1"),
            ("{\n  \"a\": $nothing }", "line 2, column 8"),
            ("{\"a\":$occurred_at}", "line 1, column 6"),
            ("{\"é\":1 \"b\":2}", "line 1, column 8"),
            ("{\"a\":1,\"a\":2}", "line 1, column 8"),
            ("{\"a\":1,}", "line 1, column 8"),
            ("{1:2}", "line 1, column 2"),
            ("{} x", "line 1, column 4"),
            (&"{\"a\":".repeat(17), "column 81"),
        ] {
            let message = Template::compile(template).expect_err(template).to_string();
            assert!(message.contains(place), "{template}: {message}");
        }
        assert!(Template::compile("$agency").is_err());
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic_and_every_body_is_json(template in r#"[{}$":, a-c1.é\\]{0,24}"#) {
            if let Ok(template) = Template::compile(&template) {
                serde_json::from_slice::<Value>(&template.render(&event("[1]"))).unwrap();
            }
        }

        #[test]
        fn text_of_any_kind_comes_back_from_the_body(text: String) {
            let mut event = event("{}");
            event.content.agency = Some(text.clone());
            let body: Value = serde_json::from_str(&render(r#"{"a":$agency}"#, &event)).unwrap();
            prop_assert_eq!(body["a"].as_str(), Some(text.as_str()));
        }
    }
}
