//! The moving parts of Casewire: actors that carry out effects, and no policy.

pub mod dispatch;
pub mod egress;
