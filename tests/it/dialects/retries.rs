//! A retry is the same event with the same bytes, in every dialect and over restarts.

use std::collections::BTreeSet;

use casewire::{DeliveryId, DeliveryStatus};

use super::{ALL, obliging};
use crate::support::{Embedded, Gate, Receiver, Request, wait_until};

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
