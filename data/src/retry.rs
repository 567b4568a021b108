//! When a delivery is tried again: a list of delays, and a jitter that needs no dice.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    id::DeliveryId,
    limits,
};

/// The delays after the first attempt and each one after it, in seconds. Empty: one attempt and no retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u64>", try_from = "Vec<u64>")]
pub struct RetrySchedule {
    delays_seconds: Vec<u64>,
}

impl RetrySchedule {
    /// A schedule of at most 64 delays of at most 30 days each. A delay of 0 means at once.
    pub fn new(delays_seconds: Vec<u64>) -> Result<Self> {
        if delays_seconds.len() > limits::RETRIES_MAX {
            let message =
                format!("has {} delays; at most {} are allowed", delays_seconds.len(), limits::RETRIES_MAX);
            return Err(Error::field("schedule_seconds", message));
        }
        let too_long = delays_seconds.iter().position(|delay| *delay > limits::RETRY_DELAY_SECONDS_MAX);
        if let Some(at) = too_long {
            let message =
                format!("is {}; at most {} are allowed", delays_seconds[at], limits::RETRY_DELAY_SECONDS_MAX);
            return Err(Error::field(format!("schedule_seconds[{at}]"), message));
        }
        Ok(Self { delays_seconds })
    }

    /// Reads `5,300,1800`, as flags and environment variables give it. Empty text is a schedule without retries.
    pub fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Self::new(Vec::new());
        }
        let delays = text.split(',').map(|delay| {
            delay.trim().parse().map_err(|_| {
                let message = format!("`{}` is not whole seconds; write 5,300,1800", limits::shorten(delay));
                Error::field("schedule_seconds", message)
            })
        });
        Self::new(delays.collect::<Result<_>>()?)
    }

    /// The delays, in seconds.
    pub fn delays_seconds(&self) -> &[u64] {
        &self.delays_seconds
    }

    /// How many attempts a delivery gets in all.
    pub fn attempts_max(&self) -> u16 {
        u16::try_from(self.delays_seconds.len()).expect("a schedule has at most RETRIES_MAX delays") + 1
    }

    /// Milliseconds from the end of attempt number `attempt` (from 1) to the next one; `None` when the schedule is
    /// exhausted.
    ///
    /// The delay is lengthened by up to a fifth, so that deliveries which failed together do not come back together.
    /// By how much follows from delivery and attempt alone: the same after a restart, and the same in every test.
    pub fn delay_ms(&self, delivery: DeliveryId, attempt: u16) -> Option<i64> {
        let delay_ms = self.delays_seconds.get(usize::from(attempt).checked_sub(1)?)? * 1_000;
        let random = scatter(delivery, attempt) >> 32;
        // Both factors are below 2^32: 30 days in milliseconds, divided by 5, and 32 random bits.
        let jitter_ms = ((delay_ms / 5) * random) >> 32;
        Some(i64::try_from(delay_ms + jitter_ms).expect("a delay is at most 36 days"))
    }
}

impl Default for RetrySchedule {
    /// 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (Standard Webhooks 1.0.0).
    fn default() -> Self {
        Self { delays_seconds: vec![5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] }
    }
}

impl From<RetrySchedule> for Vec<u64> {
    fn from(schedule: RetrySchedule) -> Self {
        schedule.delays_seconds
    }
}

impl TryFrom<Vec<u64>> for RetrySchedule {
    type Error = Error;

    fn try_from(delays_seconds: Vec<u64>) -> Result<Self> {
        Self::new(delays_seconds)
    }
}

/// 64 bits that look random and follow from a delivery and an attempt: splitmix64 over their parts.
#[expect(clippy::cast_possible_truncation, reason = "an id is taken in two halves")]
fn scatter(delivery: DeliveryId, attempt: u16) -> u64 {
    let (event, endpoint) = (delivery.event.as_u128(), delivery.endpoint.as_u128());
    let parts =
        [(event >> 64) as u64, event as u64, (endpoint >> 64) as u64, endpoint as u64, attempt.into()];
    parts.into_iter().fold(0, |state: u64, part| {
        let mut mixed = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{EndpointId, EventId};

    fn delivery(event: u128, endpoint: u128) -> DeliveryId {
        DeliveryId { event: EventId::from_u128(event), endpoint: EndpointId::from_u128(endpoint) }
    }

    #[test]
    fn the_default_is_the_one_of_standard_webhooks() {
        let schedule = RetrySchedule::default();
        assert_eq!(RetrySchedule::parse("5,300,1800,7200,18000,36000,50400,72000,86400").unwrap(), schedule);
        assert_eq!(schedule.attempts_max(), 10);
    }

    #[test]
    fn text_is_read_and_what_is_over_a_limit_is_refused() {
        assert_eq!(RetrySchedule::parse("1, 1,5").unwrap().delays_seconds(), [1, 1, 5]);
        assert_eq!(RetrySchedule::parse("").unwrap().attempts_max(), 1);
        for bad in ["1,,2", "-1", "1.5", "soon", "2592001", "99999999999999999999"] {
            assert!(RetrySchedule::parse(bad).is_err(), "{bad}");
        }
        assert!(RetrySchedule::new(vec![1; limits::RETRIES_MAX]).is_ok());
        assert!(RetrySchedule::new(vec![1; limits::RETRIES_MAX + 1]).is_err());
        let error = RetrySchedule::new(vec![1, limits::RETRY_DELAY_SECONDS_MAX + 1]).unwrap_err();
        assert_eq!(error.field_errors()[0].field, "schedule_seconds[1]");
        assert!(serde_json::from_str::<RetrySchedule>("[2592001]").is_err());
    }

    #[test]
    fn the_schedule_ends() {
        let schedule = RetrySchedule::new(vec![0, 60]).unwrap();
        assert_eq!(schedule.delay_ms(delivery(1, 2), 0), None);
        assert_eq!(schedule.delay_ms(delivery(1, 2), 1), Some(0));
        assert!(schedule.delay_ms(delivery(1, 2), 2).is_some());
        assert_eq!(schedule.delay_ms(delivery(1, 2), 3), None);
    }

    #[test]
    fn deliveries_that_failed_together_come_back_spread_out() {
        let schedule = RetrySchedule::new(vec![1_000; 4]).unwrap();
        let mut buckets = [0; 20];
        for event in 0..500 {
            for endpoint in 0..4 {
                let delay = schedule.delay_ms(delivery(event, endpoint), 1 + (event % 4) as u16).unwrap();
                buckets[usize::try_from((delay - 1_000_000) / 10_000).unwrap()] += 1;
            }
        }
        // 2,000 delays over 20 equal parts of the jitter: 100 each, give or take a third.
        assert!(buckets.iter().all(|count| (66..=134).contains(count)), "{buckets:?}");
    }

    proptest! {
        #[test]
        fn jitter_lengthens_by_less_than_a_fifth_and_never_changes(
            seconds in 0..=limits::RETRY_DELAY_SECONDS_MAX, event: u128, endpoint: u128,
        ) {
            let schedule = RetrySchedule::new(vec![seconds]).unwrap();
            let delay = schedule.delay_ms(delivery(event, endpoint), 1).unwrap();
            let least = i64::try_from(seconds).unwrap() * 1_000;
            prop_assert!(delay >= least && (delay < least + least / 5 || least == 0), "{} of {}", delay, least);
            prop_assert_eq!(schedule.delay_ms(delivery(event, endpoint), 1), Some(delay));
        }
    }
}
