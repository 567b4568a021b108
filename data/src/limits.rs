//! A limit on everything, with its unit last in its name.

mod payloads;

use std::collections::BTreeMap;

pub use payloads::PayloadRetention;

use crate::{
    error::{Error, FieldError, Result},
    event::Tenant,
    store::StoreOptions,
};

/// Bytes of a tenant's name.
pub const TENANT_BYTES_MAX: usize = 64;
/// Bytes of an event type (http-api: 128).
pub const EVENT_TYPE_BYTES_MAX: usize = 128;
/// Bytes of an idempotency key (http-api: 128).
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// How long an idempotency key is remembered, in milliseconds (24 h).
pub const IDEMPOTENCY_MILLIS: i64 = 24 * 3_600_000;
/// Bytes of an event's payload.
pub const EVENT_DATA_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a label: a tag's name or value, an actor's or resource's id, an agency.
pub const LABEL_BYTES_MAX: usize = 256;
/// Bytes of the tag `tracestate`; the W3C asks that at least so many be passed on.
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Tags of one event.
pub const TAGS_MAX: usize = 64;
/// Events of one batch (http-api: 1,000).
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// Bytes of a backup's name.
pub const BACKUP_NAME_BYTES_MAX: usize = 64;
/// Bytes of one request body to the admin API.
pub const ADMIN_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Milliseconds that anything is kept: the most that can be set (10 years).
pub const RETENTION_MILLIS_MAX: u64 = 10 * 366 * 86_400_000;
/// Bytes of one log segment: the least that can be set.
pub const SEGMENT_BYTES_LEAST: u64 = 64 * 1024;
/// Segments that a log must have room for if it may take only so much of the disk: retention never takes the newest.
pub const SEGMENTS_LEAST: u64 = 16;

/// Arrays and objects inside each other in JSON that is taken in. Not deeper than the recursion limit of serde_json, so
/// that whatever is accepted can also be read again when it is rendered.
pub const JSON_DEPTH_MAX: usize = 127;

/// Bytes of an endpoint's URL.
pub const URL_BYTES_MAX: usize = 2_048;
/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 128;
/// Patterns of one endpoint.
pub const PATTERNS_MAX: usize = 256;
/// Bytes of an endpoint's name or description.
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;
/// Params of one endpoint for its dialect.
pub const PARAMS_MAX: usize = 32;
/// Bytes of a param's name.
pub const PARAM_NAME_BYTES_MAX: usize = 64;
/// Bytes of a param's value.
pub const PARAM_VALUE_BYTES_MAX: usize = 1_024;
/// Agencies that one endpoint names.
pub const AGENCIES_MAX: usize = 256;
/// Bytes of one endpoint's filter.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;
/// Paths in one filter.
pub const FILTER_CLAUSES_MAX: usize = 32;
/// Values that one filter compares with.
pub const FILTER_VALUES_MAX: usize = 512;
/// Names in one path of a filter.
pub const FILTER_DEPTH_MAX: usize = 32;
/// Events that a preview of an endpoint looks at.
pub const PREVIEW_EVENTS_MAX: u32 = 1_000;
/// Bytes of the JSON Schema of one event type.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Schemas inside one schema, itself included.
pub const SCHEMA_NODES_MAX: usize = 2_000;
/// Bytes of all patterns of one schema, compiled; of each by itself 16 KiB.
pub const SCHEMA_PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Values in all `enum`s and `const`s of one schema; a long text counts for each 64 bytes.
pub const SCHEMA_VALUES_MAX: usize = 8_192;
/// Bytes of an event type's sample.
pub const SAMPLE_BYTES_MAX: usize = 64 * 1024;
/// Event types that one tenant registers.
pub const EVENT_TYPES_PER_TENANT_MAX: usize = 1_000;
/// Static headers of one endpoint.
pub const HEADERS_MAX: usize = 32;
/// Bytes of one static header's value.
pub const HEADER_VALUE_BYTES_MAX: usize = 1_024;
/// Bytes of `tls.ca_pem` and of `tls.client_cert_pem`.
pub const TLS_PEM_BYTES_MAX: usize = 64 * 1024;
/// Certificates in either of them.
pub const TLS_CERTIFICATES_MAX: usize = 16;
/// Bytes of a source's name.
pub const SOURCE_NAME_BYTES_MAX: usize = 64;
/// Sources of one tenant.
pub const SOURCES_PER_TENANT_MAX: usize = 1_000;
/// Changes of an endpoint's params that are remembered for events from before them.
pub const EARLIER_PARAMS_MAX: usize = 16;
/// Characters of a signing secret that is a text.
pub const SECRET_CHARS_MAX: usize = 256;
/// Secrets of one endpoint in force at a time; a delivery may be signed by each.
pub const SECRETS_IN_FORCE_MAX: usize = 4;
/// Seconds for which a secret stays in force beside a newer one, unless the caller says otherwise (http-api: 24 h).
pub const SECRET_OVERLAP_SECONDS: u32 = 86_400;
/// Seconds for which it may at most (30 days).
pub const SECRET_OVERLAP_SECONDS_MAX: u32 = 30 * 86_400;
/// Requests that one endpoint may have in flight at once: the most that can be set.
pub const IN_FLIGHT_MAX: u32 = 1_024;
/// Cases of an endpoint with `ordering: resource` that may be blocked, or waited for, at once; beyond it the endpoint takes
/// no new events until some are through. 10 MB at most.
pub const BLOCKED_CASES_MAX: usize = 65_536;
/// Seconds that one attempt may take: the most that can be set.
pub const ATTEMPT_TIMEOUT_SECONDS_MAX: u32 = 120;
/// Delays in one retry schedule.
pub const RETRIES_MAX: usize = 64;
/// Seconds of one retry delay (30 days).
pub const RETRY_DELAY_SECONDS_MAX: u64 = 30 * 86_400;

/// Bytes of a receiver's response body that are read at all.
pub const RESPONSE_READ_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a receiver's response body that are kept with the attempt.
pub const RESPONSE_KEPT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a receiver's response headers that are kept with the attempt.
pub const RESPONSE_HEADERS_KEPT_BYTES_MAX: usize = 2 * 1024;
/// Bytes of those that a dialect judges by, which are kept besides; a longer one counts as absent.
pub const RESPONSE_HEADERS_JUDGED_BYTES_MAX: usize = 4 * 1024;
/// How far a receiver's `Retry-After` can delay, in milliseconds (24 h).
pub const RETRY_AFTER_MILLIS_MAX: i64 = 24 * 3_600_000;

/// Where JSON nests deeper than [`JSON_DEPTH_MAX`]. Found without recursion, since what is deep must not cost stack.
pub fn too_deep(json: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    json.bytes().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > JSON_DEPTH_MAX
    })
}

/// What an operator may set for the whole engine. Checked once, by [`Limits::check`], then passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events that wait for the journal at once; one more is answered with `Busy`.
    pub queue_events_max: usize,
    /// Bytes of events that wait for the journal at once.
    pub queue_bytes_max: usize,
    /// Deliveries that one mailbox holds in memory; the rest of a backlog waits in the log.
    pub window_deliveries_max: usize,
    /// Milliseconds that a mailbox without work is kept, with its connections.
    pub mailbox_rest_ms: u64,
    /// Requests in flight to one endpoint, unless the endpoint says otherwise.
    pub in_flight_max: u32,
    /// Milliseconds of one attempt from connect to the end of the response body, unless the endpoint says otherwise.
    pub attempt_timeout_ms: u32,
    /// Milliseconds without a single success after which an endpoint that is attempted is disabled; never if absent.
    pub disable_after_ms: Option<i64>,
    /// Milliseconds that events and delivery records are kept.
    pub retention_ms: i64,
    /// The same of some tenants; no longer than that of all.
    pub tenants_retention_ms: BTreeMap<Tenant, i64>,
    /// How long, and up to how many bytes, payloads are kept, and what receivers answered; as long as the rest if nothing is
    /// said. What still waits for a delivery keeps its payload.
    pub payload_retention: PayloadRetention,
    /// Bytes of the disk that the log may take; of more, the oldest events go first. No limit if absent.
    pub retention_bytes: Option<u64>,
    /// Bytes that events of some tenants may take in the log, with what is noted of their deliveries; of more, the oldest go
    /// first, a file of the log at a time. The newest file, which is still appended to, does not count.
    pub tenants_retention_bytes: BTreeMap<Tenant, u64>,
    /// Bytes of one log segment; retention gives the disk back in such pieces. In a log of more than 128 of them they
    /// grow with it, up to 256 MiB.
    pub segment_bytes_max: u64,
    /// Endpoints of one tenant.
    pub endpoints_per_tenant_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_events_max: 10_000,
            queue_bytes_max: 64 * 1024 * 1024,
            window_deliveries_max: 1_024,
            mailbox_rest_ms: 30_000,
            in_flight_max: 32,
            attempt_timeout_ms: 20_000,
            disable_after_ms: Some(5 * 24 * 3_600_000),
            retention_ms: 7 * 24 * 3_600_000,
            tenants_retention_ms: BTreeMap::new(),
            payload_retention: PayloadRetention::default(),
            retention_bytes: None,
            tenants_retention_bytes: BTreeMap::new(),
            segment_bytes_max: 64 * 1024 * 1024,
            endpoints_per_tenant_max: 100_000,
        }
    }
}

impl Limits {
    /// Holds every limit against what the engine can work with, and names all that are out of range.
    pub fn check(&self) -> Result<()> {
        self.check_each()?;
        let too_long: Vec<_> = self.too_long_tenants().collect();
        if too_long.is_empty() { Ok(()) } else { Err(Error::fields(too_long)) }
    }

    /// As [`Limits::check`], but each limit by itself: so they can be set one after the other.
    pub fn check_each(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut range = |field: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                let message = format!("is {value}; choose {least} to {most}");
                wrong.push(FieldError { field: field.into(), message });
            }
        };
        range("queue_events_max", self.queue_events_max as u64, 1, 1_000_000);
        range("queue_bytes_max", self.queue_bytes_max as u64, 2 * EVENT_DATA_BYTES_MAX as u64, 1 << 32);
        range("window_deliveries_max", self.window_deliveries_max as u64, 1, 65_536);
        range("mailbox_rest_ms", self.mailbox_rest_ms, 1, 3_600_000);
        range("max_in_flight", self.in_flight_max.into(), 1, IN_FLIGHT_MAX.into());
        range(
            "attempt_timeout_ms",
            self.attempt_timeout_ms.into(),
            10,
            u64::from(ATTEMPT_TIMEOUT_SECONDS_MAX) * 1_000,
        );
        if let Some(after_ms) = self.disable_after_ms {
            range("disable_after_ms", after_ms.try_into().unwrap_or(0), 100, 366 * 86_400_000);
        }
        range("retention_ms", self.retention_ms.try_into().unwrap_or(0), 1_000, RETENTION_MILLIS_MAX);
        for (field, period) in self.payload_retention.named() {
            range(&field, period.try_into().unwrap_or(0), 1_000, RETENTION_MILLIS_MAX);
        }
        for (tenant, period) in &self.tenants_retention_ms {
            let field = format!("tenants.{tenant}.retention_ms");
            range(&field, (*period).try_into().unwrap_or(0), 1_000, RETENTION_MILLIS_MAX);
        }
        for (field, bytes) in self.byte_limits() {
            range(&field, bytes, SEGMENTS_LEAST * SEGMENT_BYTES_LEAST, 1 << 60);
        }
        range("segment_bytes_max", self.segment_bytes_max, SEGMENT_BYTES_LEAST, 4 << 30);
        range("endpoints_per_tenant_max", self.endpoints_per_tenant_max as u64, 1, 10_000_000);
        if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
    }
}

impl Limits {
    /// Files hold events of all tenants, so none can keep its own for longer than all do.
    fn too_long_tenants(&self) -> impl Iterator<Item = FieldError> {
        let too_long = self.tenants_retention_ms.iter().filter(|(_, period)| **period > self.retention_ms);
        too_long.map(|(tenant, period)| FieldError {
            field: format!("tenants.{tenant}.retention_ms"),
            message: format!(
                "is {period}, longer than retention_ms, {}, by which files go; raise that, and shorten the period of \
                 each tenant that is not to have it",
                self.retention_ms
            ),
        })
    }

    /// All limits of what is kept that are in bytes, with the names of their settings.
    fn byte_limits(&self) -> impl Iterator<Item = (String, u64)> {
        let of_all = self.retention_bytes.map(|bytes| ("retention_bytes".to_owned(), bytes));
        let name = |tenant: &Tenant| format!("tenants.{tenant}.retention_bytes");
        let of_tenants =
            self.tenants_retention_bytes.iter().map(move |(tenant, bytes)| (name(tenant), *bytes));
        of_all.into_iter().chain(of_tenants).chain(self.payload_retention.named_bytes())
    }

    /// How long contents are kept: with events that are gone for everybody, theirs goes too.
    pub fn content_retention(&self) -> PayloadRetention {
        let mut contents = self.payload_retention.clone();
        for (tenant, period) in &self.tenants_retention_ms {
            let shorter = contents.of(tenant.as_str()).map_or(*period, |own| own.min(*period));
            contents.tenants_ms.insert(tenant.clone(), shorter);
        }
        contents
    }

    /// What the store needs to know of them.
    pub fn store_options(&self) -> StoreOptions {
        // Segments much younger than any period, or what goes by segments would go late.
        const PARTS: i64 = 8;
        let shortest = self.content_retention().periods().fold(self.retention_ms, i64::min);
        // The same of bytes.
        let share = self.byte_limits().map(|(_, bytes)| bytes / SEGMENTS_LEAST).min();
        StoreOptions {
            retention_ms: self.retention_ms,
            tenants_retention_ms: self.tenants_retention_ms.clone(),
            retention_bytes: self.retention_bytes,
            segment_age_ms_max: shortest / PARTS,
            segment_bytes_max: share.map_or(self.segment_bytes_max, |it| it.min(self.segment_bytes_max)),
        }
    }

    /// How often it is looked whether something is too old, or too much, in milliseconds.
    pub fn retention_every_ms(&self) -> u64 {
        const LEAST: i64 = 100;
        // A log grows faster than it ages.
        let most = if self.byte_limits().next().is_some() { 5_000 } else { 60_000 };
        self.store_options().segment_age_ms_max.clamp(LEAST, most).unsigned_abs()
    }
}

/// The first characters of a text that somebody else wrote, short enough for a message.
pub fn shorten(text: &str) -> String {
    const SHOWN_CHARS: usize = 64;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range_and_every_wrong_limit_is_named() {
        Limits::default().check().unwrap();
        let wrong = Limits { in_flight_max: 0, retention_ms: -1, ..Limits::default() };
        let fields: Vec<_> =
            wrong.check().unwrap_err().field_errors().iter().map(|error| error.field.clone()).collect();
        assert_eq!(fields, ["max_in_flight", "retention_ms"]);
    }

    #[test]
    fn the_least_limit_in_bytes_decides_how_large_files_grow() {
        let north = || Tenant::new("north").unwrap();
        let of_a_tenant =
            Limits { tenants_retention_bytes: [(north(), 32 << 20)].into(), ..Limits::default() };
        of_a_tenant.check().unwrap();
        assert_eq!(of_a_tenant.store_options().segment_bytes_max, 2 << 20);
        assert_eq!(of_a_tenant.retention_every_ms(), 5_000);
        let tenants_bytes = [(north(), 1 << 19)].into();
        let payload_retention =
            PayloadRetention { default_bytes: Some(1 << 20), tenants_bytes, ..Default::default() };
        let wrong = Limits { payload_retention, ..of_a_tenant }.check().unwrap_err();
        let fields: Vec<_> = wrong.field_errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["tenants.north.payload_retention_bytes"]);
    }
}
