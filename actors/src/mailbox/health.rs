//! What the outcomes of attempts say of the endpoint: whether it is failing, down, or well again.

use casewire_data::{
    Timestamp,
    delivery::{EndpointEffect, FailureClass, Outcome},
    health::{self, Change, Failing},
    operational::{Kind, Notice, is_operational},
    store::Fate,
};

use super::Mailbox;
use crate::{envelope::Envelope, health::Condition, registry::NoteFailing};

impl Mailbox {
    /// What follows for the endpoint from an attempt that came to an outcome, beside what it asked for.
    pub(super) fn diagnose(&mut self, outcome: &Outcome, fate: Fate, now: Timestamp) -> EndpointEffect {
        let was_well = self.health.is_well() && !self.pace.is_down();
        let change = match (fate, outcome.failure_class()) {
            (Fate::Delivered, _) => {
                if self.pace.succeeded() {
                    tracing::info!(endpoint = %self.plan.endpoint.id, "the endpoint answers again");
                    self.retries.release();
                }
                if was_well {
                    return EndpointEffect::None;
                }
                self.health.succeeded(now)
            }
            // Not the endpoint's fault: it was not even asked.
            (_, Some(FailureClass::Quarantined | FailureClass::Request)) => {
                self.pace.said_nothing(now);
                None
            }
            (Fate::RetryAt(_) | Fate::Dead, _) => {
                if self.pace.failed(now) {
                    tracing::warn!(endpoint = %self.plan.endpoint.id, "the endpoint is down; what waits for it is held back");
                    self.give_back();
                    self.retries.end_release(now);
                }
                self.health.failed(now, self.surroundings.config.limits.disable_after_ms)
            }
        };
        self.note_condition(now);
        change.map_or(EndpointEffect::None, |change| self.act_on(change, outcome, now))
    }

    /// Lets others read how the endpoint is doing. One that is gone is not to be remembered.
    fn note_condition(&self, now: Timestamp) {
        if self.surroundings.directory.by_ordinal(self.ordinal()).is_some() {
            let condition = Condition { health: self.health, down: self.pace.down() };
            self.surroundings.health.note(self.ordinal(), condition, now);
        }
    }

    /// Tells the log, the registry and whoever subscribes to it.
    fn act_on(&self, change: Change, last: &Outcome, now: Timestamp) -> EndpointEffect {
        let endpoint = &*self.plan.endpoint;
        let (id, attempts) = (endpoint.id, self.health.failures());
        let failing = |failing: Failing| {
            self.surroundings.operational.tell(&endpoint.tenant, Kind::EndpointFailing, || {
                Notice::failing(endpoint, failing, attempts, last, now)
            });
        };
        match change {
            Change::Fails(known) => {
                tracing::warn!(endpoint = %id, attempts, last = last.summary(), "the endpoint is failing");
                failing(known);
            }
            Change::Warns(known) => {
                let disables_at = known.disables_at.map(tracing::field::display);
                tracing::warn!(endpoint = %id, since = %known.since, disables_at, "the endpoint will be disabled unless it answers");
                failing(known);
            }
            Change::Disables(known) => {
                return EndpointEffect::Disable { reason: health::reason(known, last) };
            }
            Change::Recovers(known) => {
                tracing::info!(endpoint = %id, since = %known.since, "the endpoint has recovered");
                self.surroundings.operational.tell(&endpoint.tenant, Kind::EndpointRecovered, || {
                    Notice::recovered(endpoint, known, now)
                });
            }
        }
        let note = NoteFailing { id, tenant: endpoint.tenant.clone(), failing: self.health.failing() };
        self.surroundings.registry.do_send(note);
        EndpointEffect::None
    }

    /// Tells of a dead letter, unless it is itself a notice.
    pub(super) fn tell_dead(&self, envelope: &Envelope, attempts: u16, last: &Outcome, now: Timestamp) {
        let (event, endpoint) = (&envelope.event, &*self.plan.endpoint);
        if !is_operational(event.event_type().as_str()) {
            self.surroundings.operational.tell(&endpoint.tenant, Kind::DeliveryDead, || {
                Notice::dead(endpoint, (self.plan.delivery(event), event.event_type()), attempts, last, now)
            });
        }
    }

    /// Forgets all that was wrong with the endpoint: it is another one now, or has another chance.
    pub(super) fn forgive(&mut self) {
        self.pace.forgive(self.plan.pace());
        self.health = health::Health::default();
        self.surroundings.health.forget(self.ordinal());
    }
}
