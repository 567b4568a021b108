//! What the engine itself has to say of endpoints: that they are failing, and that it pauses them.

use std::sync::Arc;

use actix::{Handler, Message, ResponseFuture};
use casewire_data::{
    audit::{Act, Action, Principal},
    endpoint::{Endpoint, EndpointStatus},
    event::Tenant,
    health::Failing,
    id::EndpointId,
    operational::{Kind, Notice},
    store::Document,
};

use super::Registry;
use crate::{clock, shard::Told};

/// Pause an endpoint on the engine's own account.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Disable {
    /// Which one.
    pub id: EndpointId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Why, for its owner to read.
    pub reason: String,
    /// Dropped when that is so, and everybody knows.
    pub told: Option<Told>,
}

/// Remember of an endpoint that it is failing, or no more: over a restart, if not over a crash at this very moment.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NoteFailing {
    /// Which one.
    pub id: EndpointId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What to remember.
    pub failing: Option<Failing>,
}

impl Registry {
    fn find_active(&self, tenant: &Tenant, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.find(tenant, id).ok().filter(|endpoint| endpoint.status == EndpointStatus::Active)
    }

    /// Tells of a change that its owner made: one that pauses or resumes it, or gives it another chance.
    pub(super) fn tell_of_revision(&self, before: &Endpoint, after: &Endpoint) {
        if before.failing.is_some() && after.failing.is_none() {
            self.audience.health.forget(after.ordinal);
        }
        let now = clock::wall();
        let tell = |kind, notice: fn(&Endpoint, _) -> Notice| {
            self.audience.operational.tell(&after.tenant, kind, || notice(after, now));
        };
        match (before.status, after.status) {
            (EndpointStatus::Active, EndpointStatus::Paused) => tell(Kind::EndpointPaused, Notice::paused),
            (EndpointStatus::Paused, EndpointStatus::Active) => tell(Kind::EndpointResumed, Notice::resumed),
            (EndpointStatus::Active, EndpointStatus::Active)
            | (EndpointStatus::Paused, EndpointStatus::Paused) => {}
        }
    }
}

impl Handler<Disable> for Registry {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, disable: Disable, _: &mut Self::Context) -> Self::Result {
        let Disable { id, tenant, reason, told } = disable;
        let Some(endpoint) = self.find_active(&tenant, id) else { return Box::pin(async {}) };
        let act = Act::new(&tenant, Principal::Engine, Action::EndpointDisable, id).because(&reason);
        let now = clock::wall();
        let put = self.put(endpoint.disabled(reason, now), act);
        let operational = self.audience.operational.clone();
        Box::pin(async move {
            match put.await {
                Ok(disabled) => {
                    operational.tell(&tenant, Kind::EndpointDisabled, || Notice::disabled(&disabled, now))
                }
                Err(error) => tracing::error!(%error, "a disabled endpoint was not made durable"),
            }
            drop(told);
        })
    }
}

impl Handler<NoteFailing> for Registry {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, note: NoteFailing, _: &mut Self::Context) -> Self::Result {
        let NoteFailing { id, tenant, failing } = note;
        let Some(endpoint) = self.find_active(&tenant, id) else { return Box::pin(async {}) };
        let noted = Arc::new(endpoint.noted(failing));
        self.directory.put(noted.clone());
        let journal = self.journal.clone();
        Box::pin(async move {
            if let Err(error) = journal.note(Document::Endpoint(noted)).await {
                tracing::error!(%error, endpoint = %id, "that an endpoint fails, or no more, was not made durable");
            }
        })
    }
}
