//! What a page costs, in blocks of the log that are read for it: no more than hold its items, and two besides, at any
//! depth and by any filter. Once a block is known, that is; it is learnt without anybody asking.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use super::*;
use crate::{
    event::{EventType, Resource},
    id::EndpointId,
    store::{Among, DeliveryFilter, EventFilter, Listed, Place, Tombstone},
};

/// In blocks of about sixty.
const EVENTS: usize = 3_000;
const LIMIT: usize = 50;
/// Of so many events one is of the rare type, for the rare endpoint, about the rare resource, and dies elsewhere.
const RARE_EVERY: usize = 500;
const RARE: &str = "cases.rare";

/// All events go to it, and are delivered.
const HEALTHY: u32 = 1;
/// All events go to it; few die, few wait, the others are delivered.
const FAILING: u32 = 2;
/// What is rare goes to it.
const SELDOM: u32 = 3;
/// All events go to it; a few of the oldest are delivered, the others were never attempted.
const STALLED: u32 = 4;
/// As the failing one, and it is deleted.
const DELETED: u32 = 5;

fn is_rare(n: usize) -> bool {
    n % RARE_EVERY == 7
}

fn fill(writer: &mut Writer) {
    let filling = "x".repeat(4_000);
    for n in 0..EVENTS {
        let name = if is_rare(n) { RARE } else { ["cases.created", "cases.updated"][n % 2] };
        let mut event = NewEvent::new(name, format!("\"{filling}\"")).unwrap();
        let id = if is_rare(n) { "rare".to_owned() } else { (n / 2).to_string() };
        event.resource = Some(Resource { kind: "case".to_owned(), id });
        let mut routes = vec![HEALTHY, FAILING, STALLED, DELETED];
        routes.splice(2..2, is_rare(n).then_some(SELDOM));
        let publication = Publication { tenant: Tenant::default(), events: vec![(event, Ok(routes.into()))] };
        writer.commit(vec![Write::Publish(publication)], NOW.plus_millis(n as i64), &mut || 7).unwrap();
    }
    writer.flush_rows().unwrap();
}

fn settle(writer: &mut Writer, store: &Store) {
    let later = NOW.plus_millis(500 * MINUTE_MS);
    for endpoint in [HEALTHY, FAILING, SELDOM, STALLED, DELETED] {
        let events = unread(store, endpoint);
        let few = if endpoint == STALLED { 20 } else { events.len() };
        for event in &events[..few] {
            let fate = match event.seq as usize - 1 {
                n if is_rare(n) && endpoint != HEALTHY => Fate::Dead,
                n if is_rare(n + 1) && endpoint != HEALTHY => Fate::RetryAt(later),
                _ => Fate::Delivered,
            };
            writer.commit(vec![settled(event, endpoint, false, event.seq, fate)], NOW, &mut || 7).unwrap();
        }
    }
    writer.checkpoint().unwrap();
    let (id, tenant) = (EndpointId::from_u128(5), Tenant::default());
    let tombstone = Tombstone { id, ordinal: DELETED, tenant, deleted_at: NOW };
    commit(writer, Write::Document(Document::EndpointDeleted(tombstone)), NOW);
}

/// What is asked for, in words, and which of the deliveries that the filter leads to it takes.
type Question = (&'static str, DeliveryFilter, fn(&Listed) -> bool);

fn questions() -> Vec<Question> {
    let filter = |endpoints: &[u32], among| DeliveryFilter {
        events: EventFilter::of(Tenant::default()),
        event: None,
        endpoints: (!endpoints.is_empty()).then(|| endpoints.iter().copied().collect()),
        among,
    };
    let of_type = |name: &str| {
        let event_type = Some(EventType::new(name).unwrap());
        EventFilter { event_type, ..EventFilter::of(Tenant::default()) }
    };
    let about = |id: &str| {
        let resource = Some(Resource { kind: "case".to_owned(), id: id.to_owned() });
        EventFilter { resource, ..EventFilter::of(Tenant::default()) }
    };
    let all = || filter(&[], Among::All);
    let living = [HEALTHY, FAILING, SELDOM, STALLED];
    let any: fn(&Listed) -> bool = |_| true;
    let delivered: fn(&Listed) -> bool = |it| it.standing == DeliveryStanding::Delivered;
    vec![
        ("all", all(), any),
        ("to an endpoint", filter(&[HEALTHY], Among::All), any),
        ("to an endpoint seldom used", filter(&[SELDOM], Among::All), any),
        ("to nobody", filter(&[9], Among::All), any),
        ("of a type", DeliveryFilter { events: of_type("cases.created"), ..all() }, any),
        ("of a rare type", DeliveryFilter { events: of_type(RARE), ..all() }, any),
        ("of no type", DeliveryFilter { events: of_type("cases.absent"), ..all() }, any),
        ("about a resource", DeliveryFilter { events: about("700"), ..all() }, any),
        ("about a rare resource", DeliveryFilter { events: about("rare"), ..all() }, any),
        (
            "of another tenant",
            { DeliveryFilter { events: EventFilter::of(Tenant::new("stranger").unwrap()), ..all() } },
            any,
        ),
        ("delivered", filter(&[HEALTHY], Among::Attempted), delivered),
        ("delivered to a stalled one", filter(&[STALLED], Among::Attempted), delivered),
        ("dead", filter(&living, Among::Dead), |it| it.standing == DeliveryStanding::Dead),
        ("retrying", filter(&living, Among::Waiting), any),
        ("held", filter(&[STALLED], Among::Unsettled), any),
        ("pending elsewhere", filter(&[HEALTHY, FAILING], Among::Unsettled), any),
        ("cancelled", filter(&[DELETED], Among::Undelivered), |it| {
            it.standing != DeliveryStanding::Delivered
        }),
    ]
}

/// Blocks that were read for what `ask` does.
fn looks(store: &Store, ask: impl FnOnce()) -> usize {
    let looks = &store.shared.digests.looks;
    let before = looks.load(Ordering::Relaxed);
    ask();
    looks.load(Ordering::Relaxed) - before
}

/// In how many blocks some events are.
fn blocks_of(store: &Store, seqs: impl Iterator<Item = u64>) -> usize {
    let view = store.shared.view();
    let blocks: BTreeSet<_> = seqs.map(|seq| view.marks.partition_point(|mark| mark.seq <= seq)).collect();
    blocks.len()
}

/// Goes through all pages as whoever asks does, from a place that is known by its event's id.
fn each_page_costs_what_it_shows(
    store: &Store,
    name: &str,
    filter: &DeliveryFilter,
    takes: fn(&Listed) -> bool,
) {
    let mut place = Place::NEWEST;
    for page in 0.. {
        let mut found = Vec::new();
        let mut next = Some(place);
        let read = looks(store, || {
            while let Some(from) = next.filter(|_| found.len() <= LIMIT) {
                let pick = |listed: Listed| takes(&listed).then_some((listed.event.seq, listed.ordinal));
                let wanted = LIMIT + 1 - found.len();
                let slice = store.list_deliveries(filter, from, wanted, pick).unwrap();
                found.extend(slice.found);
                next = slice.rest.map(|rest| rest.place);
            }
        });
        // One slice ends and another begins within a block.
        let slices_max = found.len().div_ceil(8) + 1;
        let blocks = blocks_of(store, found.iter().map(|(seq, _)| *seq));
        assert!(read <= blocks + 2 + slices_max, "{name}, page {page}: {read} read, {blocks} needed");
        assert!(read <= LIMIT + 2, "{name}, page {page}: {read} read");
        if found.len() <= LIMIT {
            return;
        }
        let (seq, ordinal) = found[LIMIT - 1];
        place = Place { seq, ordinal };
    }
}

#[test]
fn a_page_reads_no_more_blocks_than_it_shows_whatever_is_asked_for_and_however_deep() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer);
    settle(&mut writer, &store);
    assert!(store.shared.view().marks.len() > 40);
    let mut learner = store.learner();
    while learner.learn().unwrap() {}
    for (name, filter, takes) in questions() {
        each_page_costs_what_it_shows(&store, name, &filter, takes);
    }
    // Where a page begins is one look, at any depth.
    for id in [1_u64, 50, 1_500, 2_999].map(|seq| seq_id(&store, seq)) {
        assert_eq!(looks(&store, || assert!(store.seq_from(id).unwrap().1)), 1);
    }
}

fn seq_id(store: &Store, seq: u64) -> EventId {
    let slice = store.list_events(&EventFilter::of(Tenant::default()), seq + 1, 1).unwrap();
    assert_eq!(slice.found[0].seq, seq);
    slice.found[0].id
}

#[test]
fn every_block_is_learnt_once_the_new_ones_first_and_no_longer_searched_for_what_it_lacks() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let mut learner = store.learner();
    assert!(!learner.learn().unwrap(), "there is nothing");
    fill(&mut writer);
    let closed = store.shared.view().marks.len() - 1;
    let all = looks(&store, || while learner.learn().unwrap() {});
    assert_eq!(all, closed, "each once");
    fill(&mut writer);
    let marks = store.shared.view().marks.clone();
    assert!(learner.learn().unwrap());
    assert!(store.shared.digests.know(marks[closed].position), "what was the open one");
    assert!(!store.shared.digests.know(marks[marks.len() - 2].position));
    while learner.learn().unwrap() {}
    assert!(marks[..marks.len() - 1].iter().all(|mark| store.shared.digests.know(mark.position)));

    let absent = EventFilter { tenant: Tenant::new("nobody").unwrap(), ..EventFilter::of(Tenant::default()) };
    let read = looks(&store, || assert_eq!(store.list_events(&absent, u64::MAX, 50).unwrap().rest, None));
    assert_eq!(read, 1, "the open one");

    drop((writer, learner, store));
    let (mut writer, store) = opened(dir.path());
    let mut learner = store.learner();
    while learner.learn().unwrap() {}
    assert!(marks[..marks.len() - 1].iter().all(|mark| store.shared.digests.know(mark.position)));

    writer.enforce_retention(NOW.plus_millis(120 * MINUTE_MS)).unwrap();
    learner.learn().unwrap();
    assert!(store.blocks_known() <= 1, "what retention took needs no memory");
}
