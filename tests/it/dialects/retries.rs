//! A retry is the same event with the same bytes, in every dialect and over restarts.

use std::collections::BTreeSet;

use casewire::{DeliveryId, DeliveryStatus, EndpointPatch, NewEvent};

use super::{ALL, Spoken, obliging};
use crate::support::{Embedded, Gate, Receiver, Reply, Request, wait_until};

/// Headers by which receivers know an event; they stay, as the body does.
const IDENTITY: [&str; 5] =
    ["webhook-id", "x-github-delivery", "event-name", "x-github-event", "content-type"];

fn identity(request: &Request) -> (Vec<Option<&str>>, &[u8]) {
    (IDENTITY.map(|name| request.find(name)).into(), &request.body)
}

#[tokio::test]
async fn over_attempts_and_restarts_the_bytes_and_the_id_stay() {
    let (mut home, works) = (Embedded::start(), Gate::shut());
    let at_receiver = works.clone();
    let receiver = Receiver::start(move |request| {
        // A handshake has no body and succeeds at once.
        let status = if at_receiver.is_open() || request.body.is_empty() { 200 } else { 503 };
        obliging(request, status)
    });
    let deliveries_at = |path: &str| -> Vec<Request> {
        let requests = receiver.requests();
        requests.into_iter().filter(|it| it.path == path && !it.body.is_empty()).collect()
    };
    let mut expected = Vec::new();
    for spoken in &ALL {
        let path = format!("/{}", spoken.dialect);
        let mut draft = spoken.draft(receiver.at(&path));
        draft.retry_schedule_seconds = Some([&[0][..], &[1; 30]].concat());
        let endpoint = spoken.tenant(&home).create_endpoint(draft).await.unwrap().endpoint.id;
        let event = spoken.tenant(&home).publish(spoken.event()).await.unwrap().id;
        expected.push((spoken, path, DeliveryId { event, endpoint }));
    }
    for round in 1..=2 {
        for (_, path, _) in &expected {
            wait_until(async || deliveries_at(path).len(), |count| *count >= 2 * round).await;
        }
        home = if round == 1 { home.restart().await } else { home.drop_and_restart().await };
    }
    works.open();
    for (spoken, path, delivery) in expected {
        let tenant = spoken.tenant(&home);
        let look = async || tenant.delivery(delivery).await.unwrap().status;
        wait_until(look, |status| *status == DeliveryStatus::Delivered).await;
        let attempts = deliveries_at(&path);
        let different: BTreeSet<_> = attempts.iter().map(identity).collect();
        assert!(attempts.len() >= 5, "{path}: {}", attempts.len());
        assert_eq!(different.len(), 1, "{path}: {different:?}");
    }
}

#[tokio::test]
async fn new_params_are_for_new_events_and_a_retry_keeps_the_old_ones() {
    let (mut home, works) = (Embedded::start(), Gate::shut());
    let at_receiver = works.clone();
    let receiver = Receiver::start(move |_| Reply::status(if at_receiver.is_open() { 200 } else { 503 }));
    let spoken = Spoken::of("casebook@1");
    let mut draft = spoken.draft(receiver.url());
    draft.retry_schedule_seconds = Some(vec![1; 30]);
    let endpoint = spoken.tenant(&home).create_endpoint(draft).await.unwrap().endpoint.id;
    let old = spoken.tenant(&home).publish(spoken.event()).await.unwrap().id;
    let first = receiver.received(1).await.remove(0);

    let tenant_id = "11111111-2222-4333-8444-555555555555";
    let params = Some([("tenant_id".to_owned(), tenant_id.to_owned())].into());
    let patch = EndpointPatch { params, ..EndpointPatch::default() };
    spoken.tenant(&home).update_endpoint(endpoint, patch).await.unwrap();
    receiver.received(3).await;
    home = home.restart().await;
    let event = NewEvent { idempotency_key: Some("another".to_owned()), ..spoken.event() };
    let new = spoken.tenant(&home).publish(event).await.unwrap().id;
    works.open();
    for event in [old, new] {
        let look =
            async || spoken.tenant(&home).delivery(DeliveryId { event, endpoint }).await.unwrap().status;
        wait_until(look, |status| *status == DeliveryStatus::Delivered).await;
    }
    let (with_new, with_old): (Vec<_>, Vec<_>) =
        receiver.requests().into_iter().partition(|request| request.text().contains(tenant_id));
    assert!(with_old.len() >= 3 && with_old.iter().all(|request| request.body == first.body));
    assert!(!with_new.is_empty());
}
