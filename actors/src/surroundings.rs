//! What every mailbox works with: the engine as seen from one arbiter.

use std::sync::Arc;

use actix::Addr;
use casewire_data::Error;
use rustls::ClientConfig;
use tokio::sync::watch;

use crate::{
    clock::Clock,
    config::Config,
    crowd::Crowd,
    directory::Directory,
    health::HealthBook,
    in_flight::InFlight,
    journal::Journal,
    metrics::DeliveryCounts,
    operational::Operational,
    registry::Registry,
    replay::{ReplayLine, Replays},
    stats::StatsBook,
    traffic::Traffic,
};

/// See the module.
pub struct Surroundings {
    /// The journal.
    pub journal: Journal,
    /// The engine's clock.
    pub clock: Clock,
    /// Where endpoints are read.
    pub directory: Arc<Directory>,
    /// Who is told that an endpoint is to be disabled.
    pub registry: Addr<Registry>,
    /// Limits and defaults.
    pub config: Arc<Config>,
    /// TLS, with the sessions that can be resumed.
    pub tls: Arc<ClientConfig>,
    /// Who on this arbiter has work.
    pub crowd: Crowd,
    /// What goes on in the whole engine.
    pub traffic: Arc<Traffic>,
    /// Attempts under way.
    pub in_flight: Arc<InFlight>,
    /// Where mailboxes ask for what is to be replayed.
    pub replays: Arc<ReplayLine>,
    /// Who has it.
    pub replayer: Addr<Replays>,
    /// What this arbiter counts.
    pub counts: Arc<DeliveryCounts>,
    /// The stats of endpoints.
    pub stats: Arc<StatsBook>,
    /// How endpoints in trouble are doing.
    pub health: Arc<HealthBook>,
    /// Where operational events are left.
    pub operational: Operational,
    /// Where damage found while reading is reported, so that the engine stops rather than serve around it.
    pub damage: watch::Sender<Option<Error>>,
}

impl Surroundings {
    /// The journal cannot be read: the engine fails closed.
    pub fn report_damage(&self, error: &Error) {
        self.damage.send_if_modified(|damage| {
            let first = damage.is_none();
            damage.get_or_insert_with(|| error.clone());
            first
        });
    }
}
