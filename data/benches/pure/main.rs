//! What the pure parts take: `cargo bench -p casewire-data`, about half a minute once it is built; `-- match` runs some.
//!
//! One binary, as linking takes longest.

#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up stops")]

mod dialect;
mod pattern;
mod signature;
mod store;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short runs: it is factors that are looked for, not percents.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20)
        .without_plots()
}

criterion_group! {
    name = pure;
    config = short();
    targets = pattern::matching, dialect::rendering, signature::signing, store::records
}
criterion_main!(pure);
