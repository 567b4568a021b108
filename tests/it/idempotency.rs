//! Publishing again with the same idempotency key stores the event once.

use casewire::{DeliveryStatus, ErrorKind, NewEvent, Tenant};

use crate::support::{Embedded, Receiver, to};

fn keyed(key: &str, data: &str) -> NewEvent {
    NewEvent {
        idempotency_key: Some(key.to_owned()),
        ..NewEvent::new("cases.created", data.to_owned()).unwrap()
    }
}

#[tokio::test]
async fn the_same_key_answers_with_the_first_events_id_also_after_restarts() {
    let (mut home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let first = home.tenant().publish(keyed("k", "1")).await.unwrap();
    assert!(!first.duplicate);
    home.until(first.id, endpoint, DeliveryStatus::Delivered).await;
    for round in 0..3 {
        let again = home.tenant().publish(keyed("k", "1")).await.unwrap();
        assert_eq!((again.id, again.duplicate, again.deliveries), (first.id, true, 1), "round {round}");
        let other = home.tenant().publish(keyed("k", "2")).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Conflict, "{other}");
        home = if round == 0 { home.restart().await } else { home.drop_and_restart().await };
    }
    let elsewhere = home.engine.tenant(Tenant::new("other").unwrap()).publish(keyed("k", "2")).await.unwrap();
    assert!(!elsewhere.duplicate, "a key is one tenant's own");
    let last = home.tenant().publish(keyed("last", "1")).await.unwrap();
    receiver.received_all(&[first.id, last.id]).await;
    home.shutdown().await;
    assert_eq!(receiver.events(), [first.id, last.id], "nothing was stored twice");
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_is_stored() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    let publisher = home.engine.publisher();
    let all = futures_util::future::join_all((0..50).map(|_| publisher.publish_event(keyed("k", "1")))).await;
    let all: Vec<_> = all.into_iter().map(|receipt| receipt.unwrap()).collect();
    assert_eq!(all.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(all.iter().all(|receipt| receipt.id == all[0].id));
    receiver.received(1).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_key_that_comes_twice_in_a_batch_is_one_event() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    let batch = vec![keyed("a", "1"), keyed("b", "1"), keyed("a", "1")];
    let receipts = home.tenant().publish_batch(batch).await.unwrap();
    let duplicates: Vec<_> = receipts.iter().map(|receipt| receipt.duplicate).collect();
    assert_eq!(duplicates, [false, false, true]);
    assert_eq!(receipts[2].id, receipts[0].id);
    receiver.received_all(&[receipts[0].id, receipts[1].id]).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    let known = home.tenant().publish(keyed("known", "1")).await.unwrap();
    let mut oversized = keyed("c", "1");
    oversized.agency = Some("a".repeat(257));
    for (last, kind) in [
        (keyed("known", "2"), ErrorKind::Conflict),
        (keyed("a", "2"), ErrorKind::Conflict),
        (oversized, ErrorKind::Invalid),
    ] {
        let batch = vec![keyed("a", "1"), keyed("b", "1"), last];
        let error = home.tenant().publish_batch(batch).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(kind != ErrorKind::Conflict || error.message().contains("(event 2)"), "{error}");
    }
    let whole = home.tenant().publish_batch(vec![keyed("a", "1"), keyed("b", "1")]).await.unwrap();
    assert!(whole.iter().all(|receipt| !receipt.duplicate), "the batches before left nothing behind");
    receiver.received_all(&[whole[0].id, whole[1].id]).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 3, "{known:?} and the last batch");
}
