//! What is wrong with one endpoint, or one event, is nobody else's trouble.

use casewire::{DeliveryStatus, EndpointDraft, FailureClass};

use crate::support::{Down, Embedded, Gate, Receiver, Reply, to};

#[tokio::test]
async fn endpoints_that_hang_or_refuse_keep_nothing_from_the_others() {
    let (home, down, never) = (Embedded::start(), Down::reserve(), Gate::shut());
    let hanging = Receiver::start(move |_| {
        never.pass();
        Reply::status(204)
    });
    let hangs = EndpointDraft { max_in_flight: Some(8), ..to(hanging.url(), &["*"]) };
    let hangs = home.subscribe(hangs).await;
    let refuses = EndpointDraft { retry_schedule_seconds: Some(vec![1; 60]), ..to(down.url(), &["*"]) };
    let refuses = home.subscribe(refuses).await;
    let healthy: Vec<_> = (0..3).map(|_| Receiver::willing()).collect();
    for receiver in &healthy {
        home.subscribe(to(receiver.url(), &["*"])).await;
    }

    let events = home.publish_many("cases.updated", 500).await;
    for receiver in &healthy {
        receiver.received_all(&events).await;
    }
    hanging.received(8).await;
    assert_eq!(hanging.count(), 8, "still stuck, and at its limit");
    assert_eq!(home.delivery(events[0], hangs).await.status, DeliveryStatus::InFlight);
    assert_ne!(home.delivery(events[0], refuses).await.status, DeliveryStatus::Delivered);
    for receiver in &healthy {
        assert_eq!(receiver.count(), events.len(), "each once");
    }
}

/// While many endpoints are busy each has few quick attempts under way; slow ones do not count.
#[tokio::test]
async fn among_many_busy_endpoints_a_slow_receiver_is_still_called_as_often_at_once_as_it_may_be() {
    const ENDPOINTS: usize = 40;
    const AT_ONCE: usize = 10;
    let (home, gate) = (Embedded::start(), Gate::shut());
    let held = gate.clone();
    let slow = Receiver::start(move |_| {
        held.pass();
        Reply::status(204)
    });
    for number in 0..ENDPOINTS {
        let url = slow.at(&format!("/{number}"));
        let draft = EndpointDraft { max_in_flight: Some(AT_ONCE as u32), ..to(url, &["*"]) };
        home.subscribe(draft).await;
    }
    let events = home.publish_many("cases.updated", 2 * AT_ONCE).await;
    slow.received(ENDPOINTS * AT_ONCE).await;
    assert_eq!(slow.count(), ENDPOINTS * AT_ONCE, "each at its limit, and none beyond");
    gate.open();
    slow.received(ENDPOINTS * events.len()).await;
}

#[tokio::test]
async fn a_delivery_that_makes_the_engine_panic_is_set_aside_and_all_others_arrive() {
    let home = Embedded::with(|builder| {
        builder.before_attempt(|event| {
            assert_ne!(event.event_type().as_str(), "cases.poison", "injected by a test");
        })
    });
    let receivers = [Receiver::willing(), Receiver::willing()];
    let mut endpoints = Vec::new();
    for receiver in &receivers {
        endpoints.push(home.subscribe(to(receiver.url(), &["*"])).await);
    }
    let mut events = home.publish_many("cases.created", 20).await;
    let poison = home.publish("cases.poison").await;
    events.extend(home.publish_many("cases.created", 20).await);

    for endpoint in &endpoints {
        for event in &events {
            home.until(*event, *endpoint, DeliveryStatus::Delivered).await;
        }
        let record = home.until(poison, *endpoint, DeliveryStatus::Dead).await;
        let classes: Vec<_> = record.attempts.iter().map(|attempt| attempt.outcome.failure_class()).collect();
        assert_eq!(classes, [Some(FailureClass::Quarantined)]);
    }
    let home = home.restart().await;
    let after = home.publish("cases.created").await;
    for (receiver, endpoint) in receivers.iter().zip(&endpoints) {
        receiver.received_all(&[after]).await;
        assert_eq!(
            home.delivery(poison, *endpoint).await.status,
            DeliveryStatus::Dead,
            "it is not tried again"
        );
        assert_eq!(receiver.count(), events.len() + 1);
    }
}
