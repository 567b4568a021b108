//! Deliveries that have a row in the retry journal, newest first, whichever endpoint they are for.

use std::collections::BinaryHeap;

use super::{
    super::{
        Shared,
        keys::{self, Table},
    },
    Place,
};
use crate::error::Result;

/// A merge of rows: one head for each table of each endpoint. Costs a look-up for each of them, and one for each row that
/// is taken.
#[derive(Debug)]
pub struct Rows {
    heads: BinaryHeap<(Place, Table)>,
}

impl Rows {
    /// The rows of some endpoints' tables for events below `seq`.
    pub fn below(shared: &Shared, tables: impl IntoIterator<Item = (Table, u32)>, seq: u64) -> Result<Self> {
        let mut rows = Self { heads: BinaryHeap::new() };
        for (table, ordinal) in tables {
            rows.heads.extend(head(shared, table, ordinal, seq)?);
        }
        Ok(rows)
    }

    /// The newest event below `seq` that has a row. Rows from there on are passed over.
    pub fn newest_below(&mut self, shared: &Shared, seq: u64) -> Result<Option<u64>> {
        while let Some((at, table)) = self.heads.peek().copied().filter(|(at, _)| at.seq >= seq) {
            self.heads.pop();
            self.heads.extend(head(shared, table, at.ordinal, seq)?);
        }
        Ok(self.heads.peek().map(|(at, _)| at.seq))
    }

    /// Takes all that have a row for an event at or above `seq`.
    pub fn take_from(&mut self, shared: &Shared, seq: u64) -> Result<Vec<Place>> {
        let mut taken = Vec::new();
        while let Some((at, table)) = self.heads.peek().copied().filter(|(at, _)| at.seq >= seq) {
            self.heads.pop();
            self.heads.extend(head(shared, table, at.ordinal, at.seq)?);
            taken.push(at);
        }
        Ok(taken)
    }
}

/// The newest row of a table of an endpoint for an event below `seq`.
fn head(shared: &Shared, table: Table, ordinal: u32, seq: u64) -> Result<Option<(Place, Table)>> {
    let (from, below) = (keys::row(table, ordinal, 0), keys::row(table, ordinal, seq));
    let view = shared.view();
    let last = shared.journal.last_key(&from, &below, &view.rows)?;
    Ok(last.and_then(|key| keys::row_seq(&key)).map(|seq| (Place { seq, ordinal }, table)))
}
