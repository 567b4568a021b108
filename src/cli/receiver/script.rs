//! How a receiver behaves, whatever it is sent.

use std::time::Duration;

use actix_web::http::StatusCode;

/// How a receiver answers.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Script {
    /// Status codes of the first, second, … answer; the last one repeats. Never empty.
    pub(in crate::cli) replies: Vec<StatusCode>,
    /// How long it takes before each answer.
    pub(in crate::cli) delay: Duration,
    /// It leaves out the headers that its dialect wants to see in an answer.
    pub(in crate::cli) forgetful: bool,
}

impl Script {
    /// The answer to a request, numbered from 1.
    pub(super) fn reply(&self, number: usize) -> StatusCode {
        let repeated = self.replies.last().copied().unwrap_or(StatusCode::OK);
        self.replies.get(number - 1).copied().unwrap_or(repeated)
    }
}
