//! Up to where retention has taken the events of tenants that keep them for less time than others: the one place that
//! every reader asks.
//!
//! Such a tenant's events stay in their segments, among those of others, but are gone for everybody: none is shown, sent
//! or counted any more, and a [`Sweep`](super::Sweep) takes their content out of the files.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::event::Tenant;

/// The last event that is gone, tenant by tenant. Asking costs a look at a number as long as none has a horizon, or for
/// an event above all of them.
#[derive(Debug, Default)]
pub struct Horizons {
    highest: AtomicU64,
    by_tenant: RwLock<BTreeMap<Tenant, u64>>,
    /// Where those are to go that have more bytes than they may.
    asked: Mutex<BTreeMap<Tenant, u64>>,
}

impl Horizons {
    /// Takes a tenant's events up to this one. A horizon never goes back.
    pub fn raise(&self, tenant: Tenant, through: u64) {
        let mut by_tenant = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        let horizon = by_tenant.entry(tenant).or_default();
        *horizon = through.max(*horizon);
        self.highest.fetch_max(through, Ordering::Release);
    }

    /// Up to where a tenant's events are gone; 0 if it has no horizon of its own.
    pub fn of(&self, tenant: &str) -> u64 {
        if self.highest.load(Ordering::Acquire) == 0 {
            return 0;
        }
        let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        // Few tenants have one.
        by_tenant.iter().find(|(one, _)| one.as_str() == tenant).map_or(0, |(_, through)| *through)
    }

    /// Whether an event may be gone, whosever it is.
    pub fn may_have_taken(&self, seq: u64) -> bool {
        seq <= self.highest.load(Ordering::Acquire)
    }

    /// Whether a tenant's event is gone.
    pub fn has_taken(&self, tenant: &str, seq: u64) -> bool {
        self.may_have_taken(seq) && seq <= self.of(tenant)
    }

    /// Asks the writer to take tenants' events up to these: they have more bytes than they may. Stands for what was asked
    /// before.
    pub fn ask(&self, through: BTreeMap<Tenant, u64>) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = through;
    }

    /// What was asked for last.
    pub fn asked(&self) -> BTreeMap<Tenant, u64> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of them, for a checkpoint.
    pub fn all(&self) -> BTreeMap<Tenant, u64> {
        self.by_tenant.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
