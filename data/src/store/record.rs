//! What the log's entries hold, and how each body is laid out.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer, de::IgnoredAny};

use super::{codec, idempotency::Fingerprint};
use crate::{
    Timestamp,
    delivery::Attempt,
    error::{Error, ErrorKind, Result},
    event::{Actor, Event, EventType, NewEvent, Resource, Tenant},
    id::EventId,
    order::Lane,
};

/// When a delivery is due that waits for others of its case, rather than for a time.
pub const BEHIND: Timestamp = Timestamp::from_micros(i64::MAX);

/// What followed from an attempt, as far as the journal must remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Acknowledged.
    Delivered,
    /// To be attempted again at a time.
    RetryAt(Timestamp),
    /// Given up; a dead letter.
    Dead,
}

/// One attempt and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The endpoint.
    pub endpoint: u32,
    /// The event.
    pub seq: u64,
    /// Where the event stands in the log.
    pub event_position: u64,
    /// Whether the delivery had a row of its own in the retry journal before.
    pub parked: bool,
    /// Every delivery of the endpoint up to this event is settled or parked.
    pub floor: u64,
    /// What follows.
    pub fate: Fate,
    /// What happened.
    pub attempt: Attempt,
    /// Its case, if others of it are to wait for the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}

/// A delivery set aside: its row in the retry journal stands for it from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The endpoint.
    pub endpoint: u32,
    /// The event.
    pub seq: u64,
    /// Where the event stands in the log.
    pub event_position: u64,
    /// When it is to be attempted if nothing settles it before; [`BEHIND`] if it waits for others of its case.
    pub due: Timestamp,
    /// As in [`Settled::floor`].
    pub floor: u64,
    /// As in [`Settled::lane`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}

/// Where a delivery stood when it was to be attempted once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It has a row in the retry journal.
    Parked,
    /// It is a dead letter.
    Dead,
    /// It was delivered.
    Delivered,
    /// There was none: the event had not been routed to the endpoint.
    Missing,
}

/// A delivery to be attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeued {
    /// The endpoint.
    pub endpoint: u32,
    /// The event.
    pub seq: u64,
    /// Where the event stands in the log.
    pub event_position: u64,
    /// When; [`BEHIND`] as in [`Parked::due`].
    pub due: Timestamp,
    /// Where it stood.
    pub from: Standing,
    /// A replay asked for it: its schedule begins anew, so that the attempts before count no more.
    #[serde(default)]
    pub replayed: bool,
    /// Its case, whether its endpoint keeps order or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}

/// A delivery that is not to be made any more, since its event's content was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// The endpoint.
    pub endpoint: u32,
    /// The event.
    pub seq: u64,
    /// As in [`Settled::parked`].
    pub parked: bool,
    /// As in [`Settled::floor`].
    pub floor: u64,
}

/// The content of a tenant's events about a resource is to go, and that of their attempts' answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose events.
    pub tenant: Tenant,
    /// What they are about.
    pub resource: Resource,
    /// Those up to this one.
    pub through: u64,
    /// When that was asked for.
    pub at: Timestamp,
}

/// A step of an erasure. With the first one nobody sees the content any more; with the second no file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErasureStep {
    /// It is asked for.
    Asked(Erasure),
    /// All that were asked for before this position of the log are done.
    DoneBefore(u64),
}

/// Retention takes a segment. One entry for all endpoints, so that it is either known or not that the segment goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// The last event in the segment that goes.
    pub through: u64,
    /// What is given up with it; endpoints that lose nothing are left out.
    pub lost: Vec<Lost>,
}

/// Retention takes one tenant's events of a segment, which stays for those of others. A segment at a time, so that what
/// is counted here is in the log as a whole, or gone as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantExpired {
    /// Whose events.
    pub tenant: Tenant,
    /// The last event in the segment.
    pub through: u64,
    /// What is given up; endpoints that lose nothing are left out.
    pub lost: Vec<Lost>,
}

/// Deliveries of one endpoint that retention gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The endpoint.
    pub endpoint: u32,
    /// Deliveries never attempted.
    pub unread: u64,
    /// Deliveries with a row in the retry journal.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
}

/// The endpoint that an entry about one delivery names, without the rest: it comes first in all of them.
pub fn endpoint(body: &[u8]) -> Result<u32> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(body.get(1..).unwrap_or_default());
    u32::deserialize(&mut reader).map_err(|_| {
        Error::new(ErrorKind::Damaged, "an entry in the log names no endpoint; run `casewire journal verify`")
    })
}

/// What of an event is packed as one, as it is read; [`HeadOf`] writes it.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    id: EventId,
    tenant: Tenant,
    published_at: Timestamp,
    event_type: EventType,
    occurred_at: Option<Timestamp>,
    actor: Option<Actor>,
    resource: Option<Resource>,
    agency: Option<String>,
    tags: BTreeMap<String, String>,
    idempotency_key: Option<String>,
    /// Only of an event whose content was erased; see the module `remains`.
    #[serde(default)]
    erased: Option<Erased>,
}

/// What the head of an event whose content was erased says besides: when that was, and what it was remembered by if it
/// came with an idempotency key.
pub type Erased = (Timestamp, Option<(u128, u128)>);

/// A [`Head`], field by field, of an event that stays where it is.
#[derive(Serialize)]
struct HeadOf<'a> {
    seq: u64,
    id: EventId,
    tenant: &'a Tenant,
    published_at: Timestamp,
    event_type: &'a EventType,
    occurred_at: Option<Timestamp>,
    #[serde(serialize_with = "whole")]
    actor: Option<&'a Actor>,
    resource: Option<&'a Resource>,
    agency: Option<&'a str>,
    tags: &'a BTreeMap<String, String>,
    idempotency_key: Option<&'a str>,
}

/// An actor with all its fields. JSON leaves out those that are absent; in a head, which has no names, the next one
/// would then be read in their place.
fn whole<S: Serializer>(actor: &Option<&Actor>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    actor.map(|actor| (&actor.kind, &actor.id, &actor.name)).serialize(serializer)
}

/// Writes an event's body: `routes n u32, n × u32 | head length u32, head | payload`. The routes come first and
/// unpacked, so that a scan for one endpoint passes over the rest.
pub fn put_event(out: &mut Vec<u8>, event: &Event, routes: &[u32]) {
    let content = &event.content;
    out.extend_from_slice(&(routes.len() as u32).to_le_bytes());
    for route in routes {
        out.extend_from_slice(&route.to_le_bytes());
    }
    let head_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let head = HeadOf {
        seq: event.seq,
        id: event.id,
        tenant: &event.tenant,
        published_at: event.published_at,
        event_type: &content.event_type,
        occurred_at: content.occurred_at,
        actor: content.actor.as_ref(),
        resource: content.resource.as_ref(),
        agency: content.agency.as_deref(),
        tags: &content.tags,
        idempotency_key: content.idempotency_key.as_deref(),
    };
    codec::pack(&head, out);
    let head_bytes = (out.len() - head_at - 4) as u32;
    out[head_at..head_at + 4].copy_from_slice(&head_bytes.to_le_bytes());
    out.extend_from_slice(&content.data);
}

/// The parts of an event that a listing judges it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief<'a> {
    /// Its place in publish order.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// Whose event it is.
    pub tenant: &'a str,
    /// What happened.
    pub event_type: &'a str,
    /// What it is about: the noun, and its id.
    pub resource: Option<(&'a str, &'a str)>,
}

/// An event's body in its three parts, not unpacked.
#[derive(Clone, Copy, Debug)]
pub struct EventBody<'a> {
    routes: &'a [u8],
    head: &'a [u8],
    data: &'a [u8],
}

impl<'a> EventBody<'a> {
    /// Finds the three parts.
    pub fn split(body: &'a [u8]) -> Result<Self> {
        let parts = || {
            let (count, rest) = body.split_first_chunk::<4>()?;
            let (routes, rest) = rest.split_at_checked(u32::from_le_bytes(*count) as usize * 4)?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (head, data) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some(Self { routes, head, data })
        };
        parts().ok_or_else(|| {
            Error::new(ErrorKind::Damaged, "an event in the log is cut short; run `casewire journal verify`")
        })
    }

    /// The endpoints that the event matched, in ascending order.
    pub fn routes(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.routes.chunks_exact(4).map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
    }

    /// Whether the event matched an endpoint.
    pub fn routes_to(&self, endpoint: u32) -> bool {
        self.routes.chunks_exact(4).any(|chunk| chunk == endpoint.to_le_bytes())
    }

    /// The event itself.
    pub fn event(&self, position: u64) -> Result<Event> {
        let mut event = self.event_without_data(position)?;
        if event.erased_at.is_none() {
            event.content.data = Bytes::copy_from_slice(self.data);
        }
        Ok(event)
    }

    /// Whether its content was erased in the file.
    pub fn is_erased(&self) -> bool {
        // An array of that many elements.
        const ERASED: u8 = 0x90 | 12;
        self.head.first() == Some(&ERASED)
    }

    /// The event with no bytes for its payload, which may be a MiB.
    pub fn event_without_data(&self, position: u64) -> Result<Event> {
        let head: Head = codec::unpack(self.head, "an event in the log")?;
        Ok(Event {
            seq: head.seq,
            position,
            id: head.id,
            tenant: head.tenant,
            published_at: head.published_at,
            erased_at: self.is_erased().then(|| head.erased.map_or(head.published_at, |(at, _)| at)),
            content: NewEvent {
                event_type: head.event_type,
                data: Bytes::new(),
                occurred_at: head.occurred_at,
                actor: head.actor,
                resource: head.resource,
                agency: head.agency,
                tags: head.tags,
                idempotency_key: head.idempotency_key,
            },
        })
    }

    /// Whether the event came with an idempotency key, without unpacking it: the key is the head's last element, and
    /// nothing (`nil`) is one byte.
    pub fn has_idempotency_key(&self) -> bool {
        const NIL: u8 = 0xc0;
        self.head.last() != Some(&NIL)
    }

    /// What the idempotency key of an event whose content was erased was remembered by; absent if it came with none.
    pub fn kept_fingerprint(&self) -> Result<Option<Fingerprint>> {
        let head: Head = codec::unpack(self.head, "an event in the log")?;
        let kept = head.erased.and_then(|(_, fingerprint)| fingerprint);
        Ok(kept.map(|(key, content)| (key.to_be_bytes(), content.to_be_bytes())))
    }

    /// What a listing judges an event by, without copying anything.
    pub fn brief(&self) -> Result<Brief<'a>> {
        // As in `key`: the first elements of the head's array.
        let mut reader = rmp_serde::Deserializer::from_read_ref(self.head.get(1..).unwrap_or_default());
        let mut read = || {
            let (seq, id) = (u64::deserialize(&mut reader)?, EventId::deserialize(&mut reader)?);
            let tenant = Deserialize::deserialize(&mut reader)?;
            Timestamp::deserialize(&mut reader)?;
            let event_type = Deserialize::deserialize(&mut reader)?;
            Option::<Timestamp>::deserialize(&mut reader)?;
            IgnoredAny::deserialize(&mut reader)?;
            let resource = Deserialize::deserialize(&mut reader)?;
            Ok(Brief { seq, id, tenant, event_type, resource })
        };
        read().map_err(|_: rmp_serde::decode::Error| {
            Error::new(ErrorKind::Damaged, "an event in the log has no head; run `casewire journal verify`")
        })
    }

    /// The event's sequence number and id, without the rest.
    pub fn key(&self) -> Result<(u64, EventId)> {
        // The head is an array: its first two elements are read, the others left alone.
        let mut reader = rmp_serde::Deserializer::new(self.head.get(1..).unwrap_or_default());
        let key = u64::deserialize(&mut reader).and_then(|seq| Ok((seq, EventId::deserialize(&mut reader)?)));
        key.map_err(|_| {
            Error::new(ErrorKind::Damaged, "an event in the log has no id; run `casewire journal verify`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ActorId;

    #[test]
    fn an_actor_comes_back_as_it_was_whatever_it_lacks() {
        let ids = [None, Some(ActorId::Integer(7)), Some(ActorId::Text("u-7".to_owned()))];
        for id in ids {
            for name in [None, Some("Ada".to_owned())] {
                let mut content = NewEvent::new("claim.assigned", "{}").unwrap();
                content.actor = Some(Actor { kind: "api".to_owned(), id: id.clone(), name });
                let event = Event {
                    seq: 1,
                    position: 0,
                    id: EventId::from_u128(1),
                    tenant: Tenant::default(),
                    published_at: Timestamp::default(),
                    erased_at: None,
                    content,
                };
                let mut written = Vec::new();
                put_event(&mut written, &event, &[1]);
                assert_eq!(EventBody::split(&written).unwrap().event(0).unwrap(), event);
            }
        }
    }

    #[test]
    fn a_brief_tells_what_the_event_says_whatever_stands_between() {
        for full in [false, true] {
            let mut content = NewEvent::new("claim.assigned", "{}").unwrap();
            if full {
                let id = Some(ActorId::Integer(-7));
                content.actor = Some(Actor { kind: "api".to_owned(), id, name: Some("Ada".to_owned()) });
                content.occurred_at = Some(Timestamp::from_micros(-1));
                content.resource = Some(Resource { kind: "people".to_owned(), id: "P/1".to_owned() });
            }
            let event = Event {
                seq: 300,
                position: 0,
                id: EventId::from_u128(1 << 90),
                tenant: Tenant::default(),
                published_at: Timestamp::from_millis(1_700_000_000_000),
                erased_at: None,
                content,
            };
            let mut written = Vec::new();
            put_event(&mut written, &event, &[1]);
            let resource = full.then_some(("people", "P/1"));
            let (seq, id, tenant, event_type) = (300, event.id, "default", "claim.assigned");
            let brief = EventBody::split(&written).unwrap().brief().unwrap();
            assert_eq!(brief, Brief { seq, id, tenant, event_type, resource });
        }
    }
}
