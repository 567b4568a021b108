//! Whose turn it is, where a replay meets what is due, what waits for its case, and what is asked for otherwise.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use casewire::{
    DeliveryId, DeliveryOrder, DeliveryStatus, EndpointDraft, EventId, NewEvent, ReplayQuery, ReplayState,
    ReplayStatus, Resource,
};

use super::{all, begin, until_over};
use crate::support::{Embedded, Gate, Receiver, Reply, Request, to, work_for};

/// Later than any test ends.
const HOURS: u64 = 3_600;
/// More than a mailbox asks for more at.
const MISSED: usize = 200;

fn draft(receiver: &Receiver, ordering: DeliveryOrder) -> EndpointDraft {
    EndpointDraft {
        ordering,
        retry_schedule_seconds: Some(vec![HOURS]),
        max_in_flight: Some(1),
        ..to(receiver.url(), &["*"])
    }
}

fn of_case(id: &str) -> NewEvent {
    let resource = Some(Resource { kind: "cases".to_owned(), id: id.to_owned() });
    NewEvent { resource, ..NewEvent::new("cases.updated", "{}".to_owned()).unwrap() }
}

async fn publish(home: &Embedded, event: NewEvent) -> EventId {
    home.engine.publisher().publish_event(event).await.unwrap().id
}

/// A receiver that holds up what a replay sends: events of this type.
fn holding(gate: &Gate, event_type: &'static str) -> Receiver {
    let gate = gate.clone();
    Receiver::start(move |request| {
        let is_stuck = request.text().contains("cases.updated");
        if request.text().contains(event_type) {
            gate.pass();
        }
        Reply::status(if is_stuck { 500 } else { 204 })
    })
}

fn missing() -> ReplayQuery {
    all(&[ReplayStatus::Missing])
}

#[tokio::test]
async fn where_an_order_is_kept_what_is_due_does_not_wait_for_the_end_of_a_replay() {
    for ordering in [DeliveryOrder::Resource, DeliveryOrder::Endpoint] {
        let (home, gate) = (Embedded::start(), Gate::shut());
        let receiver = holding(&gate, "cases.created");
        home.publish_many("cases.created", MISSED).await;
        let endpoint = home.subscribe(draft(&receiver, ordering)).await;
        let live = home.publish("cases.live").await;
        home.until(live, endpoint, DeliveryStatus::Delivered).await;
        let replay = begin(&home, endpoint, missing()).await;
        receiver.received(2).await;
        home.tenant().retry_delivery(DeliveryId { event: live, endpoint }).await.unwrap();
        gate.open();
        let report = until_over(&home, endpoint, replay.id).await;
        assert_eq!((report.state, report.delivered), (ReplayState::Finished, MISSED as u64));
        home.until(live, endpoint, DeliveryStatus::Delivered).await;
        let again = receiver.events().iter().rposition(|event| *event == live).unwrap();
        assert!((2..20).contains(&again), "{ordering:?}: {again} went before it");
        assert_eq!(receiver.concurrent_max(), 1);
    }
}

#[tokio::test]
async fn a_replay_goes_on_when_all_that_is_live_waits_for_its_case() {
    let (home, gate) = (Embedded::start(), Gate::shut());
    let receiver = holding(&gate, "cases.created");
    home.publish_many("cases.created", MISSED).await;
    let endpoint = home.subscribe(draft(&receiver, DeliveryOrder::Resource)).await;
    let stuck = publish(&home, of_case("C-1")).await;
    home.until_retrying(stuck, endpoint).await;
    let replay = begin(&home, endpoint, missing()).await;
    receiver.received(2).await;
    let behind = publish(&home, of_case("C-1")).await;
    gate.open();
    let report = until_over(&home, endpoint, replay.id).await;
    assert_eq!((report.state, report.delivered), (ReplayState::Finished, MISSED as u64));
    assert!(!receiver.events().contains(&behind), "its case waits");
}

#[tokio::test]
async fn a_replay_goes_on_while_the_first_of_an_endpoint_in_order_waits_for_its_time() {
    let (home, gate) = (Embedded::start(), Gate::shut());
    let receiver = holding(&gate, "cases.created");
    home.publish_many("cases.created", MISSED).await;
    let endpoint = home.subscribe(draft(&receiver, DeliveryOrder::Endpoint)).await;
    let stuck = publish(&home, of_case("C-1")).await;
    home.until_retrying(stuck, endpoint).await;
    let behind = publish(&home, of_case("C-2")).await;
    let replay = begin(&home, endpoint, missing()).await;
    gate.open();
    let report = until_over(&home, endpoint, replay.id).await;
    assert_eq!((report.state, report.delivered), (ReplayState::Finished, MISSED as u64));
    assert!(!receiver.events().contains(&behind), "it waits for the first");
}

#[tokio::test]
async fn what_an_operator_has_sent_again_meanwhile_is_not_replayed_as_well() {
    let (home, holds, gate) = (Embedded::start(), Gate::shut(), Gate::shut());
    let (at_receiver, held_up) = (holds.clone(), gate.clone());
    let receiver = Receiver::start(move |_| {
        if at_receiver.is_open() {
            held_up.pass();
        }
        Reply::status(204)
    });
    let endpoint = home.subscribe(draft(&receiver, DeliveryOrder::None)).await;
    let events = home.publish_many("cases.created", 40).await;
    for event in &events {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }
    holds.open();
    let replay = begin(&home, endpoint, all(&[ReplayStatus::Delivered])).await;
    receiver.received(41).await;
    let last = DeliveryId { event: events[39], endpoint };
    home.tenant().retry_delivery(last).await.unwrap();
    gate.open();
    let report = until_over(&home, endpoint, replay.id).await;
    assert_eq!(report.sent + report.skipped, 40, "{report:?}");
    home.until(last.event, endpoint, DeliveryStatus::Delivered).await;
    let times = |event: &EventId| receiver.events().iter().filter(|it| *it == event).count();
    assert!(events.iter().all(|event| times(event) == 2), "each once more");
    let attempts = home.delivery(last.event, endpoint).await.attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
}

/// The number of an event.
fn number(request: &Request) -> usize {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    usize::try_from(body["data"].as_u64().unwrap()).unwrap()
}

async fn publish_numbered(home: &Embedded, numbers: std::ops::Range<usize>) -> Vec<EventId> {
    let numbered = |number: usize| {
        let id = format!("C-{}", number % CASES);
        NewEvent {
            resource: Some(Resource { kind: "cases".to_owned(), id }),
            ..NewEvent::new("cases.updated", number.to_string()).unwrap()
        }
    };
    let all: Vec<_> = numbers.map(numbered).collect();
    let mut ids = Vec::new();
    for batch in all.chunks(500) {
        let receipts = home.engine.publisher().publish_batch(batch.to_vec()).await.unwrap();
        ids.extend(receipts.into_iter().map(|receipt| receipt.id));
    }
    ids
}

/// Cases of the numbered events, in turns.
const CASES: usize = 10;
/// Numbered events that are sent again.
const OLD: usize = 60;
/// Events that wait while they are.
const LIVE: usize = 700;

/// What was delivered of the events up to one.
async fn delivered_until(home: &Embedded, last: EventId) -> ReplayQuery {
    let at = home.tenant().event(last).await.unwrap().published_at;
    ReplayQuery { until: Some(at.plus_millis(1)), ..all(&[ReplayStatus::Delivered]) }
}

/// A receiver that holds live ones up at a gate, and fails some of those that are sent again, once; and the cases, by
/// number, of which two came at once.
fn watching(cases: usize, gate: &Gate) -> (Receiver, Arc<Mutex<HashSet<usize>>>) {
    let (under_way, at_once) = (Mutex::new(HashSet::new()), Arc::new(Mutex::new(HashSet::new())));
    let (broken, gate) = (at_once.clone(), gate.clone());
    let receiver = Receiver::start(move |request| {
        let (number, is_again) = (number(request), request.attempt == 2);
        if !under_way.lock().unwrap().insert(number % cases) {
            broken.lock().unwrap().insert(number % cases);
        }
        if number >= OLD {
            gate.pass();
        }
        work_for(Duration::from_millis(1));
        under_way.lock().unwrap().remove(&(number % cases));
        Reply::status(if is_again && number % 7 == 3 { 500 } else { 204 })
    });
    (receiver, at_once)
}

#[tokio::test]
async fn however_many_live_ones_wait_a_replay_has_its_share_and_every_order_is_kept() {
    for ordering in [DeliveryOrder::None, DeliveryOrder::Resource, DeliveryOrder::Endpoint] {
        let home = Embedded::start();
        let cases = if ordering == DeliveryOrder::Endpoint { 1 } else { CASES };
        let gate = Gate::shut();
        let (receiver, at_once) = watching(cases, &gate);
        let draft = EndpointDraft {
            ordering,
            retry_schedule_seconds: Some(vec![0, 0]),
            max_in_flight: Some(4),
            ..to(receiver.url(), &["*"])
        };
        let endpoint = home.subscribe(draft).await;
        let old = publish_numbered(&home, 0..OLD).await;
        for event in &old {
            home.until(*event, endpoint, DeliveryStatus::Delivered).await;
        }
        let query = delivered_until(&home, old[OLD - 1]).await;
        publish_numbered(&home, OLD..OLD + LIVE).await;
        let replay = begin(&home, endpoint, query).await;
        gate.open();
        let report = until_over(&home, endpoint, replay.id).await;
        assert_eq!(
            (report.state, report.count, report.sent),
            (ReplayState::Finished, OLD as u64, OLD as u64)
        );
        let failed = usize::try_from(report.failed).unwrap();
        receiver.received(2 * OLD + failed + LIVE).await;

        let came: Vec<_> = receiver.requests()[OLD..].iter().map(number).collect();
        let last = came.iter().rposition(|number| *number < OLD).unwrap();
        let live = came[..last].iter().filter(|number| **number >= OLD).count();
        assert!((2 * OLD..LIVE).contains(&live), "{ordering:?}: {live} of {LIVE} went before its last");
        if ordering == DeliveryOrder::None {
            continue;
        }
        assert!(at_once.lock().unwrap().is_empty(), "{ordering:?}: two at once of {at_once:?}");
        for case in 0..cases {
            let again: Vec<_> = came.iter().filter(|it| **it < OLD && **it % cases == case).collect();
            assert!(again.is_sorted(), "{ordering:?}: {again:?}; what fails is waited for");
        }
    }
}

#[tokio::test]
async fn a_replay_to_an_endpoint_without_live_deliveries_keeps_its_distance_from_those_of_others() {
    let home = Embedded::start();
    let (others, receiver) = (Receiver::willing(), Receiver::willing());
    let missed = home.publish_many("cases.created", 60).await;
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let other = home.subscribe(to(others.url(), &["tasks.*"])).await;
    let live = home.publish("tasks.created").await;
    home.until(live, other, DeliveryStatus::Delivered).await;
    let replay = begin(&home, endpoint, missing()).await;
    until_over(&home, endpoint, replay.id).await;
    let mut begun = Vec::new();
    for event in missed {
        begun.push(home.delivery(event, endpoint).await.attempts[0].started_at.as_micros());
    }
    begun.sort_unstable();
    assert!(begun.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "{begun:?}");
}
