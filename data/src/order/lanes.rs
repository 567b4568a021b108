//! Lanes: what of each case is under way or has failed, what may begin, and what waits behind.
//!
//! A lane exists as long as its case has something under way, failed or waiting. What waits is in memory as long as
//! nothing of its case has failed, since it will be its turn in a moment; else it is set aside, which is to say that
//! its row in the retry journal stands for it, and only how far such rows reach is known here. So what is held in
//! memory grows with the cases that are blocked, never with what waits behind them.

use std::collections::VecDeque;

use rustc_hash::FxHashMap as HashMap;

use super::Lane;

/// Lanes that are read at once.
const READ_LANES_MAX: usize = 64;

/// What becomes of a delivery whose turn has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival<T> {
    /// It begins.
    Begin(T),
    /// It waits in memory for its case.
    Waits,
    /// It is to be set aside: it waits in the retry journal.
    Park(T),
}

/// What is to be set aside.
#[derive(Debug)]
pub struct SetAside<T> {
    /// What waited in memory and has no row yet, in publish order within each case. With it goes what is under way of
    /// the same case, which must get a row before it: rows come first after a crash.
    pub parked: Vec<(Option<u64>, T)>,
    /// Something whose time had come was among it: what is due is to be read again.
    pub due_again: bool,
}

/// What is to be read of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneRead {
    /// The lane.
    pub lane: Lane,
    /// From behind this event.
    pub after: u64,
    /// The last one that is known to wait when the reading is asked for.
    through: u64,
    version: u32,
}

/// See the module. `T` is a delivery.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: HashMap<Lane, State<T>>,
    /// Lanes whose next delivery is in memory and may begin.
    open: VecDeque<Lane>,
    /// Lanes whose next delivery is to be read.
    unread: VecDeque<Lane>,
    /// Rows in memory.
    loaded: usize,
}

#[derive(Debug)]
struct State<T> {
    in_flight: Option<u64>,
    /// Each waits for a time of its own, or has waited for it, and everything else waits for them. One, unless an
    /// operator sent others again.
    failed: Vec<u64>,
    queue: VecDeque<Queued<T>>,
    /// The last one that was set aside.
    parked_through: u64,
    /// Those set aside are in memory, or were, up to this one.
    read_through: u64,
    /// It is in one of the two lists, or being read.
    listed: bool,
    /// Grows with what makes a reading under way worthless.
    version: u32,
}

#[derive(Debug)]
struct Queued<T> {
    seq: u64,
    has_row: bool,
    item: T,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            in_flight: None,
            failed: Vec::new(),
            queue: VecDeque::new(),
            parked_through: 0,
            read_through: 0,
            listed: false,
            version: 0,
        }
    }
}

impl<T> State<T> {
    fn has_unread(&self) -> bool {
        self.parked_through > self.read_through
    }

    /// Something is waited for, and all that comes before a new one has a row: so may that one, or after a crash it would
    /// be the first.
    fn has_rows_only(&self) -> bool {
        let all_have_rows = self.in_flight.is_none_or(|seq| self.failed.contains(&seq))
            && self.queue.iter().all(|queued| queued.has_row);
        self.has_unread() || (!self.failed.is_empty() && all_have_rows)
    }

    /// The front of the queue may begin: nothing has failed, or it has itself and its time has come.
    fn is_open(&self) -> bool {
        let front = self.queue.front();
        self.in_flight.is_none()
            && front.is_some_and(|front| self.failed.is_empty() || self.failed.contains(&front.seq))
    }

    fn is_to_be_read(&self) -> bool {
        self.in_flight.is_none() && self.failed.is_empty() && self.queue.is_empty() && self.has_unread()
    }

    fn is_over(&self) -> bool {
        self.in_flight.is_none() && self.failed.is_empty() && self.queue.is_empty() && !self.has_unread()
    }

    /// Tells how many of what it sets aside were rows.
    fn set_aside(&mut self, aside: &mut SetAside<T>) -> usize {
        let mut rows = 0;
        for Queued { seq, has_row, item } in std::mem::take(&mut self.queue) {
            rows += usize::from(has_row);
            if self.failed.contains(&seq) {
                aside.due_again = true;
            } else if has_row {
                self.read_through = self.read_through.min(seq - 1);
            } else {
                self.parked_through = self.parked_through.max(seq);
                aside.parked.push((self.in_flight, item));
            }
        }
        rows
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: HashMap::default(), open: VecDeque::new(), unread: VecDeque::new(), loaded: 0 }
    }
}

impl<T> Lanes<T> {
    /// Cases of which something is under way, has failed or waits.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whether a case is among them.
    pub fn contains(&self, lane: Lane) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Whether something that waited in memory may begin.
    pub fn has_next(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether something is to be read.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// How much of what has rows is in memory.
    pub fn loaded(&self) -> usize {
        self.loaded
    }

    /// A new event: its turn has come among all. Each case's come in publish order.
    pub fn arrives(&mut self, lane: Lane, seq: u64, item: T) -> Arrival<T> {
        let Some(state) = self.lanes.get_mut(&lane) else {
            self.lanes.insert(lane, State { in_flight: Some(seq), ..State::default() });
            return Arrival::Begin(item);
        };
        if state.has_rows_only() {
            state.parked_through = state.parked_through.max(seq);
            return Arrival::Park(item);
        }
        state.queue.push_back(Queued { seq, has_row: false, item });
        Arrival::Waits
    }

    /// A failed one, or one that an operator sends again: its time has come. It is handed back if it begins; else it is
    /// the next of its case.
    pub fn comes_due(&mut self, lane: Lane, seq: u64, item: T) -> Option<T> {
        let state = self.lanes.entry(lane).or_default();
        if state.in_flight == Some(seq) {
            return None;
        }
        // It may have waited until an operator asked for it, and be read as one that does.
        state.version += 1;
        let before = state.queue.len();
        state.queue.retain(|queued| queued.seq != seq);
        self.loaded -= before - state.queue.len();
        if !state.failed.contains(&seq) {
            state.failed.push(seq);
        }
        if state.in_flight.is_none() {
            state.in_flight = Some(seq);
            return Some(item);
        }
        let at = state.queue.iter().take_while(|queued| state.failed.contains(&queued.seq)).count();
        state.queue.insert(at, Queued { seq, has_row: true, item });
        self.loaded += 1;
        None
    }

    /// Whether an earlier delivery of a case may be made once more now: nothing of the case is under way, and neither it
    /// nor one before it has failed.
    pub fn may_lend(&self, lane: Lane, seq: u64) -> bool {
        self.lanes
            .get(&lane)
            .is_none_or(|state| state.in_flight.is_none() && state.failed.iter().all(|failed| *failed > seq))
    }

    /// An earlier delivery is made once more, while its case waits: [`Lanes::may_lend`] must be so.
    pub fn lend(&mut self, lane: Lane, seq: u64) {
        debug_assert!(self.may_lend(lane, seq), "one at a time");
        self.lanes.entry(lane).or_default().in_flight = Some(seq);
    }

    /// The next that waited in memory and may begin, which it then does.
    pub fn begin_next(&mut self) -> Option<T> {
        while let Some(lane) = self.open.pop_front() {
            let Some(state) = self.lanes.get_mut(&lane) else { continue };
            state.listed = false;
            if !state.is_open() {
                self.advance(lane);
                continue;
            }
            if let Some(Queued { seq, has_row, item }) = state.queue.pop_front() {
                state.in_flight = Some(seq);
                self.loaded -= usize::from(has_row);
                return Some(item);
            }
        }
        None
    }

    /// One that was under way is not any more: its delivery has `ended`, or is to be attempted again at a time.
    pub fn settled(&mut self, lane: Lane, seq: u64, ended: bool) -> SetAside<T> {
        let mut aside = SetAside { parked: Vec::new(), due_again: false };
        let Some(state) = self.lanes.get_mut(&lane) else { return aside };
        debug_assert_eq!(state.in_flight, Some(seq), "one at a time");
        state.in_flight = None;
        state.failed.retain(|failed| *failed != seq);
        if !ended {
            state.failed.push(seq);
            self.loaded -= state.set_aside(&mut aside);
        }
        self.advance(lane);
        aside
    }

    /// Sets aside all that waits in memory.
    pub fn set_aside(&mut self) -> SetAside<T> {
        let mut aside = SetAside { parked: Vec::new(), due_again: false };
        let waiting = self.lanes.iter_mut().filter(|(_, state)| !state.queue.is_empty());
        let lanes: Vec<Lane> = waiting
            .map(|(lane, state)| {
                self.loaded -= state.set_aside(&mut aside);
                *lane
            })
            .collect();
        lanes.into_iter().for_each(|lane| self.advance(lane));
        aside
    }

    /// The lanes to be read now; each is to be answered with [`Lanes::read`].
    pub fn to_read(&mut self) -> Vec<LaneRead> {
        let mut reads = Vec::new();
        while reads.len() < READ_LANES_MAX {
            let Some(lane) = self.unread.pop_front() else { break };
            let Some(state) = self.lanes.get_mut(&lane) else { continue };
            if state.is_to_be_read() {
                let State { read_through: after, parked_through: through, version, .. } = *state;
                reads.push(LaneRead { lane, after, through, version });
            } else {
                state.listed = false;
                self.advance(lane);
            }
        }
        reads
    }

    /// What was read of a lane, in publish order, and whether there is `more` behind.
    pub fn read(&mut self, read: LaneRead, waiting: Vec<(u64, T)>, more: bool) {
        let Some(state) = self.lanes.get_mut(&read.lane) else { return };
        state.listed = false;
        if state.version == read.version {
            let last = waiting.last().map_or(read.after, |(seq, _)| *seq);
            state.read_through = if more { last } else { last.max(read.through) };
            self.loaded += waiting.len();
            state.queue.extend(waiting.into_iter().map(|(seq, item)| Queued { seq, has_row: true, item }));
        }
        self.advance(read.lane);
    }

    /// A delivery that has a row from before: one that `waits` for its case, or one with a time of its own. To be
    /// followed by [`Lanes::open`].
    pub fn restore(&mut self, lane: Lane, seq: u64, waits: bool) {
        let state = self.lanes.entry(lane).or_default();
        if waits {
            state.parked_through = state.parked_through.max(seq);
        } else {
            state.failed.push(seq);
        }
    }

    /// All is restored: what can begin may.
    pub fn open(&mut self) {
        let lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|lane| self.advance(lane));
    }

    /// Retention took all events up to one: what failed among them blocks nothing any more.
    pub fn expire(&mut self, through: u64) {
        let mut freed = Vec::new();
        for (lane, state) in &mut self.lanes {
            let before = state.failed.len();
            state.failed.retain(|seq| *seq > through);
            if state.failed.len() < before {
                freed.push(*lane);
            }
        }
        freed.into_iter().for_each(|lane| self.advance(lane));
    }

    /// Puts a lane where it belongs after a change.
    fn advance(&mut self, lane: Lane) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if state.listed {
            return;
        }
        if state.is_over() {
            self.lanes.remove(&lane);
        } else if state.is_open() {
            state.listed = true;
            self.open.push_back(lane);
        } else if state.is_to_be_read() {
            state.listed = true;
            self.unread.push_back(lane);
        }
    }
}
