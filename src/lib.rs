//! Casewire.

pub mod admin;
pub mod cli;
pub mod engine;
pub mod settings;
pub mod tenant;
