//! The admin API keeps to the contract: keys, their order, and statuses (http-api).

mod backup;
mod endpoints;
mod events;
mod lists;
mod stats;
mod tenancy;
mod tokens;
mod wrong_input;
