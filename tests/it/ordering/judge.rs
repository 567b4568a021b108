//! Watches what a receiver gets: of one case never two at once, and none acknowledged before the one before it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Condvar, Mutex},
};

use casewire::DeliveryOrder;
use serde_json::Value;

use crate::support::PATIENCE;

/// Clones watch the same receiver.
#[derive(Clone)]
pub struct Judge(Arc<Watched>);

struct Watched {
    ordering: DeliveryOrder,
    /// Whether the n-th attempt fails.
    fails: Box<dyn Fn(u64) -> bool + Send + Sync>,
    seen: Mutex<Seen>,
    moved: Condvar,
}

#[derive(Default)]
struct Seen {
    attempts: u64,
    in_flight: HashSet<String>,
    acknowledged: HashSet<(String, u64)>,
    /// How many of each case are, without a gap.
    through: HashMap<String, u64>,
    wrong: Vec<String>,
}

/// The case and the number in it of which a body tells.
pub fn told(body: &[u8]) -> (String, u64) {
    let body: Value = serde_json::from_slice(body).unwrap();
    let data = &body["data"];
    (data["case"].as_str().unwrap().to_owned(), data["number"].as_u64().unwrap())
}

impl Judge {
    pub fn of(ordering: DeliveryOrder, fails: impl Fn(u64) -> bool + Send + Sync + 'static) -> Self {
        let (seen, moved) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Watched { ordering, fails: Box::new(fails), seen, moved }))
    }

    /// What a request is answered with.
    pub fn status(&self, body: &[u8]) -> u16 {
        let (case, number) = told(body);
        let nth = self.comes(&case, number);
        // Others may come in here.
        std::thread::yield_now();
        let fails = (self.0.fails)(nth);
        self.goes(case, number, !fails);
        if fails { 500 } else { 204 }
    }

    fn comes(&self, case: &str, number: u64) -> u64 {
        let mut seen = self.0.seen.lock().unwrap();
        seen.attempts += 1;
        if self.0.ordering != DeliveryOrder::None && !seen.in_flight.insert(case.to_owned()) {
            seen.wrong.push(format!("{number} of {case} comes beside another"));
        }
        seen.attempts
    }

    fn goes(&self, case: String, number: u64, acknowledged: bool) {
        let mut seen = self.0.seen.lock().unwrap();
        seen.in_flight.remove(&case);
        if acknowledged {
            let through = seen.through.get(&case).copied().unwrap_or(0);
            if number > through && self.0.ordering != DeliveryOrder::None {
                seen.wrong.push(format!("{number} of {case} is acknowledged before {through}"));
            }
            seen.through.insert(case.clone(), through.max(number + 1));
            seen.acknowledged.insert((case, number));
            self.0.moved.notify_all();
        }
    }

    /// Waits until so many different events are acknowledged, as long as there are ever more.
    pub fn wait_for(&self, count: usize) {
        let mut seen = self.0.seen.lock().unwrap();
        while seen.acknowledged.len() < count {
            let before = seen.acknowledged.len();
            let (next, timeout) = self
                .0
                .moved
                .wait_timeout_while(seen, PATIENCE, |seen| seen.acknowledged.len() == before)
                .unwrap();
            assert!(!timeout.timed_out(), "{before} of {count} events came; wrong: {:?}", next.wrong);
            seen = next;
        }
    }

    /// Holds what was seen to what is promised.
    pub fn rule(&self) {
        let seen = self.0.seen.lock().unwrap();
        println!("{} attempts, {} acknowledged", seen.attempts, seen.acknowledged.len());
        assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
    }
}
