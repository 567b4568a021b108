//! Where sources change: the part of the registry that events come in by.

use std::sync::Arc;

use actix::{Handler, Message, ResponseFuture};
use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action, Principal},
    event::Tenant,
    id::SourceId,
    limits,
    source::{InboundSource, SourceDraft, SourceIdentity, SourcePatch},
    store::Document,
};

use super::{Registry, random};
use crate::clock;

/// Create a source.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<InboundSource>>")]
pub struct CreateSource {
    /// Whose it will be.
    pub tenant: Tenant,
    /// What it is to be like.
    pub draft: SourceDraft,
    /// Who wants it.
    pub by: Principal,
}

/// Change a source.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<InboundSource>>")]
pub struct UpdateSource {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: SourceId,
    /// What is to change.
    pub patch: SourcePatch,
    /// Who wants it.
    pub by: Principal,
}

/// Delete a source.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct DeleteSource {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: SourceId,
    /// Who wants it.
    pub by: Principal,
}

impl Registry {
    fn created_source(&mut self, tenant: Tenant, draft: SourceDraft) -> Result<InboundSource> {
        let conflict = |message: String| Err(Error::new(ErrorKind::Conflict, message));
        let sources_max = limits::SOURCES_PER_TENANT_MAX;
        if self.directory.sources(&tenant).len() >= sources_max {
            return conflict(format!(
                "the tenant has {sources_max} sources, the most allowed; delete one first"
            ));
        }
        let now = clock::wall();
        let id = SourceId::from_u128(self.next_id(now)?);
        let identity = SourceIdentity { id, tenant, random: random()? };
        let source = draft.into_source(identity, &self.config.dialects, now)?;
        match self.directory.source_named(&source.tenant, &source.name) {
            Some(_) => conflict(format!("there is a source `{}` already; choose another name", source.name)),
            None => Ok(source),
        }
    }

    fn find_source(&self, tenant: &Tenant, id: SourceId) -> Result<Arc<InboundSource>> {
        let source = self.directory.source(id).filter(|source| source.tenant == *tenant);
        source.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such source"))
    }

    /// Makes a source known and durable. Known first, so that no other one gets its name meanwhile.
    fn put_source(&self, put: Result<(InboundSource, Act)>) -> ResponseFuture<Result<Arc<InboundSource>>> {
        let put = put.map(|(source, act)| (Arc::new(source), act));
        if let Ok((source, _)) = &put {
            self.directory.put_source(source.clone());
        }
        let journal = self.journal.clone();
        Box::pin(async move {
            let (source, act) = put?;
            journal.document(act, Document::Source(Box::new((*source).clone()))).await?;
            Ok(source)
        })
    }
}

impl Handler<CreateSource> for Registry {
    type Result = ResponseFuture<Result<Arc<InboundSource>>>;

    fn handle(&mut self, message: CreateSource, _: &mut Self::Context) -> Self::Result {
        let CreateSource { tenant, draft, by } = message;
        let created = self.created_source(tenant, draft).map(|source| {
            let act = Act::new(&source.tenant, by, Action::SourceCreate, source.id);
            (source, act)
        });
        self.put_source(created)
    }
}

impl Handler<UpdateSource> for Registry {
    type Result = ResponseFuture<Result<Arc<InboundSource>>>;

    fn handle(&mut self, message: UpdateSource, _: &mut Self::Context) -> Self::Result {
        let UpdateSource { tenant, id, patch, by } = message;
        let patched = self.find_source(&tenant, id).and_then(|source| {
            let patched = source.patched(patch, &self.config.dialects, clock::wall())?;
            let act = Act::new(&tenant, by, Action::SourceUpdate, id).changing(source.changes(&patched));
            Ok((patched, act))
        });
        self.put_source(patched)
    }
}

impl Handler<DeleteSource> for Registry {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, message: DeleteSource, _: &mut Self::Context) -> Self::Result {
        let DeleteSource { tenant, id, by } = message;
        let found = self.find_source(&tenant, id).map(|source| self.directory.remove_source(&source));
        let (journal, act) = (self.journal.clone(), Act::new(&tenant, by, Action::SourceDelete, id));
        Box::pin(async move {
            found?;
            journal.document(act, Document::SourceDeleted(id)).await
        })
    }
}
