//! When a delivery is tried again, and when it is given up: by the schedule, never earlier.

use std::time::{Duration, SystemTime};

use actix_web::http::{Method, header::HttpDate};
use casewire::{DeliveryStatus, EndpointStatus, Limits, RetrySchedule};
use serde_json::json;

use crate::support::{Embedded, Receiver, Reply, Request, host::Host, to, wait_until};

/// The engine counts in microseconds, and rounds.
const ROUNDING: Duration = Duration::from_millis(1);

/// From the reply to one attempt to the arrival of the next.
fn gaps(requests: &[Request]) -> Vec<Duration> {
    requests.windows(2).map(|pair| pair[1].at - pair[0].replied.unwrap() + ROUNDING).collect()
}

#[actix_web::test]
async fn the_schedule_is_kept_and_its_end_is_a_dead_letter_that_lists_every_attempt() {
    let home = Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(vec![0, 1, 2]).unwrap()));
    let receiver =
        Receiver::start(|request| Reply::status(500 + u16::try_from(request.attempt).unwrap()).body("no"));
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Dead).await;

    let gaps = gaps(&receiver.requests());
    assert_eq!(gaps.len(), 3, "one attempt and one for each delay");
    for (gap, least) in gaps.iter().zip([0, 1, 2]) {
        assert!(*gap >= Duration::from_secs(least), "{gaps:?}");
    }
    let host = Host::around(home.engine.clone()).await;
    let shown = host.call(Method::GET, &format!("/deliveries/{event}.{endpoint}"), "").await.data();
    assert_eq!(shown["status"], "dead");
    assert_eq!(shown.get("next_attempt_at"), None);
    let attempts: Vec<_> = shown["attempts"].as_array().unwrap().iter().collect();
    let listed: Vec<_> =
        attempts.iter().map(|it| json!([it["number"], it["status_code"], it["response"]["body"]])).collect();
    assert_eq!(
        listed,
        [json!([1, 501, "no"]), json!([2, 502, "no"]), json!([3, 503, "no"]), json!([4, 504, "no"])]
    );
    host.stop().await;
    assert_eq!(receiver.count(), 4, "nothing after the last");
}

#[tokio::test]
async fn a_retry_comes_although_its_mailbox_was_let_go_meanwhile() {
    let restless = || Limits { mailbox_rest_ms: 1, ..Limits::default() };
    let home = Embedded::with(move |builder| builder.limits(restless()));
    let receiver = Receiver::start(|request| Reply::status(if request.attempt == 1 { 500 } else { 204 }));
    let mut draft = to(receiver.url(), &["*"]);
    // Longer than it takes a shard to let go of a mailbox that rests.
    draft.retry_schedule_seconds = Some(vec![3]);
    let endpoint = home.subscribe(draft).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn an_endpoints_own_schedule_goes_before_the_engines() {
    let (home, receiver) = (Embedded::start(), Receiver::start(|_| Reply::status(500)));
    let mut draft = to(receiver.url(), &["*"]);
    draft.retry_schedule_seconds = Some(vec![]);
    let endpoint = home.subscribe(draft).await;
    let event = home.publish("cases.created").await;
    let record = home.until(event, endpoint, DeliveryStatus::Dead).await;
    assert_eq!(record.attempts.len(), 1, "the engine's schedule has ten more");
}

#[tokio::test]
async fn retry_after_delays_and_never_hastens() {
    let home = Embedded::start();
    let by_date = || HttpDate::from(SystemTime::now() + Duration::from_secs(3));
    let receiver = Receiver::start(move |request| match (request.attempt, request.path.as_str()) {
        (1, "/seconds") => Reply::status(503).with("Retry-After", 2),
        (1, "/date") => Reply::status(503).with("Retry-After", by_date()),
        (1, "/hastens") => Reply::status(503).with("Retry-After", 0),
        (1, "/past") => Reply::status(503).with("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"),
        (1, "/nonsense") => Reply::status(503).with("Retry-After", "soon"),
        _ => Reply::status(204),
    });
    let promises =
        [("/seconds", 0, 2), ("/date", 0, 2), ("/hastens", 2, 2), ("/past", 2, 2), ("/nonsense", 1, 1)];
    let mut events = Vec::new();
    for (path, delay, _) in promises {
        let mut draft = to(receiver.at(path), &["*"]);
        draft.retry_schedule_seconds = Some(vec![delay]);
        events.push(home.subscribe(draft).await);
    }
    let event = home.publish("cases.created").await;
    for endpoint in events {
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
    }
    for (path, _, least) in promises {
        let requests: Vec<_> = receiver.requests().into_iter().filter(|it| it.path == path).collect();
        let gaps = gaps(&requests);
        assert!(gaps.len() == 1 && gaps[0] >= Duration::from_secs(least), "{path}: {gaps:?}");
    }
}

#[tokio::test]
async fn a_day_is_the_longest_that_retry_after_can_ask_for() {
    let home = Embedded::start();
    let receiver = Receiver::start(|_| Reply::status(503).with("Retry-After", "99999999999999999999"));
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let event = home.publish("cases.created").await;
    let record = home.until_retrying(event, endpoint).await;
    let day_ms = 24 * 3_600_000;
    let wait_ms = record.next_attempt_at.unwrap().millis_since(record.attempts[0].started_at);
    assert!((day_ms..day_ms + 60_000).contains(&wait_ms), "{wait_ms}");
}

#[actix_web::test]
async fn a_410_disables_the_endpoint_and_keeps_the_delivery_for_it_over_a_restart() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| {
        let is_gone = request.attempt == 1 && request.text().contains("cases.created");
        Reply::status(if is_gone { 410 } else { 204 })
    });
    let mut draft = to(receiver.url(), &["*"]);
    draft.max_in_flight = Some(1);
    let endpoint = home.subscribe(draft).await;
    let refused = home.publish("cases.created").await;
    home.until(refused, endpoint, DeliveryStatus::Held).await;
    let later = home.publish("cases.updated").await;

    let home = home.restart().await;
    let host = Host::around(home.engine.clone()).await;
    let shown = wait_until(
        async || host.call(Method::GET, &format!("/endpoints/{endpoint}"), "").await.data(),
        |shown| shown["held"] == 2,
    )
    .await;
    assert_eq!(shown["status"], "paused");
    assert!(shown["status_reason"].as_str().unwrap().contains("410"), "{shown}");
    for event in [refused, later] {
        assert_eq!(home.delivery(event, endpoint).await.status, DeliveryStatus::Held);
    }
    assert_eq!(receiver.count(), 1, "nothing is sent to who asked for nothing more");

    home.set_status(endpoint, EndpointStatus::Active).await;
    let record = home.until(refused, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(record.attempts.len(), 2);
    wait_until(async || receiver.events(), |events| events.contains(&later)).await;
    let shown = host.call(Method::GET, &format!("/endpoints/{endpoint}"), "").await.data();
    assert_eq!((&shown["status"], shown.get("status_reason")), (&json!("active"), None));
    host.stop().await;
}
