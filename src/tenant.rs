//! One tenant's view of the engine: every look-up is scoped by it, so nothing of another tenant can be named.

use std::sync::Arc;

use casewire_data::{
    Result,
    delivery::DeliveryRecord,
    endpoint::{Endpoint, EndpointDraft, EndpointPatch},
    event::{Event, NewEvent, Tenant},
    id::{DeliveryId, EndpointId, EventId},
};

/// What one tenant can see and do. Cheap to clone; usable from any thread and any runtime.
#[derive(Clone)]
pub struct TenantHandle {
}

/// The answer to a publish: the event is on disk and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event's id; the first one's if this is a duplicate.
    pub id: EventId,
    /// How many endpoints it matched.
    pub deliveries: usize,
    /// Whether the idempotency key was seen before, within 24 h.
    pub duplicate: bool,
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
    /// The tenant.
    pub fn name(&self) -> &Tenant {
        todo!()
    }

    /// Publishes one event; answers when it and its list of endpoints are durable. `Busy` when the queue is full.
    pub async fn publish(&self, event: NewEvent) -> Result<Receipt> {
        todo!()
    }

    /// Publishes up to 1,000 events, all or nothing, with one durable write.
    pub async fn publish_batch(&self, events: Vec<NewEvent>) -> Result<Vec<Receipt>> {
        todo!()
    }

    /// Creates an endpoint. The returned one holds its secret.
    pub async fn create_endpoint(&self, draft: EndpointDraft) -> Result<EndpointInfo> {
        todo!()
    }

    /// Changes what the patch names.
    pub async fn update_endpoint(&self, id: EndpointId, patch: EndpointPatch) -> Result<EndpointInfo> {
        todo!()
    }

    /// Deletes an endpoint; its waiting deliveries are cancelled.
    pub async fn delete_endpoint(&self, id: EndpointId) -> Result<()> {
        todo!()
    }

    /// One endpoint. `NotFound` also for another tenant's.
    pub async fn endpoint(&self, id: EndpointId) -> Result<EndpointInfo> {
        todo!()
    }

    /// All endpoints, newest first.
    pub async fn endpoints(&self) -> Result<Vec<EndpointInfo>> {
        todo!()
    }

    /// One event.
    pub async fn event(&self, id: EventId) -> Result<Event> {
        todo!()
    }

    /// What became of an event, endpoint by endpoint.
    pub async fn event_deliveries(&self, id: EventId) -> Result<Vec<DeliveryRecord>> {
        todo!()
    }

    /// One delivery with its attempts.
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryRecord> {
        todo!()
    }

    /// Attempts a delivery again now, whatever its state.
    pub async fn retry_delivery(&self, id: DeliveryId) -> Result<()> {
        todo!()
    }
}
