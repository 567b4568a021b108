//! Hivelight: a response that does not repeat the secret disables the endpoint at once, and only that does.

use std::{io::Write, sync::Arc, sync::Mutex};

use casewire::{
    DeliveryId, DeliveryStatus, EndpointDraft, EndpointId, EndpointPatch, EndpointStatus, EventId, Limits,
    NewEvent, Outcome, Rotation,
};
use serde_json::json;
use tempfile::TempDir;

use super::{Spoken, obliging};
use crate::{
    binary::Server,
    support::{Embedded, Gate, PATIENCE, Receiver, Reply, Request, wait_until},
};

const SECRET: &str = "comes-back";
const REASON: &str = "the response did not repeat the X-Secret header";

fn draft(url: String) -> EndpointDraft {
    Spoken::of("hivelight@1").draft(url)
}

fn events(count: usize) -> Vec<NewEvent> {
    vec![Spoken::of("hivelight@1").event(); count]
}

impl Embedded {
    async fn publish_matters(&self, count: usize) -> Vec<EventId> {
        let receipts = self.engine.publisher().publish_batch(events(count)).await.unwrap();
        receipts.into_iter().map(|receipt| receipt.id).collect()
    }

    /// Waits until the engine has disabled an endpoint.
    async fn until_disabled(&self, endpoint: EndpointId) {
        let look = async || self.tenant().endpoint(endpoint).await.unwrap().endpoint;
        let seen = wait_until(look, |endpoint| endpoint.status == EndpointStatus::Paused).await;
        assert!(seen.status_reason.as_ref().unwrap().contains(REASON), "{:?}", seen.status_reason);
    }

    async fn is_active(&self, endpoint: EndpointId) -> bool {
        self.tenant().endpoint(endpoint).await.unwrap().endpoint.status == EndpointStatus::Active
    }
}

/// Requests that came to a path.
fn at(receiver: &Receiver, path: &str) -> usize {
    receiver.requests().iter().filter(|request| request.path == path).count()
}

#[tokio::test]
async fn one_answer_without_the_secret_disables_whatever_its_status_and_however_much_waits() {
    const EVENTS: usize = 50;
    let (home, knows) = (Embedded::start(), Gate::shut());
    let at_receiver = knows.clone();
    let receiver = Receiver::start(move |request: &Request| match at_receiver.is_open() {
        true => obliging(request, 200),
        false => Reply::status(request.path[1..].parse().unwrap()).with("Location", "/elsewhere"),
    });
    let mut endpoints = Vec::new();
    for path in ["/200", "/204", "/302", "/500", "/410"] {
        endpoints.push((path, home.subscribe(draft(receiver.at(path))).await));
    }
    let mut published = home.publish_matters(EVENTS).await;
    for (_, endpoint) in &endpoints {
        home.until_disabled(*endpoint).await;
    }
    published.extend(home.publish_matters(1).await);
    assert_eq!(home.shutdown().await.interrupted, 0);
    for (path, _) in &endpoints {
        assert_eq!(at(&receiver, path), 1, "{path}");
    }

    let home = home.restart().await;
    published.extend(home.publish_matters(1).await);
    assert_eq!(home.shutdown().await.interrupted, 0);
    let home = home.restart().await;
    for (path, endpoint) in &endpoints {
        home.until_disabled(*endpoint).await;
        assert_eq!(at(&receiver, path), 1, "{path}: it stays disabled");
        for event in &published {
            assert_eq!(home.delivery(*event, *endpoint).await.status, DeliveryStatus::Held, "{path}");
        }
    }

    knows.open();
    for (path, endpoint) in &endpoints {
        home.set_status(*endpoint, EndpointStatus::Active).await;
        for event in &published {
            home.until(*event, *endpoint, DeliveryStatus::Delivered).await;
        }
        let endpoint = home.tenant().endpoint(*endpoint).await.unwrap().endpoint;
        assert_eq!((endpoint.status, endpoint.status_reason.as_deref()), (EndpointStatus::Active, None));
        assert_eq!(at(&receiver, path), 1 + EVENTS + 2, "{path}: the first one went out twice");
    }
}

#[tokio::test]
async fn the_api_says_why_and_a_kill_of_the_process_changes_nothing() {
    let (dir, knows) = (TempDir::new().unwrap(), Gate::shut());
    let at_receiver = knows.clone();
    let receiver = Receiver::start(move |request: &Request| match at_receiver.is_open() {
        true => obliging(request, 200),
        false => Reply::status(200),
    });
    let server = Server::start(dir.path(), &[]);
    let body = json!({
        "url": receiver.url(), "events": ["matter.created"], "dialect": "hivelight@1", "secret": SECRET
    });
    let path = format!(
        "/endpoints/{}",
        server.connect().request("POST", "/endpoints", &body.to_string()).unwrap().id(201)
    );
    let event = casewire_data::samples::event("hivelight", "matter.created").unwrap();
    let publish = |server: &Server| server.connect().request("POST", "/events", event).unwrap().id(202);
    publish(&server);
    let shown = async |server: &Server| server.connect().request("GET", &path, "").unwrap().data(200);
    wait_until(async || shown(&server).await, |endpoint| endpoint["status"] == "paused").await;
    // What is answered after the pause was noted is on disk behind it.
    publish(&server);
    server.kill();

    let server = Server::start(dir.path(), &[]);
    publish(&server);
    let endpoint = wait_until(async || shown(&server).await, |endpoint| endpoint["held"] == 3).await;
    assert_eq!(endpoint["status"], "paused");
    assert!(endpoint["status_reason"].as_str().unwrap().contains(REASON), "{endpoint}");
    assert_eq!(receiver.count(), 1);
    knows.open();
    let active = server.connect().request("PATCH", &path, r#"{"status":"active"}"#).unwrap().data(200);
    assert_eq!((&active["status"], active.get("status_reason")), (&json!("active"), None));
    assert_eq!(receiver.received(4).await.len(), 4);
}

#[tokio::test]
async fn the_value_must_come_back_exactly() {
    let home = Embedded::start();
    let wrong: [&[&str]; 7] = [
        &["X-Secret: Comes-Back"],
        &["X-Secret: comes-bac"],
        &["X-Secret: comes-back-"],
        &["X-Secret: comes -back"],
        &["X-Secret: \"comes-back\""],
        &["X-Secret:"],
        // Of several the first one counts.
        &["X-Secret: another", "X-Secret: comes-back"],
    ];
    // Spaces around a value are not a part of it (RFC 9110, 5.5), and names have no case.
    let right: [&[&str]; 3] = [
        &["X-Secret:    comes-back  "],
        &["X-SECRET: comes-back"],
        &["x-secret: comes-back", "X-Secret: another"],
    ];
    for (lines, is_right) in wrong.map(|it| (it, false)).into_iter().chain(right.map(|it| (it, true))) {
        let headers: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let receiver =
            Receiver::start(move |_| Reply::Answer { status: 200, headers: headers.clone(), body: vec![] });
        let tenant = home.tenant();
        let endpoint = home.subscribe(draft(receiver.url())).await;
        let event = home.publish_matters(1).await[0];
        if is_right {
            home.until(event, endpoint, DeliveryStatus::Delivered).await;
            assert!(home.is_active(endpoint).await, "{lines:?}");
        } else {
            home.until_disabled(endpoint).await;
            home.until(event, endpoint, DeliveryStatus::Held).await;
        }
        assert_eq!(receiver.count(), 1, "{lines:?}");
        tenant.delete_endpoint(endpoint).await.unwrap();
    }
}

#[tokio::test]
async fn the_secret_is_found_among_any_number_of_headers() {
    let home = Embedded::start();
    let receiver = Receiver::start(|_| {
        let filler = |n: usize| format!("A-{n}: {}\r\n", "x".repeat(1_024));
        let (before, after): (String, String) =
            ((0..50).map(filler).collect(), (50..100).map(filler).collect());
        let headers = format!("X-Echo: <{SECRET}>\r\n{before}X-Secret: {SECRET}\r\n{after}");
        Reply::Answer { status: 200, headers, body: format!("{SECRET}{SECRET}, {SECRET}").into() }
    });
    let endpoint = home.subscribe(draft(receiver.url())).await;
    let event = home.publish_matters(1).await[0];
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    let Outcome::Answered { headers, body, .. } = &record.attempts[0].outcome else { panic!("{record:?}") };
    assert!(headers.iter().any(|(name, _)| name == "x-secret"), "it was judged by it");
    let secret = "*".repeat(SECRET.len());
    assert_eq!(String::from_utf8_lossy(body), format!("{secret}{secret}, {secret}"));
    assert!(!format!("{headers:?}").contains(SECRET), "whoever reads deliveries does not learn the secret");
}

#[tokio::test]
async fn an_answer_is_judged_by_the_secret_that_was_sent_and_none_of_both_is_kept() {
    let (home, may_answer) = (Embedded::start(), Gate::shut());
    let at_receiver = may_answer.clone();
    let receiver = Receiver::start(move |request: &Request| {
        at_receiver.pass();
        obliging(request, 200).with("X-Knows", "comes-next")
    });
    let endpoint = home.subscribe(draft(receiver.url())).await;
    let event = home.publish_matters(1).await[0];
    receiver.received(1).await;
    let rotation = Rotation { secret: Some("comes-next".to_owned()), overlap_seconds: Some(0) };
    home.tenant().rotate_secret(endpoint, rotation).await.unwrap();
    may_answer.open();
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert!(home.is_active(endpoint).await);
    let kept = format!("{:?}", record.attempts);
    assert!(!kept.contains(SECRET) && !kept.contains("comes-next"), "{kept}");
    home.publish_matters(1).await;
    assert_eq!(receiver.received(2).await[1].header("x-secret"), "comes-next");
}

#[tokio::test]
async fn a_failure_with_the_secret_and_no_answer_at_all_are_tried_again() {
    let home =
        Embedded::with(|builder| builder.limits(Limits { attempt_timeout_ms: 500, ..Limits::default() }));
    let failed: Arc<Mutex<Vec<String>>> = Arc::default();
    let receiver = Receiver::start(move |request| {
        let mut failed = failed.lock().unwrap();
        if failed.contains(&request.path) {
            return obliging(request, 200);
        }
        failed.push(request.path.clone());
        match request.path.as_str() {
            "/500" => obliging(request, 500),
            "/503" => obliging(request, 503).with("Retry-After", 1),
            "/silent" => Reply::raw(|connection| drop(std::io::copy(connection, &mut std::io::sink()))),
            "/closes" => Reply::raw(|_| ()),
            // A status line of success alone says nothing of the secret.
            "/breaks-off" => Reply::raw(|connection| {
                drop(connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"));
            }),
            path => panic!("{path}"),
        }
    });
    let paths = ["/500", "/503", "/silent", "/closes", "/breaks-off"];
    let mut endpoints = Vec::new();
    for path in paths {
        endpoints.push(home.subscribe(draft(receiver.at(path))).await);
    }
    let event = home.publish_matters(1).await[0];
    for (path, endpoint) in paths.iter().zip(endpoints) {
        let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
        assert_eq!(record.attempts.len(), 2, "{path}: {record:?}");
        assert!(home.is_active(endpoint).await, "{path}");
    }
}

#[tokio::test]
async fn without_a_secret_there_is_neither_header_nor_rule() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(EndpointDraft { secret: None, ..draft(receiver.url()) }).await;
    let event = home.publish_matters(1).await[0];
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(receiver.requests()[0].find("x-secret"), None);
    assert!(home.is_active(endpoint).await);
}

#[tokio::test]
async fn a_receiver_that_forgets_the_secret_later_is_disabled_then() {
    let (home, forgets) = (Embedded::start(), Gate::shut());
    let at_receiver = forgets.clone();
    let receiver = Receiver::start(move |request: &Request| match at_receiver.is_open() {
        true => Reply::status(200),
        false => obliging(request, 200),
    });
    let endpoint = home.subscribe(draft(receiver.url())).await;
    for event in home.publish_matters(100).await {
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
    }
    forgets.open();
    let events = home.publish_matters(50).await;
    home.until_disabled(endpoint).await;
    home.until(events[0], endpoint, DeliveryStatus::Held).await;
    assert_eq!(receiver.count(), 101, "after exactly one request, however much waits");
}

#[tokio::test]
async fn a_receiver_that_does_not_know_the_new_secret_is_disabled_after_one_request() {
    let home = Embedded::start();
    let receiver = Receiver::start(|_| Reply::status(200).with("X-Secret", SECRET));
    let endpoint = home.subscribe(draft(receiver.url())).await;
    for event in home.publish_matters(100).await {
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
    }
    let rekeyed = EndpointPatch { secret: Some("another".to_owned()), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, rekeyed).await.unwrap();
    let events = home.publish_matters(50).await;
    home.until_disabled(endpoint).await;
    assert_eq!(home.engine.shutdown(PATIENCE).await.interrupted, 0);
    assert_eq!(receiver.count(), 101);
    let home = home.restart().await;
    for event in events {
        let delivery = DeliveryId { event, endpoint };
        assert_eq!(home.tenant().delivery(delivery).await.unwrap().status, DeliveryStatus::Held);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_owners_at_that_moment_lets_no_other_request_through() {
    let (home, receiver) = (Embedded::start(), Receiver::start(|_| Reply::status(200)));
    for _ in 0..200 {
        let endpoint = home.subscribe(draft(receiver.url())).await;
        let before = receiver.count();
        let changing = tokio::spawn({
            let tenant = home.tenant();
            async move {
                for n in 0.. {
                    let description = Some(Some(n.to_string()));
                    let patch = EndpointPatch { description, ..EndpointPatch::default() };
                    let changed = tenant.update_endpoint(endpoint, patch).await.unwrap();
                    if changed.endpoint.status == EndpointStatus::Paused {
                        return;
                    }
                }
            }
        });
        home.publish_matters(20).await;
        changing.await.unwrap();
        home.until_disabled(endpoint).await;
        home.tenant().delete_endpoint(endpoint).await.unwrap();
        assert_eq!(receiver.count() - before, 1);
    }
}
