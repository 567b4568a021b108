//! One binary for all promises: a module a promise.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

mod binary;
mod support;

mod api;
mod openapi;

mod audit;
mod erasure;
mod rotation;

mod catalogue;
mod fan_out;
mod filter;
mod identity;
mod outcomes;
mod schedule;
mod schemas;
mod scopes;

mod ordering;
mod pause;
mod replay;
mod retry;

mod idempotency;
mod pressure;

mod backlog;
mod breaker;
mod disabling;
mod isolation;
mod limits;
mod pace;

mod restart;
mod shutdown;

mod backup;
mod command_line;
mod corruption;
mod crash;
mod power_loss;
mod processes;

mod dialects;
mod egress;
mod inbound;
mod javascript;
mod listen;
mod receivers;
mod refusals;
mod verifiers;

mod console;
mod log;
mod metrics;
mod operational;

mod dialect_docs;
mod embedding;
mod examples;
mod own_dialects;

mod byte_retention;
mod tenant_retention;
mod tidy;
mod tls;
