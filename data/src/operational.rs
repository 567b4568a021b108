//! Operational events: what happens to endpoints and deliveries themselves, told to whoever subscribes to it.
//!
//! Their types begin with `casewire`, and only patterns whose first segment is that very word take them: a plain `*` does
//! not. They are few however much happens: of each tenant so many a time are told one by one, and the rest in one notice
//! for each type that says how many there were.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    Timestamp,
    delivery::Outcome,
    endpoint::Endpoint,
    error::Result,
    event::{EventType, NewEvent, Resource, Tenant},
    health::Failing,
    id::{DeliveryId, EndpointId},
};

/// The first segment of their types, with its dot.
pub const PREFIX: &str = "casewire.";

/// How long a tenant's share of notices lasts, in milliseconds.
pub const SHARE_MILLIS: i64 = 10_000;
/// Notices of one tenant that are told one by one in that time.
pub const SHARE_NOTICES: u32 = 500;
/// Notices of all tenants that wait to be published.
const WAITING_MAX: usize = 4_096;
/// Tenants that are counted at once.
const TENANTS_MAX: usize = 1_024;

/// Whether an event type, or a pattern, is of operational events.
pub fn is_operational(text: &str) -> bool {
    text.strip_prefix("casewire").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What an operational event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An endpoint's attempts fail. Told again as a warning before it is disabled.
    EndpointFailing,
    /// An endpoint that was failing has acknowledged.
    EndpointRecovered,
    /// The engine has paused an endpoint.
    EndpointDisabled,
    /// Somebody has paused an endpoint.
    EndpointPaused,
    /// Somebody has made a paused or disabled endpoint active again.
    EndpointResumed,
    /// A delivery was given up.
    DeliveryDead,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::EndpointFailing,
        Self::EndpointRecovered,
        Self::EndpointDisabled,
        Self::EndpointPaused,
        Self::EndpointResumed,
        Self::DeliveryDead,
    ];

    /// The event type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndpointFailing => "casewire.endpoint.failing",
            Self::EndpointRecovered => "casewire.endpoint.recovered",
            Self::EndpointDisabled => "casewire.endpoint.disabled",
            Self::EndpointPaused => "casewire.endpoint.paused",
            Self::EndpointResumed => "casewire.endpoint.resumed",
            Self::DeliveryDead => "casewire.delivery.dead",
        }
    }

    /// The same, for who asks which endpoints take it.
    pub fn event_type(self) -> EventType {
        EventType::new(self.as_str()).expect("the types above are well formed")
    }
}

/// Something that happened, of which an operational event is to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Whose it is.
    pub tenant: Tenant,
    /// What it tells of.
    pub kind: Kind,
    /// When it happened.
    pub at: Timestamp,
    /// The number of the endpoint that it is about, which is not told; absent if it is about several.
    pub about: Option<u32>,
    event: NewEvent,
}

/// The payload. Every kind has those of its fields that apply.
#[derive(Default, Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<EndpointData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disables_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

#[derive(Serialize)]
struct EndpointData<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    host: &'a str,
}

#[derive(Serialize)]
struct DeliveryData<'a> {
    id: String,
    event_id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LastData<'a> {
    Answered { status_code: u16 },
    Failed { error: FailureData<'a> },
}

#[derive(Serialize)]
struct FailureData<'a> {
    class: &'static str,
    message: &'a str,
}

impl<'a> LastData<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Answered { status, .. } => Self::Answered { status_code: *status },
            Outcome::Failed { class, message } => {
                Self::Failed { error: FailureData { class: class.as_str(), message } }
            }
        }
    }
}

impl Notice {
    /// An endpoint is failing, after so many attempts in a row; a warning if it says when it will be disabled.
    pub fn failing(
        endpoint: &Endpoint,
        failing: Failing,
        attempts: u32,
        last: &Outcome,
        at: Timestamp,
    ) -> Self {
        let data = Data {
            since: Some(failing.since.to_rfc3339_seconds()),
            attempts: Some(attempts),
            last: Some(LastData::of(last)),
            disables_at: failing.disables_at.map(Timestamp::to_rfc3339_seconds),
            ..Data::default()
        };
        Self::about(endpoint, Kind::EndpointFailing, data, at)
    }

    /// An endpoint has recovered that was failing.
    pub fn recovered(endpoint: &Endpoint, failing: Failing, at: Timestamp) -> Self {
        let data = Data { since: Some(failing.since.to_rfc3339_seconds()), ..Data::default() };
        Self::about(endpoint, Kind::EndpointRecovered, data, at)
    }

    /// The engine has paused an endpoint, which has a reason from it.
    pub fn disabled(endpoint: &Endpoint, at: Timestamp) -> Self {
        let data = Data { reason: endpoint.status_reason.as_deref(), ..Data::default() };
        Self::about(endpoint, Kind::EndpointDisabled, data, at)
    }

    /// Somebody has paused an endpoint.
    pub fn paused(endpoint: &Endpoint, at: Timestamp) -> Self {
        Self::about(endpoint, Kind::EndpointPaused, Data::default(), at)
    }

    /// Somebody has made an endpoint active again.
    pub fn resumed(endpoint: &Endpoint, at: Timestamp) -> Self {
        Self::about(endpoint, Kind::EndpointResumed, Data::default(), at)
    }

    /// A delivery was given up after so many attempts.
    pub fn dead(
        endpoint: &Endpoint,
        (delivery, event_type): (DeliveryId, &EventType),
        attempts: u16,
        last: &Outcome,
        at: Timestamp,
    ) -> Self {
        let data = Data {
            delivery: Some(DeliveryData {
                id: delivery.to_string(),
                event_id: delivery.event.to_string(),
                event_type: event_type.as_str(),
            }),
            attempts: Some(attempts.into()),
            last: Some(LastData::of(last)),
            ..Data::default()
        };
        Self::about(endpoint, Kind::DeliveryDead, data, at)
    }

    /// So many more of a kind, since a time, than were told one by one.
    fn more(tenant: Tenant, kind: Kind, more: More, since: Timestamp, at: Timestamp) -> Self {
        let data =
            Data { since: Some(since.to_rfc3339_seconds()), more: Some(more.count), ..Data::default() };
        Self { tenant, kind, at, about: more.about, event: event(kind, &data, None, at) }
    }

    fn about(endpoint: &Endpoint, kind: Kind, data: Data<'_>, at: Timestamp) -> Self {
        let told = EndpointData {
            id: endpoint.id.to_string(),
            name: endpoint.name.as_deref(),
            host: endpoint.host(),
        };
        Self {
            tenant: endpoint.tenant.clone(),
            kind,
            at,
            about: Some(endpoint.ordinal),
            event: event(kind, &Data { endpoint: Some(told), ..data }, Some(endpoint.id), at),
        }
    }

    /// The event that tells it.
    pub fn into_event(self) -> NewEvent {
        self.event
    }
}

fn event(kind: Kind, data: &Data<'_>, endpoint: Option<EndpointId>, at: Timestamp) -> NewEvent {
    let data = serde_json::to_vec(data).expect("texts and numbers are JSON");
    let mut event = NewEvent::new(kind.as_str(), data).expect("the types are well formed");
    event.occurred_at = Some(at);
    // So that notices about one endpoint can be delivered in their order.
    event.resource = endpoint.map(|id| Resource { kind: "endpoints".to_owned(), id: id.to_string() });
    event
}

/// Where notices wait to be published: bounded, whatever happens.
#[derive(Debug, Default)]
pub struct Desk {
    waiting: Vec<Notice>,
    shares: BTreeMap<Tenant, Share>,
    /// Notices that nobody will ever read of: too many tenants had too many at once.
    dropped: u64,
}

#[derive(Debug)]
struct Share {
    since: Timestamp,
    told: u32,
    more: BTreeMap<Kind, More>,
}

/// Notices of a kind that are told as one.
#[derive(Debug)]
struct More {
    count: u64,
    /// The only endpoint that they are about; absent if there are several.
    about: Option<u32>,
}

impl Share {
    fn count(&mut self, kind: Kind, about: Option<u32>) {
        let more = self.more.entry(kind).or_insert(More { count: 0, about });
        more.count += 1;
        more.about = more.about.filter(|known| Some(*known) == about);
    }
}

impl Desk {
    /// Takes a notice in: to be told by itself, or counted if its tenant has had its share.
    pub fn take(&mut self, notice: Notice, now: Timestamp) {
        if !self.shares.contains_key(&notice.tenant) && self.shares.len() >= TENANTS_MAX {
            self.dropped += 1;
            return;
        }
        let fresh = || Share { since: now, told: 0, more: BTreeMap::new() };
        let share = self.shares.entry(notice.tenant.clone()).or_insert_with(fresh);
        if share.told < SHARE_NOTICES && self.waiting.len() < WAITING_MAX {
            share.told += 1;
            self.waiting.push(notice);
        } else {
            share.count(notice.kind, notice.about);
        }
    }

    /// A notice that could not be published counts with those that were too many.
    pub fn give_back(&mut self, tenant: &Tenant, kind: Kind, about: Option<u32>) {
        match self.shares.get_mut(tenant) {
            Some(share) => share.count(kind, about),
            None => self.dropped += 1,
        }
    }

    /// What is to be published now, in the order in which it was taken in.
    pub fn give(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut given = std::mem::take(&mut self.waiting);
        self.shares.retain(|tenant, share| {
            if now < share.since.plus_millis(SHARE_MILLIS) {
                return true;
            }
            let more = std::mem::take(&mut share.more);
            let notice = |(kind, more)| Notice::more(tenant.clone(), kind, more, share.since, now);
            given.extend(more.into_iter().map(notice));
            false
        });
        given
    }

    /// When there will be something to give although nothing comes in: the end of a share. Absent if nobody has one.
    pub fn gives_at(&self) -> Option<Timestamp> {
        self.shares.values().map(|share| share.since.plus_millis(SHARE_MILLIS)).min()
    }

    /// Notices that were neither told nor counted, since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// Refuses a host's event whose type is one of the engine's own.
pub fn refuse_reserved(event_type: &EventType) -> Result<()> {
    if !is_operational(event_type.as_str()) {
        return Ok(());
    }
    let message =
        "begins with `casewire`, which is kept for events of the engine itself; choose another first segment";
    Err(crate::Error::field("type", message))
}

#[cfg(test)]
mod tests;
