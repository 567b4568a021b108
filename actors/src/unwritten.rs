//! Settlements that the journal has not written yet, counted for each mailbox.
//!
//! After a crash their deliveries would be made again, so they count as in flight: what is repeated stays within the
//! limit of what may be in flight at once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// One mailbox's count. Clones share it.
#[derive(Clone)]
pub struct Unwritten {
    shared: Arc<Shared>,
}

struct Shared {
    count: AtomicUsize,
    /// The mailbox waits for the count to fall.
    awaited: AtomicBool,
    tell: Box<dyn Fn() + Send + Sync>,
}

impl Unwritten {
    /// Nothing is unwritten; `tell` is called, on any thread, when something awaited has been written.
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        let (count, awaited) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { count, awaited, tell: Box::new(tell) }) }
    }

    /// How many settlements are not written yet.
    pub fn count(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// One more is on its way to the journal.
    pub fn add(&self) {
        self.shared.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks to be told of the next that is written. Look at the count again afterwards: it may have been just now.
    pub fn wait(&self) {
        self.shared.awaited.store(true, Ordering::SeqCst);
    }

    /// Notes that these are written, one count each, and tells who waits for it.
    pub fn written(all: &[Self]) {
        for one in all {
            one.shared.count.fetch_sub(1, Ordering::SeqCst);
        }
        for one in all {
            if one.shared.awaited.swap(false, Ordering::SeqCst) {
                (one.shared.tell)();
            }
        }
    }
}

impl fmt::Debug for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unwritten").field(&self.count()).finish()
    }
}
