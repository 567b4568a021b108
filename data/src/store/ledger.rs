//! What is settled and what is not: one cursor an endpoint, in memory, made durable at checkpoints.
//!
//! A pure fold over the log's entries: the same entries give the same ledger, so a restart replays the log from the
//! last checkpoint. Memory grows with endpoints and with their windows, never with their backlog.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
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

    fn has_passed(&self, seq: u64) -> bool {
        seq <= self.floor || self.above.contains(&seq)
    }

    fn pass(&mut self, seq: u64, floor: u64) {
        if floor > self.floor {
            self.floor = floor;
            while self.above.first().is_some_and(|first| *first <= floor) {
                self.above.pop_first();
            }
        }
        if seq > self.floor {
            self.above.insert(seq);
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
    /// Where an endpoint stands; a new cursor if nothing was ever routed to it. Nothing waits for a deleted one.
    pub fn cursor(&self, endpoint: u32) -> Cursor {
        let mut cursor = self.cursors.get(&endpoint).cloned().unwrap_or_default();
        if self.is_closed(endpoint) {
            (cursor.unread, cursor.parked, cursor.dead) = (0, 0, 0);
        }
        cursor
    }

    /// Whether the endpoint was deleted.
    pub fn is_closed(&self, endpoint: u32) -> bool {
        self.closed.contains(&endpoint)
    }

    /// Whether an event that was routed to an endpoint is neither settled nor parked there.
    pub fn is_unread(&self, endpoint: u32, seq: u64) -> bool {
        let cursor = self.cursors.get(&endpoint);
        cursor.is_some_and(|cursor| cursor.unread > 0 && !cursor.has_passed(seq))
    }

    /// Every endpoint that something was ever routed to.
    pub fn cursors(&self) -> impl Iterator<Item = (u32, &Cursor)> {
        self.cursors.iter().map(|(endpoint, cursor)| (*endpoint, cursor))
    }

    /// Takes a cursor from the last checkpoint.
    pub fn restore(&mut self, endpoint: u32, cursor: Cursor) {
        self.cursors.insert(endpoint, cursor);
    }

    /// The endpoint is gone: what waits for it is cancelled. The log does not tell when that was, so its entries
    /// count as ever, and only who asks is told that nothing waits.
    pub fn close(&mut self, endpoint: u32) {
        self.closed.insert(endpoint);
    }

    /// Forgets a deleted endpoint that no event names any more.
    pub fn remove(&mut self, endpoint: u32) {
        self.cursors.remove(&endpoint);
        self.changed.remove(&endpoint);
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
        self.touch(endpoint).unread += 1;
    }

    /// An attempt was settled. `false` if it means nothing: retention took the event, or a first attempt was settled
    /// before.
    pub fn settled(&mut self, settled: &Settled) -> bool {
        if settled.seq <= self.expired_through {
            return false;
        }
        let cursor = self.touch(settled.endpoint);
        if settled.parked {
            cursor.parked =
                cursor.parked.saturating_sub(u64::from(!matches!(settled.fate, Fate::RetryAt(_))));
        } else if cursor.has_passed(settled.seq) {
            return false;
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
        let cursor = self.touch(parked.endpoint);
        if cursor.has_passed(parked.seq) {
            return false;
        }
        cursor.pass(parked.seq, parked.floor);
        cursor.parked += 1;
        true
    }

    /// A delivery is to be attempted again. `false` as in [`Ledger::settled`].
    pub fn requeued(&mut self, requeued: &Requeued) -> bool {
        if requeued.seq <= self.expired_through {
            return false;
        }
        let cursor = self.touch(requeued.endpoint);
        cursor.parked += u64::from(requeued.from != Standing::Parked);
        cursor.dead = cursor.dead.saturating_sub(u64::from(requeued.from == Standing::Dead));
        true
    }

    /// Retention took a segment and gave up what still waited in it.
    pub fn expired(&mut self, expired: &Expired) {
        if expired.through <= self.expired_through {
            return;
        }
        self.expired_through = expired.through;
        for lost in &expired.lost {
            let cursor = self.touch(lost.endpoint);
            cursor.unread = cursor.unread.saturating_sub(lost.unread);
            cursor.parked = cursor.parked.saturating_sub(lost.parked);
            cursor.dead = cursor.dead.saturating_sub(lost.dead);
            cursor.expired += lost.unread + lost.parked;
            if expired.through > cursor.floor {
                cursor.floor = expired.through;
                cursor.above = cursor.above.split_off(&(expired.through + 1));
            }
        }
    }

    fn touch(&mut self, endpoint: u32) -> &mut Cursor {
        self.changed.insert(endpoint);
        self.cursors.entry(endpoint).or_default()
    }
}
