//! One binary for all promises: a module a promise.

mod api;
