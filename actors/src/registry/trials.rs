//! Where endpoints are tried: beside their changes, since both know them all and neither waits for their mailboxes.

use std::sync::Arc;

use actix::{ActorFutureExt, Handler, Message, ResponseActFuture, WrapFuture, fut};
use casewire_data::{
    Result,
    event::{Event, Tenant},
    id::EndpointId,
};

use super::Registry;
use crate::trial::TrialReport;

/// Send an endpoint an event that was routed nowhere, once; answered when the attempt is over, and seen by every reader.
#[derive(Debug, Message)]
#[rtype(result = "Result<TrialReport>")]
pub struct Try {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: EndpointId,
    /// What is sent.
    pub event: Arc<Event>,
}

impl Handler<Try> for Registry {
    type Result = ResponseActFuture<Self, Result<TrialReport>>;

    fn handle(&mut self, Try { tenant, id, event }: Try, _: &mut Self::Context) -> Self::Result {
        let begun = self
            .find(&tenant, id)
            .and_then(|endpoint| self.trials.begin(endpoint, event.clone(), &self.config));
        match begun {
            Err(error) => Box::pin(fut::err(error)),
            Ok(attempt) => Box::pin(attempt.into_actor(self).map(move |report, registry, _| {
                registry.trials.end(&tenant);
                // Of one that was deleted meanwhile there is no record any more.
                if let Ok(endpoint) = registry.find(&tenant, id) {
                    registry.trials.record(&report, endpoint.ordinal, &event, &registry.journal);
                }
                Ok(report)
            })),
        }
    }
}
