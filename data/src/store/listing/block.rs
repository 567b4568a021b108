//! The stretches that a listing goes through: the events from one mark of the view to the next.

use rustc_hash::FxHashSet as HashSet;

use super::{
    super::{
        Shared,
        codec::Kind,
        record::EventBody,
        view::{MARK_BYTES, View},
    },
    EventFilter,
    digest::{self, Digest},
};
use crate::{error::Result, event::Event, id::EventId};

/// A stretch. All of its events stand within 256 KiB, however much stands between the last of them and the next mark.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where it begins in the log.
    pub position: u64,
    /// Its first event.
    pub first: u64,
    /// The first event behind it.
    pub end: u64,
    /// The id of its first event; the smallest of all if that is not known.
    pub first_id: EventId,
    /// Whether it has a beginning and an end of its own, so that nothing in it changes any more.
    pub closed: bool,
}

impl Block {
    /// The block of the newest event below `seq`; `None` if retention has left none.
    pub fn below(view: &View, seq: u64) -> Option<Self> {
        let oldest = view.ledger.expired_through + 1;
        let seq = seq.min(view.next_seq);
        if seq <= oldest {
            return None;
        }
        let index = view.marks.partition_point(|mark| mark.seq < seq);
        let next = view.marks.get(index).map(|mark| mark.seq);
        let end = next.unwrap_or(view.next_seq);
        Some(match index.checked_sub(1).map(|index| view.marks[index]) {
            Some(mark) => Self {
                position: mark.position,
                first: mark.seq,
                end,
                first_id: mark.id,
                closed: next.is_some(),
            },
            // Retention took the segment with its mark, and left its last events, in the next segment.
            None => Self { position: 0, first: oldest, end, first_id: EventId::from_u128(0), closed: false },
        })
    }

    /// The block that has an event, by its id, or else those around it.
    pub fn around(view: &View, id: EventId) -> Option<Self> {
        let index = view.marks.partition_point(|mark| mark.id <= id);
        let next = view.marks.get(index).map_or(view.next_seq, |mark| mark.seq);
        Self::below(view, next)
    }
}

/// An event that a filter takes, without its payload, and the endpoints that it was routed to.
#[derive(Debug)]
pub struct Match {
    /// The event.
    pub event: Event,
    /// The endpoints, ascending.
    pub routes: Vec<u32>,
}

/// Remembers what a block is about, unless that is known.
pub fn learn(shared: &Shared, block: &Block) -> Result<()> {
    if !block.closed || shared.digests.know(block.position) {
        return Ok(());
    }
    let mut facts = HashSet::default();
    for_each_event(shared, block, |_, body| {
        let brief = body.brief()?;
        digest::collect(&mut facts, &brief, body.routes());
        Ok(brief.seq + 1 < block.end)
    })?;
    shared.digests.keep(block.position, Digest::of(&facts, block.position));
    Ok(())
}

/// The events of a block that a filter takes, in publish order. What the block is about is remembered for next time.
pub fn matches(shared: &Shared, block: &Block, filter: &EventFilter) -> Result<Vec<Match>> {
    let learn = block.closed && !shared.digests.know(block.position);
    let (mut facts, mut found) = (HashSet::default(), Vec::new());
    let first = block.first.max(shared.horizons.of(filter.tenant.as_str()) + 1);
    for_each_event(shared, block, |position, body| {
        let brief = body.brief()?;
        if learn {
            digest::collect(&mut facts, &brief, body.routes());
        }
        if brief.seq >= first && filter.takes(&brief) {
            let mut event = body.event_without_data(position)?;
            shared.erasures.hide(&mut event);
            found.push(Match { event, routes: body.routes().collect() });
        }
        Ok(brief.seq + 1 < block.end)
    })?;
    if learn {
        shared.digests.keep(block.position, Digest::of(&facts, block.position));
    }
    Ok(found)
}

/// The first event of a block whose id is not below `id`, and whether it has that id; the first behind the block if
/// there is none.
pub fn first_from(shared: &Shared, block: &Block, id: EventId) -> Result<(u64, bool)> {
    let mut first = (block.end, false);
    for_each_event(shared, block, |_, body| {
        let (seq, at) = body.key()?;
        if at >= id {
            first = (seq, at == id);
        }
        Ok(at < id && seq + 1 < block.end)
    })?;
    Ok(first)
}

/// Shows the events of a block in publish order, until `see` has seen enough.
fn for_each_event(
    shared: &Shared,
    block: &Block,
    mut see: impl FnMut(u64, &EventBody<'_>) -> Result<bool>,
) -> Result<()> {
    #[cfg(test)]
    shared.digests.looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut scan = shared.log.scan(block.position);
    // Where the first segment begins, if retention took the block meanwhile: then there is nothing of it to see.
    let begin = scan.position();
    while let Some((position, kind)) = scan.next_entry()? {
        // The first event from there on has a mark of its own.
        if position >= begin + MARK_BYTES {
            break;
        }
        if kind != Kind::Event {
            continue;
        }
        let body = EventBody::split(scan.body())?;
        if body.key()?.0 >= block.end || !see(position, &body)? {
            break;
        }
    }
    Ok(())
}
