//! Which deliveries are being attempted at this moment, for whoever asks.

use std::sync::{Mutex, MutexGuard};

use rustc_hash::FxHashSet as HashSet;

/// Deliveries by endpoint and event.
#[derive(Debug, Default)]
pub struct InFlight {
    deliveries: Mutex<HashSet<(u32, u64)>>,
}

impl InFlight {
    /// An attempt begins.
    pub fn begin(&self, endpoint: u32, seq: u64) {
        self.lock().insert((endpoint, seq));
    }

    /// An attempt is over.
    pub fn end(&self, endpoint: u32, seq: u64) {
        self.lock().remove(&(endpoint, seq));
    }

    /// Whether a delivery is being attempted.
    pub fn contains(&self, endpoint: u32, seq: u64) -> bool {
        self.lock().contains(&(endpoint, seq))
    }

    /// All of them, by endpoint and event, in no order.
    pub fn all(&self) -> Vec<(u32, u64)> {
        self.lock().iter().copied().collect()
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(u32, u64)>> {
        self.deliveries.lock().expect("nothing panics while it holds this lock")
    }
}
