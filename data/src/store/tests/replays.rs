//! A replayed delivery is settled like one that waited, whatever it was; an event that an endpoint missed is routed to
//! it from then on. All of it is told by the log alone.

use super::*;
use crate::{
    delivery::Attempt,
    order::DeliveryOrder,
    replay::{Chosen, ReplayQuery, ReplayStatus, Seen},
    store::{Among, Cursor, DeliveryFilter, EventFilter, Listed, Place, ReplayFilter},
};

const ENDPOINT: u32 = 1;
const LATE: u32 = 9;

fn replayed(event: &Event, endpoint: u32, number: u16, missing: bool, fate: Fate) -> Write {
    let Write::Settle(settled) = settled(event, endpoint, true, 0, fate) else { unreachable!() };
    let attempt = Attempt { number, ..settled.attempt };
    Write::SettleReplayed { settled: Box::new(Settled { attempt, ..settled }), missing }
}

fn query(statuses: &[ReplayStatus]) -> ReplayQuery {
    ReplayQuery { statuses: statuses.iter().copied().collect(), ..ReplayQuery::default() }
}

/// All that a replay would choose that begins now, and in how many slices.
fn chosen(store: &Store, endpoint: u32, query: &ReplayQuery) -> (Vec<Chosen>, usize) {
    chosen_as_of(store.position(), store, endpoint, query)
}

fn chosen_as_of(as_of: u64, store: &Store, endpoint: u32, query: &ReplayQuery) -> (Vec<Chosen>, usize) {
    let (mut place, through) = store.replay_span(query).unwrap();
    let filter = ReplayFilter { tenant: &Tenant::default(), endpoint, query, through, as_of };
    let (mut all, mut slices) = (Vec::new(), 0);
    while place < through {
        let slice = store.replayable(&filter, place, |_| true).unwrap();
        assert!(slice.place > place, "each slice gets on");
        (place, slices) = (slice.place, slices + 1);
        all.extend(slice.chosen);
    }
    (all, slices)
}

fn seqs(chosen: &[Chosen]) -> Vec<u64> {
    chosen.iter().map(|it| it.seq).collect()
}

/// What is told of the deliveries to the endpoint that missed the events.
fn told(store: &Store) -> (Cursor, Vec<(u64, DeliveryStanding, usize)>) {
    told_among(store, Among::All)
}

fn told_among(store: &Store, among: Among) -> (Cursor, Vec<(u64, DeliveryStanding, usize)>) {
    let events = EventFilter::of(Tenant::default());
    let filter = DeliveryFilter { events, event: None, endpoints: Some([LATE].into()), among };
    let pick = |listed: Listed| Some((listed.event.seq, listed.standing, listed.attempts));
    (store.cursor(LATE), store.list_deliveries(&filter, Place::NEWEST, 100, pick).unwrap().found)
}

#[test]
fn what_comes_to_its_end_after_it_was_counted_is_not_chosen() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(4), &[ENDPOINT], NOW);
    let all = unread(&store, ENDPOINT);
    commit(&mut writer, settled(&all[0], ENDPOINT, false, 1, Fate::Dead), NOW);
    commit(&mut writer, settled(&all[1], ENDPOINT, false, 2, Fate::Delivered), NOW);
    let counted = store.position();
    commit(&mut writer, settled(&all[2], ENDPOINT, false, 3, Fate::Dead), NOW);
    commit(&mut writer, settled(&all[3], ENDPOINT, false, 4, Fate::Delivered), NOW);
    let either = query(&[ReplayStatus::Dead, ReplayStatus::Delivered]);
    assert_eq!(seqs(&chosen_as_of(counted, &store, ENDPOINT, &either).0), [1, 2]);
    assert_eq!(seqs(&chosen_as_of(counted, &store, ENDPOINT, &ReplayQuery::default()).0), [1]);
    assert_eq!(seqs(&chosen(&store, ENDPOINT, &either).0), [1, 2, 3, 4]);

    commit(&mut writer, replayed(&all[0], ENDPOINT, 2, false, Fate::Dead), NOW);
    assert_eq!(seqs(&chosen_as_of(counted, &store, ENDPOINT, &either).0), [2], "sent otherwise since");
}

#[test]
fn dead_letters_are_chosen_in_publish_order_and_settled_anew() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(6), &[ENDPOINT], NOW);
    let all = unread(&store, ENDPOINT);
    for (index, event) in all.iter().enumerate() {
        let fate = if index % 2 == 0 { Fate::Dead } else { Fate::Delivered };
        commit(&mut writer, settled(event, ENDPOINT, false, event.seq, fate), NOW);
    }
    let (dead, _) = chosen(&store, ENDPOINT, &ReplayQuery::default());
    assert_eq!(seqs(&dead), [1, 3, 5]);
    assert_eq!(seqs(&chosen(&store, ENDPOINT, &query(&[ReplayStatus::Delivered])).0), [2, 4, 6]);
    assert_eq!(store.seen(ENDPOINT, &dead).unwrap(), [Seen::Unsent; 3]);

    commit(&mut writer, replayed(&all[0], ENDPOINT, 2, false, Fate::Delivered), NOW);
    commit(&mut writer, replayed(&all[2], ENDPOINT, 2, false, Fate::RetryAt(NOW)), NOW);
    assert_eq!(store.seen(ENDPOINT, &dead).unwrap(), [Seen::Delivered, Seen::Failed, Seen::Unsent]);
    commit(&mut writer, requeued(&all[4], ENDPOINT, NOW), NOW);
    assert_eq!(store.seen(ENDPOINT, &dead).unwrap()[2], Seen::Passed, "somebody else has it made");
    let due = store.due(ENDPOINT, DueUntil::Time(NOW), DeliveryOrder::None, 10, |_| false).unwrap();
    let earlier: Vec<_> = due.waiting.iter().map(|it| (it.event.seq, it.attempts, it.earlier)).collect();
    assert_eq!(earlier, [(3, 2, 1), (5, 1, 0)], "the schedule begins anew with a replay alone");

    let cursor = store.cursor(ENDPOINT);
    assert_eq!((cursor.unread, cursor.parked, cursor.dead, cursor.delivered), (0, 2, 0, 4));
    drop((writer, store));
    let rebuilt = without_retry_journal(dir.path());
    let (_writer, store) = opened(rebuilt.path());
    assert_eq!(store.cursor(ENDPOINT), cursor);
    assert_eq!(
        store.due(ENDPOINT, DueUntil::Time(NOW), DeliveryOrder::None, 10, |_| false).unwrap().waiting.len(),
        2
    );
}

#[test]
fn an_event_that_was_missed_is_routed_with_its_first_attempt() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(4), &[ENDPOINT], NOW);
    publish(&mut writer, events(2), &[ENDPOINT, LATE], NOW);
    let all = unread(&store, ENDPOINT);
    let missing = query(&[ReplayStatus::Missing]);
    assert_eq!(seqs(&chosen(&store, LATE, &missing).0), [1, 2, 3, 4]);
    let (_, before) = told(&store);
    assert_eq!(before.iter().map(|it| it.0).collect::<Vec<_>>(), [6, 5]);

    commit(&mut writer, replayed(&all[1], LATE, 1, true, Fate::Delivered), NOW);
    commit(&mut writer, replayed(&all[2], LATE, 1, true, Fate::Dead), NOW);
    // Told twice, as after a crash: the second time it is no longer missing.
    commit(&mut writer, replayed(&all[1], LATE, 2, true, Fate::Delivered), NOW);
    assert_eq!(seqs(&chosen(&store, LATE, &missing).0), [1, 4]);
    let (cursor, listed) = told(&store);
    assert_eq!((cursor.unread, cursor.parked, cursor.dead, cursor.delivered), (2, 0, 1, 2));
    let expected = [
        (6, DeliveryStanding::Unread, 0),
        (5, DeliveryStanding::Unread, 0),
        (3, DeliveryStanding::Dead, 1),
        (2, DeliveryStanding::Delivered, 2),
    ];
    assert_eq!(listed, expected);
    assert_eq!(told_among(&store, Among::Attempted).1, expected[2..]);
    assert_eq!(told_among(&store, Among::Dead).1, expected[2..3]);
    assert_eq!(store.event(all[1].id).unwrap().unwrap().1, [ENDPOINT, LATE]);
    assert_eq!(store.event(all[0].id).unwrap().unwrap().1, [ENDPOINT]);

    drop((writer, store));
    let rebuilt = without_retry_journal(dir.path());
    for dir in [dir.path(), rebuilt.path()] {
        let (_writer, store) = opened(dir);
        assert_eq!(told(&store), (cursor.clone(), expected.to_vec()));
        assert_eq!(seqs(&chosen(&store, LATE, &missing).0), [1, 4]);
    }
}

#[test]
fn what_another_write_of_the_batch_changes_is_left_to_be_repeated() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(1), &[ENDPOINT], NOW);
    let event = unread(&store, ENDPOINT).remove(0);
    commit(&mut writer, settled(&event, ENDPOINT, false, 1, Fate::Dead), NOW);
    let writes = vec![requeued(&event, ENDPOINT, NOW), replayed(&event, ENDPOINT, 2, false, Fate::Delivered)];
    writer.commit(writes, NOW, &mut || 7).unwrap();
    let cursor = store.cursor(ENDPOINT);
    assert_eq!((cursor.parked, cursor.dead, cursor.delivered), (1, 0, 0));
    assert_eq!(
        store.due(ENDPOINT, DueUntil::Time(NOW), DeliveryOrder::None, 10, |_| false).unwrap().waiting.len(),
        1
    );
}

#[test]
fn a_long_log_is_gone_through_in_slices_and_nothing_is_left_out() {
    const COUNT: usize = 3_000;
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    for n in 0..COUNT / 500 {
        let lot = (0..500).map(|_| event(&"x".repeat(1_000))).collect();
        publish(&mut writer, lot, if n % 2 == 0 { &[ENDPOINT] } else { &[ENDPOINT, LATE] }, NOW);
    }
    let missing = query(&[ReplayStatus::Missing]);
    for _ in 0..2 {
        let (all, slices) = chosen(&store, LATE, &missing);
        let expected: Vec<u64> = (1..=COUNT as u64).filter(|seq| (seq - 1) / 500 % 2 == 0).collect();
        assert_eq!(seqs(&all), expected);
        assert!(slices > 2, "{slices}");
        assert_eq!(chosen(&store, LATE, &query(&[ReplayStatus::Dead, ReplayStatus::Delivered])).0, []);
    }
    let until = ReplayQuery { until: Some(NOW), ..missing.clone() };
    assert_eq!(chosen(&store, LATE, &until).0, []);
    let since = ReplayQuery { since: Some(NOW.plus_millis(1)), ..missing };
    assert_eq!(chosen(&store, LATE, &since).0, []);
}

#[test]
fn retention_takes_later_routes_with_their_events() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(2), &[ENDPOINT], NOW);
    let missing = query(&[ReplayStatus::Missing]);
    let (missed, _) = chosen(&store, LATE, &missing);
    let first = unread(&store, ENDPOINT).remove(0);
    commit(&mut writer, replayed(&first, LATE, 1, true, Fate::RetryAt(NOW)), NOW);
    let newer = NOW.plus_millis(30 * MINUTE_MS);
    publish(&mut writer, events(1), &[ENDPOINT], newer);
    assert_eq!(store.cursor(LATE).parked, 1);

    let given_up = writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap();
    assert_eq!(given_up, 3, "two that were never attempted, and the one that waits");
    assert_eq!((store.cursor(LATE).parked, store.cursor(LATE).expired), (0, 1));
    assert_eq!(told(&store).1, []);
    assert_eq!(store.seen(LATE, &missed).unwrap(), [Seen::Passed; 2]);
    assert_eq!(store.unsent(LATE, &missed, usize::MAX).unwrap(), []);
    assert_eq!(store.late(0..10).unwrap(), []);
    assert_eq!(seqs(&chosen(&store, LATE, &missing).0), [3]);
}
