//! How a mailbox ends: what is under way goes on, and all else is given back to the journal.

use actix::{ActorContext, Handler, Message};
use tokio::task::AbortHandle;

use super::Mailbox;
use crate::shard::Told;

impl Drop for Mailbox {
    /// After a panic, attempts of this mailbox may still be under way, but nobody waits for their end any more.
    fn drop(&mut self) {
        self.leave_crowd();
        for (seq, flight) in &self.in_flight {
            self.surroundings.in_flight.end(self.plan.endpoint.ordinal, *seq);
            flight.task.iter().for_each(AbortHandle::abort);
        }
    }
}

/// Begin nothing more; attempts under way go on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

impl Handler<Drain> for Mailbox {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Self::Context) {
        self.draining = true;
        self.give_back();
    }
}

/// The shard has let go of the mailbox, or the endpoint is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop(
    /// Dropped when nothing more is begun.
    pub Option<Told>,
);

impl Handler<Stop> for Mailbox {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        self.draining = true;
        self.give_back();
        // Attempts under way hold its address: it ends with the last of them.
        if self.in_flight.is_empty() {
            context.stop();
        }
    }
}
