//! A backlog waits in the journal, bounded in memory, and arrives whole when its endpoint is there again.

use std::collections::HashSet;

use casewire::{DeliveryStatus, EndpointDraft, Limits};

use crate::support::{Down, Embedded, Gate, Receiver, Reply, to, wait_until};

#[tokio::test]
async fn a_backlog_of_thousands_arrives_whole_when_the_endpoint_comes_up() {
    let (home, down) = (Embedded::start(), Down::reserve());
    let patient = EndpointDraft {
        max_in_flight: Some(4),
        retry_schedule_seconds: Some(vec![1; 60]),
        ..to(down.url(), &["*"])
    };
    let endpoint = home.subscribe(patient).await;
    let events = home.publish_many("cases.updated", 3_000).await;
    home.until_retrying(events[0], endpoint).await;

    let receiver = down.start(|_| Reply::status(204));
    receiver.received_all(&events).await;
    assert!(receiver.concurrent_max() <= 4, "{} at once", receiver.concurrent_max());
    let distinct: HashSet<_> = receiver.events().into_iter().collect();
    assert_eq!(distinct.len(), events.len(), "and nothing else");
    for event in [events[0], events[1_500], events[2_999]] {
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
    }
}

#[tokio::test]
async fn a_backlog_survives_a_restart_while_its_endpoint_is_down() {
    let (home, down) = (Embedded::start(), Down::reserve());
    let patient = EndpointDraft { retry_schedule_seconds: Some(vec![1; 60]), ..to(down.url(), &["*"]) };
    let endpoint = home.subscribe(patient).await;
    let events = home.publish_many("cases.updated", 500).await;
    home.until_retrying(events[0], endpoint).await;
    let home = home.drop_and_restart().await;
    let receiver = down.start(|_| Reply::status(204));
    receiver.received_all(&events).await;
    wait_until(async || home.engine.health(), |health| health.accepting).await;
}

#[tokio::test]
async fn in_a_small_window_one_stuck_delivery_lets_the_others_pass() {
    let limits = Limits { window_deliveries_max: 8, ..Limits::default() };
    let home = Embedded::with(move |builder| builder.limits(limits.clone()));
    let stuck = Gate::shut();
    let at_receiver = stuck.clone();
    let receiver = Receiver::start(move |request| {
        if request.text().contains(r#""n":0}"#) {
            at_receiver.pass();
        }
        Reply::status(204)
    });
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let events = home.publish_many("cases.updated", 200).await;
    receiver.received_all(&events).await;
    for event in &events[1..] {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }
    assert_eq!(home.delivery(events[0], endpoint).await.status, DeliveryStatus::InFlight);

    stuck.open();
    let record = home.until(events[0], endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(record.attempts.len(), 1);
    home.shutdown().await;
    assert_eq!(receiver.count(), 200, "each once");
}
