//! The stats of endpoints that were attempted lately, in memory: an endpoint without attempts costs nothing.
//!
//! A mailbox writes its own; whoever asks reads them through the book. They are counted since the engine started: to
//! count what was before, a start would have to read the log.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casewire_data::{Timestamp, delivery::Outcome, stats::EndpointStats, store::Fate};

use crate::{clock::Clock, metrics::DeliveryCounts};

/// Endpoints without a mailbox whose stats are kept.
const RESTING_MAX: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub struct StatsBook {
    clock: Clock,
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    of: HashMap<u32, Entry>,
    /// How many of them belong to a mailbox.
    busy: usize,
    /// All attempts since then are in the book, but for those of endpoints that say otherwise.
    complete_since: Timestamp,
}

#[derive(Debug)]
struct Entry {
    stats: Arc<Mutex<EndpointStats>>,
    since: Timestamp,
}

/// The stats of one endpoint, as its mailbox writes them, and what is counted with them.
#[derive(Debug)]
pub struct OwnStats {
    book: Arc<StatsBook>,
    counts: Arc<DeliveryCounts>,
    stats: Arc<Mutex<EndpointStats>>,
}

impl StatsBook {
    /// An empty book of an engine that starts now.
    pub fn new(clock: Clock) -> Self {
        let entries = Entries { of: HashMap::new(), busy: 0, complete_since: clock.now() };
        Self { clock, entries: Mutex::new(entries) }
    }

    /// The stats of an endpoint, for its mailbox, on an arbiter that counts there.
    pub fn open(self: &Arc<Self>, endpoint: u32, counts: &Arc<DeliveryCounts>) -> OwnStats {
        let mut entries = self.lock();
        let since = entries.complete_since;
        let entry = entries.of.entry(endpoint).or_insert_with(|| Entry { stats: Arc::default(), since });
        let stats = entry.stats.clone();
        entries.busy += 1;
        counts.mailbox_began();
        OwnStats { book: self.clone(), counts: counts.clone(), stats }
    }

    /// The stats of an endpoint, and since when they are counted.
    pub fn read(&self, endpoint: u32) -> (EndpointStats, Timestamp) {
        let entries = self.lock();
        match entries.of.get(&endpoint) {
            Some(entry) => (lock(&entry.stats).clone(), entry.since),
            None => (EndpointStats::default(), entries.complete_since),
        }
    }

    /// A mailbox is no more; of very many stats without one, those of the endpoints that were attempted last are kept.
    fn closed(&self) {
        let mut entries = self.lock();
        entries.busy = entries.busy.saturating_sub(1);
        if entries.of.len().saturating_sub(entries.busy) <= RESTING_MAX {
            return;
        }
        let is_resting = |entry: &Entry| Arc::strong_count(&entry.stats) == 1;
        let resting = entries.of.iter().filter(|(_, entry)| is_resting(entry));
        let mut resting: Vec<_> =
            resting.map(|(endpoint, entry)| (lock(&entry.stats).last_hour(), *endpoint)).collect();
        resting.sort_unstable();
        // Half of them, so that it is seldom done.
        resting.truncate(resting.len() / 2);
        for (_, endpoint) in resting {
            entries.of.remove(&endpoint);
        }
        entries.complete_since = self.clock.now();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

impl OwnStats {
    /// An attempt ended at a time.
    pub fn note(&self, at: Timestamp, duration_us: u64, outcome: &Outcome, fate: Fate) {
        self.counts.attempt(outcome, duration_us, fate);
        lock(&self.stats).note(at, duration_us, outcome, fate);
    }
}

impl Drop for OwnStats {
    fn drop(&mut self) {
        self.counts.mailbox_ended();
        self.book.closed();
    }
}

/// Counts are whole whatever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(book: &Arc<StatsBook>, endpoint: u32) -> OwnStats {
        let own = book.open(endpoint, &Arc::default());
        let outcome = Outcome::Answered { status: 200, headers: Vec::new(), body: Vec::new() };
        own.note(book.clock.now(), 1_000, &outcome, Fate::Delivered);
        own
    }

    fn delivered(book: &StatsBook, endpoint: u32) -> u64 {
        let (stats, _) = book.read(endpoint);
        stats.summary(book.clock.now()).counts.delivered
    }

    #[test]
    fn stats_outlive_their_mailbox() {
        let book = Arc::new(StatsBook::new(Clock::start()));
        drop(attempt(&book, 7));
        let again = attempt(&book, 7);
        assert_eq!((delivered(&book, 7), delivered(&book, 8)), (2, 0));
        assert_eq!(book.read(7).1, book.read(8).1, "both are counted since the start");
        drop(again);
    }

    #[test]
    fn of_very_many_those_with_a_mailbox_are_kept_and_the_others_say_since_when_they_count() {
        let book = Arc::new(StatsBook::new(Clock::start()));
        let started = book.read(0).1;
        let busy = attempt(&book, 0);
        let endpoints = 3 * RESTING_MAX as u32;
        for endpoint in 1..=endpoints {
            drop(attempt(&book, endpoint));
        }
        let kept = (1..=endpoints).filter(|endpoint| delivered(&book, *endpoint) == 1).count();
        assert!((RESTING_MAX / 2..=RESTING_MAX + 1).contains(&kept), "{kept}");
        assert_eq!((delivered(&book, 0), book.read(0).1), (1, started));
        assert!((1..=endpoints).any(|endpoint| book.read(endpoint).1 > started));
        drop(busy);
    }
}
