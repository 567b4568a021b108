//! Where the catalogue changes: the event types that tenants register.

use std::sync::Arc;

use actix::{Handler, Message, ResponseFuture};
use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action, Principal},
    catalogue::{RegisteredType, TypeDraft},
    event::{EventType, Tenant},
    limits,
    store::Document,
};

use super::Registry;
use crate::clock;

/// Register an event type, in the place of what was registered before. Answers it, and whether it is new.
#[derive(Debug, Message)]
#[rtype(result = "Result<(Arc<RegisteredType>, bool)>")]
pub struct PutEventType {
    /// Whose it will be.
    pub tenant: Tenant,
    /// Which one.
    pub event_type: EventType,
    /// What it is to be like.
    pub draft: TypeDraft,
    /// Payloads that its schema must fit.
    pub samples: Vec<String>,
    /// Whether the schema may break samples.
    pub force: bool,
    /// Who wants it.
    pub by: Principal,
}

/// Take an event type out of the catalogue.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct DeleteEventType {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub event_type: EventType,
    /// Who wants it.
    pub by: Principal,
}

impl Registry {
    /// The type as it will be, who did it, and whether it is new.
    fn registered(&self, message: PutEventType) -> Result<(Arc<RegisteredType>, Act, bool)> {
        let PutEventType { tenant, event_type, draft, samples, force, by } = message;
        let before = self.directory.event_type(&tenant, &event_type);
        let types_max = limits::EVENT_TYPES_PER_TENANT_MAX;
        if before.is_none() && self.directory.event_types(&tenant).len() >= types_max {
            let message =
                format!("the tenant has {types_max} event types, the most allowed; delete one first");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let act = Act::new(&tenant, by, Action::EventTypePut, &event_type);
        let (key, now) = ((tenant, event_type), clock::wall());
        let registered = draft.into_registered(key, before.as_deref(), &samples, force, now)?;
        let changes = before.as_ref().map_or_else(Vec::new, |before| before.changes(&registered));
        Ok((Arc::new(registered), act.changing(changes), before.is_none()))
    }
}

impl Handler<PutEventType> for Registry {
    type Result = ResponseFuture<Result<(Arc<RegisteredType>, bool)>>;

    fn handle(&mut self, message: PutEventType, _: &mut Self::Context) -> Self::Result {
        let registered = self.registered(message);
        if let Ok((registered, ..)) = &registered {
            self.directory.put_event_type(registered.clone());
        }
        let journal = self.journal.clone();
        Box::pin(async move {
            let (registered, act, is_new) = registered?;
            journal.document(act, Document::EventType(Box::new((*registered).clone()))).await?;
            Ok((registered, is_new))
        })
    }
}

impl Handler<DeleteEventType> for Registry {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, message: DeleteEventType, _: &mut Self::Context) -> Self::Result {
        let DeleteEventType { tenant, event_type, by } = message;
        let found = self.directory.event_type(&tenant, &event_type);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such event type"));
        if found.is_ok() {
            self.directory.remove_event_type(&tenant, &event_type);
        }
        let act = Act::new(&tenant, by, Action::EventTypeDelete, &event_type);
        let journal = self.journal.clone();
        Box::pin(async move {
            found?;
            journal.document(act, Document::EventTypeDeleted(tenant, event_type)).await
        })
    }
}
