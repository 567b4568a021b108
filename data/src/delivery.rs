//! One event on its way to one endpoint: what an attempt came to, and what follows from it.
//!
//! [`judge`] is the whole state machine, a pure function from [`Outcome`] to [`Judgement`].

use serde::{Deserialize, Serialize};

use crate::{Timestamp, event::EventType, id::DeliveryId, limits, retry::RetrySchedule};

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
        /// The response's headers, cut to 2 KiB altogether.
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

/// Decides what follows from the outcome of attempt `number` (from 1) of a delivery, `now` being when it ended.
///
/// Only a 2xx delivers. Anything else, redirects among it, is retried by the schedule until that is exhausted.
/// `Retry-After` can only delay, and by 24 h at most. 410 disables the endpoint and keeps the delivery for it.
pub fn judge(
    outcome: &Outcome,
    number: u16,
    delivery: DeliveryId,
    schedule: &RetrySchedule,
    now: Timestamp,
) -> Judgement {
    let by_schedule = |no_earlier_than: Option<Timestamp>| match schedule.delay_ms(delivery, number) {
        None => Verdict::Dead,
        Some(delay_ms) => Verdict::RetryAt(now.plus_millis(delay_ms).max(no_earlier_than.unwrap_or(now))),
    };
    let (verdict, effect) = match outcome {
        Outcome::Failed { class: FailureClass::Quarantined, .. } => (Verdict::Dead, EndpointEffect::None),
        Outcome::Failed { .. } => (by_schedule(None), EndpointEffect::None),
        Outcome::Answered { status: 200..=299, .. } => (Verdict::Delivered, EndpointEffect::None),
        Outcome::Answered { status: 410, .. } => {
            let reason = "the endpoint answered 410 Gone: it wants no more deliveries; \
                          set its status to active to resume";
            (Verdict::RetryAt(now), EndpointEffect::Disable { reason: reason.to_owned() })
        }
        Outcome::Answered { status, headers, .. } => {
            let until = retry_after(headers, now);
            let effect = match status {
                429 | 502 | 504 => EndpointEffect::Throttle { until },
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{EndpointId, EventId};

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    const NOW: Timestamp = Timestamp::from_millis(784_111_777_000);
    const HOUR_MS: i64 = 3_600_000;

    fn delivery() -> DeliveryId {
        DeliveryId { event: EventId::from_u128(1), endpoint: EndpointId::from_u128(2) }
    }

    fn answered(status: u16, retry_after: Option<&str>) -> Outcome {
        let headers =
            retry_after.map(|value| ("Retry-After".to_owned(), value.to_owned())).into_iter().collect();
        Outcome::Answered { status, headers, body: Vec::new() }
    }

    fn failed(class: FailureClass) -> Outcome {
        Outcome::Failed { class, message: "connection refused".into() }
    }

    /// A schedule of one retry after 0 s, so that what delays in a test is the answer alone.
    fn judged(outcome: &Outcome, number: u16) -> Judgement {
        judge(outcome, number, delivery(), &RetrySchedule::new(vec![0]).unwrap(), NOW)
    }

    #[test]
    fn the_table_of_the_state_machine() {
        use EndpointEffect::None as Nothing;
        let at = |ms| Verdict::RetryAt(NOW.plus_millis(ms));
        let throttle = |ms: Option<i64>| EndpointEffect::Throttle { until: ms.map(|ms| NOW.plus_millis(ms)) };
        let last = 2;
        for (outcome, number, verdict, effect) in [
            // A 2xx delivers, on the last attempt too, whatever else it says.
            (answered(200, None), 1, Verdict::Delivered, Nothing),
            (answered(204, Some("60")), last, Verdict::Delivered, Nothing),
            (answered(299, None), 1, Verdict::Delivered, Nothing),
            // Everything else is retried, redirects among it, and given up after the last attempt.
            (answered(199, None), 1, at(0), Nothing),
            (answered(301, None), 1, at(0), Nothing),
            (answered(304, None), last, Verdict::Dead, Nothing),
            (answered(400, None), 1, at(0), Nothing),
            (answered(404, None), last, Verdict::Dead, Nothing),
            (answered(500, None), 1, at(0), Nothing),
            (answered(999, None), last, Verdict::Dead, Nothing),
            (failed(FailureClass::Dns), 1, at(0), Nothing),
            (failed(FailureClass::Egress), 1, at(0), Nothing),
            (failed(FailureClass::Connect), 1, at(0), Nothing),
            (failed(FailureClass::Tls), 1, at(0), Nothing),
            (failed(FailureClass::Timeout), last, Verdict::Dead, Nothing),
            (failed(FailureClass::Broken), 1, at(0), Nothing),
            (failed(FailureClass::Protocol), 1, at(0), Nothing),
            (failed(FailureClass::Request), 1, at(0), Nothing),
            // Retry-After delays any retry, in seconds or as a date, and never beyond the cap.
            (answered(503, Some("60")), 1, at(60_000), Nothing),
            (answered(302, Some(" 7 ")), 1, at(7_000), Nothing),
            (answered(500, Some("Sun, 06 Nov 1994 09:49:37 GMT")), 1, at(HOUR_MS), Nothing),
            (answered(500, Some("Sunday, 06-Nov-94 09:49:37 GMT")), 1, at(HOUR_MS), Nothing),
            (answered(500, Some("Sun Nov  6 09:49:37 1994")), 1, at(HOUR_MS), Nothing),
            (answered(500, Some("Sun, 06 Nov 1994 07:49:37 GMT")), 1, at(0), Nothing),
            (answered(500, Some("86401")), 1, at(24 * HOUR_MS), Nothing),
            (answered(500, Some("99999999999999999999999")), 1, at(24 * HOUR_MS), Nothing),
            (answered(500, Some("Thu, 30 Dec 9999 00:00:00 GMT")), 1, at(24 * HOUR_MS), Nothing),
            (answered(500, Some("-5")), 1, at(0), Nothing),
            (answered(500, Some("soon")), 1, at(0), Nothing),
            (answered(500, Some("")), 1, at(0), Nothing),
            (answered(503, Some("60")), last, Verdict::Dead, Nothing),
            // 429, 502 and 504 throttle the endpoint.
            (answered(429, Some("60")), 1, at(60_000), throttle(Some(60_000))),
            (answered(429, None), 1, at(0), throttle(None)),
            (answered(502, None), 1, at(0), throttle(None)),
            (answered(504, Some("1")), last, Verdict::Dead, throttle(Some(1_000))),
            // What made the engine fail is not tried again.
            (failed(FailureClass::Quarantined), 1, Verdict::Dead, Nothing),
        ] {
            assert_eq!(
                judged(&outcome, number),
                Judgement { verdict, effect },
                "{outcome:?}, attempt {number}"
            );
        }
    }

    #[test]
    fn gone_disables_the_endpoint_and_keeps_the_delivery_for_it_even_after_the_last_attempt() {
        for number in [1, 2, 3] {
            let judgement = judged(&answered(410, Some("60")), number);
            assert_eq!(judgement.verdict, Verdict::RetryAt(NOW));
            let EndpointEffect::Disable { reason } = judgement.effect else { panic!("410 disables") };
            assert!(reason.starts_with("the endpoint answered 410 Gone"), "{reason}");
        }
    }

    #[test]
    fn an_attempt_is_stored_compactly_and_reads_back() {
        let body: Vec<u8> = (0..=255).cycle().take(4_096).collect();
        let outcome = Outcome::Answered { status: 500, headers: vec![("a".into(), "b".into())], body };
        for outcome in [outcome, failed(FailureClass::Timeout)] {
            let attempt = Attempt { number: 1, started_at: NOW, duration_us: 9, outcome };
            let stored = rmp_serde::to_vec(&attempt).unwrap();
            assert!(stored.len() < 4_096 + 64, "{} bytes", stored.len());
            assert_eq!(rmp_serde::from_slice::<Attempt>(&stored).unwrap(), attempt);
        }
    }

    #[test]
    fn outcomes_have_words_for_people_and_classes_for_machines() {
        assert_eq!(answered(200, None).summary(), "200");
        assert_eq!(failed(FailureClass::Connect).summary(), "connection refused");
        let class = failed(FailureClass::Connect).failure_class().unwrap();
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{}\"", class.as_str()));
    }

    proptest! {
        #[test]
        fn a_retry_is_never_earlier_than_the_schedule_and_never_later_than_schedule_and_cap(
            status in 300_u16..600, seconds in 0_u64..200_000, asked in "[0-9]{0,7}|[ -~]{0,30}", number in 1_u16..4,
        ) {
            prop_assume!(status != 410);
            let schedule = RetrySchedule::new(vec![seconds; 2]).unwrap();
            let judgement = judge(&answered(status, Some(&asked)), number, delivery(), &schedule, NOW);
            match schedule.delay_ms(delivery(), number) {
                None => prop_assert_eq!(judgement.verdict, Verdict::Dead),
                Some(delay_ms) => {
                    let Verdict::RetryAt(at) = judgement.verdict else { panic!("{judgement:?}") };
                    let latest = delay_ms.max(limits::RETRY_AFTER_MILLIS_MAX);
                    prop_assert!(NOW.plus_millis(delay_ms) <= at && at <= NOW.plus_millis(latest));
                }
            }
        }
    }
}
