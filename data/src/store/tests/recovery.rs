//! However a run ends, the next one knows what a run without an end would know.

use proptest::prelude::*;

use super::*;
use crate::{
    id::EndpointId,
    order::{Lane, Lanes},
    store::{BEHIND, Cursor, Parked, Row, Tombstone, Waiting},
};

const ENDPOINTS: std::ops::Range<u32> = 0..4;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Publish { count: usize, routes: u32 },
    Settle { endpoint: u32, pick: usize, fate: u8, parked: bool },
    Park { endpoint: u32, pick: usize },
    Requeue { endpoint: u32, pick: usize },
    Enrol { endpoint: u32, pick: usize },
    Delete,
    Checkpoint,
    Flush,
    Retention,
    Reopen(Ending),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Clean,
    Dropped,
    Killed,
    PowerLost,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (endpoint, pick) = (ENDPOINTS, 0_usize..100);
    prop_oneof![
        6 => (1_usize..6, 1_u32..16).prop_map(|(count, routes)| Step::Publish { count, routes }),
        12 => (endpoint.clone(), pick.clone(), 0_u8..3, any::<bool>())
            .prop_map(|(endpoint, pick, fate, parked)| Step::Settle { endpoint, pick, fate, parked }),
        2 => (endpoint.clone(), pick.clone()).prop_map(|(endpoint, pick)| Step::Park { endpoint, pick }),
        3 => (endpoint.clone(), pick.clone())
            .prop_map(|(endpoint, pick)| Step::Requeue { endpoint, pick }),
        2 => (endpoint, pick).prop_map(|(endpoint, pick)| Step::Enrol { endpoint, pick }),
        1 => Just(Step::Delete),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Flush),
        2 => Just(Step::Retention),
        4 => prop_oneof![
            Just(Ending::Clean), Just(Ending::Dropped), Just(Ending::Killed), Just(Ending::PowerLost)
        ].prop_map(Step::Reopen),
    ]
}

/// A store with its directory, and the clock that only it has.
struct Run {
    dir: TempDir,
    door: Option<(Writer, Store)>,
}

impl Run {
    fn new() -> Self {
        let dir = fresh_dir();
        let door = Some(open(dir.path(), small(), NOW).unwrap());
        Self { dir, door }
    }

    fn writer(&mut self) -> &mut Writer {
        &mut self.door.as_mut().unwrap().0
    }

    fn store(&self) -> &Store {
        &self.door.as_ref().unwrap().1
    }

    fn reopen(&mut self, ending: Ending) {
        let (writer, store) = self.door.take().unwrap();
        match ending {
            Ending::Clean => drop(writer.close().unwrap()),
            Ending::Dropped => drop(writer),
            Ending::Killed => self.dir = copy_of(self.dir.path()),
            Ending::PowerLost => self.dir = without_retry_journal(self.dir.path()),
        }
        drop(store);
        self.door = Some(open(self.dir.path(), small(), NOW).unwrap());
    }
}

fn small() -> StoreOptions {
    StoreOptions { segment_bytes_max: 1_500, ..options() }
}

/// What an endpoint's mailbox would write next, read from the store itself.
pub(super) fn write_of(store: &Store, ids: &[EventId], step: &Step, now: Timestamp) -> Option<Write> {
    let pick = |events: Vec<Arc<Event>>, pick: usize| {
        (!events.is_empty()).then(|| events[pick % events.len()].clone())
    };
    let floor_without = |endpoint: u32, seq: u64| {
        let rest = unread_seqs(store, endpoint).into_iter().find(|other| *other != seq);
        rest.map_or(store.last_seq(), |first| first - 1)
    };
    match *step {
        Step::Publish { count, routes } => {
            let routes: Vec<u32> = ENDPOINTS.filter(|endpoint| routes & 1 << endpoint != 0).collect();
            let key = now.as_millis().to_string();
            let keyed = NewEvent { idempotency_key: Some(key), ..event("first") };
            Some(publication(std::iter::once(keyed).chain(events(count)).collect(), &routes))
        }
        Step::Settle { endpoint, pick: at, fate, parked } => {
            let fate =
                [Fate::Delivered, Fate::RetryAt(now.plus_millis(at as i64)), Fate::Dead][usize::from(fate)];
            let from = if parked { waiting(store, endpoint) } else { unread(store, endpoint) };
            let event = pick(from, at)?;
            let floor =
                if parked { store.cursor(endpoint).floor } else { floor_without(endpoint, event.seq) };
            Some(settled(&event, endpoint, parked, floor, fate))
        }
        Step::Park { endpoint, pick: at } => {
            let event = pick(unread(store, endpoint), at)?;
            let (seq, event_position, floor) =
                (event.seq, event.position, floor_without(endpoint, event.seq));
            let lane = lane_of(seq);
            let due = if lane.is_some() && at % 2 == 0 { BEHIND } else { now.plus_millis(at as i64) };
            Some(Write::Park(Parked { endpoint, seq, event_position, due, floor, lane }))
        }
        Step::Enrol { endpoint, pick: at } => {
            let event = pick(waiting(store, endpoint), at)?;
            let due = if at % 2 == 0 { BEHIND } else { now };
            let Write::Requeue(requeued) = requeued(&event, endpoint, due) else { return None };
            Some(Write::Enrol(Requeued { lane: lane_of(event.seq), ..requeued }))
        }
        Step::Requeue { endpoint, pick: at } => {
            let attempted = routed_to(store, ids, endpoint).into_iter();
            let attempted =
                attempted.filter(|event| !store.trace(event, endpoint).unwrap().attempts.is_empty());
            Some(requeued(&*pick(attempted.collect(), at)?, endpoint, now))
        }
        Step::Delete => {
            let (id, tenant) = (EndpointId::from_u128(3), Tenant::default());
            let tombstone = Tombstone { id, ordinal: 3, tenant, deleted_at: now };
            Some(Write::Document(Document::EndpointDeleted(tombstone)))
        }
        _ => None,
    }
}

fn routed_to(store: &Store, ids: &[EventId], endpoint: u32) -> Vec<Arc<Event>> {
    let found = ids.iter().filter_map(|id| store.event(*id).unwrap());
    found.filter(|(_, routes)| routes.contains(&endpoint)).map(|(event, _)| Arc::new(event)).collect()
}

fn due_ever(store: &Store, endpoint: u32) -> Vec<Waiting> {
    let ever = DueUntil::Time(Timestamp::from_micros(i64::MAX));
    store.due(endpoint, ever, DeliveryOrder::None, 1_000_000, |_| false).unwrap().waiting
}

fn waiting(store: &Store, endpoint: u32) -> Vec<Arc<Event>> {
    due_ever(store, endpoint).into_iter().map(|one| one.event).collect()
}

fn lane_of(seq: u64) -> Option<Lane> {
    (!seq.is_multiple_of(4)).then_some(Lane(seq % 4))
}

/// All rows of an endpoint. The table of cases leads to those that wait for their case, and to no others.
fn rows(store: &Store, endpoint: u32) -> Vec<Row> {
    let rows = store.rows(endpoint, 0, usize::MAX).unwrap();
    for lane in [Lane(1), Lane(2), Lane(3)] {
        let behind = |row: &&Row| row.is_enrolled && row.lane == Some(lane) && row.due == BEHIND;
        let expected: Vec<u64> = rows.iter().filter(behind).map(|row| row.seq).collect();
        let mut lanes = Lanes::<()>::default();
        lanes.restore(lane, u64::MAX, true);
        lanes.open();
        let found = store.behind(endpoint, &lanes.to_read(), usize::MAX).unwrap();
        let found: Vec<u64> = found[0].waiting.iter().map(|waiting| waiting.event.seq).collect();
        assert_eq!(found, expected);
    }
    rows
}

/// All that can be asked of an endpoint.
#[derive(Debug, PartialEq)]
struct Seen {
    cursor: Cursor,
    unread: Vec<u64>,
    due: Vec<(u64, Timestamp, u16)>,
    rows: Vec<Row>,
    traces: Vec<(EventId, Trace)>,
}

fn look(store: &Store, ids: &[EventId]) -> Vec<Seen> {
    let see = |endpoint: u32| {
        let due = due_ever(store, endpoint);
        Seen {
            cursor: store.cursor(endpoint),
            unread: unread_seqs(store, endpoint),
            due: due.into_iter().map(|one| (one.event.seq, one.due, one.attempts)).collect(),
            rows: rows(store, endpoint),
            traces: routed_to(store, ids, endpoint)
                .iter()
                .map(|event| (event.id, store.trace(event, endpoint).unwrap()))
                .collect(),
        }
    };
    ENDPOINTS.map(see).collect()
}

/// What a rebuild cannot know: counts of what retention took with the log, and how far the floor had come by it.
fn without_history(mut seen: Vec<Seen>) -> Vec<Seen> {
    for one in &mut seen {
        let cursor = &mut one.cursor;
        (cursor.floor, cursor.delivered, cursor.expired) = (0, 0, 0);
        cursor.above.clear();
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_run_with_any_endings_a_run_without_and_a_rebuild_know_the_same(
        steps in prop::collection::vec(step(), 1..70),
    ) {
        let (mut through, mut broken) = (Run::new(), Run::new());
        let (mut now, mut ids, mut history) = (NOW, Vec::new(), true);
        for step in &steps {
            now = now.plus_millis(MINUTE_MS);
            match step {
                Step::Checkpoint => {
                    through.writer().checkpoint().unwrap();
                    broken.writer().checkpoint().unwrap();
                }
                Step::Flush => broken.store().flush_retry_journal().unwrap(),
                Step::Retention => {
                    now = now.plus_millis(20 * MINUTE_MS);
                    let given_up = through.writer().enforce_retention(now).unwrap();
                    prop_assert_eq!(broken.writer().enforce_retention(now).unwrap(), given_up);
                }
                Step::Reopen(ending) => {
                    history &= !matches!(ending, Ending::PowerLost);
                    broken.reopen(*ending);
                }
                _ => {
                    let Some(write) = write_of(through.store(), &ids, step, now) else { continue };
                    let written = through.writer().commit(vec![write.clone()], now, &mut || 7).unwrap();
                    ids.extend(written[0].iter().flatten().map(|published| published.id));
                    prop_assert_eq!(broken.writer().commit(vec![write], now, &mut || 7).unwrap(), written);
                    through.writer().flush_rows().unwrap();
                    broken.writer().flush_rows().unwrap();
                }
            }
        }
        let whole = look(through.store(), &ids);
        let seen = look(broken.store(), &ids);
        if history {
            prop_assert_eq!(&seen, &whole);
        }
        let whole = without_history(whole);
        prop_assert_eq!(&without_history(seen), &whole);
        through.reopen(Ending::PowerLost);
        prop_assert_eq!(&without_history(look(through.store(), &ids)), &whole);
    }
}

#[test]
fn a_clock_that_was_put_back_over_a_restart_stalls_no_retry() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(1), &[1], NOW);
    let due = NOW.plus_millis(5_000);
    let failed = settled(&unread(&store, 1)[0], 1, false, 1, Fate::RetryAt(due));
    commit(&mut writer, failed, NOW);
    let found = |store: &Store, now| {
        store.due(1, DueUntil::Time(now), DeliveryOrder::None, 10, |_| false).unwrap().waiting.len()
    };
    assert_eq!(found(&store, NOW), 0, "its time has not come");
    assert_eq!(found(&store, due), 1);
    let a_day_back = NOW.plus_millis(-86_400_000);
    assert_eq!(found(&store, a_day_back), 1, "it does not wait for a day");
}
