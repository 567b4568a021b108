//! How fast an endpoint may be called: a limit that a receiver under strain lowers, and a breaker for one that is down.
//!
//! An endpoint that answers nothing but failures is not hammered with its backlog: what is new waits in the log and what
//! failed before in the retry journal, while single ones of them probe it at growing intervals. An attempt that is not
//! made uses up nothing of a schedule. When a probe succeeds, requests at once grow from one.
//!
//! The rate that an endpoint's owner has set is kept here too, so that nothing that begins an attempt passes by it.

use crate::{
    Timestamp,
    rate::{RateLimit, Spacing},
};

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
    spacing: Option<Spacing>,
}

/// An endpoint that is down, and when it is probed: an open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down {
    /// Since when it counts as down.
    pub since: Timestamp,
    /// When the next probe may be made.
    pub probe_at: Timestamp,
    /// A probe is under way: the breaker is half open.
    pub is_probing: bool,
    /// The next probe is what failed before, rather than what is new, if there is either: were it always the same, one
    /// event that the receiver can do nothing with would keep it down.
    is_for_retry: bool,
    interval_millis: i64,
}

impl Down {
    /// Down since a time, and probed at the next occasion.
    fn since(since: Timestamp) -> Self {
        Self {
            since,
            probe_at: since,
            is_probing: false,
            is_for_retry: false,
            interval_millis: PROBE_MILLIS_MIN,
        }
    }

    fn wait(&mut self, now: Timestamp) {
        self.is_probing = false;
        self.probe_at = now.plus_millis(self.interval_millis);
        self.interval_millis = (self.interval_millis * 2).min(PROBE_MILLIS_MAX);
    }
}

impl Pace {
    /// Full pace, with at most `in_flight_max` requests at once.
    pub fn new(in_flight_max: u32) -> Self {
        Self {
            in_flight_max,
            allowed: in_flight_max,
            not_before: None,
            failures_in_a_row: 0,
            down: None,
            spacing: None,
        }
    }

    /// One request at a time at first, and one more with each that is acknowledged, up to `in_flight_max`.
    pub fn proving(in_flight_max: u32) -> Self {
        Self { allowed: 1, ..Self::new(in_flight_max) }
    }

    /// The same pace of an endpoint that was down when it was called last, and is probed as it would have been.
    #[must_use]
    pub fn resuming(self, down: Option<Down>) -> Self {
        Self { down: down.map(|down| Down { is_probing: false, ..down }), ..self }
    }

    /// The same pace of an endpoint that has failed since a time, as far as is known: the next request is a probe.
    #[must_use]
    pub fn doubting(self, since: Timestamp) -> Self {
        Self { down: Some(Down::since(since)), ..self }
    }

    /// Changes the most requests at once.
    pub fn set_in_flight_max(&mut self, in_flight_max: u32) {
        self.allowed =
            if self.allowed == self.in_flight_max { in_flight_max } else { self.allowed.min(in_flight_max) };
        self.in_flight_max = in_flight_max;
    }

    /// Changes how often requests may begin. Those that began already count.
    pub fn set_rate_limit(&mut self, limit: Option<RateLimit>) {
        self.spacing = limit.map(|limit| self.spacing.map_or(Spacing::new(limit), |before| before.at(limit)));
    }

    /// Begins anew, as if nothing had ever failed. The rate is kept all the same.
    pub fn forgive(&mut self, fresh: Self) {
        *self = Self { spacing: self.spacing, ..fresh };
    }

    /// How many requests may be in flight at `now`; 0 as long as none may begin.
    pub fn allowed(&self, now: Timestamp) -> u32 {
        if self.waits_until(now).is_some() {
            return 0;
        }
        if self.down.is_some() { 1 } else { self.allowed }
    }

    /// Until when no request may begin, whatever there is to send: the receiver asked for a rest, the rate has no place
    /// for another one yet, or it is not time for the next probe.
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        let rest = self.not_before.filter(|until| now < *until);
        let rate = self.spacing.as_ref().and_then(|spacing| spacing.waits_until(now));
        let probe = self.down.map(|down| down.probe_at).filter(|at| now < *at);
        rest.max(rate).max(probe)
    }

    /// Whether the endpoint counts as down.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Whether and since when the endpoint is down, and how it is probed.
    pub fn down(&self) -> Option<Down> {
        self.down
    }

    /// Whether the endpoint is down and to be probed with what failed before, rather than with what is new.
    pub fn probes_with_retry(&self) -> bool {
        self.down.is_some_and(|down| down.is_for_retry)
    }

    /// A request begins.
    pub fn begins(&mut self, now: Timestamp) {
        if let Some(spacing) = &mut self.spacing {
            spacing.begins(now);
        }
        if let Some(down) = &mut self.down {
            down.is_probing = true;
            down.is_for_retry = !down.is_for_retry;
        }
    }

    /// There is nothing to send now.
    pub fn rests(&mut self, now: Timestamp) {
        if let Some(spacing) = &mut self.spacing {
            spacing.rests(now);
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
        self.said_nothing(now);
        let goes_down = self.down.is_none() && self.failures_in_a_row >= FAILURES_UNTIL_DOWN;
        if goes_down {
            let mut down = Down::since(now);
            down.wait(now);
            self.down = Some(down);
        }
        goes_down
    }

    /// An attempt ended without a word of the receiver's, good or bad. If it was a probe, the next one waits its time.
    pub fn said_nothing(&mut self, now: Timestamp) {
        if let Some(down) = self.down.as_mut().filter(|down| down.is_probing) {
            down.wait(now);
        }
    }

    /// Somebody asks for an attempt now: if the endpoint is down, the next probe is due, and if it asked for a rest, that
    /// is over for one request, whose answer decides about others.
    pub fn probe_now(&mut self, now: Timestamp) {
        if let Some(down) = &mut self.down {
            down.probe_at = down.probe_at.min(now);
        }
        if self.not_before.take().is_some_and(|until| now < until) {
            self.allowed = 1;
        }
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
    fn who_is_asked_for_now_is_called_in_spite_of_its_rest_with_one_request() {
        let mut pace = Pace::new(8);
        pace.throttled(Some(at(100)));
        pace.probe_now(at(50));
        assert_eq!((pace.allowed(at(50)), pace.waits_until(at(50))), (1, None));
        pace.throttled(Some(at(200)));
        assert_eq!(pace.allowed(at(150)), 0, "it asks again");
        (0..8).for_each(|_| assert!(!pace.succeeded()));
        pace.probe_now(at(300));
        assert_eq!(pace.allowed(at(300)), 8, "a rest that is over changes nothing");
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

    fn down() -> Pace {
        let mut pace = Pace::new(8);
        let went_down = (0..FAILURES_UNTIL_DOWN).filter(|_| pace.failed(at(0))).count();
        assert_eq!(went_down, 1);
        pace
    }

    #[test]
    fn an_endpoint_that_is_down_is_probed_at_growing_intervals_and_recovers_slowly() {
        let mut pace = down();
        let (mut now, mut intervals) = (at(0), Vec::new());
        for _ in 0..9 {
            let probe_at = pace.waits_until(now).unwrap();
            intervals.push(probe_at.millis_since(now));
            assert_eq!((pace.allowed(now), pace.allowed(probe_at)), (0, 1));
            pace.begins(probe_at);
            // However long a probe takes, the next one waits from its end on.
            now = probe_at.plus_millis(20_000);
            assert!(!pace.failed(now));
        }
        assert_eq!(intervals, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(pace.down().map(|down| (down.since, down.is_probing)), Some((at(0), false)));
        assert!(pace.succeeded());
        assert_eq!((pace.is_down(), pace.allowed(now)), (false, 1));
        assert!(!pace.succeeded());
        assert_eq!(pace.allowed(now), 2);
    }

    #[test]
    fn what_was_under_way_when_it_went_down_moves_no_probe() {
        let mut pace = down();
        pace.failed(at(400));
        assert_eq!(pace.waits_until(at(400)), Some(at(500)));
        pace.probe_now(at(450));
        assert_eq!(pace.allowed(at(450)), 1);
    }

    #[test]
    fn what_says_nothing_of_the_receiver_leaves_it_down() {
        let mut pace = down();
        pace.begins(at(500));
        pace.said_nothing(at(600));
        assert_eq!((pace.is_down(), pace.waits_until(at(600))), (true, Some(at(1_600))));
    }

    #[test]
    fn who_was_down_before_is_probed_first() {
        let known = Pace::new(8).resuming(down().down());
        assert_eq!((known.allowed(at(0)), known.allowed(at(500))), (0, 1));
        let mut doubted = Pace::new(8).doubting(at(0));
        assert_eq!(doubted.allowed(at(0)), 1);
        doubted.begins(at(0));
        doubted.failed(at(10));
        assert_eq!(doubted.waits_until(at(10)), Some(at(510)));
    }

    #[test]
    fn a_rate_holds_whatever_else_is_forgiven() {
        let mut pace = Pace::new(8);
        pace.set_rate_limit(Some(RateLimit::new(0.5).unwrap()));
        pace.begins(at(0));
        pace.forgive(Pace::proving(8));
        assert_eq!((pace.allowed(at(1_999)), pace.allowed(at(2_100))), (0, 1));
        pace.set_rate_limit(None);
        assert_eq!(pace.waits_until(at(0)), None);
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
