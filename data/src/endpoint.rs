//! An endpoint: where a tenant wants its events delivered, which of them, and how.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp, event::Tenant, id::EndpointId, pattern::Pattern, retry::RetrySchedule, signature::Secret,
};

/// Whether an endpoint is delivered to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointStatus {
    /// Events are delivered as they come.
    #[default]
    Active,
    /// Events are held, within retention, and delivered in order when the endpoint is active again.
    Paused,
}

/// An endpoint as the registry keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its public id.
    pub id: EndpointId,
    /// Its short number in the log and in routes; never reused.
    pub ordinal: u32,
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// Absolute `https` (or allowed `http`) URL, normalised by the URL standard.
    pub url: String,
    /// For people to read.
    pub description: Option<String>,
    /// A short name for people to read.
    pub name: Option<String>,
    /// Which event types it takes. One event matched by several patterns is one delivery.
    pub events: Vec<Pattern>,
    /// Whether it is delivered to.
    pub status: EndpointStatus,
    /// Why the engine paused it; absent if its owner did.
    pub status_reason: Option<String>,
    /// What its deliveries are signed with: the newest first.
    pub secrets: Vec<Secret>,
    /// The format that it speaks, pinned to a revision: `xpath@1`.
    pub dialect: String,
    /// Static request headers, checked by [`check_header`](crate::dialect::check_header).
    pub headers: BTreeMap<String, String>,
    /// Requests in flight at once; the engine's default if absent.
    pub max_in_flight: Option<u32>,
    /// Seconds of one attempt; the engine's default if absent.
    pub timeout_seconds: Option<u32>,
    /// Its own retry schedule; the engine's default if absent.
    pub retry: Option<RetrySchedule>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When any of the above last changed.
    pub updated_at: Timestamp,
}

/// What a caller gives to create an endpoint, before it is checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointDraft {
    /// Destination URL.
    pub url: String,
    /// Patterns of event types.
    pub events: Vec<String>,
    /// For people to read.
    pub description: Option<String>,
    /// A short name.
    pub name: Option<String>,
    /// Initial status; active if absent.
    pub status: Option<EndpointStatus>,
    /// A secret of the customer's; generated if absent.
    pub secret: Option<String>,
    /// The format; the engine's default if absent.
    pub dialect: Option<String>,
    /// Static request headers.
    pub headers: BTreeMap<String, String>,
    /// Requests in flight at once.
    pub max_in_flight: Option<u32>,
    /// Seconds of one attempt.
    pub timeout_seconds: Option<u32>,
    /// Delays in seconds after the first attempt and each one after it.
    pub retry_schedule_seconds: Option<Vec<u64>>,
}

/// A change to an endpoint: what is `None` stays as it is; in a double `Option`, `Some(None)` takes the value away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointPatch {
    /// New destination URL.
    pub url: Option<String>,
    /// New patterns, replacing all.
    pub events: Option<Vec<String>>,
    /// New description.
    pub description: Option<Option<String>>,
    /// New name.
    pub name: Option<Option<String>>,
    /// New status.
    pub status: Option<EndpointStatus>,
    /// New secret of the customer's.
    pub secret: Option<String>,
    /// New static headers, replacing all.
    pub headers: Option<BTreeMap<String, String>>,
    /// New limit of requests in flight.
    pub max_in_flight: Option<Option<u32>>,
    /// New deadline of one attempt.
    pub timeout_seconds: Option<Option<u32>>,
    /// New retry schedule.
    pub retry_schedule_seconds: Option<Option<Vec<u64>>>,
}
