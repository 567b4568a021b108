//! What is shown of what is stored: every key, its order, and when it is absent (http-api).
//!
//! Adding a field to a stored type shows nothing to anybody until it is added here.

mod attempt;
mod audit;
mod backup;
mod erasure;
mod event_type;
mod preview;
mod replay;
mod secrets;
mod source;
mod tls;
mod token;
mod trial;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use casewire_data::{
    Error, ErrorKind, Result,
    delivery::{DeliveryRecord, DeliverySummary},
    endpoint::EndpointStatus,
    event::{Actor, ActorId, Event},
    rate::RateLimit,
    secret::Secret,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use self::{attempt::AttemptView, tls::TlsView};
pub(super) use self::{
    audit::AuditView,
    backup::BackupView,
    erasure::ErasedView,
    event_type::EventTypeView,
    preview::PreviewView,
    replay::{ReplayAnswerView, ReplayView},
    secrets::SecretsView,
    source::SourceView,
    token::TokenView,
    trial::TrialView,
};
use super::schema::shown;
use crate::{publisher::Receipt, tenant::EndpointInfo};

/// An endpoint: the seed's keys in the seed's order, then extensions where they differ from their default.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Endpoint")]
pub(super) struct EndpointView<'a> {
    #[schemars(schema_with = "shown::endpoint_id")]
    id: String,
    /// Where its deliveries go.
    url: &'a str,
    /// For people to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// Patterns of the event types that it takes.
    events: Vec<&'a str>,
    /// `paused` holds its events.
    #[schemars(schema_with = "shown::endpoint_status")]
    status: &'static str,
    /// What its deliveries are signed with: in the answer to its creation and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Cow<'a, str>>,
    #[schemars(schema_with = "shown::time")]
    created_at: String,
    #[schemars(schema_with = "shown::time")]
    updated_at: String,
    /// A short name for people to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The format of its deliveries, where it is not the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'a str>,
    /// What its dialect must know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a BTreeMap<String, String>>,
    /// It takes events of these agencies only.
    #[serde(skip_serializing_if = "Option::is_none")]
    agencies: Option<&'a BTreeSet<String>>,
    /// It takes events that came about in these ways only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::ways")]
    sources: Option<Vec<&'static str>>,
    /// What it takes events by, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::filter")]
    filter: Option<&'a RawValue>,
    /// Static request headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a BTreeMap<String, String>>,
    /// What goes out one at a time and in publish order, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::ordering")]
    ordering: Option<&'static str>,
    /// Requests in flight at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u32>,
    /// Requests that may begin in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::rate")]
    rate_limit_per_second: Option<RateView>,
    /// Seconds that one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
    /// When failed attempts are made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetryView>,
    /// Why it is paused, if the engine did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    /// Events that wait while it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    /// It belongs to the sandbox of its dialect's system.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<bool>,
    /// TLS of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsView<'a>>,
    /// What verifies its deliveries, where that is not the secret itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

/// A rate as it is written by people: 10 rather than 10.0.
#[derive(Serialize)]
#[serde(untagged)]
enum RateView {
    Whole(u32),
    Fraction(f64),
}

impl RateView {
    fn new(limit: RateLimit) -> Self {
        let per_second = limit.per_second();
        if per_second.fract() > 0.0 {
            return Self::Fraction(per_second);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is 10,000 at most"
        )]
        Self::Whole(per_second as u32)
    }
}

/// When failed attempts are made again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Retry")]
struct RetryView {
    /// Delays after the first attempt and each one after it.
    schedule_seconds: Vec<u64>,
}

impl<'a> EndpointView<'a> {
    /// An endpoint without its secret.
    pub(super) fn new(info: &'a EndpointInfo, default_dialect: &str) -> Self {
        let endpoint = &*info.endpoint;
        let scope = &endpoint.scope;
        let paused = endpoint.status == EndpointStatus::Paused;
        Self {
            id: endpoint.id.to_string(),
            url: &endpoint.url,
            description: endpoint.description.as_deref(),
            events: endpoint.events.iter().map(|pattern| pattern.as_str()).collect(),
            status: if paused { "paused" } else { "active" },
            secret: None,
            created_at: endpoint.created_at.to_rfc3339_seconds(),
            updated_at: endpoint.updated_at.to_rfc3339_seconds(),
            name: endpoint.name.as_deref(),
            dialect: Some(&*endpoint.dialect).filter(|dialect| *dialect != default_dialect),
            params: Some(&*endpoint.params).filter(|params| !params.is_empty()),
            agencies: Some(&scope.agencies).filter(|agencies| !agencies.is_empty()),
            sources: (!scope.sources.is_empty())
                .then(|| scope.sources.iter().map(|it| it.as_str()).collect()),
            filter: endpoint.filter.as_ref().and_then(|filter| serde_json::from_str(filter.as_str()).ok()),
            headers: Some(&*endpoint.headers).filter(|headers| !headers.is_empty()),
            ordering: (!endpoint.ordering.is_none()).then(|| endpoint.ordering.as_str()),
            max_in_flight: endpoint.max_in_flight.map(NonZeroU32::get),
            rate_limit_per_second: endpoint.rate_limit_per_second.map(RateView::new),
            timeout_seconds: endpoint.timeout_seconds.map(NonZeroU32::get),
            retry: endpoint
                .retry
                .as_ref()
                .map(|retry| RetryView { schedule_seconds: retry.delays_seconds().to_vec() }),
            status_reason: endpoint.status_reason.as_deref(),
            held: Some(info.held).filter(|held| paused && *held > 0),
            sandbox: scope.sandbox.then_some(true),
            tls: endpoint.tls.as_deref().map(TlsView::new),
            public_key: endpoint.secrets.first().and_then(Secret::public_key).map(|key| key.expose()),
        }
    }

    /// The same with its secret: for the answer to its creation and no other.
    pub(super) fn with_secret(mut self, info: &'a EndpointInfo) -> Self {
        self.secret = info.endpoint.secrets.first().map(|secret| secret.expose().into());
        self
    }
}

/// The answer to a publish.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Receipt")]
pub(super) struct ReceiptView<'a> {
    /// The event; of a duplicate, the first one's.
    #[schemars(schema_with = "shown::event_id")]
    id: String,
    #[serde(rename = "type")]
    #[schemars(schema_with = "shown::event_type")]
    event_type: &'a str,
    /// Endpoints that it matched.
    deliveries: usize,
    /// Whether its idempotency key was used before, and nothing was published now.
    duplicate: bool,
}

impl<'a> ReceiptView<'a> {
    /// What a publish came to, with the type that was published.
    pub(super) fn new(receipt: &Receipt, event_type: &'a str) -> Self {
        Self {
            id: receipt.id.to_string(),
            event_type,
            deliveries: receipt.deliveries,
            duplicate: receipt.duplicate,
        }
    }
}

/// An event, with its payload only for those who may see it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(super) struct EventView<'a> {
    #[schemars(schema_with = "shown::event_id")]
    id: String,
    #[serde(rename = "type")]
    #[schemars(schema_with = "shown::event_type")]
    event_type: &'a str,
    /// When it was published.
    #[schemars(schema_with = "shown::time")]
    created_at: String,
    /// When it came about.
    #[schemars(schema_with = "shown::time")]
    occurred_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<ActorView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<ResourceView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    /// When its content was erased, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    erased_at: Option<String>,
    /// The payload, for tokens with the scope `payload:read` and where an event is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::anything")]
    data: Option<&'a RawValue>,
}

/// Who brought an event about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Actor")]
struct ActorView<'a> {
    /// `ui` for a person at a screen, `api` for a program, or a word of the publisher's own.
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::text_or_whole")]
    id: Option<ActorIdView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ActorIdView<'a> {
    Integer(i64),
    Text(&'a str),
}

/// What an event is about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Resource")]
struct ResourceView<'a> {
    /// A noun: `case`, `people`.
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
}

impl<'a> EventView<'a> {
    /// An event; `Damaged` if its payload is not JSON any more.
    pub(super) fn new(event: &'a Event, payload: bool) -> Result<Self> {
        let content = &event.content;
        let payload = payload && event.erased_at.is_none();
        let data = payload.then(|| serde_json::from_slice(&content.data)).transpose().map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("the payload of {} is not JSON: {error}", event.id))
        })?;
        Ok(Self {
            id: event.id.to_string(),
            event_type: content.event_type.as_str(),
            created_at: event.published_at.to_rfc3339_seconds(),
            occurred_at: event.occurred_at().to_rfc3339_seconds(),
            actor: content.actor.as_ref().map(ActorView::new),
            resource: content.resource.as_ref().map(|it| ResourceView { kind: &it.kind, id: &it.id }),
            agency: content.agency.as_deref(),
            tags: Some(&content.tags).filter(|tags| !tags.is_empty()),
            idempotency_key: content.idempotency_key.as_deref(),
            erased_at: event.erased_at.map(|at| at.to_rfc3339_seconds()),
            data,
        })
    }
}

impl<'a> ActorView<'a> {
    fn new(actor: &'a Actor) -> Self {
        let id = actor.id.as_ref().map(|id| match id {
            ActorId::Integer(number) => ActorIdView::Integer(*number),
            ActorId::Text(text) => ActorIdView::Text(text),
        });
        Self { kind: &actor.kind, id, name: actor.name.as_deref() }
    }
}

/// One event on its way to one endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery{A}")]
pub(super) struct DeliveryView<'a, A> {
    #[schemars(schema_with = "shown::delivery_id")]
    id: String,
    #[schemars(schema_with = "shown::event_id")]
    event_id: String,
    #[schemars(schema_with = "shown::endpoint_id")]
    endpoint_id: String,
    #[serde(rename = "type")]
    #[schemars(schema_with = "shown::event_type")]
    event_type: &'a str,
    #[schemars(schema_with = "shown::delivery_status")]
    status: &'static str,
    attempts: A,
    /// When it is attempted again, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    next_attempt_at: Option<String>,
    /// When its event was published.
    #[schemars(schema_with = "shown::time")]
    created_at: String,
}

/// How many attempts there were.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "", inline)]
pub(super) struct AttemptCount(usize);

/// The attempts, the first one first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WithAttempts", inline)]
pub(super) struct Attempts<'a>(Vec<AttemptView<'a>>);

impl<'a> DeliveryView<'a, AttemptCount> {
    /// A delivery as it stands in a list, with the number of its attempts.
    pub(super) fn in_list(summary: &'a DeliverySummary) -> Self {
        Self {
            id: summary.id.to_string(),
            event_id: summary.id.event.to_string(),
            endpoint_id: summary.id.endpoint.to_string(),
            event_type: summary.event_type.as_str(),
            status: summary.status.as_str(),
            attempts: AttemptCount(summary.attempts),
            next_attempt_at: summary.next_attempt_at.map(|at| at.to_rfc3339_seconds()),
            created_at: summary.published_at.to_rfc3339_seconds(),
        }
    }

    /// A delivery in few words, with the number of its attempts.
    pub(super) fn brief(record: &'a DeliveryRecord) -> Self {
        Self::new(record, AttemptCount(record.attempts.len()))
    }
}

impl<'a> DeliveryView<'a, Attempts<'a>> {
    /// A delivery by itself, with all of its attempts; what receivers answered only with `payload`.
    pub(super) fn alone(record: &'a DeliveryRecord, payload: bool) -> Self {
        let attempts = record.attempts.iter().map(|attempt| AttemptView::new(attempt, payload));
        Self::new(record, Attempts(attempts.collect()))
    }
}

impl<'a, A> DeliveryView<'a, A> {
    fn new(record: &'a DeliveryRecord, attempts: A) -> Self {
        Self {
            id: record.id.to_string(),
            event_id: record.id.event.to_string(),
            endpoint_id: record.id.endpoint.to_string(),
            event_type: record.event_type.as_str(),
            status: record.status.as_str(),
            attempts,
            next_attempt_at: record.next_attempt_at.map(|at| at.to_rfc3339_seconds()),
            created_at: record.published_at.to_rfc3339_seconds(),
        }
    }
}
