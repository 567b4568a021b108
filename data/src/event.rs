//! An event: something that happened in a case, as the host publishes it and as it is stored.

use std::{borrow::Borrow, collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    error::{Error, FieldError, Result},
    id::EventId,
    limits, trace_context,
};

/// The customer on whose behalf something happens; nothing of one tenant is visible to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// A tenant's name: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
    pub fn new(name: &str) -> Result<Self> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > limits::TENANT_BYTES_MAX || !name.bytes().all(allowed) {
            return Err(Error::field(
                "tenant",
                format!(
                    "`{name}` is not a tenant's name; use 1 to {} of a-z, 0-9, - and _",
                    limits::TENANT_BYTES_MAX
                ),
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that it is found among others by its name.
impl Borrow<str> for Tenant {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Default for Tenant {
    /// The tenant of a host that has only one: `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened, as a dotted name: `assignments.status.updated`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(Arc<str>);

impl EventType {
    /// A dotted name, `[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*`, at most 128 bytes.
    pub fn new(name: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Err(Error::field(
                "type",
                format!("`{}` {why}; write it like `cases.created`", limits::shorten(name)),
            ))
        };
        if name.len() > limits::EVENT_TYPE_BYTES_MAX {
            return wrong(&format!("is longer than {} bytes", limits::EVENT_TYPE_BYTES_MAX));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_sound = |segment: &[u8]| !segment.is_empty() && segment.iter().copied().all(allowed);
        if !name.as_bytes().split(|byte| *byte == b'.').all(is_sound) {
            return wrong("is not a dotted name of letters, digits, `_` and `-`");
        }
        Ok(Self(name.into()))
    }

    /// The dotted name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for EventType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An actor's id keeps the JSON type that the host gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ActorId {
    /// A JSON integer.
    Integer(i64),
    /// A JSON string.
    Text(String),
}

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// By which way: `ui`, `api` or a word of the host's.
    pub kind: String,
    /// The actor's id in the host's own numbering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ActorId>,
    /// A name for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an event is about: the case, the person, the task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The noun, as the host spells it: `people`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The resource's id in the host.
    pub id: String,
}

/// An event as a host hands it over: no id and no place in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub event_type: EventType,
    /// The payload: one JSON value, kept and passed on byte for byte.
    pub data: Bytes,
    /// When it happened; the time of publishing if absent.
    pub occurred_at: Option<Timestamp>,
    /// Who caused it.
    pub actor: Option<Actor>,
    /// What it is about.
    pub resource: Option<Resource>,
    /// The agency that it belongs to, at most one.
    pub agency: Option<String>,
    /// The host's own labels.
    pub tags: BTreeMap<String, String>,
    /// Publishing again with this key within 24 h stores the event once.
    pub idempotency_key: Option<String>,
}

impl NewEvent {
    /// An event of a type with a payload that must be one valid JSON value; see [`NewEvent::check`] for the limits.
    pub fn new(event_type: &str, data: impl Into<Bytes>) -> Result<Self> {
        let data = data.into();
        serde_json::from_slice::<&serde_json::value::RawValue>(&data)
            .map_err(|error| Error::field("data", format!("is not valid JSON: {error}")))?;
        Ok(Self {
            event_type: EventType::new(event_type)?,
            data,
            occurred_at: None,
            actor: None,
            resource: None,
            agency: None,
            tags: BTreeMap::new(),
            idempotency_key: None,
        })
    }

    /// Holds every part against its limit and names all that are over.
    pub fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut limit = |field: &str, value: &str, bytes_max: usize| {
            if value.is_empty() || value.len() > bytes_max {
                let message = format!("has {} bytes; 1 to {bytes_max} are allowed", value.len());
                wrong.push(FieldError { field: field.into(), message });
            }
        };
        if let Some(key) = &self.idempotency_key {
            limit("idempotency_key", key, limits::IDEMPOTENCY_KEY_BYTES_MAX);
        }
        if let Some(actor) = &self.actor {
            limit("actor.kind", &actor.kind, limits::LABEL_BYTES_MAX);
            if let Some(ActorId::Text(id)) = &actor.id {
                limit("actor.id", id, limits::LABEL_BYTES_MAX);
            }
            if let Some(name) = &actor.name {
                limit("actor.name", name, limits::LABEL_BYTES_MAX);
            }
        }
        if let Some(resource) = &self.resource {
            limit("resource.type", &resource.kind, limits::LABEL_BYTES_MAX);
            limit("resource.id", &resource.id, limits::LABEL_BYTES_MAX);
        }
        if let Some(agency) = &self.agency {
            limit("agency", agency, limits::LABEL_BYTES_MAX);
        }
        for (name, value) in &self.tags {
            limit(&format!("tags.{}", limits::shorten(name)), name, limits::LABEL_BYTES_MAX);
            let bytes_max = match name.as_str() {
                trace_context::TRACESTATE => limits::TRACESTATE_BYTES_MAX,
                _ => limits::LABEL_BYTES_MAX,
            };
            limit(&format!("tags.{}", limits::shorten(name)), value, bytes_max);
        }
        if self.tags.len() > limits::TAGS_MAX {
            let message =
                format!("has {} entries; at most {} are allowed", self.tags.len(), limits::TAGS_MAX);
            wrong.push(FieldError { field: "tags".into(), message });
        }
        if self.data.len() > limits::EVENT_DATA_BYTES_MAX {
            let message = format!(
                "has {} bytes; at most {} are allowed",
                self.data.len(),
                limits::EVENT_DATA_BYTES_MAX
            );
            wrong.push(FieldError { field: "data".into(), message });
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
    }
}

/// The tag by which receivers of events in full, whoever lists them, and replays know one that tells of nothing: an endpoint
/// was tested with it.
pub const TEST_TAG: &str = "casewire.test";

/// An event as it is stored: immutable, with its id and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in publish order, from 1, without gaps in one log. Internal: hosts see [`Event::id`].
    pub seq: u64,
    /// Where it stands in the log. Internal.
    pub position: u64,
    /// Constant over retries, restarts and replays.
    pub id: EventId,
    /// Whose event it is.
    pub tenant: Tenant,
    /// When it was accepted.
    pub published_at: Timestamp,
    /// When its content was erased: payload, actor, tags and idempotency key. Its record stays.
    pub erased_at: Option<Timestamp>,
    /// What the host said of it; `occurred_at` is filled in.
    pub content: NewEvent,
}

impl Event {
    /// What happened.
    pub fn event_type(&self) -> &EventType {
        &self.content.event_type
    }

    /// Takes its content away, as of a time; nothing more if that was done before.
    pub fn erase(&mut self, at: Timestamp) {
        self.erased_at.get_or_insert(at);
        let content = &mut self.content;
        (content.data, content.actor) = (Bytes::new(), None);
        content.tags.clear();
        content.idempotency_key = None;
    }

    /// Whether an endpoint was tested with it, so that it is nothing to send again.
    pub fn is_test(&self) -> bool {
        self.content.tags.contains_key(TEST_TAG)
    }

    /// When it happened: as the host said, or else when it was accepted.
    pub fn occurred_at(&self) -> Timestamp {
        self.content.occurred_at.unwrap_or(self.published_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_dotted_name_of_at_most_128_bytes() {
        for good in ["a", "cases.created", "assignments.billing-details.X_1", &"a".repeat(128)] {
            assert_eq!(EventType::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "cases.",
            ".cases",
            "cases..created",
            "cases.*",
            "cases/created",
            "fälle",
            &"a".repeat(129),
        ] {
            assert!(EventType::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn data_must_be_one_json_value_and_stays_as_written() {
        let data = r#"{ "n": 1.0, "a":"\u00e9" }"#;
        assert_eq!(NewEvent::new("a.b", data).unwrap().data, data);
        for bad in ["", "{", "{} {}", "nul", "{\"a\":1,}"] {
            assert!(NewEvent::new("a.b", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_part_over_its_limit_is_named() {
        let mut event = NewEvent::new("a.b", "{}").unwrap();
        event.idempotency_key = Some("k".repeat(129));
        event.agency = Some(String::new());
        let error = event.check().unwrap_err();
        let fields: Vec<_> = error.field_errors().iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["idempotency_key", "agency"]);
    }
}
