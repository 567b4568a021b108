//! Publishes operational events, on the engine that they tell of and for the tenant whose endpoint it is.
//!
//! Whoever has something to tell leaves a notice and goes on; it never waits. One task publishes what was left, through
//! the same journal as every event. Nothing is stored that nobody subscribes to, and no endpoint is told of itself. A
//! notice follows what it tells of and is not part of it: one that a crash overtakes is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casewire_data::{
    ErrorKind,
    event::Tenant,
    operational::{Desk, Kind, Notice},
    route::Routes,
    store::Publication,
};
use tokio::sync::Notify;

use crate::{clock::Clock, journal::Journal, matcher::Matching};

/// Where notices are left. Clones share it.
#[derive(Clone)]
pub struct Operational {
    desk: Arc<Mutex<Desk>>,
    left: Arc<Notify>,
    clock: Clock,
    matcher: Matching,
}

/// Publishes what is left; its task lives as long as the arbiter on which it was spawned.
pub struct Herald {
    operational: Operational,
    journal: Journal,
}

impl Operational {
    /// A desk without notices.
    pub fn new(clock: Clock, matcher: Matching) -> Self {
        Self { desk: Arc::default(), left: Arc::default(), clock, matcher }
    }

    /// Leaves a notice of a kind, made only if somebody may want it.
    pub fn tell(&self, tenant: &Tenant, kind: Kind, notice: impl FnOnce() -> Notice) {
        if self.matcher.is_known_to_match_nothing(tenant, &kind.event_type()) {
            return;
        }
        self.desk().take(notice(), self.clock.now());
        self.left.notify_one();
    }

    /// A desk is whole whatever panicked.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Herald {
    /// One for a desk, that publishes to a journal.
    pub fn new(operational: Operational, journal: Journal) -> Self {
        Self { operational, journal }
    }

    /// Publishes, for ever.
    pub async fn work(self) {
        let Operational { left, clock, .. } = &self.operational;
        loop {
            let gives_at = self.operational.desk().gives_at();
            match gives_at {
                None => left.notified().await,
                Some(at) => {
                    let _ = tokio::time::timeout_at(clock.instant(at).into(), left.notified()).await;
                }
            }
            let (notices, dropped) = {
                let mut desk = self.operational.desk();
                (desk.give(clock.now()), desk.take_dropped())
            };
            if dropped > 0 {
                tracing::warn!(dropped, "operational events were dropped: too many tenants had some at once");
            }
            for notice in notices {
                self.publish(notice).await;
            }
        }
    }

    async fn publish(&self, notice: Notice) {
        let (tenant, kind, about) = (notice.tenant.clone(), notice.kind, notice.about);
        let event = notice.into_event();
        let matched = self.operational.matcher.matches(&tenant, std::iter::once(&event.event_type)).await;
        let Ok(Some(matched)) = matched.map(|mut matched| matched.pop()) else { return };
        let routes = without(&matched.own_routes(&event), about);
        if routes.is_empty() {
            return;
        }
        let publication = Publication { tenant: tenant.clone(), events: vec![(event, Ok(routes))] };
        match self.journal.publish(publication).await {
            Ok(_) => {}
            // The engine stops, as it may at any time: what was not told by then is lost.
            Err(error) if error.kind() == ErrorKind::Closed => {}
            Err(error) => {
                tracing::warn!(%tenant, kind = kind.as_str(), %error, "an operational event was not published");
                self.operational.desk().give_back(&tenant, kind, about);
            }
        }
    }
}

/// The same routes, but for that to one endpoint.
fn without(routes: &Routes, endpoint: Option<u32>) -> Routes {
    match endpoint.filter(|endpoint| routes.contains(endpoint)) {
        Some(endpoint) => routes.iter().copied().filter(|ordinal| *ordinal != endpoint).collect(),
        None => routes.clone(),
    }
}
