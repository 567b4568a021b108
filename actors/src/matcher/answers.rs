//! What the matcher has answered, for every thread to read: events repeat their types, so nearly all publishers are
//! served from here and wake nobody.
//!
//! An answer is only given while no change is on its way to the matcher. Otherwise the publisher asks the matcher
//! itself and so stands behind the change in its mailbox, as it would if nothing were remembered at all.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use casewire_data::{
    event::{EventType, Tenant},
    route::Matched,
};

use super::cache::Cache;

/// See the module. Only the matcher writes to it.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// A tenant that is not here never had an endpoint.
    tenants: RwLock<HashMap<Tenant, Cache>>,
    /// Changes that the matcher has not taken in yet.
    changes: AtomicUsize,
    nothing: Arc<Matched>,
}

impl Answers {
    /// The answers to all of these types in order, unless the matcher must be asked.
    pub(super) fn all<'a>(
        &self,
        tenant: &Tenant,
        types: impl Iterator<Item = &'a EventType>,
    ) -> Option<Vec<Arc<Matched>>> {
        if self.changes.load(Ordering::SeqCst) > 0 {
            return None;
        }
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        match tenants.get(tenant) {
            Some(remembered) => types.map(|event_type| remembered.get(event_type).cloned()).collect(),
            None => Some(types.map(|_| self.nothing.clone()).collect()),
        }
    }

    /// A change is about to be sent to the matcher.
    pub(super) fn change_begins(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The matcher has taken the change in.
    pub(super) fn change_ends(&self) {
        self.changes.fetch_sub(1, Ordering::SeqCst);
    }

    /// The answer to one type, be a change on its way or not.
    pub(super) fn remembered(&self, tenant: &Tenant, event_type: &EventType) -> Option<Arc<Matched>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant)?.get(event_type).cloned()
    }

    /// What is answered for a tenant without endpoints.
    pub(super) fn nothing(&self) -> Arc<Matched> {
        self.nothing.clone()
    }

    /// Remembers an answer that names so many endpoints.
    pub(super) fn remember(
        &self,
        tenant: &Tenant,
        event_type: &EventType,
        matched: &Arc<Matched>,
        endpoints: usize,
    ) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.clone()).or_default().insert(event_type.clone(), matched.clone(), endpoints);
    }

    /// Forgets all answers of a tenant, which has or had an endpoint.
    pub(super) fn forget(&self, tenant: &Tenant) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.clone()).or_default().clear();
    }
}
