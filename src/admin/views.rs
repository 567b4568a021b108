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
mod trial;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use casewire_data::{
    Error, ErrorKind, Result,
    delivery::{DeliveryRecord, DeliverySummary},
    endpoint::EndpointStatus,
    event::{Actor, ActorId, Event},
    rate::RateLimit,
    secret::Secret,
    token::{Scope, Token},
};
use serde::Serialize;
use serde_json::value::RawValue;

use self::attempt::AttemptView;
pub(super) use self::{
    audit::AuditView,
    backup::BackupView,
    erasure::ErasedView,
    event_type::EventTypeView,
    preview::PreviewView,
    replay::{ReplayCountView, ReplayView},
    secrets::SecretsView,
    source::SourceView,
    trial::TrialView,
};
use crate::{publisher::Receipt, tenant::EndpointInfo};

/// An endpoint: the seed's keys in the seed's order, then extensions where they differ from their default.
#[derive(Serialize)]
pub(super) struct EndpointView<'a> {
    id: String,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    events: Vec<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Cow<'a, str>>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agencies: Option<&'a BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit_per_second: Option<RateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<bool>,
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

#[derive(Serialize)]
struct RetryView {
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
            dialect: Some(endpoint.dialect.as_str()).filter(|dialect| *dialect != default_dialect),
            params: Some(&endpoint.params).filter(|params| !params.is_empty()),
            agencies: Some(&scope.agencies).filter(|agencies| !agencies.is_empty()),
            sources: (!scope.sources.is_empty())
                .then(|| scope.sources.iter().map(|it| it.as_str()).collect()),
            filter: endpoint.filter.as_ref().and_then(|filter| serde_json::from_str(filter.as_str()).ok()),
            headers: Some(&endpoint.headers).filter(|headers| !headers.is_empty()),
            ordering: (!endpoint.ordering.is_none()).then(|| endpoint.ordering.as_str()),
            max_in_flight: endpoint.max_in_flight,
            rate_limit_per_second: endpoint.rate_limit_per_second.map(RateView::new),
            timeout_seconds: endpoint.timeout_seconds,
            retry: endpoint
                .retry
                .as_ref()
                .map(|retry| RetryView { schedule_seconds: retry.delays_seconds().to_vec() }),
            status_reason: endpoint.status_reason.as_deref(),
            held: Some(info.held).filter(|held| paused && *held > 0),
            sandbox: scope.sandbox.then_some(true),
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
#[derive(Serialize)]
pub(super) struct ReceiptView<'a> {
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    deliveries: usize,
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
#[derive(Serialize)]
pub(super) struct EventView<'a> {
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    created_at: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    erased_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ActorView<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
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

#[derive(Serialize)]
struct ResourceView<'a> {
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

/// A delivery; `A` is the number of its attempts, or the attempts.
#[derive(Serialize)]
pub(super) struct DeliveryView<'a, A> {
    id: String,
    event_id: String,
    endpoint_id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    status: &'static str,
    attempts: A,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    created_at: String,
}

impl<'a> DeliveryView<'a, usize> {
    /// A delivery as it stands in a list, with the number of its attempts.
    pub(super) fn in_list(summary: &'a DeliverySummary) -> Self {
        Self {
            id: summary.id.to_string(),
            event_id: summary.id.event.to_string(),
            endpoint_id: summary.id.endpoint.to_string(),
            event_type: summary.event_type.as_str(),
            status: summary.status.as_str(),
            attempts: summary.attempts,
            next_attempt_at: summary.next_attempt_at.map(|at| at.to_rfc3339_seconds()),
            created_at: summary.published_at.to_rfc3339_seconds(),
        }
    }

    /// A delivery in few words, with the number of its attempts.
    pub(super) fn brief(record: &'a DeliveryRecord) -> Self {
        Self::new(record, record.attempts.len())
    }
}

impl<'a> DeliveryView<'a, Vec<AttemptView<'a>>> {
    /// A delivery by itself, with all of its attempts; what receivers answered only with `payload`.
    pub(super) fn alone(record: &'a DeliveryRecord, payload: bool) -> Self {
        Self::new(record, record.attempts.iter().map(|attempt| AttemptView::new(attempt, payload)).collect())
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

/// A token; its secret in the answer to its creation and no other.
#[derive(Serialize)]
pub(super) struct TokenView<'a> {
    id: String,
    tenant: &'a str,
    scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    created_at: String,
}

impl<'a> TokenView<'a> {
    /// A token that was created just now, with its secret.
    pub(super) fn created(token: &'a Token, secret: &'a str) -> Self {
        Self { token: Some(secret), ..Self::in_list(token) }
    }

    /// A token as it is shown later.
    pub(super) fn in_list(token: &'a Token) -> Self {
        Self {
            id: token.id.to_string(),
            tenant: token.tenant.as_str(),
            scopes: token.scopes.iter().copied().map(Scope::as_str).collect(),
            description: token.description.as_deref(),
            token: None,
            created_at: token.created_at.to_rfc3339_seconds(),
        }
    }
}
