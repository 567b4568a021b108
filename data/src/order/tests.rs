//! The lanes against an endpoint that looks at every delivery at every step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[test]
fn a_lane_is_what_it_was_in_every_version() {
    let resource = |kind: &str, id: &str| Resource { kind: kind.to_owned(), id: id.to_owned() };
    assert_eq!(Lane::of(&resource("people", "7")), Lane(0xaf44_2198_67d3_43fb));
    assert_ne!(Lane::of(&resource("people", "71")), Lane::of(&resource("people7", "1")));
}

/// What was read of a lane: deliveries, and whether there are more.
type Answer = (LaneRead, Vec<(u64, u64)>, bool);

/// Where a delivery stands for whoever looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// In the log alone.
    Unread,
    /// Has a row and waits behind.
    Behind,
    /// Has a row and a time of its own.
    Failed,
    /// Is made once more: the journal has it as one that is over.
    Replayed,
    Ended,
}

/// An endpoint with its journal, as naive as can be: every delivery is known, and each step looks at all of them.
#[derive(Default)]
struct World {
    deliveries: BTreeMap<u64, (Lane, Stands)>,
    in_flight: BTreeSet<u64>,
    /// What an operator asked for may come out of order.
    asked_for: BTreeSet<u64>,
    taken: u64,
    lanes: Lanes<u64>,
    reading: Vec<Answer>,
}

impl World {
    fn stands(&mut self, seq: u64, stands: Stands) {
        self.deliveries.get_mut(&seq).unwrap().1 = stands;
    }

    fn lane(&self, seq: u64) -> Lane {
        self.deliveries[&seq].0
    }

    fn begin(&mut self, seq: u64) {
        let (lane, stands) = self.deliveries[&seq];
        assert_ne!(stands, Stands::Ended, "{seq} is sent again though nobody asked");
        let others = self.in_flight.iter().filter(|other| self.lane(**other) == lane);
        assert_eq!(others.count(), 0, "{seq} is the second of its case");
        // What an operator asked for waits for its time, and meanwhile for nothing.
        let mut before = self.deliveries.range(..seq).filter(|(it, _)| !self.asked_for.contains(it));
        let earlier = before.find(|(_, (other, it))| *other == lane && *it != Stands::Ended);
        assert!(earlier.is_none() || self.asked_for.contains(&seq), "{seq} overtakes {earlier:?}");
        self.in_flight.insert(seq);
    }

    fn publish(&mut self, lane: Lane) {
        self.deliveries.insert(self.deliveries.len() as u64 + 1, (lane, Stands::Unread));
    }

    fn arrive(&mut self) -> bool {
        let unread = self.deliveries.range(self.taken + 1..).find(|(_, (_, it))| *it == Stands::Unread);
        let Some((&seq, &(lane, _))) = unread else { return false };
        self.taken = seq;
        match self.lanes.arrives(lane, seq, seq) {
            Arrival::Begin(seq) => self.begin(seq),
            Arrival::Waits => {}
            Arrival::Park(seq) => self.stands(seq, Stands::Behind),
        }
        true
    }

    fn next(&mut self) -> bool {
        let next = self.lanes.begin_next();
        next.into_iter().for_each(|seq| self.begin(seq));
        next.is_some()
    }

    fn pick(&self, among: impl Fn(u64, Stands) -> bool, at: usize) -> Option<u64> {
        let all = self.deliveries.iter().filter(|(seq, (_, it))| among(**seq, *it)).map(|(seq, _)| *seq);
        let all: Vec<u64> = all.collect();
        all.get(at % all.len().max(1)).copied()
    }

    fn come_due(&mut self, at: usize) {
        let due = self.pick(|seq, it| it == Stands::Failed && !self.in_flight.contains(&seq), at);
        let Some(seq) = due else { return };
        if let Some(seq) = self.lanes.comes_due(self.lane(seq), seq, seq) {
            self.begin(seq);
        }
    }

    fn finish(&mut self, at: usize, ended: bool) {
        let Some(seq) = self.in_flight.iter().copied().nth(at % self.in_flight.len().max(1)) else { return };
        self.in_flight.remove(&seq);
        self.stands(seq, if ended { Stands::Ended } else { Stands::Failed });
        let aside = self.lanes.settled(self.lane(seq), seq, ended);
        self.park(aside);
    }

    fn park(&mut self, SetAside { parked, .. }: SetAside<u64>) {
        for (before, seq) in parked {
            if let Some(before) = before.filter(|it| self.deliveries[it].1 == Stands::Unread) {
                self.stands(before, Stands::Failed);
            }
            self.stands(seq, Stands::Behind);
        }
    }

    fn ask(&mut self, most: usize) {
        for read in self.lanes.to_read() {
            let behind = self.deliveries.range(read.after + 1..);
            let behind = behind.filter(|(_, it)| **it == (read.lane, Stands::Behind));
            let behind: Vec<_> = behind.map(|(seq, _)| (*seq, *seq)).collect();
            let more = behind.len() > most;
            self.reading.push((read, behind.into_iter().take(most).collect(), more));
        }
    }

    fn hear(&mut self) -> bool {
        let Some((read, waiting, more)) = self.reading.pop() else { return false };
        self.lanes.read(read, waiting, more);
        true
    }

    /// An operator has one sent again, or now.
    fn ask_for(&mut self, at: usize) {
        let it = self.pick(|seq, it| it != Stands::Unread && !self.in_flight.contains(&seq), at);
        if let Some(seq) = it {
            self.stands(seq, Stands::Failed);
            self.asked_for.insert(seq);
        }
    }

    /// A replay has one made once more that is over.
    fn replay(&mut self, at: usize) {
        let may_be = |seq, it| it == Stands::Ended && self.lanes.may_lend(self.lane(seq), seq);
        let Some(seq) = self.pick(may_be, at) else { return };
        self.lanes.lend(self.lane(seq), seq);
        // It comes again after those that came after it.
        self.asked_for.insert(seq);
        self.stands(seq, Stands::Replayed);
        self.begin(seq);
    }

    /// Only what the journal has is left.
    fn crash(&mut self) {
        (self.lanes, self.in_flight, self.taken) = Default::default();
        self.reading.clear();
        for (seq, (lane, stands)) in &mut self.deliveries {
            if *stands == Stands::Replayed {
                *stands = Stands::Ended;
            }
            if !matches!(stands, Stands::Behind | Stands::Failed) {
                continue;
            }
            if self.lanes.contains(*lane) {
                *stands = Stands::Behind;
            }
            self.lanes.restore(*lane, *seq, *stands == Stands::Behind);
        }
        self.lanes.open();
    }

    /// From now on all succeeds: nothing may be left.
    fn wind_up(&mut self) {
        let mut idle = 0;
        while self.deliveries.values().any(|(_, it)| *it != Stands::Ended) {
            self.come_due(idle);
            self.finish(idle, true);
            self.ask(2);
            let moved = self.arrive() | self.next() | self.hear();
            idle = if moved { 0 } else { idle + 1 };
            assert!(idle < 200, "{:?} wait for ever in {:?}", self.deliveries, self.lanes);
        }
        while self.next() || self.hear() {}
        assert!(self.lanes.is_empty(), "{:?}", self.lanes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]
    #[test]
    fn no_case_is_out_of_order_or_forgotten_whatever_happens(
        steps in proptest::collection::vec((0..26u8, 0..64usize), 0..250)
    ) {
        let mut world = World::default();
        for (step, at) in steps {
            match step {
                0..=4 => world.publish(Lane(at as u64 % 3)),
                5..=9 => drop(world.arrive()),
                10..=12 => drop(world.next()),
                13..=15 => world.finish(at, true),
                16 | 17 => world.finish(at, false),
                18 | 19 => world.come_due(at),
                20 => world.ask(1 + at % 3),
                21 => drop(world.hear()),
                22 if at < 8 => world.ask_for(at),
                22 => world.park_all(),
                23 if at < 8 => world.crash(),
                24 => world.replay(at),
                _ => drop(world.hear()),
            }
        }
        world.wind_up();
    }
}

impl World {
    fn park_all(&mut self) {
        let aside = self.lanes.set_aside();
        self.park(aside);
    }
}

#[test]
fn what_retention_takes_blocks_nothing() {
    let mut lanes = Lanes::default();
    assert_eq!(lanes.arrives(Lane(1), 5, 5), Arrival::Begin(5));
    assert!(lanes.settled(Lane(1), 5, false).parked.is_empty());
    assert_eq!(lanes.arrives(Lane(1), 8, 8), Arrival::Park(8));
    lanes.expire(4);
    assert!(!lanes.has_unread());
    lanes.expire(5);
    let reads = lanes.to_read();
    assert_eq!((reads.len(), reads[0].after), (1, 0));
    lanes.read(reads[0], vec![(8, 8)], false);
    assert_eq!(lanes.begin_next(), Some(8));
    lanes.settled(Lane(1), 8, true);
    assert!(lanes.is_empty());
}
