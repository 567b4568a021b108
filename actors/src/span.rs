//! One event in the log of the program: the span of its life here, and the lines that tell of it.
//!
//! Every line of an event has its id as `event`, one of an attempt also the `endpoint` and the `number` of the attempt,
//! whether or not spans are recorded: an event outlives the process, and its lines are found by these. The span begins
//! when the event is durable and ends when no attempt of it is left in memory; what is read from the journal again has a
//! new span with the same `event`. At a level that is not logged, a line or a span costs a look at one atomic.

use casewire_data::{
    delivery::Outcome,
    event::Event,
    id::{EndpointId, EventId},
    store::Fate,
    trace_context::TraceContext,
};
use tracing::{Level, Span};

use crate::envelope::Envelope;

/// The span of an event.
pub fn of_event(event: &Event) -> Span {
    if !tracing::enabled!(Level::DEBUG) {
        return Span::none();
    }
    tracing::debug_span!(
        parent: None,
        "event",
        event = %event.id,
        event_type = %event.event_type(),
        tenant = %event.tenant,
    )
}

/// The span of one attempt, within that of its event.
pub fn of_attempt(envelope: &Envelope, endpoint: EndpointId, number: u16) -> Span {
    let event = envelope.event.id;
    if !tracing::enabled!(Level::DEBUG) {
        return Span::none();
    }
    tracing::debug!(parent: &envelope.span, %event, %endpoint, number, "an attempt begins");
    tracing::debug_span!(parent: &envelope.span, "attempt", %endpoint, number)
}

/// An event is durable, and its publisher is answered.
pub fn published(envelope: &Envelope, deliveries: usize) {
    let (event, event_type) = (envelope.event.id, envelope.event.event_type());
    tracing::debug!(
        parent: &envelope.span,
        %event,
        %event_type,
        deliveries,
        traceparent = TraceContext::of(&envelope.event.content.tags).map(|trace| trace.parent),
        "published"
    );
}

/// An event was published again; nothing is stored.
pub fn repeated(event: EventId) {
    tracing::debug!(%event, "published again with the same idempotency key");
}

/// What an attempt came to, and what follows for the delivery.
pub fn attempted(envelope: &Envelope, endpoint: EndpointId, number: u16, outcome: &Outcome, fate: Fate) {
    let (event, span) = (envelope.event.id, &envelope.span);
    match fate {
        Fate::Delivered => {
            tracing::debug!(parent: span, %event, %endpoint, number, outcome = outcome.summary(), "delivered");
        }
        Fate::RetryAt(due) => {
            tracing::debug!(
                parent: span, %event, %endpoint, number, outcome = outcome.summary(), %due, "failed; will be retried"
            );
        }
        Fate::Dead => {
            tracing::warn!(
                parent: span, %event, %endpoint, number, outcome = outcome.summary(), "given up: a dead letter"
            );
        }
    }
}
