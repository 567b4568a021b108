//! The admin API keeps to the contract: keys, their order, and statuses (http-api).

mod backup;
mod endpoints;
mod event_types;
mod events;
mod filter;
mod lists;
mod replays;
mod stats;
mod tenancy;
mod tokens;
mod wrong_input;
