//! Whether an endpoint is failing, and when it has failed for so long that it is disabled.
//!
//! Judged attempt by attempt, for every endpoint alike: one that is called once a day fails as well as one that is called
//! a thousand times a second. Counted from the first failure after the last success. An endpoint is disabled only after
//! a warning, and only when an attempt fails: one that nothing is sent to is left alone.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, delivery::Outcome};

/// Attempts in a row that must have failed.
const FAILURES_MIN: u32 = 3;
/// For how long they must have, in milliseconds: a hiccup of an endpoint with many requests in flight is none yet.
const FAILING_MILLIS_MIN: i64 = 1_000;
/// The same for one that has recovered only lately, so that one which is well every other moment does not become news
/// each time.
const RELAPSE_MILLIS_MIN: i64 = 60_000;
/// For how long after its recovery an endpoint can relapse, in milliseconds.
const RELAPSE_WITHIN_MILLIS: i64 = 600_000;
/// The part of the time until it is disabled after which its owner is warned: three of four.
const WARNED_AFTER: (i64, i64) = (3, 4);

/// That an endpoint is failing, as it is stored with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// When the first attempt failed after which none has succeeded.
    pub since: Timestamp,
    /// When it will be disabled unless an attempt succeeds; absent as long as nobody was warned of it.
    pub disables_at: Option<Timestamp>,
}

/// How an endpoint has been doing lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures since the last success, as far as is known, and when the first of them was.
    failures: u32,
    first_failure_at: Option<Timestamp>,
    failing: Option<Failing>,
    recovered_at: Option<Timestamp>,
}

/// What an attempt changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is failing from now on.
    Fails(Failing),
    /// It is still failing, and its owner is to be warned.
    Warns(Failing),
    /// It has failed for too long.
    Disables(Failing),
    /// It was failing, and is well.
    Recovers(Failing),
}

impl Health {
    /// Of an endpoint that was failing when the engine stopped.
    pub fn known(failing: Option<Failing>) -> Self {
        Self {
            failures: if failing.is_some() { FAILURES_MIN } else { 0 },
            first_failure_at: failing.map(|failing| failing.since),
            failing,
            recovered_at: None,
        }
    }

    /// That it is failing, if it is.
    pub fn failing(&self) -> Option<Failing> {
        self.failing
    }

    /// Failures since the last success, as far as is known.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the last attempt was a success, or there was none.
    pub fn is_well(&self) -> bool {
        self.failures == 0
    }

    /// Whether there is nothing to remember of it.
    pub fn is_forgettable(&self, now: Timestamp) -> bool {
        self.is_well() && !self.may_relapse(now)
    }

    /// An attempt succeeded.
    pub fn succeeded(&mut self, now: Timestamp) -> Option<Change> {
        (self.failures, self.first_failure_at) = (0, None);
        let failing = self.failing.take()?;
        self.recovered_at = Some(now);
        Some(Change::Recovers(failing))
    }

    /// An attempt failed. `disable_after_ms` is for how long it may; absent for as long as it likes.
    pub fn failed(&mut self, now: Timestamp, disable_after_ms: Option<i64>) -> Option<Change> {
        self.failures = self.failures.saturating_add(1);
        // A clock that was put back over a restart makes no failure one of the future.
        let since = self.first_failure_at.map_or(now, |at| at.min(now));
        self.first_failure_at = Some(since);
        let Some(failing) = &mut self.failing else {
            return self.begins_to_fail(since, now, disable_after_ms);
        };
        failing.since = since;
        let after_ms = disable_after_ms?;
        let warned_after_ms = after_ms / WARNED_AFTER.1 * WARNED_AFTER.0;
        match failing.disables_at {
            // Whoever was silent all the while since still has a warning, and a quarter of the time.
            None => (now.millis_since(since) >= warned_after_ms).then(|| {
                let at_least = now.plus_millis(after_ms - warned_after_ms);
                failing.disables_at = Some(since.plus_millis(after_ms).max(at_least));
                Change::Warns(*failing)
            }),
            Some(disables_at) => (now >= disables_at).then_some(Change::Disables(*failing)),
        }
    }

    fn begins_to_fail(
        &mut self,
        since: Timestamp,
        now: Timestamp,
        disable_after_ms: Option<i64>,
    ) -> Option<Change> {
        let usual_ms = if self.may_relapse(now) { RELAPSE_MILLIS_MIN } else { FAILING_MILLIS_MIN };
        // Where an endpoint is disabled sooner than that, it is failing sooner too.
        let least_ms = disable_after_ms.map_or(usual_ms, |after_ms| usual_ms.min(after_ms / 2));
        (self.failures >= FAILURES_MIN && now.millis_since(since) >= least_ms).then(|| {
            let failing = Failing { since, disables_at: None };
            self.failing = Some(failing);
            Change::Fails(failing)
        })
    }

    fn may_relapse(&self, now: Timestamp) -> bool {
        self.recovered_at.is_some_and(|at| now.millis_since(at) < RELAPSE_WITHIN_MILLIS)
    }
}

/// Why an endpoint is disabled that has failed for too long, for its owner to read.
pub fn reason(failing: Failing, last: &Outcome) -> String {
    format!(
        "no delivery has succeeded since {} (last: {}); set its status to active when it can be reached again: events \
         are held until then",
        failing.since.to_rfc3339_seconds(),
        last.summary()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;
    const PERIOD: Option<i64> = Some(5 * DAY_MS);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn failed(health: &mut Health, times: &[i64]) -> Vec<Option<Change>> {
        times.iter().map(|time| health.failed(at(*time), PERIOD)).collect()
    }

    #[test]
    fn three_failures_over_a_second_are_failing_and_a_hiccup_is_not() {
        let failing = Failing { since: at(0), disables_at: None };
        let mut health = Health::default();
        assert_eq!(failed(&mut health, &[0, 0, 999]), [None; 3]);
        assert_eq!(failed(&mut health, &[1_000, 1_001]), [Some(Change::Fails(failing)), None]);
        assert_eq!(health.succeeded(at(2_000)), Some(Change::Recovers(failing)));
        assert_eq!((health.succeeded(at(2_001)), health.is_well()), (None, true));

        let mut slow = Health::default();
        assert_eq!(failed(&mut slow, &[0, DAY_MS]), [None; 2], "two attempts are not many");
        assert_eq!(slow.succeeded(at(2 * DAY_MS)), None, "and nothing to recover from");
    }

    #[test]
    fn who_is_well_now_and_then_becomes_no_news_each_time() {
        let mut health = Health::default();
        failed(&mut health, &[0, 500, 1_000]);
        health.succeeded(at(1_001));
        assert_eq!(failed(&mut health, &[1_100, 2_500, 61_099]), [None; 3]);
        assert!(matches!(failed(&mut health, &[61_100])[..], [Some(Change::Fails(_))]));
        health.succeeded(at(70_000));
        assert!(health.is_well() && !health.is_forgettable(at(669_999)));
        assert!(health.is_forgettable(at(670_000)));
    }

    #[test]
    fn an_endpoint_is_disabled_after_the_period_and_a_warning() {
        let mut health = Health::default();
        failed(&mut health, &[0, 500, 1_000]);
        let hours = |hours: i64| hours * 3_600_000;
        let warned = Failing { since: at(0), disables_at: Some(at(5 * DAY_MS)) };
        assert_eq!(
            failed(&mut health, &[hours(89), hours(90), hours(119), hours(120)]),
            [None, Some(Change::Warns(warned)), None, Some(Change::Disables(warned))]
        );
    }

    #[test]
    fn who_was_silent_for_long_is_warned_before_it_is_disabled() {
        let mut health = Health::default();
        failed(&mut health, &[0, 5_000, 300_000]);
        let month = 30 * DAY_MS;
        let disables_at = month + 30 * 3_600_000;
        let warned = Failing { since: at(0), disables_at: Some(at(disables_at)) };
        assert_eq!(
            failed(&mut health, &[month, disables_at - 1, disables_at]),
            [Some(Change::Warns(warned)), None, Some(Change::Disables(warned))]
        );
    }

    #[test]
    fn the_period_goes_on_over_a_restart_and_a_clock_put_back_ends_none_early() {
        let failing = Failing { since: at(10 * DAY_MS), disables_at: None };
        let mut health = Health::known(Some(failing));
        assert_eq!(health.failed(at(11 * DAY_MS), PERIOD), None);
        assert!(matches!(health.failed(at(14 * DAY_MS), PERIOD), Some(Change::Warns(_))));
        let mut early = Health::known(Some(failing));
        assert_eq!(early.failed(at(9 * DAY_MS), PERIOD), None);
        assert_eq!(early.failing().unwrap().since, at(9 * DAY_MS));
    }

    #[test]
    fn without_a_period_nobody_is_disabled() {
        let mut health = Health::default();
        let changes: Vec<_> = (0..1_000).filter_map(|day| health.failed(at(day * DAY_MS), None)).collect();
        assert_eq!(changes, [Change::Fails(Failing { since: at(0), disables_at: None })]);
    }
}
