//! Listings against a model: the pages of any question, put together, are what a look at every delivery finds.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    recovery::{Ending, Step, step, write_of},
    *,
};
use crate::{
    event::{EventType, Resource},
    store::{Among, DeliveryFilter, EventFilter, Place},
};

/// The endpoint that [`Step::Delete`] deletes.
const DELETED: u32 = 3;

#[derive(Clone, Debug)]
struct Question {
    tenant: u8,
    event_type: Option<u8>,
    resource: Option<u8>,
    since_minutes: Option<i64>,
    until_minutes: Option<i64>,
    event: Option<usize>,
    /// Bits of their numbers; none for all.
    endpoints: u32,
    among: u8,
    limit: usize,
    /// Whether all blocks are learnt first.
    learnt: bool,
}

fn question() -> impl Strategy<Value = Question> {
    let which = (0_u8..2, prop::option::of(0_u8..4), prop::option::of(0_u8..4));
    let window = (prop::option::weighted(0.3, 0_i64..40), prop::option::weighted(0.3, 0_i64..40));
    let deliveries = (prop::option::weighted(0.1, any::<usize>()), 0_u32..8, 0_u8..6);
    (which, window, deliveries, 1_usize..40, any::<bool>()).prop_map(
        |(which, window, deliveries, limit, learnt)| {
            let ((tenant, event_type, resource), (event, endpoints, among)) = (which, deliveries);
            let (since_minutes, until_minutes) = window;
            let endpoints = endpoints << 1;
            Question {
                tenant,
                event_type,
                resource,
                since_minutes,
                until_minutes,
                event,
                endpoints,
                among,
                limit,
                learnt,
            }
        },
    )
}

fn tenant(number: u8) -> Tenant {
    Tenant::new(["north", "south"][usize::from(number)]).unwrap()
}

fn event_type(number: u8) -> EventType {
    EventType::new(
        ["cases.created", "cases.updated", "tasks.created", "never.published"][usize::from(number)],
    )
    .unwrap()
}

fn resource(number: u8) -> Resource {
    Resource { kind: "case".to_owned(), id: number.to_string() }
}

/// Events of up to 36 KB, so that a few make a block and a step or two a segment.
fn batch(count: usize, routes: u32, so_far: usize) -> Write {
    let routes: Arc<[u32]> = (1..4).filter(|endpoint| routes & 1 << endpoint != 0).collect();
    let events = (so_far..so_far + count * 3).map(|n| {
        let filling = "x".repeat(n * 7_919 % 37 * 1_000);
        let mut event = NewEvent::new(event_type((n % 3) as u8).as_str(), format!("\"{filling}\"")).unwrap();
        event.resource = (!n.is_multiple_of(4)).then(|| resource((n % 3) as u8));
        (event, Ok(routes.clone()))
    });
    Write::Publish(Publication { tenant: tenant((count % 2) as u8), events: events.collect() })
}

/// All deliveries that there are, the newest first, whoever asks.
fn everything(store: &Store, ids: &[EventId]) -> Vec<(Event, u32, DeliveryStanding)> {
    let events = ids.iter().rev().filter_map(|id| store.event(*id).unwrap());
    let deliveries = events.flat_map(|(event, routes)| {
        routes.into_iter().rev().map(move |ordinal| (event.clone(), ordinal)).collect::<Vec<_>>()
    });
    let stands = |event: &Event, ordinal| store.trace(event, ordinal).unwrap().standing;
    deliveries
        .map(|(event, ordinal)| (stands(&event, ordinal), event, ordinal))
        .map(|(s, e, o)| (e, o, s))
        .collect()
}

impl Question {
    fn filter(&self, ids: &[EventId], store: &Store) -> DeliveryFilter {
        let at = |minutes: i64| NOW.plus_millis(minutes * MINUTE_MS);
        let events = EventFilter {
            tenant: tenant(self.tenant),
            event_type: self.event_type.map(event_type),
            resource: self.resource.map(resource),
            since: self.since_minutes.map(at),
            until: self.until_minutes.map(at),
        };
        let among =
            [Among::All, Among::Attempted, Among::Dead, Among::Waiting, Among::Unsettled, Among::Undelivered]
                [usize::from(self.among)]
            .clone();
        let by_rows = !matches!(among, Among::All | Among::Attempted);
        let mut endpoints: BTreeSet<u32> = (1..4).filter(|it| self.endpoints & 1 << it != 0).collect();
        if endpoints.is_empty() && by_rows {
            endpoints = [1, 2, DELETED].into();
        }
        let event =
            self.event.filter(|_| !ids.is_empty()).and_then(|at| store.event(ids[at % ids.len()]).unwrap());
        let event = event.map(|(event, _)| event.seq);
        DeliveryFilter { events, event, endpoints: Some(endpoints).filter(|it| !it.is_empty()), among }
    }

    fn takes_standing(&self, standing: DeliveryStanding) -> bool {
        use DeliveryStanding::{Dead, Delivered, Unread, Waiting};
        match self.among {
            0 => true,
            1 => standing == Delivered,
            2 => standing == Dead,
            3 => matches!(standing, Waiting(_)),
            4 => matches!(standing, Waiting(_) | Unread),
            _ => standing != Delivered,
        }
    }
}

fn takes(filter: &DeliveryFilter, event: &Event, ordinal: u32) -> bool {
    let of = &filter.events;
    event.tenant == of.tenant
        && of.event_type.as_ref().is_none_or(|it| it == event.event_type())
        && of.resource.as_ref().is_none_or(|it| Some(it) == event.content.resource.as_ref())
        && of.since.is_none_or(|since| event.published_at >= since)
        && of.until.is_none_or(|until| event.published_at < until)
        && filter.event.is_none_or(|seq| seq == event.seq)
        && filter.endpoints.as_ref().is_none_or(|it| it.contains(&ordinal))
}

fn asked_deliveries(store: &Store, filter: &DeliveryFilter, question: &Question) -> Vec<(u64, u32)> {
    let (mut all, mut place) = (Vec::new(), Place::NEWEST);
    loop {
        let pick = |listed: crate::store::Listed| {
            question.takes_standing(listed.standing).then_some((listed.event.seq, listed.ordinal))
        };
        let slice = store.list_deliveries(filter, place, question.limit, pick).unwrap();
        assert!(slice.found.len() <= question.limit);
        all.extend(slice.found);
        let Some(rest) = slice.rest else { return all };
        assert!(rest.place < place, "it gets on");
        place = rest.place;
    }
}

fn asked_events(store: &Store, filter: &EventFilter, limit: usize) -> Vec<u64> {
    let (mut all, mut below) = (Vec::new(), u64::MAX);
    loop {
        let slice = store.list_events(filter, below, limit).unwrap();
        all.extend(slice.found.iter().map(|event| event.seq));
        let Some(rest) = slice.rest else { return all };
        assert!(rest.place.seq < below, "it gets on");
        below = rest.place.seq;
    }
}

fn learn_all(store: &Store) {
    let mut learner = store.learner();
    while learner.learn().unwrap() {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn pages_put_together_are_what_a_look_at_everything_finds(
        steps in prop::collection::vec(step(), 1..60),
        questions in prop::collection::vec(question(), 1..30),
    ) {
        let dir = fresh_dir();
        let mut door = Some(opened(dir.path()));
        let (mut now, mut ids) = (NOW, Vec::new());
        for step in &steps {
            now = now.plus_millis(MINUTE_MS);
            let (writer, store) = door.as_mut().unwrap();
            let write = match step {
                Step::Publish { count, routes } => Some(batch(*count, *routes, ids.len())),
                Step::Checkpoint => { writer.checkpoint().unwrap(); None }
                Step::Retention => { writer.enforce_retention(now.plus_millis(30 * MINUTE_MS)).unwrap(); None }
                Step::Reopen(Ending::Clean | Ending::Dropped) => {
                    drop(door.take());
                    door = Some(opened(dir.path()));
                    None
                }
                other => write_of(store, &ids, other, now),
            };
            let Some(write) = write else { continue };
            let (writer, _) = door.as_mut().unwrap();
            let written = writer.commit(vec![write], now, &mut || 7).unwrap();
            ids.extend(written[0].iter().flatten().map(|published| published.id));
            writer.flush_rows().unwrap();
        }
        let (_, store) = door.as_ref().unwrap();
        let events: Vec<_> = ids.iter().rev().filter_map(|id| Some(store.event(*id).unwrap()?.0)).collect();
        let everything = everything(store, &ids);
        for question in &questions {
            if question.learnt {
                learn_all(store);
            }
            let filter = question.filter(&ids, store);
            let taken = everything.iter().filter(|(event, ordinal, _)| takes(&filter, event, *ordinal));
            let taken = taken.filter(|(_, _, standing)| question.takes_standing(*standing));
            let wanted: Vec<_> = taken.map(|(event, ordinal, _)| (event.seq, *ordinal)).collect();
            prop_assert_eq!(asked_deliveries(store, &filter, question), wanted, "{:?}", filter);

            let all = DeliveryFilter { event: None, endpoints: None, ..filter.clone() };
            let taken = events.iter().filter(|event| takes(&all, event, 0));
            let seqs: Vec<_> = taken.map(|event| event.seq).collect();
            prop_assert_eq!(asked_events(store, &filter.events, question.limit), seqs, "{:?}", filter.events);
        }
    }
}
