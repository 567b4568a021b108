//! Endpoints that nothing is sent to, and many event types: what an engine holds and does not use.

use casewire_data::{endpoint::EndpointDraft, event::Tenant};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::super::{Failure, Outcome};
use crate::engine::Engine;

/// Distinct patterns among them.
pub(super) const PATTERNS: u64 = 10_000;
/// Event types in turn.
pub(super) const TYPES: u64 = 10_000;
/// How many are created at a time: each waits for the disk, and all of a batch wait for one sync.
const AT_A_TIME: usize = 1_024;

/// Creates so many, as a host would: each durable when it is answered.
pub(super) async fn gather(engine: &Engine, endpoints: u64) -> Outcome {
    let tenant = engine.tenant(Tenant::default());
    let created = stream::iter(0..endpoints).map(|number| tenant.create_endpoint(draft(number)));
    let created = created.buffer_unordered(AT_A_TIME).try_for_each(|_| async { Ok(()) });
    created.await.map_err(Failure::from)
}

/// The type of an event of a benchmark; every endpoint of a benchmark that is not of the crowd takes it.
pub(super) fn event_type(number: u64) -> String {
    format!("bench.type-{number}")
}

/// A name, a prefix or a glob in turn.
fn draft(number: u64) -> EndpointDraft {
    let kind = number % PATTERNS;
    let pattern = match kind % 3 {
        0 => format!("idle.kind-{kind}.created"),
        1 => format!("idle.kind-{kind}.*"),
        _ => format!("idle.kind-{kind}.*.closed"),
    };
    EndpointDraft {
        url: format!("https://customer-{number}.example.com/webhooks/cases"),
        events: vec![pattern],
        ..EndpointDraft::default()
    }
}
