//! An engine in a directory of its own, as a host embeds it.

use std::{path::Path, sync::Arc, time::Duration};

use casewire::{
    DeliveryId, DeliveryRecord, DeliveryStatus, EndpointDraft, EndpointId, EndpointPatch, EndpointStatus,
    Engine, EngineBuilder, ErrorKind, EventId, NewEvent, RetrySchedule, ShutdownReport, Tenant, TenantHandle,
};
use tempfile::TempDir;

use super::{PATIENCE, wait_until};

type Settings = Arc<dyn Fn(EngineBuilder) -> EngineBuilder>;

/// An engine with which deliveries may go to loopback and failed ones are tried again at once, ten times.
pub fn settings(dir: &Path) -> EngineBuilder {
    Engine::builder(dir)
        .egress_allow(vec!["127.0.0.0/8".parse().unwrap()])
        .retry_schedule(RetrySchedule::new(vec![0; 10]).unwrap())
}

/// A draft of an endpoint.
pub fn to(url: impl Into<String>, events: &[&str]) -> EndpointDraft {
    let events = events.iter().map(|&event| event.to_owned()).collect();
    EndpointDraft { url: url.into(), events, ..EndpointDraft::default() }
}

/// See the module.
pub struct Embedded {
    pub engine: Engine,
    dir: Arc<TempDir>,
    settings: Settings,
}

impl Embedded {
    pub fn start() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(settings: impl Fn(EngineBuilder) -> EngineBuilder + 'static) -> Self {
        let (dir, own): (_, Settings) = (Arc::new(TempDir::new().unwrap()), Arc::new(settings));
        let engine = own(self::settings(dir.path())).start().expect("an engine starts in an empty directory");
        Self { engine, dir, settings: own }
    }

    /// Stops at once, without grace, and starts again.
    pub async fn restart(self) -> Self {
        self.engine.shutdown(Duration::ZERO).await;
        self.again().await
    }

    /// Drops the engine without a word, and starts another one.
    pub async fn drop_and_restart(self) -> Self {
        self.again().await
    }

    async fn again(self) -> Self {
        let Self { engine, dir, settings } = self;
        drop(engine);
        let start = async || match settings(self::settings(dir.path())).start() {
            Ok(engine) => Some(engine),
            // The thread of the one that was dropped has not ended yet.
            Err(error) if error.kind() == ErrorKind::Locked => None,
            Err(error) => panic!("{error}"),
        };
        let engine = wait_until(start, Option::is_some).await.unwrap();
        Self { engine, dir, settings }
    }

    pub async fn shutdown(&self) -> ShutdownReport {
        self.engine.shutdown(PATIENCE).await
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn tenant(&self) -> TenantHandle {
        self.engine.tenant(Tenant::default())
    }

    pub async fn subscribe(&self, draft: EndpointDraft) -> EndpointId {
        self.tenant().create_endpoint(draft).await.unwrap().endpoint.id
    }

    pub async fn set_status(&self, endpoint: EndpointId, status: EndpointStatus) {
        let patch = EndpointPatch { status: Some(status), ..EndpointPatch::default() };
        self.tenant().update_endpoint(endpoint, patch).await.unwrap();
    }

    pub async fn publish(&self, event_type: &str) -> EventId {
        self.engine.publisher().publish_json(event_type, r#"{"id":"C-1"}"#).await.unwrap().id
    }

    /// Publishes many events of a type, up to 1,000 at once, and answers their ids in publish order.
    pub async fn publish_many(&self, event_type: &str, count: usize) -> Vec<EventId> {
        let events: Vec<_> =
            (0..count).map(|n| NewEvent::new(event_type, format!(r#"{{"n":{n}}}"#)).unwrap()).collect();
        let mut ids = Vec::new();
        for batch in events.chunks(1_000) {
            let receipts = self.engine.publisher().publish_batch(batch.to_vec()).await.unwrap();
            ids.extend(receipts.into_iter().map(|receipt| receipt.id));
        }
        ids
    }

    pub async fn delivery(&self, event: EventId, endpoint: EndpointId) -> DeliveryRecord {
        self.tenant().delivery(DeliveryId { event, endpoint }).await.unwrap()
    }

    /// Waits until a delivery has come to a status.
    pub async fn until(
        &self,
        event: EventId,
        endpoint: EndpointId,
        status: DeliveryStatus,
    ) -> DeliveryRecord {
        wait_until(async || self.delivery(event, endpoint).await, |record| record.status == status).await
    }

    /// Waits until an attempt of a delivery has failed and the next one has a time.
    pub async fn until_retrying(&self, event: EventId, endpoint: EndpointId) -> DeliveryRecord {
        self.until(event, endpoint, DeliveryStatus::Retrying).await
    }
}
