//! Turns at an endpoint that is simulated, millisecond by millisecond, and each rule by itself.

use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// An endpoint with nothing under way.
fn beside(allowed: usize) -> Beside {
    Beside {
        live_waits: false,
        is_down: false,
        is_one_by_one: false,
        in_flight: 0,
        unwritten: 0,
        allowed,
        young: (0, None),
        live_at: None,
        replays: 1,
    }
}

/// Turns in which so many replayed deliveries are in flight and so many live ones began since.
fn turns(replayed_in_flight: usize, live_since: u32) -> Turns {
    Turns { replayed_in_flight, replayed_at: None, live_since }
}

#[test]
fn what_is_answered_but_not_written_takes_room_until_it_is() {
    assert_eq!([room(0, 0, 1), room(7, 0, 8), room(3, 4, 8)], [Room::Free; 3]);
    assert_eq!([room(7, 1, 8), room(0, 8, 8)], [Room::AfterWriting; 2]);
    assert_eq!([room(8, 0, 8), room(0, 0, 0), room(9, 3, 8)], [Room::Full; 3]);
}

#[test]
fn live_deliveries_come_first_and_replayed_ones_are_never_left_without() {
    for allowed in 1..=64 {
        for in_flight in 0..allowed {
            let quarter = (allowed / 4).max(1);
            let alone = Beside { in_flight, ..beside(allowed) };
            let waited_for = Beside { live_waits: true, ..alone };
            let begins = |turns: Turns, beside| turns.replayed(beside, at(0)) == Replayed::Begins;
            assert!(!begins(turns(in_flight, LIVE_FOR_EACH - 1), &waited_for));
            assert_eq!(begins(turns(in_flight, LIVE_FOR_EACH), &waited_for), in_flight < quarter);
            assert_eq!(begins(turns(in_flight, 0), &alone), in_flight < (allowed - quarter).max(1));
        }
    }
    let unwritten = Beside { unwritten: 4, ..beside(8) };
    assert_eq!(turns(2, 0).replayed(&unwritten, at(0)), Replayed::WaitsForWriting);
}

#[test]
fn beside_what_is_live_anywhere_replayed_ones_keep_their_distance_and_alone_they_do_not() {
    let mut turns = Turns::default();
    turns.begins(true, at(10_000));
    let begins = |live: Option<i64>, replays: u32, now: i64| {
        let beside = Beside { live_at: live.map(at), replays, ..beside(32) };
        turns.replayed(&beside, at(now))
    };
    assert_eq!(begins(None, 1, 10_000), Replayed::Begins);
    assert_eq!(begins(Some(9_500), 1, 10_000), Replayed::WaitsUntil(at(10_001)));
    assert_eq!(begins(Some(9_500), 1, 10_001), Replayed::Begins);
    assert_eq!(begins(Some(9_500), 3, 10_001), Replayed::WaitsUntil(at(10_003)), "three share the pace");
    assert_eq!(begins(Some(5_000), 1, 10_000), Replayed::Begins, "no live one for five seconds");
}

#[test]
fn an_endpoint_that_is_down_is_probed_with_a_replayed_one_if_nothing_else_is_there() {
    let down = Beside { is_down: true, ..beside(1) };
    assert_eq!(turns(0, 0).replayed(&down, at(0)), Replayed::Begins);
    for waits in [Beside { live_waits: true, ..down }, Beside { in_flight: 1, ..down }] {
        assert_eq!(turns(0, 9).replayed(&waits, at(0)), Replayed::Waits);
    }
}

#[test]
fn few_replayed_ones_are_young_at_once() {
    let young = Beside { young: (YOUNG_MAX, Some(at(10))), in_flight: YOUNG_MAX, ..beside(32) };
    assert_eq!(turns(YOUNG_MAX, 0).replayed(&young, at(0)), Replayed::WaitsUntil(at(10)));
}

/// An endpoint with a replay that never ends.
struct World {
    allowed: usize,
    is_one_by_one: bool,
    now: i64,
    /// Live deliveries that wait.
    live: usize,
    live_at: Option<Timestamp>,
    turns: Turns,
    /// When each request in flight ends, and whether a replay asked for it.
    in_flight: Vec<(i64, bool)>,
    /// What began: when, whether replayed, and whether a live one waited.
    begun: Vec<(i64, bool, bool)>,
}

impl World {
    fn new(allowed: usize, is_one_by_one: bool) -> Self {
        let (live_at, turns, in_flight, begun) = Default::default();
        Self { allowed, is_one_by_one, now: 0, live: 0, live_at, turns, in_flight, begun }
    }

    /// A millisecond in which so many live deliveries come, and what begins takes so long.
    fn step(&mut self, come: usize, takes: i64) {
        self.now += 1;
        self.live += come;
        let over = self.in_flight.iter().filter(|(end, replayed)| *end <= self.now && *replayed).count();
        (0..over).for_each(|_| self.turns.replayed_ends());
        self.in_flight.retain(|(end, _)| *end > self.now);
        while room(self.in_flight.len(), 0, self.allowed) == Room::Free {
            let is_replayed = self.turns.replayed(&self.beside(), at(self.now)) == Replayed::Begins;
            let may_live = self.live > 0 && (!self.is_one_by_one || self.in_flight.is_empty());
            if !is_replayed && !may_live {
                break;
            }
            self.begun.push((self.now, is_replayed, self.live > 0));
            self.turns.begins(is_replayed, at(self.now));
            self.in_flight.push((self.now + takes, is_replayed));
            if !is_replayed {
                (self.live, self.live_at) = (self.live - 1, Some(at(self.now)));
            }
        }
    }

    fn beside(&self) -> Beside {
        Beside {
            live_waits: self.live > 0,
            is_one_by_one: self.is_one_by_one,
            in_flight: self.in_flight.len(),
            live_at: self.live_at,
            ..beside(self.allowed)
        }
    }

    fn replayed_in_flight(&self) -> usize {
        self.in_flight.iter().filter(|(_, replayed)| *replayed).count()
    }
}

/// The longest that an attempt takes, in milliseconds.
const LONGEST: i64 = 20;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn whatever_comes_live_goes_first_and_a_replay_has_its_share_and_no_more(
        allowed in 1..40usize,
        is_one_by_one: bool,
        steps in proptest::collection::vec((0..4usize, 1..=LONGEST), 50..400),
        rush in 0..2_000usize,
    ) {
        let mut world = World::new(allowed, is_one_by_one);
        world.live = rush;
        for (come, takes) in &steps {
            world.step(*come, *takes);
            let most = if is_one_by_one { 1 } else { allowed };
            prop_assert!(world.in_flight.len() <= most, "{} at once", world.in_flight.len());
            let spared = if allowed == 1 { 0 } else { (allowed / 4).max(1) };
            prop_assert!(world.replayed_in_flight() <= allowed - spared, "none is left for a live one");
        }
        // Three live ones at least between two replayed, as long as one waits.
        let mut live_since = LIVE_FOR_EACH;
        for (_, is_replayed, live_waits) in &world.begun {
            if *is_replayed {
                prop_assert!(!live_waits || live_since >= LIVE_FOR_EACH, "a replayed one was preferred");
                live_since = 0;
            } else {
                live_since += 1;
            }
        }
        // Nobody waits for ever: three live ones and one of its own, and the share, come to an end.
        let mut replayed = world.begun.iter().filter(|(_, replayed, _)| *replayed).map(|(at, ..)| *at);
        let first = replayed.next().unwrap_or(i64::MAX);
        prop_assert!(first <= 5 * LONGEST || world.now < 5 * LONGEST, "the first came at {first}");
        let longest = replayed.chain([world.now]).fold((0, first), |(gap, last), at| (gap.max(at - last), at)).0;
        prop_assert!(longest <= 5 * LONGEST, "none for {longest} ms");
    }
}
