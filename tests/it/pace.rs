//! How much one endpoint is asked to take: never more at once than its limit, and less when it says so.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Arc, Barrier},
    time::Duration,
};

use casewire::{DeliveryStatus, EndpointDraft, EndpointPatch, FailureClass};

use crate::support::{Embedded, Gate, Receiver, Reply, to, wait_until, work_for};

/// How long receivers work on a request, so that several at once can be seen.
const WORK: Duration = Duration::from_millis(5);

fn busy_receiver() -> Receiver {
    Receiver::start(|_| {
        work_for(WORK);
        Reply::status(204)
    })
}

fn limited(receiver: &Receiver, max_in_flight: u32) -> EndpointDraft {
    EndpointDraft { max_in_flight: Some(max_in_flight), ..to(receiver.url(), &["*"]) }
}

#[tokio::test]
async fn an_endpoint_is_never_sent_more_at_once_than_its_limit() {
    let home = Embedded::start();
    let receivers: Vec<_> = [1, 3, 8].map(|most| (most, busy_receiver())).into();
    let mut endpoints = Vec::new();
    for (most, receiver) in &receivers {
        endpoints.push(home.subscribe(limited(receiver, *most)).await);
    }
    let events = home.publish_many("cases.updated", 120).await;
    for (most, receiver) in &receivers {
        receiver.received_all(&events).await;
        assert_eq!(receiver.concurrent_max(), *most as usize, "all of its limit is used, and no more");
    }
    // A lower limit holds from the next attempt on.
    let patch = EndpointPatch { max_in_flight: Some(Some(2)), ..EndpointPatch::default() };
    home.until(events[119], endpoints[2], DeliveryStatus::Delivered).await;
    home.tenant().update_endpoint(endpoints[2], patch).await.unwrap();
    let (_, receiver) = &receivers[2];
    let before = receiver.count();
    receiver.received_all(&home.publish_many("cases.updated", 40).await).await;
    let after = receiver.requests().into_iter().skip(before).map(|request| request.concurrent).max();
    assert_eq!(after, Some(2));
}

#[tokio::test]
async fn strain_halves_what_is_in_flight_and_each_success_adds_one() {
    for status in [429, 502, 504] {
        let home = Embedded::start();
        // All of the first eight are there before any is answered.
        let (together, succeeded) = (Barrier::new(8), Arc::new(AtomicUsize::new(0)));
        let (number, replied) = (AtomicUsize::new(0), succeeded.clone());
        let receiver = Receiver::start(move |request| {
            if number.fetch_add(1, Ordering::SeqCst) < 8 {
                together.wait();
                return Reply::status(status);
            }
            let allowed = 1 + replied.load(Ordering::SeqCst);
            work_for(WORK);
            assert!(
                request.concurrent <= allowed,
                "{} at once after {allowed} - 1 successes",
                request.concurrent
            );
            replied.fetch_add(1, Ordering::SeqCst);
            Reply::status(204)
        });
        let endpoint = home.subscribe(limited(&receiver, 8)).await;
        let events = home.publish_many("cases.updated", 40).await;
        for event in &events {
            let record = home.until(*event, endpoint, DeliveryStatus::Delivered).await;
            assert!(record.attempts.len() <= 2, "{record:?}");
        }
        assert_eq!(succeeded.load(Ordering::SeqCst), 40);
        let later = receiver.requests()[8..].iter().map(|request| request.concurrent).max();
        assert_eq!(later, Some(8), "its pace has come back");
    }
}

#[tokio::test]
async fn a_429_or_503_with_retry_after_gives_the_whole_endpoint_a_rest() {
    tokio::join!(rests_after(429), rests_after(503));
}

async fn rests_after(status: u16) {
    let home = Embedded::start();
    let number = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match number.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(status).with("Retry-After", 2),
        _ => Reply::status(204),
    });
    let endpoint = home.subscribe(limited(&receiver, 1)).await;
    let strained = home.publish("cases.created").await;
    home.until_retrying(strained, endpoint).await;
    let others = home.publish_many("cases.updated", 10).await;
    receiver.received_all(&others).await;
    home.until(strained, endpoint, DeliveryStatus::Delivered).await;

    let requests = receiver.requests();
    let rest = requests[1].at - requests[0].replied.unwrap() + Duration::from_millis(1);
    assert!(rest >= Duration::from_secs(2), "the next request of any event came after {rest:?}");
}

#[tokio::test]
async fn what_an_operator_sends_again_does_not_wait_for_the_end_of_a_rest() {
    let home = Embedded::start();
    let number = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match number.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(429).with("Retry-After", 3_600),
        _ => Reply::status(204),
    });
    let endpoint = home.subscribe(limited(&receiver, 1)).await;
    let event = home.publish("cases.created").await;
    let retrying = home.until_retrying(event, endpoint).await;
    home.tenant().retry_delivery(retrying.id).await.unwrap();
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn an_endpoints_own_deadline_ends_its_attempts() {
    let (home, never) = (Embedded::start(), Gate::shut());
    let receiver = Receiver::start(move |_| {
        never.pass();
        Reply::status(204)
    });
    let hasty = EndpointDraft {
        timeout_seconds: Some(1),
        retry_schedule_seconds: Some(vec![]),
        ..to(receiver.url(), &["*"])
    };
    let endpoint = home.subscribe(hasty).await;
    let event = home.publish("cases.created").await;
    let record = home.until(event, endpoint, DeliveryStatus::Dead).await;
    assert_eq!(record.attempts[0].outcome.failure_class(), Some(FailureClass::Timeout));
    assert!(record.attempts[0].duration_us >= 1_000_000, "{record:?}");
}

#[tokio::test]
async fn an_endpoint_that_goes_down_again_is_not_sent_all_that_waits_for_a_retry() {
    const IN_A_ROW: usize = 31;
    let home = Embedded::start();
    let receiver = Receiver::start(|request| {
        Reply::status(if request.text().contains("cases.good") { 204 } else { 500 })
    });
    let draft = EndpointDraft { retry_schedule_seconds: Some(vec![3_600; 2]), ..limited(&receiver, 1) };
    let endpoint = home.subscribe(draft).await;
    let good = async || home.publish("cases.good").await;
    let mut failed = Vec::new();
    // A success now and then keeps it up, so that many come to wait for a retry.
    for _ in 0..10 {
        failed.extend(home.publish_many("cases.updated", IN_A_ROW).await);
        home.until(good().await, endpoint, DeliveryStatus::Delivered).await;
    }
    failed.extend(home.publish_many("cases.updated", IN_A_ROW + 1).await);
    receiver.received_all(&failed).await;
    // The probe succeeds; what is tried again then fails as before, and the next probe is half a second away.
    good().await;
    wait_until(async || receiver.requests().iter().any(|request| request.attempt == 2), |again| *again).await;
    let probe = home.publish("cases.closed").await;
    receiver.received_all(&[probe]).await;
    let again = receiver.requests().iter().filter(|request| request.attempt == 2).count();
    assert!(again <= 2 * IN_A_ROW, "{again} of {} were sent again", failed.len());
}
