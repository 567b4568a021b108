//! What a caller gives to create or change an endpoint, before it is checked.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{Endpoint, EndpointStatus, TlsDraft, TlsPatch};
use crate::{
    Timestamp, address::EgressPolicy, dialect::Dialects, error::Result, event::Tenant, id::EndpointId,
    order::DeliveryOrder, scope::Source, seldom::Seldom,
};

/// What a caller gives to create an endpoint, before it is checked.
#[derive(Clone, Default, PartialEq)]
pub struct EndpointDraft {
    /// Destination URL.
    pub url: String,
    /// Patterns of event types; empty for the dialect's default, if it has one.
    pub events: Vec<String>,
    /// For people to read.
    pub description: Option<String>,
    /// A short name.
    pub name: Option<String>,
    /// Initial status; active if absent.
    pub status: Option<EndpointStatus>,
    /// A secret of the customer's; if absent, generated where the dialect has it so.
    pub secret: Option<String>,
    /// The format; the engine's default if absent.
    pub dialect: Option<String>,
    /// What the dialect must know of the endpoint, by name.
    pub params: BTreeMap<String, String>,
    /// The agencies whose events it takes; empty for all.
    pub agencies: Vec<String>,
    /// By which ways an event must have come about; empty for all.
    pub sources: Vec<Source>,
    /// Whether it belongs to the sandbox of its dialect's system.
    pub sandbox: bool,
    /// What it takes events by, as JSON; see [`Filter`](crate::filter::Filter).
    pub filter: Option<String>,
    /// Static request headers.
    pub headers: BTreeMap<String, String>,
    /// Which of its deliveries are made one at a time and in publish order.
    pub ordering: DeliveryOrder,
    /// Requests in flight at once.
    pub max_in_flight: Option<u32>,
    /// Requests that may begin in a second: 0.01 to 10,000.
    pub rate_limit_per_second: Option<f64>,
    /// Seconds of one attempt.
    pub timeout_seconds: Option<u32>,
    /// Delays in seconds after the first attempt and each one after it.
    pub retry_schedule_seconds: Option<Vec<u64>>,
    /// Whom its receiver must be signed by, and what it is shown.
    pub tls: TlsDraft,
}

/// A change to an endpoint: what is `None` stays as it is; in a double `Option`, `Some(None)` takes the value away.
#[derive(Clone, Default, PartialEq)]
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
    /// New params for the dialect, replacing all.
    pub params: Option<BTreeMap<String, String>>,
    /// New agencies, replacing all.
    pub agencies: Option<Vec<String>>,
    /// New sources, replacing all.
    pub sources: Option<Vec<Source>>,
    /// Whether it belongs to the sandbox.
    pub sandbox: Option<bool>,
    /// New filter, as JSON.
    pub filter: Option<Option<String>>,
    /// New static headers, replacing all.
    pub headers: Option<BTreeMap<String, String>>,
    /// New order; it holds for what waits, too.
    pub ordering: Option<DeliveryOrder>,
    /// New limit of requests in flight.
    pub max_in_flight: Option<Option<u32>>,
    /// New limit of requests in a second.
    pub rate_limit_per_second: Option<Option<f64>>,
    /// New deadline of one attempt.
    pub timeout_seconds: Option<Option<u32>>,
    /// New retry schedule.
    pub retry_schedule_seconds: Option<Option<Vec<u64>>>,
    /// What is to change of its TLS.
    pub tls: Option<Option<TlsPatch>>,
}

/// What an endpoint is checked against.
#[derive(Clone, Copy, Debug)]
pub struct EndpointContext<'a> {
    /// The dialects that there are.
    pub dialects: &'a Dialects,
    /// The dialect of an endpoint that names none.
    pub default_dialect: &'a str,
    /// Where deliveries may go.
    pub egress: &'a EgressPolicy,
    /// The time of the change.
    pub now: Timestamp,
}

/// What the registry gives a new endpoint.
#[derive(Clone)]
pub struct EndpointIdentity {
    /// Its public id.
    pub id: EndpointId,
    /// Its short number; never used before.
    pub ordinal: u32,
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// Drawn for it alone; its secret, unless the draft brings one.
    pub random: [u8; 32],
}

impl EndpointDraft {
    /// The endpoint that the draft describes. The error names every field that is wrong.
    pub fn into_endpoint(
        self,
        identity: EndpointIdentity,
        context: &EndpointContext<'_>,
    ) -> Result<Endpoint> {
        let random = identity.random;
        let mut endpoint = self.empty(identity, context);
        endpoint.apply(self.into_patch(), Some(random), context)?;
        Ok(endpoint)
    }

    /// An endpoint that takes what the one would that the draft describes, but cannot be delivered to: it has no secret, and
    /// no URL unless one is given. The error names every field that is wrong.
    pub fn into_preview(self, tenant: Tenant, context: &EndpointContext<'_>) -> Result<Endpoint> {
        let identity = EndpointIdentity { id: EndpointId::from_u128(0), ordinal: 0, tenant, random: [0; 32] };
        let mut endpoint = self.empty(identity, context);
        let mut patch = self.into_patch();
        patch.url = patch.url.filter(|url| !url.is_empty());
        endpoint.apply(patch, None, context)?;
        Ok(endpoint)
    }

    /// An endpoint of the draft's dialect with nothing else of it.
    fn empty(&self, identity: EndpointIdentity, context: &EndpointContext<'_>) -> Endpoint {
        Endpoint {
            id: identity.id,
            ordinal: identity.ordinal,
            tenant: identity.tenant,
            url: Box::default(),
            description: Seldom::default(),
            name: Seldom::default(),
            events: Arc::default(),
            status: EndpointStatus::default(),
            status_reason: Seldom::default(),
            secrets: Box::default(),
            retiring: Seldom::default(),
            dialect: self.dialect.as_deref().unwrap_or(context.default_dialect).into(),
            params: Seldom::default(),
            scope: Seldom::default(),
            filter: None,
            headers: Seldom::default(),
            ordering: DeliveryOrder::None,
            max_in_flight: None,
            rate_limit_per_second: None,
            timeout_seconds: None,
            retry: Seldom::default(),
            tls: None,
            held_through: 0,
            earlier_params: Seldom::default(),
            failing: None,
            created_at: context.now,
            updated_at: context.now,
        }
    }

    /// The rules of a field are those of a change to it, with nothing left out that must be there.
    fn into_patch(self) -> EndpointPatch {
        EndpointPatch {
            url: Some(self.url),
            events: Some(self.events),
            description: Some(self.description),
            name: Some(self.name),
            status: self.status,
            secret: self.secret,
            params: Some(self.params),
            agencies: Some(self.agencies),
            sources: Some(self.sources),
            sandbox: Some(self.sandbox),
            filter: Some(self.filter),
            headers: Some(self.headers),
            ordering: Some(self.ordering),
            max_in_flight: Some(self.max_in_flight),
            rate_limit_per_second: Some(self.rate_limit_per_second),
            timeout_seconds: Some(self.timeout_seconds),
            retry_schedule_seconds: Some(self.retry_schedule_seconds),
            tls: Some(Some(self.tls.into())),
        }
    }
}

// Drafts hold secrets and headers too.

impl fmt::Debug for EndpointDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointDraft")
            .field("url", &self.url)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EndpointPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointPatch")
            .field("url", &self.url)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EndpointIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointIdentity")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
