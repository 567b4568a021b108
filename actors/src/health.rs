//! How endpoints that are in trouble have been doing, in memory: one that is well costs nothing.
//!
//! A mailbox writes its own; the book outlives it, so that an endpoint which is called seldom is not judged anew each
//! time. What must outlive the engine too is in the registry.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casewire_data::{
    Timestamp,
    endpoint::{Endpoint, EndpointStatus},
    health::Health,
    pace::{Down, Pace},
};

/// Endpoints above which those are let go that have been well for a while.
const REMEMBERED_MAX: usize = 1_024;

/// How an endpoint in trouble has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is failing.
    pub health: Health,
    /// Whether it is down, and how it is probed.
    pub down: Option<Down>,
}

impl Condition {
    /// The pace at which the endpoint is called by a mailbox that begins, given that of one of which nothing is known.
    /// One that is failing is probed first.
    pub fn pace(&self, fresh: Pace) -> Pace {
        match (self.down, self.health.failing()) {
            (None, Some(failing)) => fresh.doubting(failing.since),
            (down, _) => fresh.resuming(down),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct HealthBook(Mutex<HashMap<u32, Condition>>);

/// Endpoints in trouble, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubled {
    /// Failing.
    pub failing: u64,
    /// Down: probed, rather than called with all that waits.
    pub down: u64,
}

impl HealthBook {
    /// A book of what the registry knows when the engine starts.
    pub fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let active = endpoints.iter().filter(|endpoint| endpoint.status == EndpointStatus::Active);
        let failing = active.filter_map(|endpoint| {
            let health = Health::known(Some(**endpoint.failing.as_ref()?));
            Some((endpoint.ordinal, Condition { health, down: None }))
        });
        Self(Mutex::new(failing.collect()))
    }

    /// How an endpoint has been doing; as if it were well if nothing is known.
    pub fn read(&self, endpoint: u32) -> Condition {
        self.lock().get(&endpoint).copied().unwrap_or_default()
    }

    /// Notes how an endpoint is doing.
    pub fn note(&self, endpoint: u32, condition: Condition, now: Timestamp) {
        let is_forgettable =
            |condition: &Condition| condition.down.is_none() && condition.health.is_forgettable(now);
        let mut entries = self.lock();
        if is_forgettable(&condition) {
            entries.remove(&endpoint);
            return;
        }
        if entries.len() >= REMEMBERED_MAX
            && !entries.contains_key(&endpoint)
            && entries.len().is_power_of_two()
        {
            entries.retain(|_, condition| !is_forgettable(condition));
        }
        entries.insert(endpoint, condition);
    }

    /// Nothing is known of an endpoint any more.
    pub fn forget(&self, endpoint: u32) {
        self.lock().remove(&endpoint);
    }

    /// How many endpoints are in trouble. Looks at each of those.
    pub fn troubled(&self) -> Troubled {
        let entries = self.lock();
        let count = |is: fn(&Condition) -> bool| entries.values().filter(|one| is(one)).count() as u64;
        Troubled {
            failing: count(|one| one.health.failing().is_some()),
            down: count(|one| one.down.is_some()),
        }
    }

    /// What is known is whole whatever panicked.
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Three failures over a second.
    fn failing() -> Condition {
        let mut health = Health::default();
        for millis in [0, 500, 1_000] {
            health.failed(at(millis), None);
        }
        Condition { health, down: None }
    }

    #[test]
    fn who_is_well_is_not_in_the_book_and_who_recovers_leaves_it_in_time() {
        let book = HealthBook::default();
        book.note(1, failing(), at(1_000));
        assert_eq!((book.read(1), book.read(2)), (failing(), Condition::default()));
        assert_eq!(book.troubled(), Troubled { failing: 1, down: 0 });
        let mut well = failing();
        well.health.succeeded(at(2_000));
        book.note(1, well, at(2_000));
        assert_eq!((book.troubled().failing, book.lock().len()), (0, 1), "it may relapse");
        book.note(1, well, at(700_000));
        assert!(book.lock().is_empty());
    }

    #[test]
    fn very_many_that_have_recovered_are_let_go() {
        let (book, mut well) = (HealthBook::default(), failing());
        well.health.succeeded(at(2_000));
        (0..REMEMBERED_MAX as u32).for_each(|endpoint| book.note(endpoint, well, at(2_000)));
        book.note(9_999, failing(), at(900_000));
        assert_eq!(book.lock().keys().copied().collect::<Vec<_>>(), [9_999]);
    }
}
