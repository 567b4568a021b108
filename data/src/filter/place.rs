//! Where in an event a filter looks.

use std::borrow::Cow;

use super::seek::{Names, Value};
use crate::{
    event::{Actor, ActorId, NewEvent},
    json::Number,
    limits,
};

/// What a path may begin with, for an error.
const RULE: &str = "is no path of an event; begin with `data.`, `type`, `resource.type`, `resource.id`, \
                    `actor.kind`, `actor.id`, `actor.name`, `agency` or `tags.`";

/// A place in any event.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In its payload, by the names on the way.
    Data(Names),
    Type,
    ResourceType,
    ResourceId,
    ActorKind,
    ActorId,
    ActorName,
    Agency,
    Tag(Box<str>),
}

impl Place {
    /// Reads a path: names with dots between them, or a JSON Pointer (RFC 6901) where names have dots themselves. The
    /// error says what is wrong with it.
    pub(super) fn read(path: &str) -> Result<Self, String> {
        let names = match path.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?,
            None => path.split('.').map(str::to_owned).collect(),
        };
        if names.len() > limits::FILTER_DEPTH_MAX {
            return Err(format!(
                "has {} names; at most {} are allowed",
                names.len(),
                limits::FILTER_DEPTH_MAX
            ));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["data", rest @ ..] if path.starts_with('/') || !rest.contains(&"") => {
                Ok(Self::Data(rest.iter().map(|name| name.as_bytes().into()).collect()))
            }
            ["data", ..] => {
                Err("has an empty name; leave out the dot, or write a JSON Pointer like /data/a.b".to_owned())
            }
            ["type"] => Ok(Self::Type),
            ["resource", "type"] => Ok(Self::ResourceType),
            ["resource", "id"] => Ok(Self::ResourceId),
            ["actor", "kind"] => Ok(Self::ActorKind),
            ["actor", "id"] => Ok(Self::ActorId),
            ["actor", "name"] => Ok(Self::ActorName),
            ["agency"] => Ok(Self::Agency),
            // Nothing is below a tag, so that all that follows is its name.
            ["tags", first, rest @ ..] if path.starts_with("tags.") || rest.is_empty() => {
                let name = path.strip_prefix("tags.").unwrap_or(first);
                Ok(Self::Tag(name.into()))
            }
            _ => Err(RULE.to_owned()),
        }
    }

    /// What is wrong with a path that can be read, but leads nowhere in any event that is likely.
    pub(super) fn mistake(&self, path: &str) -> Option<&'static str> {
        let brackets = |name: &[u8]| name.ends_with(b"]") && name.contains(&b'[');
        match self {
            Self::Tag(name) if name.is_empty() => {
                Some("has no name of a tag; write it behind the dot, tags.region")
            }
            Self::Data(names) if !path.starts_with('/') && names.iter().any(|name| brackets(name)) => Some(
                "has brackets; write an element's number between dots, data.items.0.kind, and a name that has \
                 brackets itself as a JSON Pointer, /data/items[0]",
            ),
            _ => None,
        }
    }

    /// Whether nothing but a text can stand there.
    pub(super) fn is_text(&self) -> bool {
        !matches!(self, Self::Data(_) | Self::ActorId)
    }

    /// What an event has at a place outside of its payload.
    pub(super) fn beside<'a>(&self, event: &'a NewEvent) -> Option<Value<'a>> {
        let actor = event.actor.as_ref();
        let resource = event.resource.as_ref();
        match self {
            Self::Data(_) => None,
            Self::Type => Some(event.event_type.as_str()),
            Self::ResourceType => resource.map(|resource| resource.kind.as_str()),
            Self::ResourceId => resource.map(|resource| resource.id.as_str()),
            Self::ActorKind => actor.map(|actor| actor.kind.as_str()),
            Self::ActorId => return actor_id(actor?),
            Self::ActorName => actor.and_then(|actor| actor.name.as_deref()),
            Self::Agency => event.agency.as_deref(),
            Self::Tag(name) => event.tags.get(&**name).map(String::as_str),
        }
        .map(text)
    }
}

fn actor_id(actor: &Actor) -> Option<Value<'_>> {
    Some(match actor.id.as_ref()? {
        ActorId::Integer(number) => Value::Number(Number::of(itoa::Buffer::new().format(*number))),
        ActorId::Text(id) => text(id),
    })
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text.as_bytes()))
}

fn unescape(name: &str) -> Result<String, String> {
    let sound = name.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !sound {
        return Err("has a `~` by itself; in a JSON Pointer it is written ~0, and a slash ~1".to_owned());
    }
    // In this order, or `~01` would become a slash.
    Ok(name.replace("~1", "/").replace("~0", "~"))
}
