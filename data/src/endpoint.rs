//! An endpoint: where a tenant wants its events delivered, which of them, and how.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    address::EgressPolicy,
    dialect::{Dialects, check_header},
    error::{Error, FieldError, Result},
    event::Tenant,
    id::EndpointId,
    limits,
    pattern::Pattern,
    retry::RetrySchedule,
    secret::Secret,
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
    /// Static request headers, checked by [`check_header`].
    pub headers: BTreeMap<String, String>,
    /// Requests in flight at once; the engine's default if absent.
    pub max_in_flight: Option<u32>,
    /// Seconds of one attempt; the engine's default if absent.
    pub timeout_seconds: Option<u32>,
    /// Its own retry schedule; the engine's default if absent.
    pub retry: Option<RetrySchedule>,
    /// Deliveries up to this event were held when it last became active: they go out in order. An event's number in
    /// the log, not shown.
    #[serde(default)]
    pub held_through: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When any of the above last changed.
    pub updated_at: Timestamp,
}

/// What a caller gives to create an endpoint, before it is checked.
#[derive(Clone, Default, PartialEq)]
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
    /// New static headers, replacing all.
    pub headers: Option<BTreeMap<String, String>>,
    /// New limit of requests in flight.
    pub max_in_flight: Option<Option<u32>>,
    /// New deadline of one attempt.
    pub timeout_seconds: Option<Option<u32>>,
    /// New retry schedule.
    pub retry_schedule_seconds: Option<Option<Vec<u64>>>,
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
        let mut endpoint = Endpoint {
            id: identity.id,
            ordinal: identity.ordinal,
            tenant: identity.tenant,
            url: String::new(),
            description: None,
            name: None,
            events: Vec::new(),
            status: EndpointStatus::default(),
            status_reason: None,
            secrets: vec![Secret::generate(identity.random)],
            dialect: self.dialect.unwrap_or_else(|| context.default_dialect.to_owned()),
            headers: BTreeMap::new(),
            max_in_flight: None,
            timeout_seconds: None,
            retry: None,
            held_through: 0,
            created_at: context.now,
            updated_at: context.now,
        };
        // The rules of a field are those of a change to it, with nothing left out that must be there.
        let all = EndpointPatch {
            url: Some(self.url),
            events: Some(self.events),
            description: Some(self.description),
            name: Some(self.name),
            status: self.status,
            secret: self.secret,
            headers: Some(self.headers),
            max_in_flight: Some(self.max_in_flight),
            timeout_seconds: Some(self.timeout_seconds),
            retry_schedule_seconds: Some(self.retry_schedule_seconds),
        };
        endpoint.apply(all, context)?;
        Ok(endpoint)
    }
}

impl Endpoint {
    /// The endpoint with what the patch names changed. The error names every field that is wrong.
    ///
    /// `updated_at` advances by a second or more, so that it shows in whole seconds. A new secret replaces all.
    pub fn patched(&self, patch: EndpointPatch, context: &EndpointContext<'_>) -> Result<Self> {
        let mut changed = self.clone();
        changed.apply(patch, context)?;
        changed.touch(context.now);
        Ok(changed)
    }

    /// The endpoint paused by the engine, for a reason that its owner can read.
    #[must_use]
    pub fn disabled(&self, reason: String, now: Timestamp) -> Self {
        let mut changed = self.clone();
        changed.status = EndpointStatus::Paused;
        changed.status_reason = Some(reason);
        changed.touch(now);
        changed
    }

    fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.plus_millis(1_000));
    }

    /// Changes fields in place. After an error the endpoint is half changed and must be dropped.
    fn apply(&mut self, patch: EndpointPatch, context: &EndpointContext<'_>) -> Result<()> {
        let mut wrong = Wrong::default();
        if let Some(url) = patch.url {
            wrong.or_set(&mut self.url, check_url(&url, context.egress));
        }
        if let Some(events) = patch.events {
            let dialect = context.dialects.get(&self.dialect);
            wrong.or_set(&mut self.events, dialect.and_then(|dialect| dialect.check_patterns(&events)));
        }
        if let Some(description) = patch.description {
            wrong.or_set(&mut self.description, check_text("description", description));
        }
        if let Some(name) = patch.name {
            wrong.or_set(&mut self.name, check_text("name", name));
        }
        if let Some(status) = patch.status {
            self.status = status;
            if status == EndpointStatus::Active {
                self.status_reason = None;
            }
        }
        if let Some(secret) = patch.secret {
            wrong.or_set(&mut self.secrets, Secret::parse(&secret).map(|secret| vec![secret]));
        }
        if let Some(headers) = patch.headers {
            wrong.or_set(&mut self.headers, check_headers(headers));
        }
        if let Some(most) = patch.max_in_flight {
            wrong.or_set(&mut self.max_in_flight, check_range("max_in_flight", most, limits::IN_FLIGHT_MAX));
        }
        if let Some(timeout) = patch.timeout_seconds {
            let checked = check_range("timeout_seconds", timeout, limits::ATTEMPT_TIMEOUT_SECONDS_MAX);
            wrong.or_set(&mut self.timeout_seconds, checked);
        }
        if let Some(delays) = patch.retry_schedule_seconds {
            let schedule = delays.map(RetrySchedule::new).transpose();
            wrong.or_set(&mut self.retry, schedule.map_err(|error| error.under("retry")));
        }
        wrong.into_result()
    }
}

/// Collects what is wrong, so that a caller learns all of it at once.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

impl Wrong {
    fn or_set<T>(&mut self, field: &mut T, checked: Result<T>) {
        match checked {
            Ok(value) => *field = value,
            Err(error) => {
                debug_assert!(!error.field_errors().is_empty(), "a check names its field: {error}");
                self.0.extend_from_slice(error.field_errors());
            }
        }
    }

    fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::fields(self.0)) }
    }
}

fn check_url(url: &str, egress: &EgressPolicy) -> Result<String> {
    let fits = |url: &str| {
        if url.len() <= limits::URL_BYTES_MAX {
            return Ok(());
        }
        let message = format!("has {} bytes; at most {} are allowed", url.len(), limits::URL_BYTES_MAX);
        Err(Error::field("url", message))
    };
    fits(url)?;
    let normalised = egress.check_url(url)?;
    // Escapes may have made it longer.
    fits(&normalised)?;
    Ok(normalised)
}

fn check_text(field: &str, text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.len() > limits::DESCRIPTION_BYTES_MAX => {
            let message =
                format!("has {} bytes; at most {} are allowed", text.len(), limits::DESCRIPTION_BYTES_MAX);
            Err(Error::field(field, message))
        }
        text => Ok(text),
    }
}

fn check_headers(headers: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let mut wrong = Wrong::default();
    if headers.len() > limits::HEADERS_MAX {
        let message = format!("has {} entries; at most {} are allowed", headers.len(), limits::HEADERS_MAX);
        return Err(Error::field("headers", message));
    }
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in &headers {
        wrong.or_set(&mut (), check_header(name, value));
        if let Some(twin) = names.insert(name.to_ascii_lowercase(), name) {
            let message = format!("is the same header as `{twin}`; remove one of the two");
            wrong.or_set(&mut (), Err(Error::field(format!("headers.{name}"), message)));
        }
    }
    wrong.into_result()?;
    Ok(headers)
}

fn check_range(field: &str, value: Option<u32>, most: u32) -> Result<Option<u32>> {
    match value {
        Some(value) if !(1..=most).contains(&value) => Err(Error::field(
            field,
            format!("is {value}; choose 1 to {most}, or leave it out for the default"),
        )),
        value => Ok(value),
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

#[cfg(test)]
mod tests;
