//! Where a delivery stands, and where its attempts are, by its rows.

use super::{CHUNK_SPAN_EVENTS, DeadRow, RetryRow, View};
use crate::{
    error::Result,
    store::{
        keys::{self, Table},
        record::Standing,
        retry_journal::RetryJournal,
    },
};

impl View {
    /// Where a delivery that was attempted before stands, by its rows.
    pub fn standing_of(&self, journal: &RetryJournal, endpoint: u32, seq: u64) -> Result<Standing> {
        let row = |table| keys::row(table, endpoint, seq);
        if journal.get::<RetryRow>(&row(Table::Retry), Some(&self.rows))?.is_some() {
            return Ok(Standing::Parked);
        }
        let dead = journal.get::<DeadRow>(&row(Table::Dead), Some(&self.rows))?;
        Ok(if dead.is_some() { Standing::Dead } else { Standing::Delivered })
    }

    /// Whether an event was routed to an endpoint by a replay.
    pub fn is_late(&self, journal: &RetryJournal, seq: u64, endpoint: u32) -> Result<bool> {
        Ok(self.has_late && journal.get::<()>(&keys::late(seq, endpoint), Some(&self.rows))?.is_some())
    }

    /// Where the attempts of a delivered delivery stand in the log, or of a cancelled one, with [`CANCELLED`](super::CANCELLED)
    /// behind them; empty if there were none.
    pub fn delivered_attempts(&self, journal: &RetryJournal, endpoint: u32, seq: u64) -> Result<Vec<u64>> {
        let history = keys::row(Table::History, endpoint, seq);
        if let Some(attempts) = journal.get(&history, Some(&self.rows))? {
            return Ok(attempts);
        }
        let fresh = self.fresh.get(&endpoint).into_iter().flatten();
        if let Some((_, position)) = fresh.rev().find(|(settled, _)| *settled == seq) {
            return Ok(vec![*position]);
        }
        let prefix = keys::table(Table::Chunk, endpoint);
        for row in journal.rows(&prefix, &keys::row(Table::Chunk, endpoint, seq)) {
            let (key, value) = row?;
            if keys::row_seq(&key).is_some_and(|last| last - seq >= CHUNK_SPAN_EVENTS) {
                break;
            }
            if keys::chunk_first(&key).is_none_or(|first| first > seq) {
                continue;
            }
            let chunk: Vec<(u64, u64)> = journal.open_row(&key, &value)?;
            if let Some((_, position)) = chunk.iter().find(|(settled, _)| *settled == seq) {
                return Ok(vec![*position]);
            }
        }
        Ok(Vec::new())
    }
}
