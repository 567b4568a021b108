//! An event goes once to each endpoint of its tenant that a pattern matched when it was published.

use casewire::{DeliveryStatus, EndpointPatch, Tenant};

use crate::support::{Embedded, Receiver, to};

#[tokio::test]
async fn overlapping_patterns_of_one_endpoint_are_one_delivery() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*", "*.created", "cases.created", "*"])).await;
    let receipt = home.engine.publisher().publish_json("cases.created", "{}").await.unwrap();
    assert_eq!(receipt.deliveries, 1);
    home.until(receipt.id, endpoint, DeliveryStatus::Delivered).await;
    // A later event has overtaken any second copy that might have been queued.
    let later = home.publish("cases.created").await;
    home.until(later, endpoint, DeliveryStatus::Delivered).await;
    home.shutdown().await;
    assert_eq!(receiver.events(), [receipt.id, later]);
}

#[tokio::test]
async fn a_star_crosses_dots_but_needs_what_stands_before_it() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let mut matched = Vec::new();
    for (event_type, deliveries) in [
        ("cases.created", 1),
        ("cases.tasks.created", 1),
        ("cases", 0),
        ("casesx.created", 0),
        ("subcases.created", 0),
        ("Cases.created", 0),
    ] {
        let receipt = home.engine.publisher().publish_json(event_type, "{}").await.unwrap();
        assert_eq!(receipt.deliveries, deliveries, "{event_type}");
        matched.extend((deliveries > 0).then_some(receipt.id));
    }
    receiver.received_all(&matched).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn tenants_receive_their_own_events_and_no_others() {
    let home = Embedded::start();
    let mut theirs = Vec::new();
    for name in ["north", "south"] {
        let (tenant, receiver) = (home.engine.tenant(Tenant::new(name).unwrap()), Receiver::willing());
        tenant.create_endpoint(to(receiver.url(), &["*"])).await.unwrap();
        theirs.push((tenant, receiver));
    }
    let mut published = [Vec::new(), Vec::new()];
    for _ in 0..20 {
        for ((tenant, _), published) in theirs.iter().zip(&mut published) {
            let receipt = tenant.publisher().publish_json("cases.created", "{}").await.unwrap();
            assert_eq!(receipt.deliveries, 1);
            published.push(receipt.id);
        }
    }
    for ((_, receiver), published) in theirs.iter().zip(&published) {
        receiver.received_all(published).await;
    }
    home.shutdown().await;
    for ((_, receiver), published) in theirs.iter().zip(&published) {
        assert_eq!(receiver.count(), published.len(), "its own and nothing else");
    }
}

#[tokio::test]
async fn an_endpoint_created_before_a_publish_always_gets_it() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let mut events = Vec::new();
    for round in 0..200 {
        let event_type = format!("cases.round-{round}");
        home.subscribe(to(receiver.url(), &[&event_type])).await;
        let receipt = home.engine.publisher().publish_json(&event_type, "{}").await.unwrap();
        assert_eq!(receipt.deliveries, 1, "round {round}");
        events.push(receipt.id);
    }
    receiver.received_all(&events).await;
}

#[tokio::test]
async fn new_patterns_hold_from_their_answer_on_and_a_deleted_endpoint_matches_nothing() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let deliveries = async |event_type: &str| {
        home.engine.publisher().publish_json(event_type, "{}").await.unwrap().deliveries
    };
    assert_eq!((deliveries("cases.created").await, deliveries("people.created").await), (1, 0));
    let patch = EndpointPatch { events: Some(vec!["people.*".to_owned()]), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, patch).await.unwrap();
    assert_eq!((deliveries("cases.created").await, deliveries("people.created").await), (0, 1));
    home.tenant().delete_endpoint(endpoint).await.unwrap();
    assert_eq!((deliveries("cases.created").await, deliveries("people.created").await), (0, 0));
}
