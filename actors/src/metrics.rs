//! What the engine counts of its own work, for operators.
//!
//! Each arbiter, and the journal's writing thread, has cells of its own; they are added up when somebody asks. Figures
//! that belong together may then differ by what happened in between.

mod cell;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use casewire_data::{
    Timestamp,
    delivery::{FailureClass, Outcome},
    store::{Fate, SyncWatch},
};

pub use cell::{Count, Distribution, Histogram};

/// What an attempt can come to: the class of the status, or why there was none.
pub const OUTCOMES: [&str; 14] = [
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "other",
    "dns",
    "egress",
    "connect",
    "tls",
    "timeout",
    "broken",
    "protocol",
    "request",
    "quarantined",
];
/// How many of them are classes of a status.
const STATUS_OUTCOMES: usize = 5;
const OTHER_STATUS: usize = 4;

/// How long an attempt took, in microseconds: up to the longest that can be set.
const ATTEMPT_US: &[u64] = &[
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    20_000_000,
    60_000_000,
    120_000_000,
];
/// How long an event waited for its first attempt, in microseconds: up to the hours of an outage.
const FIRST_ATTEMPT_US: &[u64] = &[
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
    3_600_000_000,
];
/// How long a sync took, in microseconds.
const SYNC_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];
/// Writes that shared a batch.
const BATCH_WRITES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// What one arbiter counts of the deliveries that it makes.
#[derive(Debug)]
pub struct DeliveryCounts {
    outcomes: [Count; OUTCOMES.len()],
    delivered: Count,
    dead: Count,
    retries: Count,
    attempt_us: Histogram,
    first_attempt_us: Histogram,
    mailboxes: Count,
}

impl Default for DeliveryCounts {
    fn default() -> Self {
        Self {
            outcomes: Default::default(),
            delivered: Count::default(),
            dead: Count::default(),
            retries: Count::default(),
            attempt_us: Histogram::new(ATTEMPT_US),
            first_attempt_us: Histogram::new(FIRST_ATTEMPT_US),
            mailboxes: Count::default(),
        }
    }
}

impl DeliveryCounts {
    /// The first attempt of a delivery begins.
    pub fn first_attempt(&self, published_at: Timestamp, started_at: Timestamp) {
        // Negative if the clock was put back over a restart.
        let waited_us = started_at.as_micros().saturating_sub(published_at.as_micros());
        self.first_attempt_us.observe(u64::try_from(waited_us).unwrap_or(0));
    }

    /// An attempt is over.
    pub fn attempt(&self, outcome: &Outcome, duration_us: u64, fate: Fate) {
        self.outcomes[index_of(outcome)].add(1);
        self.attempt_us.observe(duration_us);
        match fate {
            Fate::Delivered => self.delivered.add(1),
            Fate::RetryAt(_) => self.retries.add(1),
            Fate::Dead => self.dead.add(1),
        }
    }

    /// A mailbox begins to live.
    pub fn mailbox_began(&self) {
        self.mailboxes.add(1);
    }

    /// A mailbox is no more.
    pub fn mailbox_ended(&self) {
        self.mailboxes.subtract(1);
    }
}

fn index_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Answered { status: status @ 200..=599, .. } => usize::from(status / 100) - 2,
        Outcome::Answered { .. } => OTHER_STATUS,
        Outcome::Failed { class, .. } => {
            let known = FailureClass::ALL.iter().position(|known| known == class);
            known.map_or(OTHER_STATUS, |index| STATUS_OUTCOMES + index)
        }
    }
}

/// What the journal's writing thread counts.
#[derive(Debug)]
pub struct JournalCounts {
    /// Events that were stored.
    pub published: Count,
    /// Events that were answered with an earlier one, by their idempotency key.
    pub duplicates: Count,
    /// Deliveries that the stored events matched.
    pub routed: Count,
    /// Deliveries that retention took before they were settled.
    pub expired: Count,
    /// Writes of each batch.
    pub batch_writes: Histogram,
    sync_us: Histogram,
}

impl Default for JournalCounts {
    fn default() -> Self {
        Self {
            published: Count::default(),
            duplicates: Count::default(),
            routed: Count::default(),
            expired: Count::default(),
            batch_writes: Histogram::new(BATCH_WRITES),
            sync_us: Histogram::new(SYNC_US),
        }
    }
}

/// Takes the time of each sync, on the journal's writing thread.
#[derive(Debug)]
pub struct SyncTimer {
    counts: Arc<JournalCounts>,
    began: Instant,
}

impl SyncTimer {
    /// A timer that counts there.
    pub fn new(counts: Arc<JournalCounts>) -> Self {
        Self { counts, began: Instant::now() }
    }
}

impl SyncWatch for SyncTimer {
    fn begins(&mut self) {
        self.began = Instant::now();
    }

    fn ended(&mut self) {
        self.counts.sync_us.observe(micros(self.began.elapsed()));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// All cells of an engine. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    journal: Arc<JournalCounts>,
    /// One for each arbiter, and at last one for the thread on which endpoints are tested.
    arbiters: Vec<Arc<DeliveryCounts>>,
}

/// What was counted since the engine started, as it was at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Events that were stored.
    pub published: u64,
    /// Events that were answered with an earlier one, by their idempotency key.
    pub duplicates: u64,
    /// Deliveries that the stored events matched.
    pub routed: u64,
    /// Deliveries that retention took before they were settled.
    pub expired: u64,
    /// Deliveries that were acknowledged.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// Attempts that are made again.
    pub retries: u64,
    /// Attempts, each with what it came to, as in [`OUTCOMES`].
    pub attempts: [u64; OUTCOMES.len()],
    /// How long attempts took, in microseconds.
    pub attempt_us: Distribution,
    /// How long events waited for their first attempt, in microseconds.
    pub first_attempt_us: Distribution,
    /// Writes that shared a batch.
    pub batch_writes: Distribution,
    /// How long syncs took, in microseconds.
    pub sync_us: Distribution,
    /// Mailboxes that live.
    pub mailboxes: u64,
}

impl Metrics {
    /// Cells for a journal and for so many arbiters.
    pub fn new(journal: Arc<JournalCounts>, arbiters: usize) -> Self {
        Self { journal, arbiters: std::iter::repeat_with(Arc::default).take(arbiters + 1).collect() }
    }

    /// The cells of one arbiter.
    pub fn of_arbiter(&self, index: usize) -> Arc<DeliveryCounts> {
        self.arbiters[index].clone()
    }

    /// The cells of the thread on which endpoints are tested.
    pub fn of_trials(&self) -> Arc<DeliveryCounts> {
        self.arbiters[self.arbiters.len() - 1].clone()
    }

    /// All that was counted so far.
    pub fn read(&self) -> Counted {
        let sum =
            |count: fn(&DeliveryCounts) -> &Count| self.arbiters.iter().map(|one| count(one).get()).sum();
        let all = |histogram: fn(&DeliveryCounts) -> &Histogram| {
            let each = self.arbiters.iter().map(|one| histogram(one).distribution());
            Distribution::of(each).expect("an engine has an arbiter")
        };
        let attempts = std::array::from_fn(|at| self.arbiters.iter().map(|one| one.outcomes[at].get()).sum());
        Counted {
            published: self.journal.published.get(),
            duplicates: self.journal.duplicates.get(),
            routed: self.journal.routed.get(),
            expired: self.journal.expired.get(),
            delivered: sum(|one| &one.delivered),
            dead: sum(|one| &one.dead),
            retries: sum(|one| &one.retries),
            attempts,
            attempt_us: all(|one| &one.attempt_us),
            first_attempt_us: all(|one| &one.first_attempt_us),
            batch_writes: self.journal.batch_writes.distribution(),
            sync_us: self.journal.sync_us.distribution(),
            mailboxes: sum(|one| &one.mailboxes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: FailureClass) -> Outcome {
        Outcome::Failed { class, message: String::new() }
    }

    #[test]
    fn every_outcome_has_its_name() {
        for class in FailureClass::ALL {
            assert_eq!(OUTCOMES[index_of(&failed(class))], class.as_str());
        }
        for (status, name) in
            [(200, "2xx"), (204, "2xx"), (302, "3xx"), (410, "4xx"), (599, "5xx"), (700, "other")]
        {
            let outcome = Outcome::Answered { status, headers: Vec::new(), body: Vec::new() };
            assert_eq!(OUTCOMES[index_of(&outcome)], name, "{status}");
        }
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [ATTEMPT_US, FIRST_ATTEMPT_US, SYNC_US, BATCH_WRITES] {
            assert!(bounds.is_sorted());
        }
    }

    #[test]
    fn arbiters_are_counted_together() {
        let metrics = Metrics::new(Arc::default(), 2);
        for index in [0, 1, 1] {
            metrics.of_arbiter(index).attempt(&failed(FailureClass::Timeout), 700, Fate::Dead);
        }
        let counted = metrics.read();
        assert_eq!((counted.dead, counted.attempts.iter().sum::<u64>()), (3, 3));
        assert_eq!((counted.attempt_us.counts[1], counted.attempt_us.sum), (3, 2_100));
    }
}
