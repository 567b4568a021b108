//! One binary for all promises: a module a promise.

mod binary;

mod api;
mod corruption;
mod crash;
mod egress;
mod power_loss;
mod processes;
mod tidy;
mod verifiers;
