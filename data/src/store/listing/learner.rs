//! Learns what blocks are about before anybody asks, the new ones first, then ever older ones.

use std::ops::Range;

use super::{
    super::{Shared, reader::Store},
    block::{self, Block},
};
use crate::error::Result;

/// See the module. Whoever has one decides how much of a thread's time that is worth.
#[derive(Debug)]
pub struct Learner {
    store: Store,
    /// All blocks that begin here are known, or were found to be damaged; absent before the first one.
    learnt: Option<Range<u64>>,
}

impl Store {
    /// A learner that begins with the newest block.
    pub fn learner(&self) -> Learner {
        Learner { store: self.clone(), learnt: None }
    }

    /// How many blocks of the log are known, so that lists need not look at them in vain.
    pub fn blocks_known(&self) -> usize {
        self.shared.digests.len()
    }
}

impl Learner {
    /// Looks at one block of at most 256 KiB. `false` if there is none to look at, or no room to remember more. After an
    /// error it goes on with the next one.
    pub fn learn(&mut self) -> Result<bool> {
        let shared = &self.store.shared;
        if let Some(oldest) = shared.log.segments().first() {
            shared.digests.forget_below(oldest.header.start);
        }
        let Some(block) = next(shared, &mut self.learnt) else { return Ok(false) };
        block::learn(shared, &block).map(|()| true)
    }
}

fn next(shared: &Shared, learnt: &mut Option<Range<u64>>) -> Option<Block> {
    let view = shared.view();
    // A block ends with the next one's mark.
    let (last, _) = view.marks.split_last()?;
    let learnt = learnt.get_or_insert(last.position..last.position);
    let index_of = |position| view.marks.partition_point(|mark| mark.position < position);
    let above = index_of(learnt.end);
    if let Some(end) = view.marks.get(above + 1) {
        learnt.end = end.position;
        return Block::below(&view, end.seq);
    }
    let (first, end) = (index_of(learnt.start).checked_sub(1)?, view.marks.get(index_of(learnt.start))?);
    if !shared.digests.has_room() {
        return None;
    }
    learnt.start = view.marks[first].position;
    Block::below(&view, end.seq)
}
