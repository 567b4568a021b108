//! How an endpoint has been doing.

use casewire_data::{
    Result, Timestamp, health::Failing, id::EndpointId, pace::Down, stats::Summary, store::Cursor,
};

use super::{TenantHandle, nothing};

/// How an endpoint has been doing: its attempts of the last 24 hours, and where its deliveries stand.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointReport {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Since when attempts are counted: the start of the engine, or later where very many endpoints are in use. Attempts
    /// of the last 24 hours from before are missing.
    pub counted_since: Timestamp,
    /// Attempts of the last 24 hours.
    pub attempts: Summary,
    /// Deliveries acknowledged since the endpoint was created.
    pub delivered: u64,
    /// Deliveries that retention took before they were settled, since the endpoint was created.
    pub expired: u64,
    /// Deliveries given up and kept as dead letters.
    pub dead: u64,
    /// Deliveries that still have to be made.
    pub backlog: u64,
    /// Those of them that wait for another attempt.
    pub retrying: u64,
    /// When the oldest event was published that still waits; absent if nothing does.
    pub oldest_waiting_at: Option<Timestamp>,
    /// That it is down, and how it is probed: its breaker is open. Absent if deliveries go their usual way.
    pub down: Option<Down>,
    /// That it is failing: several attempts in a row have, and when it will be disabled if its owner was warned of that.
    pub failing: Option<Failing>,
}

impl TenantHandle {
    /// How an endpoint has been doing. `NotFound` also for another tenant's.
    pub async fn endpoint_stats(&self, id: EndpointId) -> Result<EndpointReport> {
        let endpoint = self.tree.directory.endpoint(&self.name, id).ok_or_else(|| nothing("endpoint"))?;
        let ordinal = endpoint.ordinal;
        let look =
            self.tree.journal.read(move |store| (store.cursor(ordinal), store.oldest_waiting(ordinal)));
        let (cursor, oldest_waiting_at) = look.await?;
        let (stats, counted_since) = self.tree.stats.read(ordinal);
        let condition = self.tree.health.read(ordinal);
        let Cursor { unread, parked, dead, delivered, expired, .. } = cursor;
        Ok(EndpointReport {
            endpoint: id,
            counted_since,
            attempts: stats.summary(self.tree.clock.now()),
            delivered,
            expired,
            dead,
            backlog: unread + parked,
            retrying: parked,
            oldest_waiting_at: oldest_waiting_at?,
            down: condition.down,
            failing: condition.health.failing(),
        })
    }
}
