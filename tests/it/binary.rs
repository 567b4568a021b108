//! The real binary from outside: run as an operator runs it, and spoken to over sockets.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

mod browser;
mod dice;
mod http;
mod listener;
mod receiver;
mod server;

use std::time::Duration;

pub use browser::Browser;
pub use dice::Dice;
pub use http::Connection;
pub use listener::Listener;
pub use receiver::{Attempt, Receiver, Reply};
pub use server::{Ended, Server, TOKEN, run, run_program, run_with_input};

/// How long a test waits for what must come; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a test may pass over what this machine cannot do. Says why it is passed over, or fails under CI.
pub fn skip(reason: &str) {
    let required = std::env::var_os("CASEWIRE_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "CASEWIRE_REQUIRE_ALL=1, but {reason}");
    println!("skipped: {reason}");
}

/// A number from the environment, for those who have more time.
pub fn setting(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect(variable))
}
