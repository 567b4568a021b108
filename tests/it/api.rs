//! The admin API keeps to the contract: keys, their order, and statuses (http-api).

mod endpoints;
mod events;
mod tenancy;
mod tokens;
mod wrong_input;
