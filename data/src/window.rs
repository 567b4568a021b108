//! Which deliveries of an endpoint are under way, and up to which event everything is settled.

use std::collections::VecDeque;

/// Slots that are looked at one by one.
const FRONT_SLOTS: usize = 16;

/// Deliveries taken up in publish order, settled in any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    slots: VecDeque<Slot>,
    last_taken: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    seq: u64,
    done: bool,
}

impl Window {
    /// A window in which everything up to `floor` is settled.
    pub fn new(floor: u64) -> Self {
        Self { slots: VecDeque::new(), last_taken: floor }
    }

    /// The last event taken up or passed over.
    pub fn last_taken(&self) -> u64 {
        self.last_taken
    }

    /// Every delivery up to this event is settled or set aside.
    pub fn floor(&self) -> u64 {
        self.slots.front().map_or(self.last_taken, |slot| slot.seq - 1)
    }

    /// Deliveries between the first unsettled and the last one.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes a delivery up. Events come in publish order.
    pub fn take(&mut self, seq: u64) {
        assert!(seq > self.last_taken, "events are taken up in publish order");
        self.slots.push_back(Slot { seq, done: false });
        self.last_taken = seq;
    }

    /// Notes that no event up to `seq` is for this endpoint, other than those taken up.
    pub fn pass_to(&mut self, seq: u64) {
        self.last_taken = self.last_taken.max(seq);
    }

    /// Notes that a delivery is settled or set aside.
    pub fn settle(&mut self, seq: u64) {
        if let Some(index) = self.place_of(seq) {
            self.slots[index].done = true;
        }
        while self.slots.front().is_some_and(|slot| slot.done) {
            self.slots.pop_front();
        }
    }

    fn place_of(&self, seq: u64) -> Option<usize> {
        // What is under way is at the front, and a search of all would touch much more memory.
        let mut front = self.slots.iter().take(FRONT_SLOTS);
        front
            .position(|slot| slot.seq == seq)
            .or_else(|| self.slots.binary_search_by_key(&seq, |slot| slot.seq).ok())
    }

    /// The oldest delivery that is not settled.
    pub fn oldest(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.seq)
    }

    /// Gives deliveries back that were taken up but not begun: `seq` and all after it, to be taken up again later.
    pub fn give_back_from(&mut self, seq: u64) {
        let keep = self.slots.partition_point(|slot| slot.seq < seq);
        debug_assert!(
            self.slots.iter().skip(keep).all(|slot| !slot.done),
            "what is given back was not begun"
        );
        self.slots.truncate(keep);
        self.last_taken = self.last_taken.min(seq - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_rises_over_what_is_settled_without_gaps() {
        let mut window = Window::new(10);
        [12, 15, 20].into_iter().for_each(|seq| window.take(seq));
        assert_eq!(window.floor(), 11);
        window.settle(15);
        assert_eq!((window.floor(), window.len()), (11, 3));
        window.settle(12);
        assert_eq!((window.floor(), window.oldest()), (19, Some(20)));
        window.settle(20);
        window.pass_to(33);
        assert_eq!((window.floor(), window.is_empty()), (33, true));
    }

    #[test]
    fn what_is_given_back_is_taken_up_again() {
        let mut window = Window::new(0);
        [1, 2, 3].into_iter().for_each(|seq| window.take(seq));
        window.give_back_from(2);
        assert_eq!((window.floor(), window.last_taken()), (0, 1));
        window.settle(1);
        assert_eq!(window.floor(), 1);
        window.take(2);
        assert_eq!(window.floor(), 1);
    }
}
