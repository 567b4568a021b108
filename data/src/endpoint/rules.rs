//! The rules of an endpoint's fields: the same at its creation and at every change.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
};

use super::{Endpoint, EndpointContext, EndpointPatch, EndpointStatus, EndpointTls};
use crate::{
    address::EgressPolicy,
    dialect::{Dialect, Dialects, check_header},
    error::{Error, FieldError, Result},
    filter::Filter,
    limits,
    rate::RateLimit,
    retry::RetrySchedule,
    seldom::Seldom,
};

impl Endpoint {
    /// Changes fields in place. After an error the endpoint is half changed and must be dropped.
    ///
    /// `random` was drawn for a new endpoint: its secret, unless the patch brings one.
    pub(super) fn apply(
        &mut self,
        patch: EndpointPatch,
        random: Option<[u8; 32]>,
        context: &EndpointContext<'_>,
    ) -> Result<()> {
        let mut wrong = Wrong::default();
        if let Some(url) = &patch.url {
            let before = self.url.clone();
            wrong.or_set(&mut self.url, check_url(url, context.egress));
            // Whatever was wrong is said of the receiver that it was.
            self.failing = self.failing.take().filter(|_| self.url == before);
        }
        // Changes that do not ask the dialect are possible even if it is gone.
        let in_dialect =
            [patch.events.is_some(), patch.params.is_some(), patch.sandbox.is_some(), patch.secret.is_some()];
        if in_dialect.contains(&true) {
            match context.dialects.get(&self.dialect) {
                Ok(dialect) => self.apply_in_dialect(&patch, random, &dialect, &mut wrong),
                unknown => wrong.or_set(&mut (), unknown.map(drop)),
            }
        }
        if let Some(agencies) = patch.agencies {
            self.scope.change(|scope| wrong.or_set(&mut scope.agencies, check_agencies(agencies)));
        }
        if let Some(sources) = patch.sources {
            self.scope.change(|scope| scope.sources = sources.into_iter().collect());
        }
        if let Some(filter) = patch.filter {
            wrong.or_set(&mut self.filter, check_filter(filter));
        }
        if let Some(description) = patch.description {
            wrong.or_set(&mut self.description, check_text("description", description).map(Into::into));
        }
        if let Some(name) = patch.name {
            wrong.or_set(&mut self.name, check_text("name", name).map(Into::into));
        }
        if let Some(status) = patch.status {
            if status == EndpointStatus::Active && context.dialects.get(&self.dialect).is_err() {
                wrong.or_set(&mut (), Err(Error::field("status", self.speechless_reason())));
            }
            // Who makes it active again gives it another chance, and all of the time for it.
            let resumes = self.status == EndpointStatus::Paused && status == EndpointStatus::Active;
            self.failing = self.failing.take().filter(|_| !resumes);
            self.status = status;
            // Paused by its owner, it stays so when its dialect is back.
            if status == EndpointStatus::Active || self.is_speechless() {
                self.status_reason = Seldom::default();
            }
        }
        if let Some(headers) = patch.headers {
            wrong.or_set(&mut self.headers, check_headers(headers, context.dialects).map(Into::into));
        }
        if let Some(ordering) = patch.ordering {
            self.ordering = ordering;
        }
        if let Some(most) = patch.max_in_flight {
            wrong.or_set(&mut self.max_in_flight, check_range("max_in_flight", most, limits::IN_FLIGHT_MAX));
        }
        if let Some(per_second) = patch.rate_limit_per_second {
            wrong.or_set(&mut self.rate_limit_per_second, per_second.map(RateLimit::new).transpose());
        }
        if let Some(timeout) = patch.timeout_seconds {
            let checked = check_range("timeout_seconds", timeout, limits::ATTEMPT_TIMEOUT_SECONDS_MAX);
            wrong.or_set(&mut self.timeout_seconds, checked);
        }
        if let Some(delays) = patch.retry_schedule_seconds {
            let schedule = delays.map(RetrySchedule::new).transpose();
            wrong.or_set(&mut self.retry, schedule.map(Into::into).map_err(|error| error.under("retry")));
        }
        if let Some(tls) = patch.tls {
            let changed = EndpointTls::patched(self.tls.as_deref(), tls);
            wrong.or_set(&mut self.tls, changed);
        }
        wrong.or_set(&mut (), self.check_tls_is_spoken());
        wrong.into_result()
    }

    /// Who wants a receiver to prove itself does not want to hear that nobody asked it.
    fn check_tls_is_spoken(&self) -> Result<()> {
        if self.tls.is_some() && self.url.starts_with("http://") {
            return Err(Error::field("tls", "is for https; give the endpoint an https URL, or leave it out"));
        }
        Ok(())
    }

    /// Changes what depends on the dialect.
    fn apply_in_dialect(
        &mut self,
        patch: &EndpointPatch,
        random: Option<[u8; 32]>,
        dialect: &Dialect,
        wrong: &mut Wrong,
    ) {
        if let Some(events) = &patch.events {
            wrong.or_set(&mut self.events, dialect.check_patterns(events).map(Into::into));
        }
        if let Some(params) = &patch.params {
            wrong.or_set(&mut self.params, check_params(params, dialect).map(Into::into));
        }
        if let Some(sandbox) = patch.sandbox {
            self.scope.change(|scope| wrong.or_set(&mut scope.sandbox, check_sandbox(sandbox, dialect)));
        }
        if patch.secret.is_some() || random.is_some() {
            let secret = dialect.secret(patch.secret.as_deref(), random.unwrap_or_default());
            wrong.or_set(&mut self.secrets, secret.map(Box::from_iter));
            self.retiring = Seldom::default();
        }
    }
}

/// Collects what is wrong, so that a caller learns all of it at once.
#[derive(Default)]
pub(crate) struct Wrong(Vec<FieldError>);

impl Wrong {
    pub(crate) fn or_set<T>(&mut self, field: &mut T, checked: Result<T>) {
        match checked {
            Ok(value) => *field = value,
            Err(error) => {
                debug_assert!(!error.field_errors().is_empty(), "a check names its field: {error}");
                self.0.extend_from_slice(error.field_errors());
            }
        }
    }

    pub(crate) fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::fields(self.0)) }
    }
}

fn check_url(url: &str, egress: &EgressPolicy) -> Result<Box<str>> {
    if url.is_empty() {
        return Err(Error::field("url", "is required; write it like https://example.com/webhooks"));
    }
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
    Ok(normalised.into())
}

pub(crate) fn check_text(field: &str, text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.len() > limits::DESCRIPTION_BYTES_MAX => {
            let message =
                format!("has {} bytes; at most {} are allowed", text.len(), limits::DESCRIPTION_BYTES_MAX);
            Err(Error::field(field, message))
        }
        text => Ok(text),
    }
}

fn check_params(params: &BTreeMap<String, String>, dialect: &Dialect) -> Result<BTreeMap<String, String>> {
    check_param_limits(params)?;
    dialect.check_params(params)?;
    Ok(params.clone())
}

/// Whether each is a name and a value; what they must be is the dialect's to say.
pub(crate) fn check_param_limits(params: &BTreeMap<String, String>) -> Result<()> {
    if params.len() > limits::PARAMS_MAX {
        let message = format!("has {} entries; at most {} are allowed", params.len(), limits::PARAMS_MAX);
        return Err(Error::field("params", message));
    }
    let mut wrong = Wrong::default();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    for (name, value) in params {
        let mut refuse = |message| {
            let field = format!("params.{}", limits::shorten(name));
            wrong.or_set(&mut (), Err(Error::field(field, message)));
        };
        if name.is_empty() || name.len() > limits::PARAM_NAME_BYTES_MAX || !name.bytes().all(allowed) {
            let bytes_max = limits::PARAM_NAME_BYTES_MAX;
            refuse(format!("is not a parameter's name; use 1 to {bytes_max} of a-z, 0-9 and _"));
        }
        if value.len() > limits::PARAM_VALUE_BYTES_MAX {
            let bytes_max = limits::PARAM_VALUE_BYTES_MAX;
            refuse(format!("has {} bytes; at most {bytes_max} are allowed", value.len()));
        }
    }
    wrong.into_result()
}

fn check_agencies(agencies: Vec<String>) -> Result<BTreeSet<String>> {
    if agencies.len() > limits::AGENCIES_MAX {
        let message = format!(
            "has {} entries; at most {} are allowed, so leave it out to take all, or use a second endpoint",
            agencies.len(),
            limits::AGENCIES_MAX
        );
        return Err(Error::field("agencies", message));
    }
    let mut wrong = Wrong::default();
    for (place, agency) in agencies.iter().enumerate() {
        if !(1..=limits::LABEL_BYTES_MAX).contains(&agency.len()) {
            let message = format!("has {} bytes; 1 to {} are allowed", agency.len(), limits::LABEL_BYTES_MAX);
            wrong.or_set(&mut (), Err(Error::field(format!("agencies[{place}]"), message)));
        }
    }
    wrong.into_result()?;
    Ok(agencies.into_iter().collect())
}

fn check_filter(filter: Option<String>) -> Result<Option<Arc<Filter>>> {
    Ok(filter.as_deref().map(Filter::new).transpose()?.flatten().map(Arc::new))
}

fn check_sandbox(sandbox: bool, dialect: &Dialect) -> Result<bool> {
    if sandbox && !dialect.has_sandbox() {
        return Err(Error::field("sandbox", format!("{} has no sandbox; leave it out", dialect.id())));
    }
    Ok(sandbox)
}

fn check_headers(headers: BTreeMap<String, String>, dialects: &Dialects) -> Result<BTreeMap<String, String>> {
    let mut wrong = Wrong::default();
    if headers.len() > limits::HEADERS_MAX {
        let message = format!("has {} entries; at most {} are allowed", headers.len(), limits::HEADERS_MAX);
        return Err(Error::field("headers", message));
    }
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in &headers {
        wrong.or_set(&mut (), check_header(name, value));
        if dialects.sets_header(name) {
            let message = "belongs to a system whose webhooks are sent here; choose another name";
            wrong.or_set(&mut (), Err(Error::field(format!("headers.{}", limits::shorten(name)), message)));
        }
        if let Some(twin) = names.insert(name.to_ascii_lowercase(), name) {
            let message = format!("is the same header as `{twin}`; remove one of the two");
            wrong.or_set(&mut (), Err(Error::field(format!("headers.{name}"), message)));
        }
    }
    wrong.into_result()?;
    Ok(headers)
}

fn check_range(field: &str, value: Option<u32>, most: u32) -> Result<Option<NonZeroU32>> {
    let Some(value) = value else { return Ok(None) };
    let checked = NonZeroU32::new(value).filter(|value| value.get() <= most);
    let wrong = || format!("is {value}; choose 1 to {most}, or leave it out for the default");
    checked.map(Some).ok_or_else(|| Error::field(field, wrong()))
}
