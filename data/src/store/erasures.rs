//! Which contents are erased, whether a file still has them or not: the one place that every reader asks.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::record::{Erasure, ErasureStep};
use crate::{
    Timestamp,
    event::{Event, Resource, Tenant},
};

/// Erasures that may wait for files to be rewritten; each more is refused until some are done.
pub const PENDING_MAX: usize = 1_024;

/// All erasures of this run, and those of earlier runs that are not done. Asking costs a look at a flag as long as there
/// is none.
#[derive(Debug, Default)]
pub struct Erasures {
    any: AtomicBool,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Not done, with the position of the log where each was asked for.
    pending: Vec<(u64, Erasure)>,
    /// Up to which event, and when. Also of those that are done: a mailbox may still hold an event as it was read before.
    by_resource: HashMap<(Tenant, Resource), (u64, Timestamp)>,
}

impl Erasures {
    /// Takes in a step that stands at a position of the log.
    pub fn apply(&self, position: u64, step: ErasureStep) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match step {
            ErasureStep::Asked(erasure) => {
                let about = (erasure.tenant.clone(), erasure.resource.clone());
                known.by_resource.insert(about, (erasure.through, erasure.at));
                known.pending.push((position, erasure));
                self.any.store(true, Ordering::Release);
            }
            ErasureStep::DoneBefore(done) => known.pending.retain(|(asked, _)| *asked >= done),
        }
    }

    /// Those that are not done, oldest first.
    pub fn pending(&self) -> Vec<(u64, Erasure)> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).pending.clone()
    }

    /// When an event's content was erased, if it was.
    pub fn of(&self, event: &Event) -> Option<Timestamp> {
        if event.erased_at.is_some() || !self.any.load(Ordering::Acquire) {
            return event.erased_at;
        }
        let about = (event.tenant.clone(), event.content.resource.clone()?);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_resource.get(&about).filter(|(through, _)| event.seq <= *through).map(|(_, at)| *at)
    }

    /// Takes an event's content away if it was erased.
    pub fn hide(&self, event: &mut Event) {
        if let Some(at) = self.of(event) {
            event.erase(at);
        }
    }

    /// Forgets erasures that are done and concern events up to `through`, which are gone altogether.
    pub fn forget(&self, through: u64) {
        if self.any.load(Ordering::Acquire) {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.by_resource.retain(|_, (last, _)| *last > through);
        }
    }
}
