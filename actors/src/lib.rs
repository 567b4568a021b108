//! Everything in Casewire that moves: actors that carry out effects. What to do is decided in `casewire_data`.
//!
//! What is never in this crate: a rule about when to retry, what matches or what a status code means, and HTTP that is
//! served rather than sent.
//!
//! The modules, in the order in which an event meets them.

pub mod config;

pub mod matcher;

pub mod backup;
pub mod journal;
pub mod sweeper;
pub mod unwritten;

pub mod crowd;
pub mod envelope;
pub mod shard;
pub mod surroundings;
pub mod traffic;

pub mod mailbox;
pub mod operational;
pub mod plan;
pub mod replay;

pub mod dispatch;
pub mod egress;

pub mod directory;
pub mod handshake;
pub mod registry;
pub mod trial;

pub mod clock;
pub mod health;
pub mod in_flight;
pub mod metrics;
mod span;
pub mod stats;

mod tree;

pub use config::Config;
pub use tree::{Drained, Tree};
