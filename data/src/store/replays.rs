//! What a replay asks of the store: which deliveries there are to be made once more, in publish order, and what has
//! become of those that were chosen.

use super::{
    DeliveryStanding,
    keys::{self, Table},
    listing::{Block, EventFilter, Match, Wanted, matches},
    reader::Store,
};
use crate::{
    error::{ErrorKind, Result},
    event::{Event, Tenant},
    id::EventId,
    replay::{Chosen, ReplayQuery, ReplayStatus, Seen},
};

/// Blocks of 256 KiB that one slice looks at: no reader keeps the others waiting for longer.
const BLOCKS_MAX: u32 = 8;
/// Blocks that one slice passes over because of their digests.
const PASSED_MAX: u32 = 4_096;
/// Deliveries that one slice looks up or chooses.
const LOOKED_MAX: u32 = 512;

/// Whose deliveries a replay looks for, and which.
#[derive(Clone, Debug)]
pub struct ReplayFilter<'a> {
    /// Whose events.
    pub tenant: &'a Tenant,
    /// The endpoint's number in routes.
    pub endpoint: u32,
    /// Which of its deliveries.
    pub query: &'a ReplayQuery,
    /// The last event that is looked at.
    pub through: u64,
    /// Where the log ended when it was asked for: what was attempted behind that is not what was counted.
    pub as_of: u64,
}

/// Part of what a replay is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplaySlice {
    /// Deliveries, in publish order.
    pub chosen: Vec<Chosen>,
    /// Every event up to this one was looked at.
    pub place: u64,
}

impl Store {
    /// The events that a replay is about: above the first number, up to the second.
    pub fn replay_span(&self, query: &ReplayQuery) -> Result<(u64, u64)> {
        let last = self.last_seq();
        let from = |time: Option<crate::Timestamp>| {
            time.map(|time| Ok(self.seq_from(EventId::first_at(time))?.0.saturating_sub(1))).transpose()
        };
        let through = from(query.until)?.unwrap_or(last).min(last);
        Ok((from(query.since)?.unwrap_or(0).min(through), through))
    }

    /// Deliveries of events above `after`, and, of those that were never routed to the endpoint, events that `misses`
    /// says it should have had. A part of them: go on from its `place`, until that is the last event's.
    pub fn replayable(
        &self,
        filter: &ReplayFilter<'_>,
        after: u64,
        misses: impl Fn(&Event) -> bool,
    ) -> Result<ReplaySlice> {
        let mut search = Search { store: self, filter, slice: ReplaySlice::default(), looked: 0 };
        let (mut place, mut blocks, mut passed) = (after, 0, 0);
        let (wanted, events) = (filter.wanted(), filter.events());
        while place < filter.through && blocks < BLOCKS_MAX && passed < PASSED_MAX {
            let Some(next) = search.next_above(place)? else { break };
            let block = Block::below(&self.shared.view(), next + 1);
            let Some(block) = block.filter(|block| block.end > next) else {
                // Retention took the event in this moment.
                (place, passed) = (next, passed + 1);
                continue;
            };
            if block.closed
                && self.shared.digests.rule_out(block.position, &wanted)
                && !self.has_late(&block)?
            {
                (place, passed) = (block.end - 1, passed + 1);
                continue;
            }
            blocks += 1;
            for found in matches(&self.shared, &block, &events)? {
                let seq = found.event.seq;
                if seq < next || seq > filter.through {
                    continue;
                }
                search.look(found, &misses)?;
                if search.looked >= LOOKED_MAX {
                    return Ok(ReplaySlice { place: seq, ..search.slice });
                }
            }
            place = block.end - 1;
        }
        let is_paused = place < filter.through && (blocks >= BLOCKS_MAX || passed >= PASSED_MAX);
        let place = if is_paused { place } else { filter.through };
        Ok(ReplaySlice { place, ..search.slice })
    }

    /// What has become of deliveries since they were chosen.
    pub fn seen(&self, endpoint: u32, chosen: &[Chosen]) -> Result<Vec<Seen>> {
        chosen.iter().map(|chosen| self.seen_one(endpoint, chosen)).collect()
    }

    fn seen_one(&self, endpoint: u32, chosen: &Chosen) -> Result<Seen> {
        if chosen.seq <= self.shared.view().ledger.expired_through {
            return Ok(Seen::Passed);
        }
        let (standing, attempts) = self.standing(chosen.seq, endpoint)?;
        let was_made = attempts.len() > usize::from(chosen.attempts);
        let seen = match standing {
            DeliveryStanding::Delivered if was_made => Seen::Delivered,
            DeliveryStanding::Dead | DeliveryStanding::Waiting(_) | DeliveryStanding::Behind if was_made => {
                Seen::Failed
            }
            DeliveryStanding::Dead | DeliveryStanding::Delivered | DeliveryStanding::Cancelled => {
                Seen::Unsent
            }
            // An event that is missing is in nobody's window.
            DeliveryStanding::Unread if chosen.missing => Seen::Unsent,
            DeliveryStanding::Unread | DeliveryStanding::Waiting(_) | DeliveryStanding::Behind => {
                Seen::Passed
            }
        };
        Ok(if seen == Seen::Unsent && self.was_erased(chosen)? { Seen::Passed } else { seen })
    }

    /// Whether the content of an event was erased since it was chosen, be it before a restart, or retention took it.
    fn was_erased(&self, chosen: &Chosen) -> Result<bool> {
        match self.event_at(chosen.position) {
            Ok((event, _)) => Ok(event.erased_at.is_some()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The events of deliveries that are still to be made, with not much over `bytes_max` of payload.
    pub fn unsent(&self, endpoint: u32, chosen: &[Chosen], bytes_max: usize) -> Result<Vec<(Chosen, Event)>> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for one in chosen {
            if bytes >= bytes_max {
                break;
            }
            if self.seen_one(endpoint, one)? != Seen::Unsent {
                continue;
            }
            match self.event_at(one.position) {
                Ok((event, _)) => {
                    bytes += event.content.data.len();
                    found.push((*one, event));
                }
                // Retention took it since it was looked for.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl ReplayFilter<'_> {
    fn events(&self) -> EventFilter {
        let (since, until) = (self.query.since, self.query.until);
        EventFilter { since, until, ..EventFilter::of(self.tenant.clone()) }
    }

    fn wanted(&self) -> Wanted {
        let routed = (!self.query.takes(ReplayStatus::Missing)).then_some(self.endpoint);
        Wanted::of(self.tenant, routed)
    }

    /// Whether a row of the retry journal stands for each delivery that is wanted.
    fn has_rows_only(&self) -> bool {
        self.query.statuses.iter().all(|status| *status == ReplayStatus::Dead)
    }
}

/// A slice in the making.
struct Search<'a> {
    store: &'a Store,
    filter: &'a ReplayFilter<'a>,
    slice: ReplaySlice,
    looked: u32,
}

impl Search<'_> {
    /// The next event above one that may have a delivery; nothing if there is none.
    fn next_above(&self, place: u64) -> Result<Option<u64>> {
        let (shared, endpoint) = (&self.store.shared, self.filter.endpoint);
        let view = shared.view();
        let oldest = view.ledger.expired_through + 1;
        let next = (place + 1).max(oldest);
        if !self.filter.has_rows_only() {
            return Ok((next <= self.filter.through).then_some(next));
        }
        let (table, from) = (keys::table(Table::Dead, endpoint), keys::row(Table::Dead, endpoint, next));
        let first = shared.journal.keys_from(&table, &from, &view.rows).next().transpose()?;
        Ok(first.and_then(|key| keys::row_seq(&key)).filter(|seq| *seq <= self.filter.through))
    }

    /// Chooses an event's delivery if it is wanted.
    fn look(&mut self, found: Match, misses: impl Fn(&Event) -> bool) -> Result<()> {
        let Match { event, routes } = found;
        let ReplayFilter { endpoint, query, as_of, .. } = *self.filter;
        // Of one whose content is erased there is nothing to send, and nobody misses a test.
        if event.erased_at.is_some() || event.is_test() || !query.takes_type(event.event_type()) {
            return Ok(());
        }
        let is_routed = routes.contains(&endpoint) || self.store.is_late(event.seq, endpoint)?;
        if !is_routed && !query.takes(ReplayStatus::Missing) {
            return Ok(());
        }
        self.looked += 1;
        let (attempts, missing) = if is_routed {
            let (standing, attempts) = self.store.standing(event.seq, endpoint)?;
            let status = match standing {
                DeliveryStanding::Dead => ReplayStatus::Dead,
                DeliveryStanding::Delivered => ReplayStatus::Delivered,
                DeliveryStanding::Cancelled => ReplayStatus::Cancelled,
                DeliveryStanding::Unread | DeliveryStanding::Waiting(_) | DeliveryStanding::Behind => {
                    return Ok(());
                }
            };
            if !query.takes(status) || attempts.last().is_some_and(|last| *last >= as_of) {
                return Ok(());
            }
            (u16::try_from(attempts.len()).unwrap_or(u16::MAX), false)
        } else {
            match self.store.event_at(event.position) {
                Ok((whole, _)) if misses(&whole) => (0, true),
                Ok(_) => return Ok(()),
                // Retention took it since the block was read.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        };
        self.slice.chosen.push(Chosen { seq: event.seq, position: event.position, attempts, missing });
        Ok(())
    }
}
