//! The reading thread: answers one question after the other, and prepares for others in between.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use casewire_data::{
    Error, ErrorKind,
    store::{Learner, Store},
};
use tokio::sync::watch;

use super::{Reading, fail};

/// How many times as long as a look at a block took nothing else of the kind is done: a sixty-fourth of one core, so that
/// nobody who delivers notices.
const REST_FACTOR: u32 = 63;
/// How long nothing is done when all is known.
const REST_MAX: Duration = Duration::from_secs(1);

/// Runs until nobody is left to ask.
pub(super) fn run(store: &Store, inbox: &Receiver<Reading>, failed: &watch::Sender<Option<Error>>) {
    let mut learner = store.learner();
    let mut rested = Instant::now();
    loop {
        match inbox.recv_timeout(rested.saturating_duration_since(Instant::now())) {
            Ok(reading) => answer(reading, store, failed),
            Err(RecvTimeoutError::Timeout) => rested = learn(&mut learner),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn answer(reading: Reading, store: &Store, failed: &watch::Sender<Option<Error>>) {
    // The store is only read, so a panic leaves nothing half done; but what is stored cannot be read.
    if catch_unwind(AssertUnwindSafe(|| reading(store))).is_err() {
        fail(failed, Error::new(ErrorKind::Damaged, "reading the journal made the engine panic"));
    }
}

/// Has lists learn a block, so that a search for what is rare need not; tells when to do so again.
fn learn(learner: &mut Learner) -> Instant {
    let begun = Instant::now();
    let learnt = learner.learn().unwrap_or_else(|error| {
        tracing::warn!(%error, "part of the log cannot be read; run `casewire journal verify`");
        true
    });
    let ended = Instant::now();
    ended + if learnt { (ended - begun) * REST_FACTOR } else { REST_MAX }
}
