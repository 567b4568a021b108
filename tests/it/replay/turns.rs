//! Whose turn it is, where a replay meets what is due, what waits for its case, and what is asked for otherwise.

use casewire::{
    DeliveryId, DeliveryOrder, DeliveryStatus, EndpointDraft, EventId, NewEvent, ReplayQuery, ReplayState,
    ReplayStatus, Resource,
};

use super::{all, begin, until_over};
use crate::support::{Embedded, Gate, Receiver, Reply, to};

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
