//! What all promises are tested with: engines, receivers that reply by script, and waiting for what must come.

mod embedded;
mod gate;
mod receiver;

pub mod contract;
pub mod host;
pub mod secure;

use std::{fmt::Debug, time::Duration};

pub use embedded::{Embedded, settings, to};
pub use gate::Gate;
pub use receiver::{Down, Receiver, Reply, Request};

/// How long a test waits for what must come; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(5);

/// A receiver at work for a time. For what a receiver does only: a test waits for what it expects.
pub fn work_for(time: Duration) {
    std::thread::park_timeout(time);
}

/// Looks until what is seen is as expected and answers with it; panics with what was seen last.
pub async fn wait_until<T: Debug>(mut look: impl AsyncFnMut() -> T, expected: impl Fn(&T) -> bool) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if expected(&seen) {
            return seen;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "what the test waits for never came; seen last: {seen:?}"
        );
        tokio::time::sleep(LOOK).await;
    }
}
