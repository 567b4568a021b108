//! Figures for operators: how much there is, what waits, and since when.

use super::{
    keys::{self, Table},
    ledger::Tally,
    reader::Store,
    view::RetryRow,
};
use crate::{
    Timestamp,
    error::{ErrorKind, Result},
};

/// How much there is of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Files.
    pub segments: u64,
    /// Bytes of the disk that they take.
    pub disk_bytes: u64,
    /// Bytes of entries that were ever written, also by earlier runs and those that retention took.
    pub written_bytes: u64,
}

impl Store {
    /// How much there is of the log.
    pub fn extent(&self) -> Extent {
        let segments = self.shared.log.segments();
        let disk_bytes = segments.iter().map(|segment| segment.disk_bytes()).sum();
        Extent { segments: segments.len() as u64, disk_bytes, written_bytes: self.position() }
    }

    /// What is still to be done, and what was given up, for all endpoints together. Costs the same however many there
    /// are.
    pub fn tally(&self) -> Tally {
        self.shared.view().ledger.tally()
    }

    /// Deliveries that still have to be made, to all endpoints together.
    pub fn waiting(&self) -> u64 {
        let tally = self.tally();
        tally.unread + tally.parked
    }

    /// When the oldest event was published that still waits for an endpoint. Reads a few MiB of the log at most; absent
    /// if nothing waits, or it stands further on.
    pub fn oldest_waiting(&self, endpoint: u32) -> Result<Option<Timestamp>> {
        let cursor = self.cursor(endpoint);
        let mut oldest = None;
        if cursor.unread > 0 {
            let backlog = self.backlog(endpoint, cursor.floor, None, (1, 1))?;
            oldest = backlog.events.first().map(|event| event.published_at);
        }
        if cursor.parked > 0
            && let Some(position) = self.oldest_parked(endpoint)?
        {
            match self.event_at(position) {
                Ok((event, _)) => {
                    oldest = Some(oldest.map_or(event.published_at, |it| it.min(event.published_at)))
                }
                // Retention took it since the row was read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(oldest)
    }

    /// Where the oldest event stands that has a row in the retry journal.
    fn oldest_parked(&self, endpoint: u32) -> Result<Option<u64>> {
        let (journal, view) = (&self.shared.journal, self.shared.view());
        let Some(key) = journal.keys(&keys::table(Table::Retry, endpoint), &view.rows).next() else {
            return Ok(None);
        };
        Ok(journal.get::<RetryRow>(&key?, Some(&view.rows))?.map(|row| row.event_position))
    }
}
