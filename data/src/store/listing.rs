//! Listings: events and deliveries newest first, by what they are about and how they stand.
//!
//! There is no index of deliveries beside the log, because keeping one would cost every publish and every delivery, and
//! all that it could say is there already:
//!
//! - The log is in publish order, and the view keeps a mark for every 256 KiB of it. So any depth is one search among
//!   the marks away, and a page reads one **block**, the events from one mark to the next, or a few.
//! - A delivery is an event and one of its routes, so deliveries newest first are events newest first times routes.
//! - What is not delivered has a row in the retry journal, or is not read yet. A search for it goes from row to row,
//!   and looks at no block in between.
//! - What a block is about (tenants, types, resources, endpoints) is remembered, in a [`digest`], by the first listing
//!   that looks at it, or by the [`Learner`], which looks at what nobody has asked for. From then on a search for what is
//!   rare passes over it. Digests are bounded in memory, and are not stored: after a start they are learnt anew.
//!
//! So nothing is added to a publish or a delivery. What is neither remembered nor found by rows must be looked at, and a
//! [`Slice`] ends after so much of that: whoever asks goes on from where it ended, or leaves it to a later request.
//!
//! Time is the time in an event's id. That is when it was published, but never goes back, unlike the machine's clock: it
//! has the same order as the log.

mod block;
mod candidates;
mod digest;
mod learner;
mod rows;

use std::{collections::BTreeSet, ops::Range};

pub(super) use self::{
    block::{Block, Match, matches},
    digest::Wanted,
};
use self::{candidates::Candidates, digest::Fact};
pub use self::{digest::Digests, learner::Learner};
use super::{
    keys,
    reader::{Standing, Store},
    record::Brief,
};
use crate::{
    Timestamp,
    error::Result,
    event::{Event, EventType, Resource, Tenant},
    id::EventId,
};

/// Blocks of 256 KiB that one slice looks at: no reader keeps the others waiting for longer.
const BLOCKS_MAX: u32 = 8;
/// Blocks that one slice passes over because of their digests.
const PASSED_MAX: u32 = 65_536;
/// Deliveries whose standing one slice looks up.
const STANDINGS_MAX: u32 = 512;

/// Which events a listing shows. What is absent excludes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Whose events.
    pub tenant: Tenant,
    /// Of this type.
    pub event_type: Option<EventType>,
    /// About this resource.
    pub resource: Option<Resource>,
    /// Published at this time or later, to the millisecond.
    pub since: Option<Timestamp>,
    /// Published before this time, to the millisecond.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    /// All events of a tenant.
    pub fn of(tenant: Tenant) -> Self {
        Self { tenant, event_type: None, resource: None, since: None, until: None }
    }

    fn takes(&self, brief: &Brief<'_>) -> bool {
        self.tenant.as_str() == brief.tenant
            && self.event_type.as_ref().is_none_or(|wanted| wanted.as_str() == brief.event_type)
            && self.resource.as_ref().is_none_or(|wanted| {
                brief.resource.is_some_and(|(kind, id)| wanted.kind == kind && wanted.id == id)
            })
            && !self.is_before(brief.id)
            && self.until.is_none_or(|until| millis(brief.id) < until.as_millis())
    }

    /// Whether an event is older than all that is wanted.
    fn is_before(&self, id: EventId) -> bool {
        self.since.is_some_and(|since| millis(id) < since.as_millis())
    }

    fn wanted(&self) -> Wanted {
        let tenant = self.tenant.as_str();
        let event_type = self.event_type.as_ref().map(|it| Fact::event_type(tenant, it.as_str()));
        let resource = self.resource.as_ref().map(|it| Fact::resource(tenant, &it.kind, &it.id));
        let all = [Some(Fact::tenant(tenant)), event_type, resource].into_iter().flatten().collect();
        Wanted { all, any: Vec::new() }
    }
}

/// Among which deliveries a listing searches: all that could be wanted are among them, and others may be. The narrower,
/// the less it looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// All.
    All,
    /// Those that are not known to wait for a first attempt.
    Attempted,
    /// Dead letters.
    Dead,
    /// Those that were attempted or set aside, and wait for another attempt.
    Waiting,
    /// Those and what was never attempted.
    Unsettled,
    /// Those and dead letters: all that the deletion of their endpoint ends.
    Undelivered,
    /// These and no others, by event.
    These(Vec<Place>),
}

/// Which deliveries a listing shows.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    /// Of which events.
    pub events: EventFilter,
    /// Of this event alone.
    pub event: Option<u64>,
    /// To these endpoints; all if absent.
    pub endpoints: Option<BTreeSet<u32>>,
    /// Where to search; whatever goes by rows needs `endpoints`.
    pub among: Among,
}

/// A delivery's place in a listing; larger is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The event.
    pub seq: u64,
    /// The endpoint.
    pub ordinal: u32,
}

impl Place {
    /// Before the newest delivery of all.
    pub const NEWEST: Self = Self::event(u64::MAX);

    /// Behind all deliveries of this event and before those of older ones.
    pub const fn event(seq: u64) -> Self {
        Self { seq, ordinal: 0 }
    }

    /// No event from here on has a delivery behind this place.
    const fn end(self) -> u64 {
        if self.ordinal == 0 { self.seq } else { self.seq.saturating_add(1) }
    }
}

/// Part of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice<T> {
    /// What was found, newest first.
    pub found: Vec<T>,
    /// Where to go on; absent if there is nothing more.
    pub rest: Option<Rest>,
}

/// What a slice has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Where to go on.
    pub place: Place,
    /// Everything newer than this event was looked at.
    pub through: EventId,
}

/// A delivery in a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The event, without its payload.
    pub event: Event,
    /// The endpoint.
    pub ordinal: u32,
    /// Where it stands.
    pub standing: Standing,
    /// How many attempts there were.
    pub attempts: usize,
}

impl Store {
    /// The number of the first event whose id is not below `id`, and whether it is that event; the next one's if there is
    /// none.
    pub fn seq_from(&self, id: EventId) -> Result<(u64, bool)> {
        let (block, oldest) = {
            let view = self.shared.view();
            (Block::around(&view, id), view.ledger.expired_through + 1)
        };
        block.map_or(Ok((oldest, false)), |block| block::first_from(&self.shared, &block, id))
    }

    /// Events below `seq`, newest first and without their payloads, at most `limit` of them.
    pub fn list_events(&self, filter: &EventFilter, seq: u64, limit: usize) -> Result<Slice<Event>> {
        let mut walk = Walk::new(self, filter, filter.wanted(), seq);
        let mut found = Vec::new();
        loop {
            let matches = match walk.step(|_, seq| Ok(seq.checked_sub(1)))? {
                Step::Block(_, matches) => matches,
                Step::Pause(rest) => return Ok(Slice { found, rest: Some(rest) }),
                Step::End => return Ok(Slice { found, rest: None }),
            };
            for Match { event, .. } in matches.into_iter().rev().filter(|it| it.event.seq < seq) {
                let (seq, id) = (event.seq, event.id);
                found.push(event);
                if found.len() >= limit {
                    let rest = Rest { place: Place::event(seq), through: id };
                    return Ok(Slice { found, rest: Some(rest) });
                }
            }
        }
    }

    /// Deliveries behind `place`, newest first, at most `limit` of those that `pick` makes something of.
    pub fn list_deliveries<T>(
        &self,
        filter: &DeliveryFilter,
        place: Place,
        limit: usize,
        pick: impl Fn(Listed) -> Option<T>,
    ) -> Result<Slice<T>> {
        let mut candidates = Candidates::new(self, filter, place)?;
        let mut walk = Walk::new(self, &filter.events, candidates.wanted(), place.end());
        let (mut found, mut looked) = (Vec::new(), 0);
        loop {
            let (block, matches) = match walk.step(|store, seq| candidates.newest_below(store, seq))? {
                Step::Block(block, matches) => (block, matches),
                Step::Pause(rest) => return Ok(Slice { found, rest: Some(rest) }),
                Step::End => return Ok(Slice { found, rest: None }),
            };
            for at in candidates.within(self, &block, &matches)?.into_iter().filter(|at| *at < place) {
                let Ok(index) = matches.binary_search_by_key(&at.seq, |it| it.event.seq) else { continue };
                let event = &matches[index].event;
                let (standing, attempts) = self.standing(at.seq, at.ordinal)?;
                let listed =
                    Listed { event: event.clone(), ordinal: at.ordinal, standing, attempts: attempts.len() };
                looked += 1;
                found.extend(pick(listed));
                if found.len() >= limit || looked >= STANDINGS_MAX {
                    let rest = Rest { place: at, through: event.id };
                    return Ok(Slice { found, rest: Some(rest) });
                }
            }
        }
    }
}

/// A way through the blocks, newest first, past those in which there is nothing.
struct Walk<'a> {
    store: &'a Store,
    filter: &'a EventFilter,
    wanted: Wanted,
    /// Where it has come to.
    seq: u64,
    /// The oldest event of the last block, once there is one.
    through: EventId,
    looked: u32,
    passed: u32,
}

enum Step {
    Block(Block, Vec<Match>),
    Pause(Rest),
    End,
}

impl<'a> Walk<'a> {
    fn new(store: &'a Store, filter: &'a EventFilter, wanted: Wanted, seq: u64) -> Self {
        let through = EventId::from_u128(u128::MAX);
        Self { store, filter, wanted, seq, through, looked: 0, passed: 0 }
    }

    /// The next block with an event that the filter takes. `newest_below` tells which event below another one is the
    /// next that is worth looking at.
    fn step(&mut self, mut newest_below: impl FnMut(&Store, u64) -> Result<Option<u64>>) -> Result<Step> {
        let shared = &self.store.shared;
        loop {
            let block = Block::below(&shared.view(), self.seq);
            let horizon = shared.horizons.of(self.filter.tenant.as_str());
            let is_over = |block: &Block| block.end <= horizon + 1 || self.filter.is_before(self.through);
            let Some(block) = block.filter(|block| !is_over(block)) else {
                return Ok(Step::End);
            };
            if self.looked >= BLOCKS_MAX || self.passed >= PASSED_MAX {
                return Ok(Step::Pause(Rest { place: Place::event(self.seq), through: self.through }));
            }
            let ruled_out = block.closed && shared.digests.rule_out(block.position, &self.wanted);
            if !ruled_out || self.store.has_late(&block)? {
                let Some(newest) = newest_below(self.store, self.seq)? else { return Ok(Step::End) };
                if newest < block.first {
                    self.passed += 1;
                    self.seq = newest + 1;
                    continue;
                }
                self.looked += 1;
                let matches = matches(shared, &block, self.filter)?;
                (self.seq, self.through) = (block.first, block.first_id);
                if matches.is_empty() {
                    continue;
                }
                return Ok(Step::Block(block, matches));
            }
            self.passed += 1;
            (self.seq, self.through) = (block.first, block.first_id);
        }
    }
}

impl Store {
    /// Deliveries of events that were routed to an endpoint by a replay, of which the events themselves say nothing.
    pub(super) fn late(&self, events: Range<u64>) -> Result<Vec<Place>> {
        let view = self.shared.view();
        if !view.has_late {
            return Ok(Vec::new());
        }
        let keys = self.shared.journal.keys_from(keys::LATE, &keys::late(events.start, 0), &view.rows);
        let places = keys.map(|key| Ok(keys::parse_late(&key?).map(|(seq, ordinal)| Place { seq, ordinal })));
        let within = |place: &Result<Option<Place>>| {
            place.as_ref().is_ok_and(|place| place.is_some_and(|it| it.seq < events.end))
        };
        places.take_while(|place| place.is_err() || within(place)).filter_map(Result::transpose).collect()
    }

    /// The newest event below `seq` that has one.
    pub(super) fn newest_late(&self, seq: u64) -> Result<Option<u64>> {
        let view = self.shared.view();
        if !view.has_late {
            return Ok(None);
        }
        let newest = self.shared.journal.last_key(&keys::late(0, 0), &keys::late(seq, 0), &view.rows)?;
        Ok(newest.and_then(|key| keys::parse_late(&key)).map(|(seq, _)| seq))
    }

    /// Whether there is one in a block, of which its digest knows as little. Quick where no replay ever made one.
    pub(super) fn has_late(&self, block: &Block) -> Result<bool> {
        let view = self.shared.view();
        let (from, below) = (keys::late(block.first, 0), keys::late(block.end, 0));
        Ok(view.has_late && self.shared.journal.last_key(&from, &below, &view.rows)?.is_some())
    }

    /// Whether an event was routed to an endpoint by a replay.
    pub(super) fn is_late(&self, seq: u64, endpoint: u32) -> Result<bool> {
        let view = self.shared.view();
        view.is_late(&self.shared.journal, seq, endpoint)
    }
}

/// The time in an id, in milliseconds since the epoch.
fn millis(id: EventId) -> i64 {
    i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX)
}
