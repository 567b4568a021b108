//! What was acknowledged arrives under its id, whenever and however the engine was stopped in between.

use std::time::Duration;

use casewire::{DeliveryStatus, EndpointDraft, EndpointStatus, RetrySchedule};

use crate::support::{Down, Embedded, Gate, Receiver, Reply, to};

enum Stop {
    Shutdown,
    Drop,
}

impl Stop {
    async fn and_start_again(&self, home: Embedded) -> Embedded {
        match self {
            Self::Shutdown => home.restart().await,
            Self::Drop => home.drop_and_restart().await,
        }
    }
}

/// Stops an engine again and again while it delivers to endpoints that work, fail, hang and refuse.
async fn nothing_acknowledged_is_lost(stop: Stop) {
    let mut home = Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(vec![1; 60]).unwrap()));
    let (works, down) = (Gate::shut(), Down::reserve());
    let (failing, slow) = (works.clone(), works.clone());
    let receivers = [
        Receiver::willing(),
        Receiver::start(move |_| Reply::status(if failing.is_open() { 204 } else { 500 })),
        Receiver::start(move |_| {
            slow.pass();
            Reply::status(204)
        }),
    ];
    let mut endpoints = Vec::new();
    for url in receivers.iter().map(Receiver::url).chain([down.url()]) {
        endpoints.push(home.subscribe(to(url, &["*"])).await);
    }
    let mut events = Vec::new();
    for round in 1..=3 {
        events.extend(home.publish_many("cases.created", 20).await);
        for _ in 0..10 {
            events.push(home.publish("cases.updated").await);
        }
        // In the middle: some have come, and not all.
        receivers[0].received(20 * round).await;
        home = stop.and_start_again(home).await;
    }
    works.open();
    let recovered = down.start(|_| Reply::status(204));
    for receiver in receivers.iter().chain([&recovered]) {
        receiver.received_all(&events).await;
        assert!(receiver.events().iter().all(|event| events.contains(event)), "an id that was never given");
    }
    for endpoint in endpoints {
        for event in &events {
            let record = home.until(*event, endpoint, DeliveryStatus::Delivered).await;
            let numbers = record.attempts.iter().map(|attempt| usize::from(attempt.number));
            assert!(numbers.eq(1..=record.attempts.len()), "attempts are numbered through: {record:?}");
        }
    }
    assert_eq!(home.shutdown().await.pending, 0);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_over_shutdowns() {
    nothing_acknowledged_is_lost(Stop::Shutdown).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_engine_is_just_dropped() {
    nothing_acknowledged_is_lost(Stop::Drop).await;
}

#[tokio::test]
async fn a_retry_keeps_its_time_and_its_number_over_a_restart() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| Reply::status(if request.attempt == 1 { 500 } else { 204 }));
    let with_delay = |path: &str, seconds| EndpointDraft {
        retry_schedule_seconds: Some(vec![seconds]),
        ..to(receiver.at(path), &["cases.created"])
    };
    let soon = home.subscribe(with_delay("/soon", 1)).await;
    let late = home.subscribe(with_delay("/late", 3_600)).await;
    let event = home.publish("cases.created").await;
    let before = [home.until_retrying(event, soon).await, home.until_retrying(event, late).await];

    let home = home.restart().await;
    let after = home.delivery(event, late).await;
    assert_eq!(after, before[1], "neither forgotten nor brought forward");
    let record = home.until(event, soon, DeliveryStatus::Delivered).await;
    let numbers: Vec<_> = record.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(record.attempts[0], before[0].attempts[0]);

    let requests: Vec<_> = receiver.requests().into_iter().filter(|it| it.path == "/soon").collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body);
    // Over a restart delays run on the wall's clock.
    let gap = requests[1].wall.duration_since(requests[0].wall).unwrap();
    assert!(gap >= Duration::from_secs(1), "{gap:?}");
    assert_eq!(home.delivery(event, late).await.attempts.len(), 1);
}

#[tokio::test]
async fn endpoints_events_and_deliveries_are_as_they_were_after_a_restart() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let event = home.publish("cases.created").await;
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    let held = home.publish("cases.updated").await;
    let (shown, stored) =
        (home.tenant().endpoints().await.unwrap(), home.tenant().event(event).await.unwrap());
    let home = home.restart().await;
    assert_eq!(home.tenant().endpoints().await.unwrap(), shown);
    assert_eq!(home.tenant().event(event).await.unwrap(), stored);
    assert_eq!(home.delivery(event, endpoint).await, record);
    home.set_status(endpoint, EndpointStatus::Active).await;
    home.until(held, endpoint, DeliveryStatus::Delivered).await;
    home.shutdown().await;
    assert_eq!(receiver.events(), [event, held], "what was delivered is not sent again");
}
