//! A shutdown accepts nothing more, lets attempts finish within its grace, and reports what it left.

use std::time::Duration;

use casewire::{EndpointDraft, ErrorKind, ShutdownReport};

use crate::support::{Embedded, Gate, PATIENCE, Receiver, Reply, to, work_for};

/// Five events for an endpoint that takes two at once and holds them up at the gate.
async fn two_of_five_in_flight(gate: &Gate) -> (Embedded, Receiver) {
    let (home, at_receiver) = (Embedded::start(), gate.clone());
    let receiver = Receiver::start(move |_| {
        at_receiver.pass();
        // The reply comes well after the shutdown has begun, not just with it.
        work_for(Duration::from_millis(50));
        Reply::status(204)
    });
    home.subscribe(EndpointDraft { max_in_flight: Some(2), ..to(receiver.url(), &["*"]) }).await;
    home.publish_many("cases.created", 5).await;
    receiver.received(2).await;
    (home, receiver)
}

#[tokio::test]
async fn attempts_in_flight_finish_within_the_grace_and_no_other_begins() {
    let gate = Gate::shut();
    let (home, receiver) = two_of_five_in_flight(&gate).await;
    let opens_once_closed = async {
        let (publisher, mut accepted) = (home.engine.publisher(), 0);
        let error = loop {
            match publisher.publish_json("cases.created", "{}").await {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
        };
        gate.open();
        (error.kind(), accepted)
    };
    let (report, (refusal, accepted)) = tokio::join!(home.engine.shutdown(PATIENCE), opens_once_closed);
    assert_eq!(refusal, ErrorKind::Closed);
    assert_eq!(report, ShutdownReport { finished: 2, interrupted: 0, pending: 3 + accepted });
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn attempts_over_the_grace_are_interrupted_and_made_again_after_the_next_start() {
    let gate = Gate::shut();
    let (home, receiver) = two_of_five_in_flight(&gate).await;
    let report = home.engine.shutdown(Duration::from_millis(50)).await;
    assert_eq!(report, ShutdownReport { finished: 0, interrupted: 2, pending: 5 });
    gate.open();
    let home = home.restart().await;
    receiver.received(7).await;
    let report = home.shutdown().await;
    assert_eq!((report.interrupted, report.pending), (0, 0));
    assert_eq!(receiver.count(), 7, "the two that were interrupted came twice");
}

#[tokio::test]
async fn after_a_shutdown_everything_is_closed_and_a_second_one_does_nothing() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    let (publisher, tenant) = (home.engine.publisher(), home.tenant());
    let event = home.publish("cases.created").await;
    home.shutdown().await;

    let closed = publisher.publish_json("cases.created", "{}").await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed, "{closed}");
    let closed = tenant.create_endpoint(to(receiver.url(), &["*"])).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed, "{closed}");
    assert_eq!(tenant.event(event).await.unwrap_err().kind(), ErrorKind::Closed);
    let nothing = ShutdownReport { finished: 0, interrupted: 0, pending: 0 };
    assert_eq!(home.shutdown().await, nothing);
    assert_eq!(home.engine.clone().shutdown(Duration::ZERO).await, nothing);
}

#[tokio::test]
async fn of_two_shutdowns_at_once_both_return() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    home.publish_many("cases.created", 50).await;
    tokio::join!(home.shutdown(), home.shutdown());
    let home = home.restart().await;
    receiver.received(50).await;
    home.shutdown().await;
}
