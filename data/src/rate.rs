//! How often an endpoint may be called: a rate that its owner sets, kept smoothly.
//!
//! Requests are spaced evenly rather than counted by the second (GCRA). They are spaced a little wider than the rate
//! asks for, so that whoever counts the arrivals of any one second finds the limit kept although the way is not always
//! equally long. What a late timer has cost is caught up with within a few milliseconds; an idle endpoint saves up
//! nothing.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    error::{Error, Result},
};

/// The lowest rate, in thousandths of a request a second: one in 100 s.
const THOUSANDTHS_MIN: u32 = 10;
/// The highest rate, in thousandths of a request a second: 10,000 requests a second.
const THOUSANDTHS_MAX: u32 = 10_000_000;

/// How much wider than the rate asks for requests are spaced: 2 in 100.
const SLACK_PERCENT: u64 = 2;
/// What may be caught up with, at any rate. As long as this and the slack over a second make a second, no second has
/// more requests than the limit.
const CATCH_UP_NANOS_MIN: u64 = 20_000_000;
/// What may be caught up with at high rates, together with one interval: (1 s + 0.07 s) / 1.02 is less than 1.05 s, so
/// that no second has more than 1.05 times the limit.
const CATCH_UP_NANOS_MAX: u64 = 70_000_000;

/// Requests a second, in thousandths: 0.01 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateLimit(NonZeroU32);

impl RateLimit {
    /// A rate from 0.01 to 10,000 requests a second, rounded to three decimals.
    pub fn new(per_second: f64) -> Result<Self> {
        let thousandths = (per_second * 1_000.0).round();
        if !(f64::from(THOUSANDTHS_MIN)..=f64::from(THOUSANDTHS_MAX)).contains(&thousandths) {
            let message = format!("is {per_second}; choose 0.01 to 10000, or leave it out for no limit");
            return Err(Error::field("rate_limit_per_second", message));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range above")]
        let thousandths = thousandths as u32;
        Ok(Self(NonZeroU32::new(thousandths).expect("the range begins above zero")))
    }

    /// Requests a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.0.get()) / 1_000.0
    }

    /// From one request to the next, in nanoseconds.
    fn interval_nanos(self) -> u64 {
        let exact = 1_000_000_000_000 / u64::from(self.0.get());
        exact + exact * SLACK_PERCENT / 100
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_second().fmt(f)
    }
}

/// When the next request of an endpoint may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    interval_nanos: u64,
    catch_up_nanos: u64,
    /// When the next request may begin; absent before the first.
    next_nanos: Option<i128>,
}

impl Spacing {
    /// Requests at a rate, of which the first may begin at once.
    pub fn new(limit: RateLimit) -> Self {
        let interval_nanos = limit.interval_nanos();
        let catch_up_nanos = CATCH_UP_NANOS_MAX.saturating_sub(interval_nanos).max(CATCH_UP_NANOS_MIN);
        Self { interval_nanos, catch_up_nanos, next_nanos: None }
    }

    /// The same requests at another rate: the next one keeps its distance from the one before.
    #[must_use]
    pub fn at(self, limit: RateLimit) -> Self {
        let changed = Self::new(limit);
        let moved = |next| next - i128::from(self.interval_nanos) + i128::from(changed.interval_nanos);
        Self { next_nanos: self.next_nanos.map(moved), ..changed }
    }

    /// When the next request may begin, if that is not yet at `now`.
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        let next_nanos = self.next_nanos.filter(|next| nanos(now) < *next)?;
        let micros = (next_nanos + 999).div_euclid(1_000);
        Some(Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)))
    }

    /// A request begins.
    pub fn begins(&mut self, now: Timestamp) {
        let earliest = nanos(now) - i128::from(self.catch_up_nanos);
        let from = self.next_nanos.map_or(nanos(now), |next| next.max(earliest));
        self.next_nanos = Some(from + i128::from(self.interval_nanos));
    }

    /// There is nothing to send: what is sent later catches up with nothing.
    pub fn rests(&mut self, now: Timestamp) {
        self.next_nanos = self.next_nanos.map(|next| next.max(nanos(now)));
    }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.as_micros()) * 1_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(per_second: f64) -> RateLimit {
        RateLimit::new(per_second).unwrap()
    }

    /// When requests begin, in microseconds, if somebody looks at these times and sends all that he may.
    fn begun(per_second: f64, looks: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let (mut spacing, mut begun) = (Spacing::new(limit(per_second)), Vec::new());
        for at in looks {
            while spacing.waits_until(Timestamp::from_micros(at)).is_none() {
                spacing.begins(Timestamp::from_micros(at));
                begun.push(at);
            }
        }
        begun
    }

    /// The most requests that began within any second. They are in order.
    fn most_in_a_second(begun: &[i64]) -> usize {
        let within = |(at, from): (usize, &i64)| begun[at..].partition_point(|it| *it < from + 1_000_000);
        begun.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[test]
    fn a_rate_is_a_number_in_its_range_to_three_decimals() {
        for (given, kept) in
            [(0.01, "0.01"), (0.5, "0.5"), (3.0, "3"), (10_000.0, "10000"), (0.33333, "0.333")]
        {
            assert_eq!(limit(given).to_string(), kept);
        }
        for wrong in [0.0, -1.0, 0.009, 10_000.1, f64::NAN, f64::INFINITY] {
            let error = RateLimit::new(wrong).unwrap_err();
            assert_eq!(error.field_errors()[0].field, "rate_limit_per_second", "{wrong}");
        }
    }

    #[test]
    fn looks_every_millisecond_keep_the_rate_within_five_in_a_hundred() {
        for per_second in [0.5, 3.0, 20.0, 100.0, 1_000.0, 10_000.0] {
            let begun = begun(per_second, (0..20_000).map(|ms| ms * 1_000));
            let wanted = 20.0 * per_second;
            assert!(
                (0.95 * wanted..=wanted + 1.0).contains(&(begun.len() as f64)),
                "{per_second}: {}",
                begun.len()
            );
        }
    }

    /// Requests a second of an endpoint with always something to send, at a rate of 300 and eight at once. Each takes as
    /// long as the next of these times says, in microseconds; a timer is up to two milliseconds late.
    fn reached(mut takes: impl Iterator<Item = i64>) -> f64 {
        const SECONDS: i64 = 20;
        let (mut spacing, mut ends, mut now, mut begun) = (Spacing::new(limit(300.0)), Vec::new(), 0, 0_u32);
        while now < SECONDS * 1_000_000 {
            ends.retain(|end| *end > now);
            while ends.len() < 8 && spacing.waits_until(Timestamp::from_micros(now)).is_none() {
                spacing.begins(Timestamp::from_micros(now));
                ends.push(now + takes.next().unwrap());
                begun += 1;
            }
            let timer = spacing
                .waits_until(Timestamp::from_micros(now))
                .map(|at| at.as_micros() / 1_000 * 1_000 + 2_000);
            let next = ends.iter().copied().chain(timer.filter(|_| ends.len() < 8)).min();
            now = next.unwrap().max(now + 1);
        }
        f64::from(begun) / SECONDS as f64
    }

    #[test]
    fn a_rate_is_reached_as_long_as_the_requests_at_once_allow_it_and_attempts_that_take_long_lose_none() {
        let even = |millis: i64| reached(std::iter::repeat(millis * 1_000));
        assert!((285.0..=300.0).contains(&even(1)) && (285.0..=300.0).contains(&even(20)), "{}", even(20));
        // Now quick, now slow; and each second a stall of all that is in flight.
        let mixed = reached((0..).map(|n: i64| if n % 4 == 0 { 60_000 } else { 4_000 }));
        let stalled = reached((0..).map(|n: i64| if n % 300 < 8 { 70_000 } else { 15_000 }));
        assert!(mixed >= 285.0 && stalled >= 285.0, "{mixed}, {stalled}");
        // Beyond that it is they that bound it: eight of 47 ms are 170 a second.
        assert!((165.0..=171.0).contains(&even(47)), "{}", even(47));
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let mut spacing = Spacing::new(limit(1_000.0));
        let later = Timestamp::from_millis(60_000);
        spacing.begins(Timestamp::from_millis(0));
        spacing.rests(later);
        assert_eq!(spacing.waits_until(later), None);
        spacing.begins(later);
        assert!(spacing.waits_until(later).is_some(), "one, and the next in its time");
    }

    #[test]
    fn another_rate_counts_from_the_last_request() {
        let mut spacing = Spacing::new(limit(0.1));
        spacing.begins(Timestamp::from_millis(100_000));
        let faster = spacing.at(limit(10.0));
        let next = faster.waits_until(Timestamp::from_millis(100_000)).unwrap();
        assert!(next <= Timestamp::from_millis(100_103), "{next}");
        assert_eq!(Spacing::new(limit(10.0)).at(limit(0.1)).waits_until(Timestamp::default()), None);
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_the_limit_and_a_twentieth_however_late_the_looks(
            per_second in 1_u32..2_000, gaps in proptest::collection::vec(0_i64..120_000, 1..100),
        ) {
            let looks = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) });
            let most = most_in_a_second(&begun(f64::from(per_second), looks));
            prop_assert!(most as f64 <= f64::from(per_second) * 1.05, "{most} at {per_second}");
            prop_assert!(per_second >= 20 || most <= per_second as usize, "{most} at {per_second}");
        }
    }
}
