//! Listings: every event and delivery once, newest first, whatever is asked for and however it is cut into pages.

use std::collections::BTreeSet;

use super::*;
use crate::{
    event::{EventType, Resource},
    store::{Among, DeliveryFilter, EventFilter, Listed, Place},
};

/// An endpoint that all events are routed to, so that the tests can see them.
const ALL_EVENTS: u32 = 9;
const RARE: &str = "cases.rare";
/// Larger than a slice looks at: 800 events of 8 KB.
const EVENTS: usize = 800;

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// Four in five are the tenant `north`'s, and every 400th is of a rare type.
fn event_of(n: usize) -> (Tenant, NewEvent) {
    let owner = if n % 5 == 4 { "south" } else { "north" };
    let event_type = match n {
        n if n % 400 == 17 => RARE,
        n if n % 3 == 0 => "cases.created",
        _ => "cases.updated",
    };
    let mut event = NewEvent::new(event_type, format!("{{\"text\":\"{}\"}}", "x".repeat(8_000))).unwrap();
    event.resource = Some(Resource { kind: "case".to_owned(), id: (n / 2).to_string() });
    (tenant(owner), event)
}

/// Events a second apart, the even ones to endpoint 1, every third to 2, and all to the last.
fn fill(writer: &mut Writer, events: std::ops::Range<usize>) {
    for n in events {
        let (tenant, event) = event_of(n);
        let mut routes = vec![ALL_EVENTS];
        routes.splice(0..0, (n % 3 == 0).then_some(2));
        routes.splice(0..0, (n % 2 == 0).then_some(1));
        let events = vec![(event, Ok(routes.into()))];
        let write = Write::Publish(Publication { tenant, events });
        commit(writer, write, NOW.plus_millis(n as i64 * 1_000));
    }
}

/// Of what went to endpoint 1, a fifth is dead, a fifth waits, a fifth was never attempted, and the rest is delivered.
fn settle(writer: &mut Writer, store: &Store) {
    let later = NOW.plus_millis(500 * MINUTE_MS);
    let fates =
        [Some(Fate::Delivered), Some(Fate::Dead), None, Some(Fate::RetryAt(later)), Some(Fate::Delivered)];
    for (n, event) in unread(store, 1).iter().enumerate() {
        if let Some(fate) = fates[n % 5] {
            commit(writer, settled(event, 1, false, 0, fate), NOW);
        }
    }
}

fn north() -> EventFilter {
    EventFilter::of(tenant("north"))
}

fn of_type(name: &str) -> EventFilter {
    EventFilter { event_type: Some(EventType::new(name).unwrap()), ..north() }
}

fn deliveries(endpoints: &[u32], among: Among) -> DeliveryFilter {
    let endpoints = (!endpoints.is_empty()).then(|| endpoints.iter().copied().collect());
    DeliveryFilter { events: north(), event: None, endpoints, among }
}

/// All that a filter takes, in slices of at most so many.
fn listed_events(store: &Store, filter: &EventFilter, limit: usize) -> Vec<u64> {
    let (mut seqs, mut below) = (Vec::new(), u64::MAX);
    loop {
        let slice = store.list_events(filter, below, limit).unwrap();
        assert!(slice.found.len() <= limit && slice.found.iter().all(|event| event.content.data.is_empty()));
        seqs.extend(slice.found.iter().map(|event| event.seq));
        let Some(rest) = slice.rest else { return seqs };
        assert!(rest.place.seq < below, "it gets on");
        below = rest.place.seq;
    }
}

fn listed(store: &Store, filter: &DeliveryFilter, limit: usize) -> Vec<Listed> {
    let (mut all, mut place) = (Vec::new(), Place::NEWEST);
    loop {
        let mut slice = store.list_deliveries(filter, place, limit, Some).unwrap();
        all.append(&mut slice.found);
        let Some(rest) = slice.rest else { return all };
        assert!(rest.place < place, "it gets on");
        place = rest.place;
    }
}

fn places(listed: &[Listed]) -> Vec<(u64, u32)> {
    listed.iter().map(|it| (it.event.seq, it.ordinal)).collect()
}

/// What there is, newest first, found the long way.
fn expected(store: &Store, takes: impl Fn(&Event) -> bool) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    let mut backlog = store.backlog(ALL_EVENTS, 0, Some(0), ALL).unwrap();
    loop {
        events.append(&mut backlog.events);
        if backlog.at_end {
            break;
        }
        backlog = store.backlog(ALL_EVENTS, 0, Some(backlog.position), ALL).unwrap();
    }
    events.retain(|event| takes(event));
    events.reverse();
    events
}

fn seqs(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

fn is_north(event: &Event) -> bool {
    event.tenant == tenant("north")
}

fn all_events_are_listed(store: &Store) {
    let resource = Some(Resource { kind: "case".to_owned(), id: "301".to_owned() });
    let (since, until) = (NOW.plus_millis(500_000), NOW.plus_millis(640_000));
    let within = |event: &Event| event.published_at >= since && event.published_at < until;
    let window = EventFilter { since: Some(since), until: Some(until), ..north() };
    type Takes<'a> = &'a dyn Fn(&Event) -> bool;
    let filters: [(EventFilter, Takes<'_>); 6] = [
        (north(), &|_| true),
        (of_type("cases.created"), &|event| event.event_type().as_str() == "cases.created"),
        (of_type(RARE), &|event| event.event_type().as_str() == RARE),
        (of_type("cases.absent"), &|_| false),
        (EventFilter { resource: resource.clone(), ..north() }, &|event| event.content.resource == resource),
        (window, &within),
    ];
    for (filter, takes) in filters {
        let wanted = seqs(&expected(store, |event| is_north(event) && takes(event)));
        for limit in [1, 7, 10_000] {
            assert_eq!(listed_events(store, &filter, limit), wanted, "{filter:?}");
        }
    }
}

fn all_deliveries_are_listed(store: &Store) {
    let events = expected(store, is_north);
    let routed = |ordinal: u32, n: u64| match ordinal {
        1 => n.is_multiple_of(2),
        2 => n.is_multiple_of(3),
        _ => true,
    };
    let pairs = |ordinals: &[u32], stands: &dyn Fn(DeliveryStanding) -> bool| {
        let each =
            events.iter().flat_map(|event| ordinals.iter().rev().map(move |ordinal| (event, *ordinal)));
        let routed = each.filter(|(event, ordinal)| routed(*ordinal, event.seq - 1));
        let standing =
            routed.filter(|(event, ordinal)| stands(store.trace(event, *ordinal).unwrap().standing));
        standing.map(|(event, ordinal)| (event.seq, ordinal)).collect::<Vec<_>>()
    };
    let dead = |standing| standing == DeliveryStanding::Dead;
    let waits = |standing| matches!(standing, DeliveryStanding::Waiting(_));
    let unsettled = |standing| standing == DeliveryStanding::Unread || waits(standing);
    for limit in [1, 13, 10_000] {
        for (endpoints, among, wanted) in [
            (&[][..], Among::All, pairs(&[1, 2, ALL_EVENTS], &|_| true)),
            (&[2], Among::All, pairs(&[2], &|_| true)),
            (&[1, 2, ALL_EVENTS], Among::Dead, pairs(&[1, 2], &dead)),
            (&[1, 2], Among::Waiting, pairs(&[1, 2], &waits)),
            (&[1], Among::Unsettled, pairs(&[1], &unsettled)),
            (&[7], Among::Unsettled, Vec::new()),
        ] {
            assert!(wanted.is_empty() == (endpoints == [7]), "{among:?}");
            let found = listed(store, &deliveries(endpoints, among.clone()), limit);
            assert_eq!(places(&found), wanted, "{endpoints:?} {among:?}");
            let first = found.first().map(|it| (it.standing, it.attempts));
            let trace = found.first().map(|it| store.trace(&it.event, it.ordinal).unwrap());
            assert_eq!(first, trace.map(|trace| (trace.standing, trace.attempts.len())));
        }
    }
}

#[test]
fn everything_is_listed_once_newest_first_also_after_a_restart() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer, 0..EVENTS);
    settle(&mut writer, &store);
    // What nobody remembers yet, and then what every look has left behind.
    for _ in 0..2 {
        all_events_are_listed(&store);
        all_deliveries_are_listed(&store);
    }
    writer.close().unwrap();
    drop(store);
    let (writer, store) = opened(dir.path());
    all_deliveries_are_listed(&store);
    all_events_are_listed(&store);
    drop(writer);
}

#[test]
fn what_is_rare_is_looked_for_once_and_found_at_once_ever_after() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer, 0..EVENTS);
    let absent = of_type("cases.absent");
    let first = store.list_events(&absent, u64::MAX, 50).unwrap();
    let rest = first.rest.expect("a slice does not look at the whole log");
    assert!(rest.place.seq > 1 && first.found.is_empty());
    assert!(listed_events(&store, &absent, 50).is_empty());
    for filter in [absent, of_type(RARE), EventFilter::of(tenant("nobody"))] {
        assert_eq!(store.list_events(&filter, u64::MAX, 50).unwrap().rest, None, "{filter:?}");
    }
    let unused = deliveries(&[3], Among::All);
    assert_eq!(store.list_deliveries(&unused, Place::NEWEST, 50, Some).unwrap().rest, None);
}

#[test]
fn a_dead_letter_is_found_without_looking_at_what_was_delivered() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer, 0..EVENTS);
    let oldest = &unread(&store, 1)[0];
    commit(&mut writer, settled(oldest, 1, false, 1, Fate::Dead), NOW);
    // Nothing is remembered of any block, and there are more than a slice looks at.
    let slice = store.list_deliveries(&deliveries(&[1, 2], Among::Dead), Place::NEWEST, 50, Some).unwrap();
    assert_eq!((places(&slice.found), slice.rest), (vec![(oldest.seq, 1)], None));
    let named = Among::These(vec![Place { seq: oldest.seq, ordinal: 1 }, Place { seq: 1, ordinal: 5 }]);
    let slice = store.list_deliveries(&deliveries(&[1], named), Place::NEWEST, 50, Some).unwrap();
    assert_eq!((places(&slice.found), slice.rest), (vec![(oldest.seq, 1)], None));
    let one = DeliveryFilter { event: Some(oldest.seq), ..deliveries(&[], Among::All) };
    let slice = store.list_deliveries(&one, Place::NEWEST, 50, Some).unwrap();
    let ordinals = [ALL_EVENTS, 2, 1].map(|ordinal| (oldest.seq, ordinal));
    assert_eq!((places(&slice.found), slice.rest), (ordinals.to_vec(), None));
}

#[test]
fn pages_go_on_where_they_ended_while_events_come_in() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer, 0..60);
    let before = places(&listed(&store, &deliveries(&[], Among::All), 1_000));
    let (mut all, mut place, mut published) = (Vec::new(), Place::NEWEST, 60);
    while let Some(rest) = {
        let slice = store.list_deliveries(&deliveries(&[], Among::All), place, 4, Some).unwrap();
        all.extend(places(&slice.found));
        slice.rest
    } {
        place = rest.place;
        fill(&mut writer, published..published + 3);
        published += 3;
    }
    assert_eq!(all, before);
}

#[test]
fn what_retention_took_is_not_listed_and_the_rest_is() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer, 0..EVENTS);
    settle(&mut writer, &store);
    // Each step leaves the log beginning somewhere else within a block.
    let (mut oldest, first) = (1, expected(&store, |event| event.seq == 1)[0].id);
    for minutes in 61..70 {
        writer.enforce_retention(NOW.plus_millis(minutes * MINUTE_MS)).unwrap();
        let left = expected(&store, |_| true);
        assert!(left[left.len() - 1].seq > oldest, "something went");
        oldest = left[left.len() - 1].seq;
        let wanted: BTreeSet<u64> = seqs(&expected(&store, is_north)).into_iter().collect();
        let events: BTreeSet<u64> = listed_events(&store, &north(), 50).into_iter().collect();
        assert_eq!(events, wanted);
        // A page that ended with an event that is gone by now was the last one.
        let after_one_gone = store.seq_from(first).unwrap();
        assert_eq!(after_one_gone, (oldest, false));
        assert_eq!(store.list_events(&north(), oldest, 50).unwrap().rest, None);
        all_deliveries_are_listed(&store);
    }
}

#[test]
fn an_id_leads_to_its_event_and_a_time_to_the_first_one_from_then_on() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    assert_eq!(store.seq_from(EventId::from_u128(7)).unwrap(), (1, false), "there is none");
    fill(&mut writer, 0..200);
    for event in expected(&store, |_| true) {
        assert_eq!(store.seq_from(event.id).unwrap(), (event.seq, true));
        let time = EventId::from_u128(event.id.as_u128() >> 80 << 80);
        assert_eq!(store.seq_from(time).unwrap(), (event.seq, false));
        let after = EventId::from_u128(event.id.as_u128() + 1);
        assert_eq!(store.seq_from(after).unwrap(), (event.seq + 1, false));
    }
}

/// The last mark stands before all that was settled since, however much that is.
#[test]
fn settlements_behind_the_last_event_are_not_read() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    fill(&mut writer, 0..10);
    let event = unread(&store, 1)[0].clone();
    for number in 0..2_000 {
        let later = NOW.plus_millis(number);
        commit(&mut writer, settled(&event, 1, number > 0, 1, Fate::RetryAt(later)), NOW);
    }
    // Damage there would be met by whoever reads on.
    let newest = segments(dir.path()).pop().unwrap();
    flip(&newest, 8 * (fs::metadata(&newest).unwrap().len() as usize / 2));
    assert_eq!(listed_events(&store, &north(), 50).len(), 8);
}
