//! Every row of the state machine: what an outcome comes to.

use std::num::NonZeroU32;

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
    let headers = retry_after.map(|value| ("Retry-After".to_owned(), value.to_owned())).into_iter().collect();
    Outcome::Answered { status, headers, body: Vec::new() }
}

fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed { class, message: "connection refused".into() }
}

/// A schedule of one retry after 0 s, so that what delays in a test is the answer alone.
fn judged(outcome: &Outcome, number: u16) -> Judgement {
    judge(outcome, None, number, delivery(), &RetrySchedule::new(vec![0]).unwrap(), NOW)
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
        (answered(500, Some("60")), last, Verdict::Dead, Nothing),
        // 429, 502 and 504 throttle the endpoint, and 503 where it says until when.
        (answered(429, Some("60")), 1, at(60_000), throttle(Some(60_000))),
        (answered(429, None), 1, at(0), throttle(None)),
        (answered(502, None), 1, at(0), throttle(None)),
        (answered(504, Some("1")), last, Verdict::Dead, throttle(Some(1_000))),
        (answered(503, Some("60")), 1, at(60_000), throttle(Some(60_000))),
        (answered(503, Some("60")), last, Verdict::Dead, throttle(Some(60_000))),
        (answered(503, Some("soon")), 1, at(0), Nothing),
        (answered(503, None), 1, at(0), Nothing),
        // What made the engine fail is not tried again.
        (failed(FailureClass::Quarantined), 1, Verdict::Dead, Nothing),
    ] {
        assert_eq!(judged(&outcome, number), Judgement { verdict, effect }, "{outcome:?}, attempt {number}");
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
        let attempt = Attempt {
            number: 1,
            started_at: NOW,
            duration_us: 9,
            outcome,
            transit: Transit::default(),
            erased: false,
        };
        let stored = rmp_serde::to_vec(&attempt).unwrap();
        assert!(stored.len() < 4_096 + 64, "{} bytes", stored.len());
        assert_eq!(rmp_serde::from_slice::<Attempt>(&stored).unwrap(), attempt);
    }
}

#[test]
fn an_attempt_that_was_stored_without_its_transit_is_read() {
    let outcome = failed(FailureClass::Timeout);
    let transit = Transit { dns_us: NonZeroU32::new(1), ..Transit::default() };
    let attempt = Attempt { number: 3, started_at: NOW, duration_us: 9, outcome, transit, erased: false };
    let before = rmp_serde::to_vec(&(attempt.number, NOW, attempt.duration_us, &attempt.outcome)).unwrap();
    let read = rmp_serde::from_slice::<Attempt>(&before).unwrap();
    assert_eq!(read, Attempt { transit: Transit::default(), ..attempt });
}

#[test]
fn a_transit_takes_few_bytes_and_none_is_lost() {
    let [reused, opened] = [None, NonZeroU32::new(70_000)].map(|step| Transit {
        remote: Some("127.0.0.1:65535".parse().unwrap()),
        dns_us: step,
        connect_us: step,
        tls_us: step,
        first_byte_us: NonZeroU32::new(900),
    });
    let remote = Some("[2001:db8::1]:443".parse().unwrap());
    let v6 = Transit { remote, dns_us: Some(NonZeroU32::MAX), ..Transit::default() };
    for (transit, bytes_max) in [(Transit::default(), 6), (reused, 15), (opened, 27), (v6, 30)] {
        let stored = rmp_serde::to_vec(&transit).unwrap();
        assert!(stored.len() <= bytes_max, "{transit:?}: {} bytes", stored.len());
        assert_eq!(rmp_serde::from_slice::<Transit>(&stored).unwrap(), transit);
    }
    let cut = [0x95, 0xc4, 3, 1, 2, 3, 0xc0, 0xc0, 0xc0, 0xc0];
    assert!(rmp_serde::from_slice::<Transit>(&cut).is_err(), "an address of three bytes");
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
        let judgement = judge(&answered(status, Some(&asked)), None, number, delivery(), &schedule, NOW);
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

#[test]
fn a_ruling_of_the_dialect_decides_whatever_the_status() {
    let judged = |ruling: Ruling, status, number| {
        let schedule = RetrySchedule::new(vec![0]).unwrap();
        judge(&answered(status, None), Some(&ruling), number, delivery(), &schedule, NOW)
    };
    for status in [200, 302, 410, 500] {
        assert_eq!(judged(Ruling::Delivered, status, 2).verdict, Verdict::Delivered);
        assert_eq!(judged(Ruling::Drop, status, 1).verdict, Verdict::Dead);
        let disabled = judged(Ruling::Disable { reason: "no echo".into() }, status, 2);
        assert_eq!(disabled.verdict, Verdict::RetryAt(NOW), "kept for when the endpoint is active again");
        assert_eq!(disabled.effect, EndpointEffect::Disable { reason: "no echo".into() });
        assert_eq!(judged(Ruling::Retry, status, 1).verdict, Verdict::RetryAt(NOW));
        assert_eq!(judged(Ruling::Retry, status, 2).verdict, Verdict::Dead);
        assert_eq!(judged(Ruling::Retry, status, 1).effect, EndpointEffect::None);
    }
}
