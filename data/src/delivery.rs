//! One event on its way to one endpoint: what an attempt came to, and what follows from it.
//!
//! [`judge`] is the whole state machine, a pure function from [`Outcome`] to [`Judgement`].

mod transit;

use serde::{Deserialize, Serialize};

pub use self::transit::Transit;
use crate::{Timestamp, dialect::Ruling, event::EventType, id::DeliveryId, limits, retry::RetrySchedule};

/// Why no complete answer came, in classes that stay stable for machines to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureClass {
    /// The host's name did not resolve.
    Dns,
    /// The egress policy forbids the address; no connection was made.
    Egress,
    /// The connection was refused or could not be made.
    Connect,
    /// TLS failed: certificate, name or protocol.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection broke before an answer came.
    Broken,
    /// What came back is not HTTP.
    Protocol,
    /// The request could not be made from what is configured.
    Request,
    /// The delivery itself made the engine fail; it is kept aside for people to look at.
    Quarantined,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 9] = [
        Self::Dns,
        Self::Egress,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Broken,
        Self::Protocol,
        Self::Request,
        Self::Quarantined,
    ];

    /// The class as machines read it: `timeout`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Egress => "egress",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Protocol => "protocol",
            Self::Request => "request",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What an attempt came to on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The receiver answered with a status line before the deadline.
    Answered {
        /// HTTP status code.
        status: u16,
        /// The response's headers, cut to 2 KiB altogether; before them those that the dialect judges by.
        headers: Vec<(String, String)>,
        /// The first 4 KiB of the body.
        #[serde(with = "bin")]
        body: Vec<u8>,
    },
    /// No answer came.
    Failed {
        /// The class of the failure.
        class: FailureClass,
        /// In plain words: "connection refused", "no answer in 20 s".
        message: String,
    },
}

impl Outcome {
    /// What it came to, in a few words for people: `200`, `connection refused`.
    pub fn summary(&self) -> String {
        match self {
            Self::Answered { status, .. } => status.to_string(),
            Self::Failed { message, .. } => message.clone(),
        }
    }

    /// Why no answer came; absent if one did.
    pub const fn failure_class(&self) -> Option<FailureClass> {
        match self {
            Self::Answered { .. } => None,
            Self::Failed { class, .. } => Some(*class),
        }
    }

    /// The status code of the answer; absent if none came.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Failed { .. } => None,
        }
    }
}

/// One attempt, as the delivery log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u16,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What it came to.
    pub outcome: Outcome,
    /// To whom it went, and where its time went.
    // Last, and by default empty: attempts were stored without it at first.
    #[serde(default)]
    pub transit: Transit,
    /// What the receiver answered, or what in the event could not be said, was erased with the event's content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// Where a delivery stands (http-api, deliveries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not attempted yet.
    Pending,
    /// An attempt is under way.
    InFlight,
    /// At least one attempt failed; the next one has a time.
    Retrying,
    /// The receiver acknowledged it.
    Delivered,
    /// The schedule is exhausted; kept until retention, replayable.
    Dead,
    /// The endpoint was deleted first.
    Cancelled,
    /// Its endpoint is paused.
    Held,
}

impl DeliveryStatus {
    /// Every status, in the order of http-api.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::InFlight,
        Self::Retrying,
        Self::Delivered,
        Self::Dead,
        Self::Cancelled,
        Self::Held,
    ];

    /// The status as machines read it: `in_flight`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in_flight",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Held => "held",
        }
    }
}

/// One delivery as the delivery log shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRecord {
    /// `<event>.<endpoint>`.
    pub id: DeliveryId,
    /// What happened.
    pub event_type: EventType,
    /// When the event was accepted.
    pub published_at: Timestamp,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// The attempts so far, oldest first.
    pub attempts: Vec<Attempt>,
    /// When the next attempt is due; absent when nothing more is planned.
    pub next_attempt_at: Option<Timestamp>,
}

/// One delivery as a list shows it: without what its attempts came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySummary {
    /// `<event>.<endpoint>`.
    pub id: DeliveryId,
    /// What happened.
    pub event_type: EventType,
    /// When the event was accepted.
    pub published_at: Timestamp,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How many attempts there were.
    pub attempts: usize,
    /// When the next attempt is due; absent when nothing more is planned.
    pub next_attempt_at: Option<Timestamp>,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It is tried again, not before this time and, if its endpoint is paused by then, once it is active.
    RetryAt(Timestamp),
    /// It is given up: a dead letter, kept until retention and replayable.
    Dead,
}

/// What an attempt means for the endpoint as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointEffect {
    /// Nothing.
    None,
    /// The endpoint is to be paused until its owner makes it active again.
    Disable {
        /// In plain words, shown as `status_reason`.
        reason: String,
    },
    /// The endpoint asks for less.
    Throttle {
        /// When it asked to be called again, if it said so.
        until: Option<Timestamp>,
    },
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// For the delivery.
    pub verdict: Verdict,
    /// For its endpoint.
    pub effect: EndpointEffect,
}

/// Why an endpoint is disabled that answered 410.
const GONE: &str =
    "the endpoint answered 410 Gone: it wants no more deliveries; set its status to active to resume";

/// Decides what follows from the outcome of attempt `number` (from 1) of a delivery, `now` being when it ended.
///
/// If the endpoint's dialect has a ruling on the answer, that decides. Otherwise only a 2xx delivers. Anything else,
/// redirects among it, is retried by the schedule until that is exhausted.
/// `Retry-After` can only delay, and by 24 h at most. 410 disables the endpoint and keeps the delivery for it.
pub fn judge(
    outcome: &Outcome,
    ruling: Option<&Ruling>,
    number: u16,
    delivery: DeliveryId,
    schedule: &RetrySchedule,
    now: Timestamp,
) -> Judgement {
    let by_schedule = |no_earlier_than: Option<Timestamp>| match schedule.delay_ms(delivery, number) {
        None => Verdict::Dead,
        Some(delay_ms) => Verdict::RetryAt(now.plus_millis(delay_ms).max(no_earlier_than.unwrap_or(now))),
    };
    let disable =
        |reason: &str| (Verdict::RetryAt(now), EndpointEffect::Disable { reason: reason.to_owned() });
    let (verdict, effect) = match (outcome, ruling) {
        (Outcome::Failed { class: FailureClass::Quarantined, .. }, _) | (_, Some(Ruling::Drop)) => {
            (Verdict::Dead, EndpointEffect::None)
        }
        (Outcome::Failed { .. }, _) => (by_schedule(None), EndpointEffect::None),
        (_, Some(Ruling::Delivered)) => (Verdict::Delivered, EndpointEffect::None),
        (_, Some(Ruling::Disable { reason })) => disable(reason),
        (Outcome::Answered { status: 200..=299, .. }, None) => (Verdict::Delivered, EndpointEffect::None),
        (Outcome::Answered { status: 410, .. }, None) => disable(GONE),
        (Outcome::Answered { status, headers, .. }, _) => {
            let until = retry_after(headers, now);
            let effect = match status {
                429 | 502 | 504 => EndpointEffect::Throttle { until },
                // It says when it will be there again, which holds for whatever it would be sent (RFC 9110, 15.6.4).
                503 if until.is_some() => EndpointEffect::Throttle { until },
                _ => EndpointEffect::None,
            };
            (by_schedule(until), effect)
        }
    };
    Judgement { verdict, effect }
}

/// When the receiver asks to be called again: the latest `Retry-After`, between now and the cap.
fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Timestamp> {
    let cap = now.plus_millis(limits::RETRY_AFTER_MILLIS_MAX);
    let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let times = named.filter_map(|(_, value)| {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit are more than the cap.
            let seconds: i64 = value.parse().unwrap_or(i64::MAX);
            Some(now.plus_millis(seconds.saturating_mul(1_000)))
        } else {
            http_date(value)
        }
    });
    times.map(|time| time.clamp(now, cap)).max()
}

/// Reads an HTTP date in any of the three forms that a recipient must accept (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    let imf = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok();
    let obsolete = || {
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
            .into_iter()
            .find_map(|format| jiff::fmt::strtime::parse(format, text).ok()?.to_datetime().ok())
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .map(|zoned| zoned.timestamp())
    };
    imf.or_else(obsolete).map(|at| Timestamp::from_micros(at.as_microsecond()))
}

/// Bytes as MessagePack's `bin`, an eighth of what a list of numbers takes.
mod bin {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Buffer)
    }

    struct Buffer;

    impl de::Visitor<'_> for Buffer {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests;
