//! Everything inert in Casewire: the types, the policy as pure functions, and the store.
//!
//! What is never in this crate: an `await`, a look at the clock, the network or a source of
//! randomness. Each of them is an argument. The one effect that lives here is the disk, behind
//! [`store`], because what is on disk *is* the data.
//!
//! The modules, in reading order.

pub mod id;

pub mod event;
pub mod pattern;
pub mod trace_context;

pub mod audit;
pub mod catalogue;
pub mod endpoint;
pub mod filter;
mod json;
pub mod route;
pub mod schema;
pub mod scope;
pub mod source;
pub mod token;

pub mod delivery;
pub mod health;
pub mod operational;
pub mod order;
pub mod pace;
pub mod rate;
pub mod replay;
pub mod retry;
pub mod seldom;
pub mod stats;
pub mod turn;
pub mod window;

pub mod dialect;
mod embedded;
pub mod javascript;
pub mod samples;
pub mod secret;
pub mod signature;

pub mod address;
pub mod timestamp;

pub mod store;

pub mod error;
pub mod limits;

pub use error::{Error, ErrorKind, FieldError, Result};
pub use timestamp::Timestamp;
