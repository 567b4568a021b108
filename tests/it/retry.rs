//! An operator can have any delivery made again now, whatever its state.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use casewire::{
    DeliveryId, DeliveryRecord, DeliveryStatus, EndpointDraft, EndpointStatus, ErrorKind, RetrySchedule,
    TenantHandle,
};
use tokio::sync::Notify;

use crate::support::{Embedded, Gate, Receiver, Reply, to, wait_until};

/// A receiver that fails until the gate is open.
fn receiver_behind(works: &Gate) -> Receiver {
    let works = works.clone();
    Receiver::start(move |_| Reply::status(if works.is_open() { 204 } else { 500 }))
}

/// A delivery that was given up after two attempts, and the gate that would let a third one through.
struct DeadLetter {
    home: Embedded,
    works: Gate,
    receiver: Receiver,
    dead: DeliveryRecord,
}

impl DeadLetter {
    async fn make() -> Self {
        let home = Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(vec![0]).unwrap()));
        let works = Gate::shut();
        let receiver = receiver_behind(&works);
        let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
        let event = home.publish("cases.created").await;
        let dead = home.until(event, endpoint, DeliveryStatus::Dead).await;
        Self { home, works, receiver, dead }
    }
}

async fn retry(tenant: TenantHandle, id: DeliveryId) {
    tenant.retry_delivery(id).await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_under_its_id_and_its_attempts_go_on_counting() {
    let DeadLetter { home, works, receiver, dead } = DeadLetter::make().await;
    let DeliveryId { event, endpoint } = dead.id;
    assert_eq!(dead.attempts.len(), 2);

    // Still broken: dead again at once, with one attempt more.
    retry(home.tenant(), dead.id).await;
    wait_until(
        async || home.delivery(event, endpoint).await,
        |record| record.attempts.len() == 3 && record.status == DeliveryStatus::Dead,
    )
    .await;
    works.open();
    let home = home.restart().await;
    retry(home.tenant(), dead.id).await;
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    let numbers: Vec<_> = record.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let requests = receiver.requests();
    assert!(requests.iter().all(|it| it.event() == event && it.body == requests[0].body));
}

#[tokio::test]
async fn a_delivery_that_waits_for_its_time_is_made_now_and_not_once_more() {
    let (home, works) = (Embedded::start(), Gate::shut());
    let receiver = receiver_behind(&works);
    let hours = EndpointDraft { retry_schedule_seconds: Some(vec![3_600]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(hours).await;
    let event = home.publish("cases.created").await;
    let waiting = home.until_retrying(event, endpoint).await;
    assert!(waiting.next_attempt_at.is_some());
    works.open();
    retry(home.tenant(), waiting.id).await;
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!((record.attempts.len(), record.next_attempt_at), (2, None));
    home.shutdown().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn what_was_delivered_is_sent_once_more() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let event = home.publish("cases.created").await;
    let delivered = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    for attempts in 2..=4 {
        retry(home.tenant(), delivered.id).await;
        wait_until(
            async || home.delivery(event, endpoint).await,
            |record| record.status == DeliveryStatus::Delivered && record.attempts.len() == attempts,
        )
        .await;
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|it| it.event() == event && it.body == requests[0].body));
}

#[tokio::test]
async fn a_retry_for_a_paused_endpoint_is_held_and_one_for_a_deleted_endpoint_refused() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let event = home.publish("cases.created").await;
    let id = home.until(event, endpoint, DeliveryStatus::Delivered).await.id;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    retry(home.tenant(), id).await;
    assert_eq!(home.delivery(event, endpoint).await.status, DeliveryStatus::Held);
    assert_eq!(receiver.count(), 1);
    home.set_status(endpoint, EndpointStatus::Active).await;
    receiver.received(2).await;
    home.until(event, endpoint, DeliveryStatus::Delivered).await;

    home.tenant().delete_endpoint(endpoint).await.unwrap();
    let refused = home.tenant().retry_delivery(id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

/// A look for what is due that began before an attempt does not know of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_retry_comes_early_however_often_the_retry_journal_is_looked_into() {
    let home = Embedded::start();
    let receiver =
        Receiver::start(|request| Reply::status(if request.text().contains("again") { 204 } else { 500 }));
    let draft = EndpointDraft { retry_schedule_seconds: Some(vec![3_600]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let again = home.engine.publisher().publish_json("cases.updated", r#"{"again":1}"#).await.unwrap().id;
    home.until(again, endpoint, DeliveryStatus::Delivered).await;
    let mut failing = Vec::new();
    for _ in 0..300 {
        let retried = home.tenant();
        let (event, sent_again) = tokio::join!(
            home.publish("cases.created"),
            retried.retry_delivery(DeliveryId { event: again, endpoint }),
        );
        let _ = sent_again;
        failing.push(event);
    }
    receiver.received_all(&failing).await;
    for event in failing {
        let record = home.until_retrying(event, endpoint).await;
        assert_eq!(record.attempts.len(), 1, "{record:?}");
    }
}

/// The call is dropped between its write and its end, as by a host's time-out.
#[tokio::test]
async fn a_retry_whose_caller_goes_away_is_still_made() {
    let DeadLetter { home, works, receiver: _receiver, dead } = DeadLetter::make().await;
    let DeliveryId { event, endpoint } = dead.id;
    works.open();
    let tenant = home.tenant();
    {
        let mut call = pin!(tenant.retry_delivery(dead.id));
        loop {
            let woken = Arc::new(Notify::new());
            let waker = Waker::from(Arc::new(Woken(woken.clone())));
            assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            woken.notified().await;
            // Who is woken by the write and polled once more would end well.
            if home.delivery(event, endpoint).await.status != DeliveryStatus::Dead {
                break;
            }
        }
    }
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
}

/// Tells when a future that is polled by hand can go on.
struct Woken(Arc<Notify>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
