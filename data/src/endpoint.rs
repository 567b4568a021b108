//! An endpoint: where a tenant wants its events delivered, which of them, and how.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    dialect::Dialects,
    error::Result,
    event::Tenant,
    filter::Filter,
    health::Failing,
    id::EndpointId,
    limits,
    order::DeliveryOrder,
    pattern::Pattern,
    rate::RateLimit,
    retry::RetrySchedule,
    scope::EventScope,
    secret::{RetiringSecret, Secret},
    seldom::Seldom,
};

pub(crate) mod changes;
mod draft;
mod rotation;
pub(crate) mod rules;
mod tls;

pub use draft::{EndpointContext, EndpointDraft, EndpointIdentity, EndpointPatch};
pub use rotation::Rotation;
pub use tls::{ClientCertificate, EndpointTls, TlsDraft, TlsPatch};

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

/// The params with which an endpoint's bodies are made for events up to one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierParams {
    /// The last such event: its number in the log, not shown.
    pub through: u64,
    /// The params.
    pub params: BTreeMap<String, String>,
}

/// An endpoint as the registry keeps it: once in memory for each there is, however many those are, so that whatever few
/// have takes little room where it is not.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its public id.
    pub id: EndpointId,
    /// Its short number in the log and in routes; never reused.
    pub ordinal: u32,
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// Absolute `https` (or allowed `http`) URL, normalised by the URL standard.
    pub url: Box<str>,
    /// For people to read.
    pub description: Seldom<Option<String>>,
    /// A short name for people to read.
    pub name: Seldom<Option<String>>,
    /// Which event types it takes. One event matched by several patterns is one delivery.
    pub events: Arc<[Pattern]>,
    /// Whether it is delivered to.
    pub status: EndpointStatus,
    /// Why the engine paused it; absent if its owner did.
    pub status_reason: Seldom<Option<String>>,
    /// What its deliveries are signed with: the newest first.
    pub secrets: Box<[Secret]>,
    /// What else they are signed with, each until a time: the newest first. A version that does not know of it signs with
    /// the newest secret alone.
    #[serde(default)]
    pub retiring: Seldom<Vec<RetiringSecret>>,
    /// The format that it speaks, pinned to a revision: `xpath@1`.
    pub dialect: Arc<str>,
    /// What its dialect must know of it beside the events, by name.
    #[serde(default)]
    pub params: Seldom<BTreeMap<String, String>>,
    /// Which of the events that its patterns match it takes.
    #[serde(default)]
    pub scope: Seldom<EventScope>,
    /// Which of those it takes by what they contain; all if absent.
    #[serde(default)]
    pub filter: Option<Arc<Filter>>,
    /// Static request headers, checked by [`check_header`](crate::dialect::check_header).
    pub headers: Seldom<BTreeMap<String, String>>,
    /// Which of its deliveries are made one at a time and in publish order.
    #[serde(default, skip_serializing_if = "DeliveryOrder::is_none")]
    pub ordering: DeliveryOrder,
    /// Requests in flight at once; the engine's default if absent.
    pub max_in_flight: Option<NonZeroU32>,
    /// Requests that may begin in a second; as many as can be if absent.
    #[serde(default)]
    pub rate_limit_per_second: Option<RateLimit>,
    /// Seconds of one attempt; the engine's default if absent.
    pub timeout_seconds: Option<NonZeroU32>,
    /// Its own retry schedule; the engine's default if absent.
    pub retry: Seldom<Option<RetrySchedule>>,
    /// TLS of its own, if it speaks it otherwise than all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Arc<EndpointTls>>,
    /// Deliveries up to this event were held when it last became active: they go out in order. An event's number in
    /// the log, not shown.
    #[serde(default)]
    pub held_through: u64,
    /// What `params` were for events up to a time, oldest first, so that a body stays the same over all attempts.
    #[serde(default)]
    pub earlier_params: Seldom<Vec<EarlierParams>>,
    /// That it is failing, as the engine noted last.
    #[serde(default)]
    pub failing: Option<Box<Failing>>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When any of the above last changed.
    pub updated_at: Timestamp,
}

impl Endpoint {
    /// The endpoint with what the patch names changed. The error names every field that is wrong.
    ///
    /// `updated_at` advances by a second or more, so that it shows in whole seconds. A new secret replaces all.
    pub fn patched(&self, patch: EndpointPatch, context: &EndpointContext<'_>) -> Result<Self> {
        let mut changed = self.clone();
        changed.apply(patch, None, context)?;
        changed.forget_expired(context.now);
        changed.touch(context.now);
        Ok(changed)
    }

    /// The endpoint paused by the engine, for a reason that its owner can read.
    #[must_use]
    pub fn disabled(&self, reason: String, now: Timestamp) -> Self {
        let mut changed = self.clone();
        changed.status = EndpointStatus::Paused;
        changed.status_reason = Some(reason).into();
        changed.touch(now);
        changed
    }

    /// The endpoint as it stands as long as nobody knows its dialect: paused, for a reason that says what to do. `None`
    /// if the dialect is known, or the endpoint is paused anyway.
    ///
    /// Not to be stored: it goes on by itself when the engine starts with the dialect again.
    pub fn speechless(&self, dialects: &Dialects) -> Option<Self> {
        let gone = dialects.get(&self.dialect).is_err() && self.status == EndpointStatus::Active;
        let status = EndpointStatus::Paused;
        gone.then(|| Self { status, status_reason: Some(self.speechless_reason()).into(), ..self.clone() })
    }

    /// The endpoint as it is to be stored: active if it is paused only for want of its dialect.
    pub fn to_stored(&self) -> Self {
        let mut stored = self.clone();
        if self.is_speechless() {
            (stored.status, stored.status_reason) = (EndpointStatus::Active, None.into());
        }
        stored
    }

    /// Whether it is paused only for want of its dialect.
    pub fn is_speechless(&self) -> bool {
        self.status_reason.as_ref().is_some_and(|reason| *reason == self.speechless_reason())
    }

    fn speechless_reason(&self) -> String {
        let dialect = &self.dialect;
        format!(
            "its dialect {dialect} is gone: put {dialect}.toml back into the folder of dialects (--dialects) and \
             restart; events are held until then"
        )
    }

    /// The endpoint with what the engine has noted of its failing. Not a change of its owner's: `updated_at` stays.
    #[must_use]
    pub fn noted(&self, failing: Option<Failing>) -> Self {
        Self { failing: failing.map(Box::new), ..self.clone() }
    }

    /// Where its URL leads, without the path, which may hold what is not everybody's: `partner.example.com`.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or(rest)
    }

    /// Keeps the params that were in force for events up to `through`; the oldest are let go beyond a bound.
    pub fn keep_params(&mut self, params: BTreeMap<String, String>, through: u64) {
        self.earlier_params.change(|earlier| {
            earlier.push(EarlierParams { through, params });
            let excess = earlier.len().saturating_sub(limits::EARLIER_PARAMS_MAX);
            earlier.drain(..excess);
        });
    }

    fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.plus_millis(1_000));
    }
}

// Secrets and headers (an `Authorization` among them) never reach a log, so none of these prints all that it holds.

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("url", &self.url)
            .field("events", &self.events)
            .field("status", &self.status)
            .field("dialect", &self.dialect)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
