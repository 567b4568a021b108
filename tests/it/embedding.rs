//! The engine lives in any host: whatever its runtime, its threads and the number of engines.

use std::{collections::HashSet, thread};

use casewire::{DeliveryStatus, ErrorKind, EventId, Publisher};

use crate::support::{Embedded, Receiver, settings, to};

/// Publish, deliver, look, shut down.
async fn works() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(receiver.events(), [event]);
    assert_eq!(home.shutdown().await.pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_in_a_runtime_with_threads() {
    works().await;
}

#[tokio::test(flavor = "current_thread")]
async fn it_works_in_a_runtime_without_threads() {
    works().await;
}

#[actix_web::test]
async fn it_works_in_an_actix_system() {
    works().await;
}

#[test]
fn it_is_started_without_a_runtime_and_published_to_from_threads_with_runtimes_of_their_own() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let events: Vec<EventId> = on_a_runtime_of_its_own(async {
        home.subscribe(to(receiver.url(), &["*"])).await;
        let publishing: Vec<_> = (0..4).map(|_| publish_from_a_thread(home.engine.publisher())).collect();
        publishing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: HashSet<_> = events.iter().collect();
    assert_eq!(distinct.len(), 100);
    on_a_runtime_of_its_own(async {
        receiver.received_all(&events).await;
        home.shutdown().await;
    });
    assert_eq!(receiver.count(), 100, "each once");
}

fn publish_from_a_thread(publisher: Publisher) -> thread::JoinHandle<Vec<EventId>> {
    thread::spawn(move || {
        on_a_runtime_of_its_own(async {
            let mut events = Vec::new();
            for _ in 0..25 {
                events.push(publisher.publish_json("cases.created", "{}").await.unwrap().id);
            }
            events
        })
    })
}

fn on_a_runtime_of_its_own<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn two_engines_live_in_one_process_and_share_nothing_but_not_on_one_directory() {
    let homes = [Embedded::start(), Embedded::start()];
    let receivers = [Receiver::willing(), Receiver::willing()];
    let mut published = Vec::new();
    for (home, receiver) in homes.iter().zip(&receivers) {
        home.subscribe(to(receiver.url(), &["*"])).await;
        published.push(home.publish_many("cases.created", 20).await);
    }
    for (receiver, events) in receivers.iter().zip(&published) {
        receiver.received_all(events).await;
    }
    homes[0].shutdown().await;
    let event = homes[1].publish("cases.updated").await;
    receivers[1].received_all(&[event]).await;
    assert_eq!([receivers[0].count(), receivers[1].count()], [20, 21]);

    let second = settings(homes[1].dir()).start().unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Locked, "{second}");
    let event = homes[1].publish("cases.updated").await;
    receivers[1].received_all(&[event]).await;
}
