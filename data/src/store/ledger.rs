//! What is settled and what is not: one cursor an endpoint, in memory, made durable at checkpoints.
//!
//! A pure fold over the log's entries: the same entries give the same ledger, so a restart replays the log from the
//! last checkpoint. Memory grows with endpoints and with their windows, never with their backlog.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::record::{Expired, Fate, Parked, Requeued, Settled, Standing};

/// Where one endpoint stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Every delivery up to this event is settled or parked.
    pub floor: u64,
    /// Settled or parked above the floor, out of order.
    pub above: BTreeSet<u64>,
    /// Deliveries neither settled nor parked.
    pub unread: u64,
    /// Deliveries with a row in the retry journal.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Deliveries acknowledged, since the endpoint was created.
    pub delivered: u64,
    /// Deliveries that retention took before they were settled.
    pub expired: u64,
}

impl Cursor {
    /// Deliveries that still have to be made.
    pub fn waiting(&self) -> u64 {
        self.unread + self.parked
    }

    fn pass(&mut self, seq: u64, floor: u64) {
        self.above.insert(seq);
        if floor > self.floor {
            self.floor = floor;
            self.above = self.above.split_off(&(floor + 1));
        }
        self.unread = self.unread.saturating_sub(1);
    }
}

/// All cursors, and which of them changed since the last checkpoint.
#[derive(Debug, Default)]
pub struct Ledger {
    cursors: HashMap<u32, Cursor>,
    changed: HashSet<u32>,
    closed: HashSet<u32>,
    /// Retention has taken every event up to this one.
    pub expired_through: u64,
}

impl Ledger {
    /// Where an endpoint stands; a new cursor if nothing was ever routed to it.
    pub fn cursor(&self, endpoint: u32) -> Cursor {
        self.cursors.get(&endpoint).cloned().unwrap_or_default()
    }

    /// Whether an event that was routed to an endpoint is neither settled nor parked there.
    pub fn is_unread(&self, endpoint: u32, seq: u64) -> bool {
        let cursor = self.cursors.get(&endpoint);
        cursor.is_some_and(|cursor| cursor.unread > 0 && seq > cursor.floor && !cursor.above.contains(&seq))
    }

    /// Every endpoint that something was ever routed to.
    pub fn cursors(&self) -> impl Iterator<Item = (u32, &Cursor)> {
        self.cursors.iter().map(|(endpoint, cursor)| (*endpoint, cursor))
    }

    /// Takes a cursor from the last checkpoint.
    pub fn restore(&mut self, endpoint: u32, cursor: Cursor) {
        self.cursors.insert(endpoint, cursor);
    }

    /// The endpoint is gone: what waits for it is cancelled, what comes for it is ignored.
    pub fn close(&mut self, endpoint: u32) {
        self.closed.insert(endpoint);
        if let Some(cursor) = self.cursors.get_mut(&endpoint) {
            (cursor.unread, cursor.parked, cursor.dead) = (0, 0, 0);
            self.changed.insert(endpoint);
        }
    }

    /// The cursors that changed since this was last asked.
    pub fn take_changed(&mut self) -> Vec<(u32, Cursor)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|endpoint| Some((endpoint, self.cursors.get(&endpoint)?.clone())))
            .collect()
    }

    /// An event was routed to an endpoint.
    pub fn routed(&mut self, endpoint: u32) {
        if let Some(cursor) = self.touch(endpoint) {
            cursor.unread += 1;
        }
    }

    /// An attempt was settled. `false` if retention or deletion made it meaningless.
    pub fn settled(&mut self, settled: &Settled) -> bool {
        if settled.seq <= self.expired_through {
            return false;
        }
        let Some(cursor) = self.touch(settled.endpoint) else { return false };
        if settled.parked {
            cursor.parked =
                cursor.parked.saturating_sub(u64::from(!matches!(settled.fate, Fate::RetryAt(_))));
        } else {
            cursor.pass(settled.seq, settled.floor);
            cursor.parked += u64::from(matches!(settled.fate, Fate::RetryAt(_)));
        }
        cursor.dead += u64::from(settled.fate == Fate::Dead);
        cursor.delivered += u64::from(settled.fate == Fate::Delivered);
        true
    }

    /// A delivery was set aside. `false` as in [`Ledger::settled`].
    pub fn parked(&mut self, parked: &Parked) -> bool {
        if parked.seq <= self.expired_through {
            return false;
        }
        let Some(cursor) = self.touch(parked.endpoint) else { return false };
        cursor.pass(parked.seq, parked.floor);
        cursor.parked += 1;
        true
    }

    /// A delivery is to be attempted again. `false` as in [`Ledger::settled`].
    pub fn requeued(&mut self, requeued: &Requeued) -> bool {
        if requeued.seq <= self.expired_through {
            return false;
        }
        let Some(cursor) = self.touch(requeued.endpoint) else { return false };
        cursor.parked += u64::from(requeued.from != Standing::Parked);
        cursor.dead = cursor.dead.saturating_sub(u64::from(requeued.from == Standing::Dead));
        true
    }

    /// Retention gave deliveries up.
    pub fn expired(&mut self, expired: &Expired) {
        if expired.through <= self.expired_through {
            return;
        }
        if let Some(cursor) = self.touch(expired.endpoint) {
            cursor.unread = cursor.unread.saturating_sub(expired.unread);
            cursor.parked = cursor.parked.saturating_sub(expired.parked);
            cursor.dead = cursor.dead.saturating_sub(expired.dead);
            cursor.expired += expired.unread + expired.parked;
            if expired.through > cursor.floor {
                cursor.floor = expired.through;
                cursor.above = cursor.above.split_off(&(expired.through + 1));
            }
        }
    }

    fn touch(&mut self, endpoint: u32) -> Option<&mut Cursor> {
        if self.closed.contains(&endpoint) {
            return None;
        }
        self.changed.insert(endpoint);
        Some(self.cursors.entry(endpoint).or_default())
    }
}
