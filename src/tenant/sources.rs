//! A tenant's sources: the systems whose webhooks become its events.

use std::sync::Arc;

use casewire_actors::registry::{CreateSource, DeleteSource, UpdateSource};
use casewire_data::{
    Result,
    id::SourceId,
    source::{InboundSource, SourceDraft, SourcePatch},
};

use super::{TenantHandle, nothing};
use crate::{
    engine::gone,
    inbound::{Entrance, InboundRequest, Reception},
};

impl TenantHandle {
    /// Creates a source. The returned one holds its secret. `Conflict` if the tenant has one of the name.
    pub async fn create_source(&self, draft: SourceDraft) -> Result<Arc<InboundSource>> {
        let message = CreateSource { tenant: self.name.clone(), draft, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }

    /// Changes what the patch names.
    pub async fn update_source(&self, id: SourceId, patch: SourcePatch) -> Result<Arc<InboundSource>> {
        let message = UpdateSource { tenant: self.name.clone(), id, patch, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }

    /// Deletes a source: nothing comes in by it any more.
    pub async fn delete_source(&self, id: SourceId) -> Result<()> {
        let message = DeleteSource { tenant: self.name.clone(), id, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }

    /// One source. `NotFound` also for another tenant's.
    pub async fn source(&self, id: SourceId) -> Result<Arc<InboundSource>> {
        let source = self.tree.directory.source(id).filter(|source| source.tenant == self.name);
        source.ok_or_else(|| nothing("source"))
    }

    /// All sources, newest first.
    pub async fn sources(&self) -> Result<Vec<Arc<InboundSource>>> {
        Ok(self.tree.directory.sources(&self.name))
    }

    /// Takes in a request of a source's system, for hosts that serve such requests themselves: verifies it and
    /// publishes the event that it tells of, once however often it comes.
    ///
    /// The outcome is `Unproven` for a request that is not signed as it should be (401), `Invalid` for one that tells
    /// of no event (422), and otherwise as of [`Publisher::publish`](crate::Publisher::publish); the error of the
    /// method itself is `NotFound`. A dialect that proves nothing (`casebook`, `claimable`, `cloudevents`) lets
    /// everything pass: know the sender by other means before.
    pub async fn receive(&self, id: SourceId, request: InboundRequest<'_>) -> Result<Reception> {
        let source = self.source(id).await?;
        let entrance = Entrance::new(self.tree.clone(), source).ok_or_else(|| nothing("source"))?;
        Ok(entrance.receive(request).await)
    }

    /// The way in by a source: by its id whosever it is, or by its name in this tenant.
    pub(crate) fn entrance(&self, named: &str) -> Option<Entrance> {
        let directory = &self.tree.directory;
        let source = match named.parse::<SourceId>() {
            Ok(id) => directory.source(id),
            Err(_) => directory.source_named(&self.name, named),
        };
        Entrance::new(self.tree.clone(), source?)
    }
}
