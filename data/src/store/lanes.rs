//! What the retry journal has of cases: read by the mailbox of an endpoint that keeps their order.

use super::{
    Store,
    keys::{self, Table},
    reader::Waiting,
    record::BEHIND,
    view::RetryRow,
};
use crate::{
    Timestamp,
    error::{ErrorKind, Result},
    order::{Lane, LaneRead},
};

/// Payload after which [`Store::behind`] leaves the rest for the next call.
const BEHIND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A delivery that waits in the retry journal, as far as the order of its case goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The event.
    pub seq: u64,
    /// Where the event stands in the log.
    pub event_position: u64,
    /// When it is due; [`BEHIND`] if it waits for others of its case.
    pub due: Timestamp,
    /// Its case; none if its event has no resource.
    pub lane: Option<Lane>,
    /// The row itself names the case. Else it is from a time when the endpoint kept no order.
    pub is_enrolled: bool,
}

/// The next deliveries of a case that wait for others of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Behind {
    /// The deliveries, in publish order.
    pub waiting: Vec<Waiting>,
    /// Whether there are more behind.
    pub more: bool,
}

impl Store {
    /// Deliveries of an endpoint that have a row, from an event on, in publish order: at most `limit`.
    pub fn rows(&self, endpoint: u32, from: u64, limit: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        {
            let (journal, view) = (&self.shared.journal, self.shared.view());
            let (table, from) =
                (keys::table(Table::Retry, endpoint), keys::row(Table::Retry, endpoint, from));
            for key in journal.keys_from(&table, &from, &view.rows).take(limit) {
                let key = key?;
                let row = journal.get::<RetryRow>(&key, Some(&view.rows))?;
                rows.extend(keys::row_seq(&key).zip(row).map(|(seq, row)| Row {
                    seq,
                    event_position: row.event_position,
                    due: row.due,
                    lane: row.lane,
                    is_enrolled: row.lane.is_some(),
                }));
            }
        }
        for row in rows.iter_mut().filter(|row| !row.is_enrolled) {
            match self.event_at(row.event_position) {
                Ok((event, _)) => row.lane = event.content.resource.as_ref().map(Lane::of),
                // Retention took it since the row was read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// The next of each of these cases that wait for others of it: at most `limit` together and not much over 4 MiB of
    /// payload, and one of each at least.
    pub fn behind(&self, endpoint: u32, reads: &[LaneRead], limit: usize) -> Result<Vec<Behind>> {
        let each = (limit / reads.len().max(1)).max(1);
        let mut bytes = 0;
        reads
            .iter()
            .map(|read| {
                let (rows, mut more) = self.rows_behind(endpoint, read, each)?;
                let mut waiting = Vec::with_capacity(rows.len());
                for row in rows {
                    if bytes >= BEHIND_BYTES_MAX && !waiting.is_empty() {
                        more = true;
                        break;
                    }
                    if let Some(one) = self.waiting_of(&row)? {
                        bytes += one.event.content.data.len();
                        waiting.push(one);
                    }
                }
                Ok(Behind { waiting, more })
            })
            .collect()
    }

    fn rows_behind(&self, endpoint: u32, read: &LaneRead, limit: usize) -> Result<(Vec<RetryRow>, bool)> {
        let (journal, view) = (&self.shared.journal, self.shared.view());
        let (lane, from) =
            (keys::lane(endpoint, read.lane), keys::lane_from(endpoint, read.lane, read.after + 1));
        let mut rows = Vec::new();
        for key in journal.keys_from(&lane, &from, &view.rows) {
            if rows.len() >= limit {
                return Ok((rows, true));
            }
            let Some(seq) = keys::lane_seq(&key?) else { continue };
            let row = journal.get::<RetryRow>(&keys::row(Table::Retry, endpoint, seq), Some(&view.rows))?;
            rows.extend(row.filter(|row| row.due == BEHIND));
        }
        Ok((rows, false))
    }
}
