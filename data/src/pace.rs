//! How fast an endpoint may be called: a limit that a receiver under strain lowers, and a breaker for one that is down.
//!
//! An endpoint that answers nothing but failures is not hammered with its backlog: new events wait in the log while
//! single ones probe it at growing intervals. Retries keep to their schedule meanwhile.

use crate::Timestamp;

/// Failures in a row, none of them a success, after which an endpoint counts as down.
const FAILURES_UNTIL_DOWN: u32 = 32;
/// The first interval between probes, in milliseconds.
const PROBE_MILLIS_MIN: i64 = 500;
/// The longest interval between probes, in milliseconds.
const PROBE_MILLIS_MAX: i64 = 30_000;

/// Attempts of all endpoints of one arbiter that may be young at once, shared among those that have work.
const YOUNG_ATTEMPTS_MAX: u32 = 128;
/// Young attempts that each endpoint may have, however many others have work.
const YOUNG_ATTEMPTS_MIN: u32 = 1;
/// For how long an attempt is young, in milliseconds. A receiver that takes longer gets more at once.
const YOUNG_MILLIS: i64 = 10;

/// How many young attempts an endpoint may have when so many have work.
pub fn young_attempts_max(busy_endpoints: u32) -> usize {
    (YOUNG_ATTEMPTS_MAX / busy_endpoints.max(1)).max(YOUNG_ATTEMPTS_MIN) as usize
}

/// When an attempt begun at a time is young no more.
pub fn young_until(begun_at: Timestamp) -> Timestamp {
    begun_at.plus_millis(YOUNG_MILLIS)
}

/// How fast one endpoint may be called at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    in_flight_max: u32,
    allowed: u32,
    not_before: Option<Timestamp>,
    failures_in_a_row: u32,
    down: Option<Down>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down {
    probe_at: Timestamp,
    interval_millis: i64,
}

impl Pace {
    /// Full pace, with at most `in_flight_max` requests at once.
    pub fn new(in_flight_max: u32) -> Self {
        Self { in_flight_max, allowed: in_flight_max, not_before: None, failures_in_a_row: 0, down: None }
    }

    /// One request at a time at first, and one more with each that is acknowledged, up to `in_flight_max`.
    pub fn proving(in_flight_max: u32) -> Self {
        Self { allowed: 1, ..Self::new(in_flight_max) }
    }

    /// Changes the most requests at once.
    pub fn set_in_flight_max(&mut self, in_flight_max: u32) {
        self.allowed =
            if self.allowed == self.in_flight_max { in_flight_max } else { self.allowed.min(in_flight_max) };
        self.in_flight_max = in_flight_max;
    }

    /// How many requests may be in flight at `now`; 0 while the receiver asked for a rest.
    pub fn allowed(&self, now: Timestamp) -> u32 {
        if self.not_before.is_some_and(|until| now < until) { 0 } else { self.allowed }
    }

    /// When the rest that the receiver asked for ends, if it still lasts.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|until| now < *until)
    }

    /// Whether the endpoint counts as down.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// When the next probe of an endpoint that is down may be made.
    pub fn probe_at(&self) -> Option<Timestamp> {
        self.down.map(|down| down.probe_at)
    }

    /// Notes that a probe is made; the next one waits twice as long.
    pub fn probed(&mut self, now: Timestamp) {
        if let Some(down) = &mut self.down {
            down.probe_at = now.plus_millis(down.interval_millis);
            down.interval_millis = (down.interval_millis * 2).min(PROBE_MILLIS_MAX);
        }
    }

    /// The receiver acknowledged. `true` if it was down until now; its pace then grows from one request at a time.
    pub fn succeeded(&mut self) -> bool {
        self.failures_in_a_row = 0;
        let recovered = self.down.take().is_some();
        self.allowed = if recovered { 1 } else { (self.allowed + 1).min(self.in_flight_max) };
        recovered
    }

    /// An attempt failed. `true` if the endpoint counts as down from now on.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let goes_down = self.down.is_none() && self.failures_in_a_row >= FAILURES_UNTIL_DOWN;
        if goes_down {
            let probe_at = now.plus_millis(PROBE_MILLIS_MIN);
            self.down = Some(Down { probe_at, interval_millis: 2 * PROBE_MILLIS_MIN });
        }
        goes_down
    }

    /// The receiver is under strain: half as many requests at once, and none before `until`.
    pub fn throttled(&mut self, until: Option<Timestamp>) {
        self.allowed = (self.allowed / 2).max(1);
        self.not_before = self.not_before.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn strain_halves_the_pace_and_each_success_adds_one() {
        let mut pace = Pace::new(8);
        pace.throttled(Some(at(100)));
        pace.throttled(None);
        assert_eq!((pace.allowed(at(99)), pace.allowed(at(100))), (0, 2));
        (0..20).for_each(|_| assert!(!pace.succeeded()));
        assert_eq!(pace.allowed(at(100)), 8);
    }

    #[test]
    fn one_success_in_between_keeps_an_endpoint_up() {
        let mut pace = Pace::new(8);
        for _ in 0..10 {
            (1..FAILURES_UNTIL_DOWN).for_each(|_| assert!(!pace.failed(at(0))));
            pace.succeeded();
        }
        assert!(!pace.is_down());
    }

    #[test]
    fn an_endpoint_that_is_down_is_probed_at_growing_intervals_and_recovers_slowly() {
        let mut pace = Pace::new(8);
        let went_down = (0..FAILURES_UNTIL_DOWN).filter(|_| pace.failed(at(0))).count();
        assert_eq!(went_down, 1);
        let mut intervals = Vec::new();
        for _ in 0..9 {
            let probe_at = pace.probe_at().unwrap();
            pace.probed(probe_at);
            intervals.push(pace.probe_at().unwrap().millis_since(probe_at));
        }
        assert_eq!(intervals, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
        assert!(pace.succeeded());
        assert_eq!((pace.is_down(), pace.allowed(at(0))), (false, 1));
    }

    #[test]
    fn all_young_attempts_together_stay_few_and_nobody_is_left_without() {
        for busy in [0, 1, 2, 10, 100, 128] {
            assert!(young_attempts_max(busy) * busy as usize <= 128);
            assert!(young_attempts_max(busy) >= 1);
        }
        assert_eq!(young_attempts_max(u32::MAX), 1);
        let begun = Timestamp::from_millis(1_000);
        assert!(young_until(begun) > begun);
    }
}
