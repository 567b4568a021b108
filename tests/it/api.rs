//! The admin API keeps to the contract: keys, their order, and statuses (http-api).

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

mod host;

mod endpoints;
mod events;
mod tenancy;
mod wrong_input;
