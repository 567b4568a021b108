//! A full queue says so at once, and nothing that was accepted is lost.

use std::collections::BTreeSet;

use actix_web::http::Method;
use casewire::{ErrorKind, Limits};
use futures_util::future::join_all;

use crate::support::{Embedded, Receiver, host::Host, to};

fn with_queue_of(events: usize) -> Embedded {
    let limits = Limits { queue_events_max: events, ..Limits::default() };
    Embedded::with(move |builder| builder.limits(limits.clone()))
}

#[tokio::test]
async fn a_burst_over_the_queue_is_busy_and_every_accepted_event_is_delivered() {
    let (home, receiver) = (with_queue_of(4), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    let (publisher, mut accepted, mut busy) = (home.engine.publisher(), BTreeSet::new(), 0);
    for _ in 0..5 {
        for answer in join_all((0..100).map(|_| publisher.publish_json("cases.created", "{}"))).await {
            match answer {
                Ok(receipt) => assert!(accepted.insert(receipt.id)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                    busy += 1;
                }
            }
        }
    }
    assert!(accepted.len() >= 5 && busy > 0, "{} accepted, {busy} busy", accepted.len());
    // The burst is over, so there is room again.
    accepted.insert(home.publish("cases.created").await);
    receiver.received_all(&accepted.iter().copied().collect::<Vec<_>>()).await;
    home.shutdown().await;
    let delivered: BTreeSet<_> = receiver.events().into_iter().collect();
    assert_eq!(delivered, accepted, "what was refused was not stored");
}

#[actix_web::test]
async fn over_http_a_full_queue_is_a_429_that_says_when_to_come_back() {
    let (home, receiver) = (with_queue_of(1), Receiver::willing());
    home.subscribe(to(receiver.url(), &["*"])).await;
    let host = Host::around(home.engine.clone()).await;
    let one = || host.call(Method::POST, "/events", r#"{"type":"cases.created","data":{}}"#);
    let answers = join_all((0..50).map(|_| one())).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    assert!(!accepted.is_empty() && !refused.is_empty(), "{} accepted", accepted.len());
    for answer in refused {
        answer.problem(429);
        let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
    }
    let ids: Vec<_> = accepted.iter().map(|it| it.data()["id"].as_str().unwrap().parse().unwrap()).collect();
    receiver.received_all(&ids).await;
    host.stop().await;
    assert_eq!(receiver.count(), ids.len());
}
