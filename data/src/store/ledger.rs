//! What is settled and what is not: one cursor an endpoint, in memory, made durable at checkpoints.
//!
//! A pure fold over the log's entries: the same entries give the same ledger, so a restart replays the log from the
//! last checkpoint. Memory grows with endpoints and with their windows, never with their backlog.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use serde::{Deserialize, Serialize};

use super::record::{Cancelled, Expired, Fate, Lost, Parked, Requeued, Settled, Standing, TenantExpired};

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
    /// Its tenant's own retention took a delivery up to this event when it last took one.
    #[serde(default)]
    pub horizon: u64,
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

/// Cursors added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries neither settled nor parked.
    pub unread: u64,
    /// Deliveries with a row in the retry journal.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Tally {
    fn of(cursor: &Cursor) -> Self {
        Self { unread: cursor.unread, parked: cursor.parked, dead: cursor.dead }
    }

    fn change(&mut self, before: Self, after: Self) {
        self.unread = self.unread.wrapping_add(after.unread).wrapping_sub(before.unread);
        self.parked = self.parked.wrapping_add(after.parked).wrapping_sub(before.parked);
        self.dead = self.dead.wrapping_add(after.dead).wrapping_sub(before.dead);
    }
}

/// All cursors, and which of them changed since the last checkpoint.
#[derive(Debug, Default)]
pub struct Ledger {
    cursors: HashMap<u32, Cursor>,
    changed: HashSet<u32>,
    closed: HashSet<u32>,
    /// The sum of all cursors, of those that are closed too: kept as they change, since nobody may hold the ledger for
    /// as long as adding up a hundred thousand takes.
    sum: Tally,
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

    /// Where an endpoint stands that something was routed to. What waits for a deleted one never ceases to.
    pub fn kept(&self, endpoint: u32) -> Option<&Cursor> {
        self.cursors.get(&endpoint)
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

    /// All cursors of endpoints that are there, added up. Costs by the endpoints that were deleted lately.
    pub fn tally(&self) -> Tally {
        let mut tally = self.sum;
        for cursor in self.closed.iter().filter_map(|endpoint| self.cursors.get(endpoint)) {
            tally.change(Tally::of(cursor), Tally::default());
        }
        tally
    }

    /// Takes a cursor from the last checkpoint.
    pub fn restore(&mut self, endpoint: u32, cursor: Cursor) {
        self.sum.change(Tally::default(), Tally::of(&cursor));
        if let Some(was) = self.cursors.insert(endpoint, cursor) {
            self.sum.change(Tally::of(&was), Tally::default());
        }
    }

    /// The endpoint is gone: what waits for it is cancelled. The log does not tell when that was, so its entries
    /// count as ever, and only who asks is told that nothing waits.
    pub fn close(&mut self, endpoint: u32) {
        self.closed.insert(endpoint);
    }

    /// Forgets a deleted endpoint that no event names any more.
    pub fn remove(&mut self, endpoint: u32) {
        if let Some(was) = self.cursors.remove(&endpoint) {
            self.sum.change(Tally::of(&was), Tally::default());
        }
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
        self.change(endpoint, |cursor| cursor.unread += 1);
    }

    /// An attempt was settled. `false` if it means nothing: retention took the event, or a first attempt was settled
    /// before.
    pub fn settled(&mut self, settled: &Settled) -> bool {
        if settled.seq <= self.expired_through {
            return false;
        }
        self.change(settled.endpoint, |cursor| {
            if settled.seq <= cursor.horizon {
                return false;
            }
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
        })
    }

    /// A delivery is not to be made any more. `false` as in [`Ledger::settled`].
    pub fn cancelled(&mut self, cancelled: &Cancelled) -> bool {
        if cancelled.seq <= self.expired_through {
            return false;
        }
        self.change(cancelled.endpoint, |cursor| {
            if cancelled.seq <= cursor.horizon {
                return false;
            }
            if cancelled.parked {
                cursor.parked = cursor.parked.saturating_sub(1);
            } else if cursor.has_passed(cancelled.seq) {
                return false;
            } else {
                cursor.pass(cancelled.seq, cancelled.floor);
            }
            true
        })
    }

    /// A delivery was set aside. `false` as in [`Ledger::settled`].
    pub fn parked(&mut self, parked: &Parked) -> bool {
        if parked.seq <= self.expired_through {
            return false;
        }
        self.change(parked.endpoint, |cursor| {
            if parked.seq <= cursor.horizon || cursor.has_passed(parked.seq) {
                return false;
            }
            cursor.pass(parked.seq, parked.floor);
            cursor.parked += 1;
            true
        })
    }

    /// A delivery is to be attempted again. `false` as in [`Ledger::settled`].
    pub fn requeued(&mut self, requeued: &Requeued) -> bool {
        if requeued.seq <= self.expired_through {
            return false;
        }
        self.change(requeued.endpoint, |cursor| {
            if requeued.seq <= cursor.horizon {
                return false;
            }
            cursor.parked += u64::from(requeued.from != Standing::Parked);
            cursor.dead = cursor.dead.saturating_sub(u64::from(requeued.from == Standing::Dead));
            true
        })
    }

    /// Retention took a segment and gave up what still waited in it.
    pub fn expired(&mut self, expired: &Expired) {
        if expired.through <= self.expired_through {
            return;
        }
        self.expired_through = expired.through;
        expired.lost.iter().for_each(|lost| self.give_up(lost, expired.through));
    }

    /// Retention took one tenant's events of a segment and gave up what still waited of them. Means nothing once the
    /// segment itself is gone: what was lost is not counted then.
    pub fn tenant_expired(&mut self, expired: &TenantExpired) {
        if expired.through <= self.expired_through {
            return;
        }
        for lost in &expired.lost {
            self.give_up(lost, expired.through);
            self.change(lost.endpoint, |cursor| cursor.horizon = expired.through);
        }
    }

    fn give_up(&mut self, lost: &Lost, through: u64) {
        self.change(lost.endpoint, |cursor| {
            cursor.unread = cursor.unread.saturating_sub(lost.unread);
            cursor.parked = cursor.parked.saturating_sub(lost.parked);
            cursor.dead = cursor.dead.saturating_sub(lost.dead);
            cursor.expired += lost.unread + lost.parked;
            if through > cursor.floor {
                cursor.floor = through;
                cursor.above = cursor.above.split_off(&(through + 1));
            }
        });
    }

    fn change<T>(&mut self, endpoint: u32, change: impl FnOnce(&mut Cursor) -> T) -> T {
        self.changed.insert(endpoint);
        let cursor = self.cursors.entry(endpoint).or_default();
        let before = Tally::of(cursor);
        let changed = change(cursor);
        self.sum.change(before, Tally::of(cursor));
        changed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Timestamp,
        delivery::{Attempt, Outcome, Transit},
        store::record::Lost,
    };

    fn settled((endpoint, seq): (u32, u64), parked: bool, fate: Fate) -> Settled {
        let outcome = Outcome::Answered { status: 200, headers: Vec::new(), body: Vec::new() };
        let attempt = Attempt {
            number: 1,
            started_at: Timestamp::default(),
            duration_us: 1,
            outcome,
            transit: Transit::default(),
            erased: false,
        };
        Settled { endpoint, seq, event_position: 0, parked, floor: seq / 2, fate, attempt, lane: None }
    }

    proptest! {
        #[test]
        fn the_tally_is_the_sum_of_all_that_are_not_deleted(
            steps in proptest::collection::vec((0..9u8, 1..4u32, 1..20u64), 0..200)
        ) {
            let mut ledger = Ledger::default();
            for (step, endpoint, seq) in steps {
                let delivery = (endpoint, seq);
                match step {
                    0 | 1 => ledger.routed(endpoint),
                    2 => drop(ledger.settled(&settled(delivery, seq % 2 == 0, Fate::Delivered))),
                    3 => drop(ledger.settled(&settled(delivery, false, Fate::RetryAt(Timestamp::default())))),
                    4 => drop(ledger.settled(&settled(delivery, true, Fate::Dead))),
                    5 => {
                        let from = if seq % 2 == 0 { Standing::Dead } else { Standing::Parked };
                        let due = Timestamp::default();
                        let replayed = seq % 3 == 0;
                        let requeued = Requeued { endpoint, seq, event_position: 0, due, from, replayed, lane: None };
                        ledger.requeued(&requeued);
                    }
                    6 => {
                        let lost = vec![Lost { endpoint, unread: 1, parked: 1, dead: 1 }];
                        ledger.expired(&Expired { through: seq, lost });
                    }
                    7 => ledger.close(endpoint),
                    _ => ledger.remove(endpoint),
                }
                let mut sum = Tally::default();
                for cursor in ledger.cursors().filter(|(one, _)| !ledger.is_closed(*one)).map(|(_, cursor)| cursor) {
                    sum.change(Tally::default(), Tally::of(cursor));
                }
                prop_assert_eq!(ledger.tally(), sum);
            }
        }
    }
}
