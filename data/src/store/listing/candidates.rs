//! Which deliveries a search looks at, and where the next of them is: by rows where there are rows, through the log
//! where there are none.

use std::collections::BTreeSet;

use super::{
    super::{
        keys::Table,
        ledger::{Cursor, Ledger},
        reader::Store,
    },
    Among, DeliveryFilter, Place,
    block::{Block, Match},
    digest::{Fact, Wanted},
    rows::Rows,
};
use crate::error::Result;

/// Endpoints of a search that digests are asked for, one by one.
const ENDPOINTS_ASKED_MAX: usize = 64;

/// See the module.
pub struct Candidates<'a> {
    filter: &'a DeliveryFilter,
    rows: Option<Rows>,
    /// Those of the filter's endpoints that can have one; absent if any endpoint can.
    endpoints: Option<BTreeSet<u32>>,
    /// Nothing up to this event is unread; absent if unread deliveries are not searched for, or there are none.
    floor: Option<u64>,
}

impl<'a> Candidates<'a> {
    /// Those behind a place.
    pub fn new(store: &Store, filter: &'a DeliveryFilter, place: Place) -> Result<Self> {
        let (tables, unread): (&[Table], bool) = match filter.among {
            Among::All | Among::Attempted | Among::These(_) => {
                let endpoints = filter.endpoints.clone();
                return Ok(Self { filter, rows: None, endpoints, floor: None });
            }
            Among::Dead => (&[Table::Dead], false),
            Among::Waiting => (&[Table::Retry], false),
            Among::Unsettled => (&[Table::Retry], true),
            Among::Undelivered => (&[Table::Retry, Table::Dead], true),
        };
        let (mut with_rows, mut endpoints, mut floor) = (Vec::new(), BTreeSet::new(), None);
        let view = store.shared.view();
        for ordinal in filter.endpoints.iter().flatten().copied() {
            let Some(cursor) = view.ledger.kept(ordinal) else { continue };
            let has_rows =
                |table: &Table| if *table == Table::Dead { cursor.dead } else { cursor.parked } > 0;
            let before = with_rows.len();
            with_rows.extend(tables.iter().copied().filter(has_rows).map(|table| (table, ordinal)));
            let is_unread = unread && cursor.unread > 0;
            if is_unread {
                floor = Some(floor.map_or(cursor.floor, |floor: u64| floor.min(cursor.floor)));
            }
            if is_unread || with_rows.len() > before {
                endpoints.insert(ordinal);
            }
        }
        drop(view);
        let rows = Some(Rows::below(&store.shared, with_rows, place.end())?);
        Ok(Self { filter, rows, endpoints: Some(endpoints), floor })
    }

    /// What a block must have for one to be in it.
    pub fn wanted(&self) -> Wanted {
        let few = self.endpoints.iter().filter(|endpoints| endpoints.len() <= ENDPOINTS_ASKED_MAX);
        let any = few.flatten().map(|ordinal| Fact::endpoint(*ordinal)).collect();
        Wanted { any, ..self.filter.events.wanted() }
    }

    /// The newest event below `seq` that may have one.
    pub fn newest_below(&mut self, store: &Store, seq: u64) -> Result<Option<u64>> {
        if self.endpoints.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(None);
        }
        if let Some(event) = self.filter.event {
            return Ok((event < seq).then_some(event));
        }
        if let Among::These(places) = &self.filter.among {
            return Ok(places.iter().map(|place| place.seq).filter(|it| *it < seq).max());
        }
        let dense = self.rows.is_none() || self.floor.is_some_and(|floor| floor + 1 < seq);
        match &mut self.rows {
            Some(rows) if !dense => rows.newest_below(&store.shared, seq),
            None if self.filter.among == Among::Attempted => {
                // What a replay has made lies above what is unread.
                Ok(self.newest_attempted(store, seq).max(store.newest_late(seq)?))
            }
            _ => Ok(seq.checked_sub(1)),
        }
    }

    /// The newest event below `seq` that one of few endpoints has passed: all between it and `seq` are unread, which may
    /// be a million of them.
    fn newest_attempted(&self, store: &Store, seq: u64) -> Option<u64> {
        let few = self.endpoints.as_ref().filter(|endpoints| endpoints.len() <= ENDPOINTS_ASKED_MAX);
        let Some(endpoints) = few else { return seq.checked_sub(1) };
        let view = store.shared.view();
        let cursors = endpoints.iter().filter_map(|ordinal| view.ledger.kept(*ordinal));
        cursors.filter_map(|cursor| newest_passed(cursor, seq)).max()
    }

    /// Those of a block's events, newest first.
    pub fn within(&mut self, store: &Store, block: &Block, matches: &[Match]) -> Result<Vec<Place>> {
        let mut places = match &mut self.rows {
            Some(rows) => {
                // Those of blocks that were passed over since.
                rows.newest_below(&store.shared, block.end)?;
                rows.take_from(&store.shared, block.first)?
            }
            None => Vec::new(),
        };
        let routed = self.routed(matches);
        match &self.filter.among {
            Among::All => places.extend(routed.chain(self.late(store, block)?)),
            Among::Attempted => {
                let late = self.late(store, block)?;
                places.extend(unread(&store.shared.view().ledger, routed, false).chain(late));
            }
            Among::Unsettled | Among::Undelivered if self.floor.is_some() => {
                places.extend(unread(&store.shared.view().ledger, routed, true));
            }
            Among::These(these) => places.extend(these.iter().filter(|at| self.is_for(**at))),
            Among::Unsettled | Among::Undelivered | Among::Dead | Among::Waiting => {}
        }
        places.retain(|at| self.is_of_event(at.seq));
        places.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        places.dedup();
        Ok(places)
    }

    /// Those that a replay has made of events that say nothing of them.
    fn late(&self, store: &Store, block: &Block) -> Result<Vec<Place>> {
        let mut late = store.late(block.first..block.end)?;
        late.retain(|at| self.is_for(*at));
        Ok(late)
    }

    fn routed(&self, matches: &[Match]) -> impl Iterator<Item = Place> {
        let matches = matches.iter().filter(|it| self.is_of_event(it.event.seq));
        let places = matches
            .flat_map(|it| it.routes.iter().map(|ordinal| Place { seq: it.event.seq, ordinal: *ordinal }));
        places.filter(|at| self.is_for(*at))
    }

    fn is_for(&self, at: Place) -> bool {
        self.endpoints.as_ref().is_none_or(|endpoints| endpoints.contains(&at.ordinal))
    }

    fn is_of_event(&self, seq: u64) -> bool {
        self.filter.event.is_none_or(|event| event == seq)
    }
}

/// Those that wait for a first attempt, or those that do not.
fn unread(ledger: &Ledger, places: impl Iterator<Item = Place>, wanted: bool) -> impl Iterator<Item = Place> {
    places.filter(move |at| ledger.is_unread(at.ordinal, at.seq) == wanted)
}

/// The newest event below `seq` of which it is not known that nothing was attempted.
fn newest_passed(cursor: &Cursor, seq: u64) -> Option<u64> {
    let below = seq.checked_sub(1)?;
    match cursor.unread {
        0 => Some(below),
        _ => cursor.above.range(..seq).next_back().copied().max(Some(cursor.floor.min(below))),
    }
}
