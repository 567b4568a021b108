//! What became of an endpoint's attempts in the last 24 hours: counts by the hour, and how long answers took.
//!
//! Memory grows with the hours in which there were attempts, 24 at most, and never with their number.

use std::collections::VecDeque;

use crate::{Timestamp, delivery::Outcome, store::Fate};

/// Hours that are looked back on, the one under way among them.
pub const HOURS: usize = 24;

const HOUR_MILLIS: i64 = 3_600_000;
/// Steps in which a duration doubles: a quantile is right to an eighth.
const STEPS: u32 = 4;

/// The attempts of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointStats {
    /// Those in which there were attempts, ascending.
    hours: VecDeque<Hour>,
}

#[derive(Clone, Debug, Default)]
struct Hour {
    /// Since 1970.
    number: i64,
    counts: Counts,
    /// How many answers took how long, by step; ascending.
    latencies: Vec<(u8, u32)>,
}

/// Attempts of some time, by what followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The delivery was acknowledged.
    pub delivered: u64,
    /// It failed and is made again.
    pub retried: u64,
    /// It failed and the delivery was given up.
    pub dead: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.delivered + self.retried + self.dead
    }

    fn add(&mut self, more: Self) {
        self.delivered += more.delivered;
        self.retried += more.retried;
        self.dead += more.dead;
    }
}

/// One hour of a [`Summary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourCounts {
    /// When it began.
    pub begins_at: Timestamp,
    /// Its attempts.
    pub counts: Counts,
}

/// How long answers took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took no longer, in microseconds.
    pub p50_us: u64,
    /// 95 of 100.
    pub p95_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
}

/// The last 24 hours of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Attempts of all hours.
    pub counts: Counts,
    /// How long their answers took; absent if there was none.
    pub latency: Option<Latency>,
    /// Every hour, the oldest first; the last one is under way.
    pub hours: [HourCounts; HOURS],
}

impl EndpointStats {
    /// Takes in an attempt that ended at a time.
    pub fn note(&mut self, at: Timestamp, duration_us: u64, outcome: &Outcome, fate: Fate) {
        let hour = self.hour(at.as_millis().div_euclid(HOUR_MILLIS));
        match fate {
            Fate::Delivered => hour.counts.delivered += 1,
            Fate::RetryAt(_) => hour.counts.retried += 1,
            Fate::Dead => hour.counts.dead += 1,
        }
        if outcome.status().is_some() {
            hour.took(step_of(duration_us));
        }
    }

    /// The newest hour, begun if it is a new one.
    fn hour(&mut self, number: i64) -> &mut Hour {
        if self.hours.back().is_none_or(|newest| newest.number < number) {
            let is_old = |hour: &Hour| hour.number <= number - HOURS as i64;
            while self.hours.front().is_some_and(is_old) {
                self.hours.pop_front();
            }
            self.hours.push_back(Hour { number, ..Hour::default() });
        }
        self.hours.back_mut().expect("there is one now")
    }

    /// The hour of the last attempt, counted since 1970; absent if there was none.
    pub fn last_hour(&self) -> Option<i64> {
        self.hours.back().map(|hour| hour.number)
    }

    /// The last 24 hours, seen at a time.
    pub fn summary(&self, now: Timestamp) -> Summary {
        let first = now.as_millis().div_euclid(HOUR_MILLIS) - (HOURS as i64 - 1);
        let mut summary = Summary {
            counts: Counts::default(),
            latency: None,
            hours: std::array::from_fn(|index| HourCounts {
                begins_at: Timestamp::from_micros((first + index as i64) * HOUR_MILLIS * 1_000),
                counts: Counts::default(),
            }),
        };
        let mut latencies = [0; u8::MAX as usize + 1];
        for hour in &self.hours {
            let index = usize::try_from(hour.number - first).ok();
            let Some(place) = index.and_then(|index| summary.hours.get_mut(index)) else { continue };
            place.counts = hour.counts;
            summary.counts.add(hour.counts);
            hour.latencies
                .iter()
                .for_each(|(step, count)| latencies[usize::from(*step)] += u64::from(*count));
        }
        summary.latency = Latency::of(&latencies);
        summary
    }
}

impl Hour {
    fn took(&mut self, step: u8) {
        match self.latencies.binary_search_by_key(&step, |(step, _)| *step) {
            Ok(at) => self.latencies[at].1 = self.latencies[at].1.saturating_add(1),
            Err(at) => self.latencies.insert(at, (step, 1)),
        }
    }
}

impl Latency {
    fn of(steps: &[u64]) -> Option<Self> {
        let total: u64 = steps.iter().sum();
        let quantile = |percent: u64| {
            let rank = (total * percent).div_ceil(100);
            let mut seen = 0;
            let step = steps.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            middle_of(step.unwrap_or_default())
        };
        (total > 0).then(|| Self { p50_us: quantile(50), p95_us: quantile(95), p99_us: quantile(99) })
    }
}

/// The step of a duration: four to each doubling, from one microsecond on.
fn step_of(us: u64) -> u8 {
    let us = us.max(u64::from(STEPS));
    let octave = us.ilog2();
    // The two bits behind the first one.
    let within = (us >> (octave - STEPS.ilog2())) - u64::from(STEPS);
    let step = u64::from((octave - STEPS.ilog2()) * STEPS) + within;
    u8::try_from(step).unwrap_or(u8::MAX)
}

/// The duration in the middle of a step, in microseconds.
fn middle_of(step: usize) -> u64 {
    let (octave, within) = (step as u32 / STEPS, step as u64 % u64::from(STEPS));
    let width = 1_u64 << octave;
    (u64::from(STEPS) + within) * width + width / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_768_469_400_000_000);

    fn answered() -> Outcome {
        Outcome::Answered { status: 200, headers: Vec::new(), body: Vec::new() }
    }

    fn hours_ago(hours: i64) -> Timestamp {
        NOW.plus_millis(-hours * HOUR_MILLIS)
    }

    #[test]
    fn attempts_count_in_their_hour_and_for_a_day() {
        let mut stats = EndpointStats::default();
        for hours in [30, 24, 23, 1, 0] {
            stats.note(hours_ago(hours), 1_000, &answered(), Fate::Delivered);
        }
        stats.note(NOW, 1_000, &answered(), Fate::RetryAt(NOW));
        stats.note(NOW, 1_000, &answered(), Fate::Dead);
        let summary = stats.summary(NOW);
        assert_eq!(summary.counts, Counts { delivered: 3, retried: 1, dead: 1 });
        assert_eq!(summary.counts.total(), 5);
        let delivered: Vec<_> = summary.hours.iter().map(|hour| hour.counts.delivered).collect();
        assert_eq!((delivered[0], delivered[22], delivered[23], delivered.iter().sum()), (1, 1, 1, 3));
        assert_eq!(summary.hours[23].begins_at.to_string(), "2026-01-15T09:00:00Z");
        assert_eq!(stats.hours.len(), 3, "what nobody looks back on is not kept");
        assert_eq!(stats.summary(hours_ago(-48)).counts.total(), 0);
    }

    #[test]
    fn without_an_answer_there_is_no_latency() {
        let mut stats = EndpointStats::default();
        let class = crate::delivery::FailureClass::Timeout;
        stats.note(NOW, 20_000_000, &Outcome::Failed { class, message: String::new() }, Fate::Dead);
        assert_eq!((stats.summary(NOW).latency, stats.summary(NOW).counts.dead), (None, 1));
    }

    #[test]
    fn a_clock_that_goes_back_loses_no_attempt() {
        let mut stats = EndpointStats::default();
        stats.note(NOW, 1_000, &answered(), Fate::Delivered);
        stats.note(hours_ago(3), 1_000, &answered(), Fate::Delivered);
        assert_eq!(stats.summary(NOW).counts.delivered, 2);
    }

    proptest! {
        #[test]
        fn a_step_is_right_to_an_eighth(us in 4_u64..u64::MAX / 4) {
            prop_assume!(step_of(us) < u8::MAX);
            let middle = middle_of(usize::from(step_of(us)));
            prop_assert!(middle.abs_diff(us) <= us / 8 + 1, "{us} became {middle}");
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_durations(durations in proptest::collection::vec(4_u64..200_000_000, 1..300)) {
            let mut stats = EndpointStats::default();
            durations.iter().for_each(|us| stats.note(NOW, *us, &answered(), Fate::Delivered));
            let mut sorted = durations;
            sorted.sort_unstable();
            let exact = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
            let latency = stats.summary(NOW).latency.unwrap();
            for (told, exact) in [(latency.p50_us, exact(50)), (latency.p95_us, exact(95)), (latency.p99_us, exact(99))] {
                prop_assert!(told.abs_diff(exact) <= exact / 8 + 1, "{told} for {exact}");
            }
        }
    }
}
