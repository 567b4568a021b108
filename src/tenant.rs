//! One tenant's view of the engine: every look-up is scoped by it, so nothing of another tenant can be named.

mod audit;
mod catalogue;
mod erasure;
mod listings;
mod preview;
mod replays;
mod secrets;
mod sources;
mod stats;
mod tokens;
mod trial;

use std::sync::Arc;

use casewire_actors::{
    Tree,
    registry::{Create, Delete, Update},
};
use casewire_data::{
    Error, ErrorKind, Result, Timestamp,
    audit::{Act, Action, Principal},
    delivery::{DeliveryRecord, DeliveryStatus},
    endpoint::{Endpoint, EndpointDraft, EndpointPatch, EndpointStatus},
    event::{Event, NewEvent, Tenant},
    id::{DeliveryId, EndpointId, EventId},
    order::Lane,
    store::{DeliveryStanding, Requeued, Standing, Store},
};

pub use casewire_actors::sweeper::Erased;

pub use self::{
    listings::{DeliveryQuery, EventQuery, Page},
    replays::ReplayReport,
};
use crate::{
    engine::gone,
    publisher::{Publisher, Receipt},
};

pub use self::{
    catalogue::CatalogueEntry,
    preview::Previewed,
    secrets::SecretInForce,
    stats::EndpointReport,
    trial::{EndpointTrial, TrialReport},
};

/// What one tenant can see and do. Cheap to clone; usable from any thread and any runtime.
#[derive(Clone)]
pub struct TenantHandle {
    tree: Tree,
    name: Tenant,
    /// Who is at work, for the audit.
    by: Principal,
}

/// An endpoint and what the journal knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointInfo {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Deliveries that wait because it is paused; 0 when it is active.
    pub held: u64,
}

impl TenantHandle {
    pub(crate) fn new(tree: Tree, name: Tenant) -> Self {
        Self { tree, name, by: Principal::Host }
    }

    /// The same, with somebody else at work.
    pub(crate) fn used_by(self, by: Principal) -> Self {
        Self { by, ..self }
    }

    /// The tenant.
    pub fn name(&self) -> &Tenant {
        &self.name
    }

    /// Publishes for this tenant.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.tree.clone(), self.name.clone())
    }

    /// Publishes one event; see [`Publisher::publish`].
    pub async fn publish(&self, event: NewEvent) -> Result<Receipt> {
        self.publisher().publish_event(event).await
    }

    /// Publishes up to 1,000 events, all or nothing; see [`Publisher::publish_batch`].
    pub async fn publish_batch(&self, events: Vec<NewEvent>) -> Result<Vec<Receipt>> {
        self.publisher().publish_batch(events).await
    }

    /// Creates an endpoint. The returned one holds its secret.
    pub async fn create_endpoint(&self, draft: EndpointDraft) -> Result<EndpointInfo> {
        let message = Create { tenant: self.name.clone(), draft, by: self.by.clone() };
        Ok(self.info(self.tree.registry.send(message).await.map_err(|_| gone())??))
    }

    /// Changes what the patch names.
    pub async fn update_endpoint(&self, id: EndpointId, patch: EndpointPatch) -> Result<EndpointInfo> {
        let message = Update { tenant: self.name.clone(), id, patch, by: self.by.clone() };
        Ok(self.info(self.tree.registry.send(message).await.map_err(|_| gone())??))
    }

    /// Deletes an endpoint; its waiting deliveries are cancelled.
    pub async fn delete_endpoint(&self, id: EndpointId) -> Result<()> {
        let message = Delete { tenant: self.name.clone(), id, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }

    /// One endpoint. `NotFound` also for another tenant's.
    pub async fn endpoint(&self, id: EndpointId) -> Result<EndpointInfo> {
        let endpoint = self.tree.directory.endpoint(&self.name, id);
        endpoint.map(|endpoint| self.info(endpoint)).ok_or_else(|| nothing("endpoint"))
    }

    /// All endpoints, newest first.
    pub async fn endpoints(&self) -> Result<Vec<EndpointInfo>> {
        let endpoints = self.tree.directory.endpoints(&self.name);
        Ok(endpoints.into_iter().map(|endpoint| self.info(endpoint)).collect())
    }

    /// One event.
    pub async fn event(&self, id: EventId) -> Result<Event> {
        let (event, _) = self.find_event(id).await?;
        Ok(event)
    }

    /// What became of an event, endpoint by endpoint.
    pub async fn event_deliveries(&self, id: EventId) -> Result<Vec<DeliveryRecord>> {
        let (event, routes) = self.find_event(id).await?;
        let this = self.clone();
        let records = move |store: &Store| {
            routes.into_iter().filter_map(|ordinal| this.record(store, &event, ordinal).transpose()).collect()
        };
        self.tree.journal.read(records).await?
    }

    /// One delivery with its attempts.
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryRecord> {
        let (event, ordinal) = self.find_delivery(id).await?;
        let this = self.clone();
        let record = self.tree.journal.read(move |store| this.record(store, &event, ordinal)).await??;
        record.ok_or_else(|| nothing("delivery"))
    }

    /// Attempts a delivery again now, whatever its state. `Conflict` if its endpoint is gone, or its event's content.
    pub async fn retry_delivery(&self, id: DeliveryId) -> Result<()> {
        let (event, ordinal) = self.find_delivery(id).await?;
        if event.erased_at.is_some() {
            let message = "the event's content was erased; publish it again instead";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if self.tree.directory.by_ordinal(ordinal).is_none() {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the delivery's endpoint was deleted; it cannot be sent again",
            ));
        }
        let (seq, event_position) = (event.seq, event.position);
        let lane = event.content.resource.as_ref().map(Lane::of);
        let trace = self.tree.journal.read(move |store| store.trace(&event, ordinal)).await??;
        let from = match trace.standing {
            // Its turn is yet to come, and nothing comes before now.
            DeliveryStanding::Unread => return Ok(()),
            DeliveryStanding::Waiting(_) | DeliveryStanding::Behind
                if self.tree.in_flight.contains(ordinal, seq) =>
            {
                return Ok(());
            }
            DeliveryStanding::Waiting(_) | DeliveryStanding::Behind => Standing::Parked,
            DeliveryStanding::Dead => Standing::Dead,
            DeliveryStanding::Delivered | DeliveryStanding::Cancelled => Standing::Delivered,
        };
        let due = self.tree.clock.now();
        let replayed = false;
        let requeued = Requeued { endpoint: ordinal, seq, event_position, due, from, replayed, lane };
        let act = Act::new(&self.name, self.by.clone(), Action::DeliveryRetry, id);
        self.tree.requeue(act, requeued).await
    }

    fn info(&self, endpoint: Arc<Endpoint>) -> EndpointInfo {
        let held = match endpoint.status {
            EndpointStatus::Paused => self.tree.journal.store().cursor(endpoint.ordinal).waiting(),
            EndpointStatus::Active => 0,
        };
        EndpointInfo { endpoint, held }
    }

    async fn find_event(&self, id: EventId) -> Result<(Event, Vec<u32>)> {
        let found = self.tree.journal.read(move |store| store.event(id)).await??;
        found.filter(|(event, _)| event.tenant == self.name).ok_or_else(|| nothing("event"))
    }

    async fn find_delivery(&self, id: DeliveryId) -> Result<(Event, u32)> {
        let (event, routes) = self.find_event(id.event).await.map_err(|_| nothing("delivery"))?;
        let ordinal =
            routes.into_iter().find(|ordinal| self.tree.directory.id_of(*ordinal) == Some(id.endpoint));
        ordinal.map(|ordinal| (event, ordinal)).ok_or_else(|| nothing("delivery"))
    }

    fn record(&self, store: &Store, event: &Event, ordinal: u32) -> Result<Option<DeliveryRecord>> {
        let Some(endpoint) = self.tree.directory.id_of(ordinal) else { return Ok(None) };
        let trace = store.trace(event, ordinal)?;
        let (status, next_attempt_at) =
            self.status(event, ordinal, trace.standing, !trace.attempts.is_empty());
        Ok(Some(DeliveryRecord {
            id: DeliveryId { event: event.id, endpoint },
            event_type: event.event_type().clone(),
            published_at: event.published_at,
            status,
            attempts: trace.attempts,
            next_attempt_at,
        }))
    }

    /// What a delivery's standing in the journal comes to, and when its next attempt is due.
    fn status(
        &self,
        event: &Event,
        ordinal: u32,
        standing: DeliveryStanding,
        attempted: bool,
    ) -> (DeliveryStatus, Option<Timestamp>) {
        let status = match (standing, self.tree.directory.by_ordinal(ordinal)) {
            (DeliveryStanding::Delivered, _) => DeliveryStatus::Delivered,
            (_, None) | (DeliveryStanding::Cancelled, _) => DeliveryStatus::Cancelled,
            _ if self.tree.in_flight.contains(ordinal, event.seq) => DeliveryStatus::InFlight,
            (DeliveryStanding::Dead, _) => DeliveryStatus::Dead,
            // Its turn will end without an attempt.
            _ if event.erased_at.is_some() => DeliveryStatus::Cancelled,
            (_, Some(endpoint)) if endpoint.status == EndpointStatus::Paused => DeliveryStatus::Held,
            _ if attempted => DeliveryStatus::Retrying,
            _ => DeliveryStatus::Pending,
        };
        match standing {
            DeliveryStanding::Waiting(due) if status == DeliveryStatus::Retrying => (status, Some(due)),
            _ => (status, None),
        }
    }
}

fn nothing(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no such {what}"))
}
