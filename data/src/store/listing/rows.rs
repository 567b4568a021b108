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

/// A merge of the endpoints' rows: one head each. Costs a look-up for each endpoint, and one for each row that is taken.
#[derive(Debug)]
pub struct Rows {
    table: Table,
    heads: BinaryHeap<Place>,
}

impl Rows {
    /// The rows of some endpoints for events below `seq`.
    pub fn below(
        shared: &Shared,
        table: Table,
        endpoints: impl IntoIterator<Item = u32>,
        seq: u64,
    ) -> Result<Self> {
        let mut rows = Self { table, heads: BinaryHeap::new() };
        for ordinal in endpoints {
            rows.heads.extend(rows.head(shared, ordinal, seq)?);
        }
        Ok(rows)
    }

    /// The newest event below `seq` that has a row. Rows from there on are passed over.
    pub fn newest_below(&mut self, shared: &Shared, seq: u64) -> Result<Option<u64>> {
        while let Some(head) = self.heads.peek().copied().filter(|head| head.seq >= seq) {
            self.heads.pop();
            self.heads.extend(self.head(shared, head.ordinal, seq)?);
        }
        Ok(self.heads.peek().map(|head| head.seq))
    }

    /// Takes all that have a row for an event at or above `seq`.
    pub fn take_from(&mut self, shared: &Shared, seq: u64) -> Result<Vec<Place>> {
        let mut taken = Vec::new();
        while let Some(head) = self.heads.peek().copied().filter(|head| head.seq >= seq) {
            self.heads.pop();
            self.heads.extend(self.head(shared, head.ordinal, head.seq)?);
            taken.push(head);
        }
        Ok(taken)
    }

    fn head(&self, shared: &Shared, ordinal: u32, seq: u64) -> Result<Option<Place>> {
        let (from, below) = (keys::row(self.table, ordinal, 0), keys::row(self.table, ordinal, seq));
        let view = shared.view();
        let last = shared.journal.last_key(&from, &below, &view.rows)?;
        Ok(last.and_then(|key| keys::row_seq(&key)).map(|seq| Place { seq, ordinal }))
    }
}
