//! One attempt: how it went over the wire, and what the receiver answered.

use std::{borrow::Cow, collections::BTreeMap, num::NonZeroU32};

use casewire_data::{
    delivery::{Attempt, Outcome},
    limits::RESPONSE_KEPT_BYTES_MAX,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::schema::shown;

/// One attempt.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub(in super::super) struct AttemptView<'a> {
    /// From 1.
    number: u16,
    #[schemars(schema_with = "shown::time")]
    started_at: String,
    duration_ms: u64,
    /// The address that was connected to, and its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_address: Option<String>,
    timing: TimingView,
    /// The status of the receiver's answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureView<'a>>,
    /// What the receiver answered, for tokens with the scope `payload:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<ResponseView<'a>>,
    /// What the receiver answered is not kept any more: it was erased with the event's content. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<bool>,
}

/// What each step took, in milliseconds to the microsecond. Those that there were not are absent: the first three when
/// an open connection was used again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Timing")]
struct TimingView {
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    total_ms: f64,
}

/// Why an attempt was not answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
struct FailureView<'a> {
    /// For programs.
    #[schemars(schema_with = "shown::failure_class")]
    class: &'static str,
    /// For people.
    message: &'a str,
}

/// What a receiver answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Response")]
struct ResponseView<'a> {
    /// By name, cut to 2 KiB.
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    /// The first 4 KiB.
    body: Cow<'a, str>,
}

impl<'a> AttemptView<'a> {
    /// An attempt; what the receiver answered only with `payload`.
    pub(super) fn new(attempt: &'a Attempt, payload: bool) -> Self {
        let (status_code, error, response) = match &attempt.outcome {
            Outcome::Answered { status, headers, body } => {
                let is_shown = payload && !attempt.erased;
                (Some(*status), None, is_shown.then(|| ResponseView::new(headers, body)))
            }
            Outcome::Failed { class, message } => {
                (None, Some(FailureView { class: class.as_str(), message }), None)
            }
        };
        let started_at = attempt.started_at.to_rfc3339_seconds();
        Self {
            number: attempt.number,
            started_at,
            duration_ms: attempt.duration_us / 1_000,
            remote_address: attempt.transit.remote.map(|address| address.to_string()),
            timing: TimingView::new(attempt),
            status_code,
            error,
            response,
            erased: attempt.erased.then_some(true),
        }
    }
}

impl TimingView {
    fn new(attempt: &Attempt) -> Self {
        let millis = |us: Option<NonZeroU32>| us.map(|us| f64::from(us.get()) / 1_000.0);
        let transit = attempt.transit;
        Self {
            dns_ms: millis(transit.dns_us),
            connect_ms: millis(transit.connect_us),
            tls_ms: millis(transit.tls_us),
            first_byte_ms: millis(transit.first_byte_us),
            total_ms: attempt.duration_us as f64 / 1_000.0,
        }
    }
}

impl<'a> ResponseView<'a> {
    /// A header that came several times is shown as one list (RFC 9110, 5.3).
    fn new(headers: &'a [(String, String)], body: &'a [u8]) -> Self {
        let mut merged = BTreeMap::<&str, Cow<'_, str>>::new();
        for (name, value) in headers {
            merged
                .entry(name)
                .and_modify(|before| *before = format!("{before}, {value}").into())
                .or_insert(value.into());
        }
        Self { headers: merged, body: String::from_utf8_lossy(without_half_a_character(body)) }
    }
}

/// A body without the beginning of a character at its end, where the limit has cut it: that was never in it.
fn without_half_a_character(body: &[u8]) -> &[u8] {
    match std::str::from_utf8(body) {
        Err(error) if body.len() == RESPONSE_KEPT_BYTES_MAX && error.error_len().is_none() => {
            &body[..error.valid_up_to()]
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_cut_ends_with_a_whole_character() {
        let shown = |body: &[u8]| ResponseView::new(&[], body).body.into_owned();
        for short in 1..=3 {
            let kept = "x".repeat(RESPONSE_KEPT_BYTES_MAX - short);
            let cut = [kept.as_bytes(), &"😀".as_bytes()[..short]].concat();
            assert_eq!(shown(&cut), kept);
        }
        assert_eq!(shown(b"caf\xc3"), "caf\u{fffd}", "what the receiver itself left unfinished is shown");
        assert_eq!(shown(b"\xffa"), "\u{fffd}a");
    }
}
