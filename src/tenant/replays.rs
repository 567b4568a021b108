//! Sending again: everything dead since a time, a window, or what an endpoint missed.

use std::sync::Arc;

use casewire_actors::replay::{BeginReplay, CancelReplay, ListReplays, Party};
use casewire_data::{
    Result, Timestamp,
    endpoint::Endpoint,
    id::{EndpointId, ReplayId},
    replay::{Counted, Replay, ReplayQuery, ReplayState},
    route::{Choice, Terms},
    store::{ReplayFilter, Store},
};

use super::{TenantHandle, nothing};
use crate::engine::gone;

/// How a replay is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayReport {
    /// Its id.
    pub id: ReplayId,
    /// Whose deliveries it makes.
    pub endpoint: EndpointId,
    /// What it was asked for.
    pub query: ReplayQuery,
    /// How it is doing.
    pub state: ReplayState,
    /// How many deliveries there were when it began.
    pub count: u64,
    /// Deliveries of which its attempt has ended.
    pub sent: u64,
    /// Those of them that the receiver acknowledged.
    pub delivered: u64,
    /// Those of them that failed; they are retried by the endpoint's schedule, from its beginning.
    pub failed: u64,
    /// Deliveries that it has passed over: retention took them, or they were sent otherwise meanwhile.
    pub skipped: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was finished or cancelled.
    pub finished_at: Option<Timestamp>,
}

impl ReplayReport {
    fn new(endpoint: EndpointId, replay: Replay) -> Self {
        Self {
            id: replay.id,
            endpoint,
            state: replay.state,
            count: replay.count,
            sent: replay.sent(),
            delivered: replay.delivered,
            failed: replay.failed,
            skipped: replay.skipped,
            started_at: replay.started_at,
            finished_at: replay.finished_at,
            query: replay.query,
        }
    }
}

impl TenantHandle {
    /// How many deliveries a replay would send now.
    pub async fn count_replay(&self, endpoint: EndpointId, query: ReplayQuery) -> Result<u64> {
        query.check()?;
        let endpoint = self.active_or_paused(endpoint)?;
        self.count(&endpoint, &query).await.map(|counted| counted.count)
    }

    /// Sends again what a query selects, oldest first; answers when it is counted and durable that it will be sent. Live
    /// events go first, and a paused endpoint gets it when it is active. `Conflict` while the endpoint has another one
    /// under way.
    pub async fn replay(&self, endpoint: EndpointId, query: ReplayQuery) -> Result<ReplayReport> {
        query.check()?;
        let stored = self.active_or_paused(endpoint)?;
        let counted = self.count(&stored, &query).await?;
        let party = self.party(endpoint);
        let begin = BeginReplay { endpoint: stored.ordinal, party, query, counted };
        let replay = self.tree.replays.send(begin).await.map_err(|_| gone())??;
        Ok(ReplayReport::new(endpoint, replay))
    }

    /// The replays of an endpoint, newest first: the one under way, and the last 32 that are over.
    pub async fn replays(&self, endpoint: EndpointId) -> Result<Vec<ReplayReport>> {
        let list = ListReplays { endpoint: self.active_or_paused(endpoint)?.ordinal };
        let replays = self.tree.replays.send(list).await.map_err(|_| gone())?;
        Ok(replays.into_iter().map(|replay| ReplayReport::new(endpoint, replay)).collect())
    }

    /// One replay.
    pub async fn replay_report(&self, endpoint: EndpointId, id: ReplayId) -> Result<ReplayReport> {
        let mut replays = self.replays(endpoint).await?.into_iter();
        replays.find(|replay| replay.id == id).ok_or_else(|| nothing("replay"))
    }

    /// Calls a replay off; when this answers, nothing more of it is sent. One that is over stays as it is.
    pub async fn cancel_replay(&self, endpoint: EndpointId, id: ReplayId) -> Result<ReplayReport> {
        let ordinal = self.active_or_paused(endpoint)?.ordinal;
        let cancel = CancelReplay { endpoint: ordinal, party: self.party(endpoint), id };
        let replay = self.tree.replays.send(cancel).await.map_err(|_| gone())??;
        Ok(ReplayReport::new(endpoint, replay))
    }

    fn party(&self, endpoint: EndpointId) -> Party {
        Party { tenant: self.name.clone(), endpoint, by: self.by.clone() }
    }

    fn active_or_paused(&self, id: EndpointId) -> Result<Arc<Endpoint>> {
        self.tree.directory.endpoint(&self.name, id).ok_or_else(|| nothing("endpoint"))
    }

    /// Counts slice by slice, so that others read in between.
    async fn count(&self, endpoint: &Arc<Endpoint>, query: &ReplayQuery) -> Result<Counted> {
        let asked = query.clone();
        let begin = move |store: &Store| Ok((store.position(), store.replay_span(&asked)?));
        let (as_of, span) = self.tree.journal.read(begin).await??;
        let terms = Arc::new(Terms::new(endpoint.clone(), &self.tree.config.dialects));
        let (mut count, (mut place, through)) = (0, span);
        while place < through {
            let (endpoint, query, terms) = (endpoint.clone(), query.clone(), terms.clone());
            let slice = move |store: &Store| {
                let filter = ReplayFilter {
                    tenant: &endpoint.tenant,
                    endpoint: endpoint.ordinal,
                    query: &query,
                    through,
                    as_of,
                };
                store.replayable(&filter, place, |event| terms.choose(&event.content) == Choice::Taken)
            };
            let slice = self.tree.journal.read(slice).await??;
            count += slice.chosen.len() as u64;
            place = slice.place;
        }
        Ok(Counted { count, span, as_of })
    }
}
