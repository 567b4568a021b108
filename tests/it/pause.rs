//! A paused endpoint holds its deliveries, and gets them in publish order when it is active again.

use std::{
    io::{Read, Write},
    time::Duration,
};

use casewire::{DeliveryStatus, EndpointDraft, EndpointId, EndpointStatus, EventId, Limits};

use crate::support::{Embedded, Gate, Receiver, Reply, to, wait_until, work_for};

const HELD: usize = 200;

/// How many deliveries an endpoint holds, once that is known.
async fn until_held(home: &Embedded, endpoint: EndpointId, count: u64) {
    wait_until(async || home.tenant().endpoint(endpoint).await.unwrap().held, |held| *held == count).await;
}

/// The events in the order in which they first came.
fn in_order_of_arrival(receiver: &Receiver, wanted: &[EventId]) -> Vec<EventId> {
    receiver.events().into_iter().filter(|event| wanted.contains(event)).collect()
}

fn paused(receiver: &Receiver) -> EndpointDraft {
    EndpointDraft { status: Some(EndpointStatus::Paused), ..to(receiver.url(), &["*"]) }
}

#[tokio::test]
async fn what_was_held_is_counted_and_arrives_in_publish_order() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let before = home.publish("cases.created").await;
    home.until(before, endpoint, DeliveryStatus::Delivered).await;

    home.set_status(endpoint, EndpointStatus::Paused).await;
    let mut held = home.publish_many("cases.updated", HELD / 2).await;
    for _ in 0..HELD / 2 {
        held.push(home.publish("cases.updated").await);
    }
    until_held(&home, endpoint, HELD as u64).await;
    assert_eq!(home.delivery(held[0], endpoint).await.status, DeliveryStatus::Held);
    assert_eq!(receiver.events(), [before], "nothing is sent while it is paused");

    home.set_status(endpoint, EndpointStatus::Active).await;
    // What comes meanwhile may overtake, and takes nobody's place.
    let meanwhile = home.publish_many("cases.closed", 50).await;
    receiver.received_all(&held).await;
    receiver.received_all(&meanwhile).await;
    assert_eq!(in_order_of_arrival(&receiver, &held), held);
    until_held(&home, endpoint, 0).await;
}

#[tokio::test]
async fn what_was_held_over_restarts_arrives_in_publish_order() {
    let (mut home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(paused(&receiver)).await;
    let mut held = home.publish_many("cases.updated", HELD / 2).await;
    home = home.restart().await;
    held.extend(home.publish_many("cases.updated", HELD / 2).await);
    home = home.drop_and_restart().await;
    until_held(&home, endpoint, HELD as u64).await;
    assert_eq!(receiver.count(), 0);

    home.set_status(endpoint, EndpointStatus::Active).await;
    receiver.received_all(&held).await;
    home.shutdown().await;
    assert_eq!(receiver.events(), held);
}

#[tokio::test]
async fn what_was_held_keeps_its_order_over_a_restart_in_the_middle_of_it() {
    let home = Embedded::start();
    let receiver = Receiver::start(|_| {
        work_for(Duration::from_millis(2));
        Reply::status(204)
    });
    let endpoint = home.subscribe(paused(&receiver)).await;
    let held = home.publish_many("cases.updated", HELD).await;
    home.set_status(endpoint, EndpointStatus::Active).await;
    receiver.received(HELD / 10).await;
    let home = home.restart().await;
    assert!(receiver.count() < HELD, "it was to be in the middle");
    receiver.received_all(&held).await;
    home.shutdown().await;
    let mut arrived = receiver.events();
    arrived.dedup();
    assert_eq!(arrived, held);
}

#[tokio::test]
async fn a_pause_without_events_brings_nothing_back_that_was_delivered_before_a_restart() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let before = home.publish_many("cases.created", 5).await;
    for event in &before {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }
    let home = home.restart().await;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    home.set_status(endpoint, EndpointStatus::Active).await;
    let after = home.publish("cases.closed").await;
    home.until(after, endpoint, DeliveryStatus::Delivered).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), before.len() + 1, "each once");
}

/// Ten events for an endpoint that takes two at once and holds them up at the gate.
async fn two_of_ten_in_flight(gate: &Gate) -> (Embedded, Receiver, EndpointId, Vec<EventId>) {
    let (home, at_receiver) = (Embedded::start(), gate.clone());
    let receiver = Receiver::start(move |_| {
        at_receiver.pass();
        Reply::status(204)
    });
    let endpoint =
        home.subscribe(EndpointDraft { max_in_flight: Some(2), ..to(receiver.url(), &["*"]) }).await;
    let events = home.publish_many("cases.created", 10).await;
    receiver.received(2).await;
    (home, receiver, endpoint, events)
}

#[tokio::test]
async fn once_a_pause_is_answered_no_attempt_begins_and_those_under_way_count() {
    let gate = Gate::shut();
    let (home, receiver, endpoint, events) = two_of_ten_in_flight(&gate).await;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    gate.open();
    until_held(&home, endpoint, 8).await;
    assert_eq!(receiver.count(), 2);
    home.set_status(endpoint, EndpointStatus::Active).await;
    receiver.received_all(&events).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 10, "each once");
}

#[tokio::test]
async fn once_a_deletion_is_answered_no_attempt_begins() {
    let gate = Gate::shut();
    let (home, receiver, endpoint, events) = two_of_ten_in_flight(&gate).await;
    home.tenant().delete_endpoint(endpoint).await.unwrap();
    gate.open();
    // As many events for another endpoint at the same receiver go the same way.
    home.subscribe(to(receiver.url(), &["*"])).await;
    receiver.received_all(&home.publish_many("cases.updated", 10).await).await;
    assert_eq!(home.shutdown().await.interrupted, 0, "those that were under way have ended");
    assert_eq!(in_order_of_arrival(&receiver, &events).len(), 2);
}

#[tokio::test]
async fn events_that_failed_before_the_pause_are_held_with_the_others_and_delivered() {
    let (home, works) = (Embedded::start(), Gate::shut());
    let at_receiver = works.clone();
    let receiver = Receiver::start(move |_| Reply::status(if at_receiver.is_open() { 204 } else { 500 }));
    let draft = EndpointDraft { retry_schedule_seconds: Some(vec![1; 20]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let mut events = home.publish_many("cases.created", 5).await;
    for event in &events {
        wait_until(async || home.delivery(*event, endpoint).await, |record| !record.attempts.is_empty())
            .await;
    }
    home.set_status(endpoint, EndpointStatus::Paused).await;
    events.extend(home.publish_many("cases.updated", 5).await);
    until_held(&home, endpoint, 10).await;
    works.open();
    home.set_status(endpoint, EndpointStatus::Active).await;
    for event in &events[..5] {
        let record = home.until(*event, endpoint, DeliveryStatus::Delivered).await;
        assert!(record.attempts.len() >= 2, "{record:?}");
    }
    receiver.received_all(&events).await;
}

#[tokio::test]
async fn deleting_an_endpoint_cancels_what_waits_for_it() {
    let home = Embedded::start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let failing =
        |path| EndpointDraft { retry_schedule_seconds: Some(vec![1]), ..to(receiver.at(path), &["*"]) };
    let (gone, stays) = (home.subscribe(failing("/gone")).await, home.subscribe(failing("/stays")).await);
    let held = home.subscribe(paused(&receiver)).await;
    let event = home.publish("cases.created").await;
    home.until_retrying(event, gone).await;
    home.until_retrying(event, stays).await;

    for endpoint in [gone, held] {
        home.tenant().delete_endpoint(endpoint).await.unwrap();
        assert_eq!(home.delivery(event, endpoint).await.status, DeliveryStatus::Cancelled);
    }
    // The one that stays was due at the same time; a second event goes through the same queues.
    home.until(event, stays, DeliveryStatus::Dead).await;
    let home = home.restart().await;
    let second = home.publish("cases.updated").await;
    home.until(second, stays, DeliveryStatus::Dead).await;
    assert_eq!(home.delivery(event, gone).await.status, DeliveryStatus::Cancelled);
    assert_eq!(receiver.requests().iter().filter(|request| request.path != "/stays").count(), 1);
}

#[tokio::test]
async fn a_resumed_endpoint_without_work_is_let_go_with_its_connections() {
    let limits = Limits { mailbox_rest_ms: 1, ..Limits::default() };
    let home = Embedded::with(move |builder| builder.limits(limits.clone()));
    let closed = Gate::shut();
    let at_receiver = closed.clone();
    let receiver = Receiver::start(move |_| {
        let closed = at_receiver.clone();
        Reply::raw(move |connection| {
            connection.write_all(b"HTTP/1.1 204 Scripted\r\n\r\n").unwrap();
            if matches!(connection.read(&mut [0]), Ok(0)) {
                closed.open();
            }
        })
    });
    let endpoint = home.subscribe(paused(&receiver)).await;
    let event = home.publish("cases.created").await;
    home.set_status(endpoint, EndpointStatus::Active).await;
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
    wait_until(async || closed.is_open(), |is_closed| *is_closed).await;
}
