//! What is erased is gone: nobody sees it, nobody is sent it, no file holds it. Its record stays, and so does all else.

use std::{fs, path::Path};

use actix_web::http::Method;
use casewire::{
    DeliveryOrder, DeliveryStatus, EndpointDraft, EndpointStatus, Engine, ErrorKind, EventId, Limits,
    NewEvent, Outcome, PayloadRetention, ReplayQuery, ReplayState, ReplayStatus, Resource, RetrySchedule,
    Tenant, TenantHandle,
};
use casewire_data::token::Scope;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    binary::{Server, TOKEN, run},
    support::{
        Embedded, Gate, Receiver, Reply, Request,
        host::{Host, fields, keys},
        to, wait_until,
    },
};

const CANARY: &str = "canary-of-seven";

fn person(id: &str) -> Resource {
    Resource { kind: "people".to_owned(), id: id.to_owned() }
}

fn about(id: &str, said: &str) -> NewEvent {
    let mut event = NewEvent::new("people.changed", format!(r#"{{"said":"{said}"}}"#)).unwrap();
    event.resource = Some(person(id));
    event.tags.insert("note".to_owned(), said.to_owned());
    event
}

async fn publish(tenant: &TenantHandle, id: &str, said: &str) -> EventId {
    tenant.publish(about(id, said)).await.unwrap().id
}

/// A receiver that answers with what it was told.
fn repeat(request: &Request) -> Reply {
    Reply::status(200).body(request.body.clone())
}

/// The files below a folder in which a text stands.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[actix_web::test]
async fn an_erased_event_shows_its_record_and_nothing_of_its_content() {
    let dir = TempDir::new().unwrap();
    let engine = Engine::builder(dir.path()).egress_allow(vec!["127.0.0.0/8".parse().unwrap()]);
    let host = Host::around(engine.start().unwrap()).await;
    let receiver = Receiver::start(repeat);
    let endpoint = host.endpoint(&json!({"url": receiver.url(), "events": ["*"]}).to_string()).await;
    let north = host.token("north", &[Scope::Admin]).await;
    let body = |id: &str, said: &str| {
        json!({"type": "people.changed", "data": {"said": said}, "actor": {"kind": "ui", "name": said},
               "tags": {"note": said}, "idempotency_key": said, "resource": {"type": "people", "id": id}})
        .to_string()
    };
    let event = host.call(Method::POST, "/events", &body("7", CANARY)).await.data()["id"].clone();
    let event = event.as_str().unwrap();
    let other = host.call(Method::POST, "/events", &body("8", "of-eight")).await.data();
    let theirs = host.call_as(&north, Method::POST, "/events", &body("7", "of-the-north")).await.data();
    let delivery = format!("/deliveries/{event}.{endpoint}");
    let delivered = async || host.call(Method::GET, &delivery, "").await.data();
    wait_until(delivered, |it| it["status"] == "delivered").await;

    for (query, wrong) in
        [("", "resource"), ("?resource=people", "resource"), ("?resource=people/7&type=a", "type")]
    {
        let problem = host.call(Method::DELETE, &format!("/events{query}"), "").await.problem(422);
        assert_eq!(fields(&problem), [wrong]);
    }
    let erased = host.call(Method::DELETE, "/events?resource=people%2F7", "").await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    assert_eq!(erased.data(), json!({"resource": "people/7", "status": "erased", "events": 1}));
    assert_eq!(holding(dir.path(), CANARY), Vec::<String>::new());
    let again = host.call(Method::DELETE, "/events?resource=people/7", "").await.data();
    assert_eq!(again, erased.data(), "asked again, the same");
    let nobody = host.call(Method::DELETE, "/events?resource=peolpe/7", "").await;
    assert_eq!(nobody.status, 200, "{}", nobody.text);
    let nobody = nobody.data();
    assert_eq!(keys(&nobody), ["resource", "status", "events", "detail"]);
    assert_eq!((&nobody["status"], &nobody["events"]), (&json!("no_events"), &json!(0)));
    let detail = nobody["detail"].as_str().unwrap();
    assert!(detail.starts_with("no event about peolpe/7 is stored, so nothing was erased"), "{detail}");
    for wrong in ["people", "/7", "people/", &format!("people/{}", "7".repeat(257))] {
        let problem = host.call(Method::DELETE, &format!("/events?resource={wrong}"), "").await.problem(422);
        assert_eq!(fields(&problem), ["resource"], "{wrong}");
    }

    let shown = host.call(Method::GET, &format!("/events/{event}"), "").await.data();
    let record = ["id", "type", "created_at", "occurred_at", "resource", "erased_at"];
    assert_eq!(keys(&shown), record);
    let attempt = &host.call(Method::GET, &delivery, "").await.data()["attempts"][0];
    assert_eq!(attempt["status_code"], 200);
    assert_eq!((attempt.get("response"), &attempt["erased"]), (None, &json!(true)), "it says so");
    host.call(Method::POST, &format!("{delivery}/retry"), "").await.problem(409);
    let repeated = host.call(Method::POST, "/events", &body("7", CANARY)).await.data();
    assert_eq!((repeated["id"].as_str(), &repeated["duplicate"]), (Some(event), &json!(true)));

    let path = |event: &serde_json::Value| format!("/events/{}", event["id"].as_str().unwrap());
    assert_eq!(host.call(Method::GET, &path(&other), "").await.data()["data"]["said"], "of-eight");
    let theirs = host.call_as(&north, Method::GET, &path(&theirs), "").await.data();
    assert_eq!(theirs["data"]["said"], "of-the-north");
    let audit = host.call(Method::GET, "/audit?action=events.erase", "").await.data();
    let subjects: Vec<_> = audit.as_array().unwrap().iter().map(|entry| &entry["subject"]).collect();
    assert_eq!(subjects, ["peolpe/7", "people/7", "people/7"], "{audit}");
    host.stop().await;
}

#[test]
fn the_command_says_plainly_that_there_was_nothing_to_erase() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]);
    let event = json!({ "type": "a.b", "data": 1, "resource": { "type": "people", "id": "7" } }).to_string();
    server.connect().request("POST", "/events", &event).unwrap().id(202);
    let url = server.url();
    let erase = |resource: &str, more: &[&str]| {
        let line = [&["events", "erase", "--resource", resource, "--yes", "--server", &url], more].concat();
        let ended = run(&line, &[("CASEWIRE_TOKEN", TOKEN)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    let told = erase("People/7", &[]);
    assert!(told.starts_with("no event about People/7 is stored, so nothing was erased\n"), "{told}");
    assert!(told.contains("casewire events list --resource People/7"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&erase("People/7", &["--json"])).unwrap();
    assert_eq!((&json["data"]["status"], &json["data"]["events"]), (&json!("no_events"), &json!(0)));
    assert!(erase("people/7", &[]).contains("erased"), "what is there is erased");
}

#[tokio::test]
async fn an_erasure_wins_over_every_send_that_has_not_begun() {
    let home = Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(vec![3_600; 3]).unwrap()));
    let gate = Gate::shut();
    let held_up = gate.clone();
    let slow = Receiver::start(move |request| {
        held_up.pass();
        repeat(request)
    });
    let failing = Receiver::start(|request| Reply::status(500).body(request.body.clone()));
    let one_by_one = |url: String| EndpointDraft { max_in_flight: Some(1), ..to(url, &["*"]) };
    let busy = home.subscribe(one_by_one(slow.url())).await;
    let retrying = home.subscribe(to(failing.url(), &["*"])).await;
    let paused = home.subscribe(to(slow.url(), &["*"])).await;
    home.set_status(paused, EndpointStatus::Paused).await;
    let (begun, waiting) =
        (publish(&home.tenant(), "7", CANARY).await, publish(&home.tenant(), "7", CANARY).await);
    slow.received(1).await;
    home.until_retrying(begun, retrying).await;
    home.until_retrying(waiting, retrying).await;

    let erased = home.tenant().erase(person("7")).await.unwrap();
    assert_eq!(erased.events, Some(2));
    for endpoint in [busy, retrying, paused] {
        assert_eq!(home.delivery(waiting, endpoint).await.status, DeliveryStatus::Cancelled);
    }
    gate.open();
    let record = home.until(begun, busy, DeliveryStatus::Delivered).await;
    let bare = |outcome: &Outcome| matches!(outcome, Outcome::Answered { body, .. } if body.is_empty());
    assert!(bare(&record.attempts[0].outcome), "{record:?}");
    home.set_status(paused, EndpointStatus::Active).await;
    let later = publish(&home.tenant(), "7", "later").await;
    for endpoint in [busy, paused] {
        home.until(later, endpoint, DeliveryStatus::Delivered).await;
    }
    let sent = slow.events();
    assert_eq!(sent.iter().filter(|event| **event == begun).count(), 1);
    assert!(!sent.contains(&waiting), "it was erased before its turn");
    let refused = home
        .tenant()
        .retry_delivery(casewire::DeliveryId { event: waiting, endpoint: busy })
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(holding(home.dir(), CANARY), Vec::<String>::new());
    home.shutdown().await;
}

#[tokio::test]
async fn what_is_erased_holds_up_nothing_that_comes_behind_it_in_order() {
    let home = Embedded::start();
    for ordering in [DeliveryOrder::Resource, DeliveryOrder::Endpoint] {
        let gate = Gate::shut();
        let held_up = gate.clone();
        let receiver = Receiver::start(move |request| {
            held_up.pass();
            repeat(request)
        });
        let draft = EndpointDraft { ordering, ..to(receiver.url(), &["*"]) };
        let endpoint = home.subscribe(draft).await;
        let mut seven = Vec::new();
        for _ in 0..3 {
            seven.push(publish(&home.tenant(), "7", CANARY).await);
        }
        receiver.received(1).await;
        home.tenant().erase(person("7")).await.unwrap();
        let later = publish(&home.tenant(), "7", "later").await;
        gate.open();
        home.until(later, endpoint, DeliveryStatus::Delivered).await;
        assert_eq!(receiver.events(), [seven[0], later], "{ordering:?}");
        home.tenant().delete_endpoint(endpoint).await.unwrap();
    }
    home.shutdown().await;
}

#[tokio::test]
async fn a_replay_passes_over_what_is_erased_before_or_meanwhile() {
    let home = Embedded::start();
    let mut events = Vec::new();
    for id in ["6", "8", "7", "8", "7", "8"] {
        events.push(publish(&home.tenant(), id, "said").await);
    }
    home.tenant().erase(person("6")).await.unwrap();
    let gate = Gate::shut();
    let held_up = gate.clone();
    let receiver = Receiver::start(move |request| {
        held_up.pass();
        repeat(request)
    });
    let draft = EndpointDraft { max_in_flight: Some(1), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let missing = ReplayQuery { statuses: [ReplayStatus::Missing].into(), ..ReplayQuery::default() };
    let replay = home.tenant().replay(endpoint, missing).await.unwrap();
    receiver.received(1).await;
    home.tenant().erase(person("7")).await.unwrap();
    gate.open();
    let look = async || home.tenant().replay_report(endpoint, replay.id).await.unwrap();
    let over = wait_until(look, |replay| replay.state != ReplayState::Running).await;
    assert_eq!((over.state, over.delivered), (ReplayState::Finished, 3), "{over:?}");
    assert_eq!(receiver.events(), [events[1], events[3], events[5]]);
    home.shutdown().await;
}

#[tokio::test]
async fn what_is_erased_stays_so_over_restarts_and_is_never_sent() {
    let mut home = Embedded::start();
    let receiver = Receiver::willing();
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    let erased = publish(&home.tenant(), "7", CANARY).await;
    let kept = publish(&home.tenant(), "8", "of-eight").await;
    assert_eq!(home.tenant().erase(person("7")).await.unwrap().events, Some(1));
    home = home.drop_and_restart().await;
    assert!(home.tenant().event(erased).await.unwrap().erased_at.is_some());
    assert_eq!(home.delivery(erased, endpoint).await.status, DeliveryStatus::Cancelled);
    home.set_status(endpoint, EndpointStatus::Active).await;
    home.until(kept, endpoint, DeliveryStatus::Delivered).await;
    home = home.restart().await;
    assert_eq!(home.delivery(erased, endpoint).await.status, DeliveryStatus::Cancelled);
    assert_eq!(receiver.events(), [kept]);
    assert_eq!(holding(home.dir(), CANARY), Vec::<String>::new());
    home.shutdown().await;
}

#[tokio::test]
async fn old_payloads_go_by_their_tenants_period_and_records_stay() {
    let north = Tenant::new("north").unwrap();
    let tenants_ms = [(north.clone(), 3_600_000)].into();
    let payload_retention = PayloadRetention { default_ms: Some(1_000), tenants_ms, ..Default::default() };
    let home = Embedded::with(move |builder| {
        builder.limits(Limits { payload_retention: payload_retention.clone(), ..Limits::default() })
    });
    let receiver = Receiver::willing();
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let held = home.subscribe(to(receiver.url(), &["people.held"])).await;
    home.set_status(held, EndpointStatus::Paused).await;
    let old = publish(&home.tenant(), "7", CANARY).await;
    let waits = home.publish("people.held").await;
    let theirs = publish(&home.engine.tenant(north.clone()), "7", "of-the-north").await;
    home.until(old, endpoint, DeliveryStatus::Delivered).await;
    // A segment is sealed by what comes after it has aged.
    let erased = async || {
        home.publish("people.more").await;
        home.tenant().event(old).await.unwrap()
    };
    wait_until(erased, |event| event.erased_at.is_some()).await;
    assert_eq!(holding(home.dir(), CANARY), Vec::<String>::new());
    assert_eq!(home.delivery(old, endpoint).await.status, DeliveryStatus::Delivered);
    assert!(home.tenant().event(waits).await.unwrap().erased_at.is_none(), "it waits for its delivery");
    let theirs = home.engine.tenant(north).event(theirs).await.unwrap();
    assert_eq!(&theirs.content.data[..], br#"{"said":"of-the-north"}"#);
    home.shutdown().await;
}

/// What `casewire_journal_bytes` says.
fn journal_bytes(home: &Embedded) -> u64 {
    let page = home.engine.metrics();
    let line = page.lines().find_map(|line| line.strip_prefix("casewire_journal_bytes ")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn an_erasure_of_small_payloads_gives_their_disk_back() {
    let home = Embedded::start();
    let receiver = Receiver::willing();
    home.subscribe(to(receiver.url(), &["*"])).await;
    // A KiB each, in which hardly two letters are alike.
    let said: String = (0..300).map(|n| format!("{:x}", n * n * 31)).collect();
    let mut events: Vec<_> = (0..999).map(|_| about("7", &said[..900])).collect();
    events.iter_mut().for_each(|event| event.tags.clear());
    events.push(about("8", "of-eight"));
    let receipts = home.tenant().publish_batch(events).await.unwrap();
    receiver.received(receipts.len()).await;
    let before = journal_bytes(&home);
    assert_eq!(home.tenant().erase(person("7")).await.unwrap().events, Some(999));
    let after = journal_bytes(&home);
    assert!(after * 100 < before * 35, "{after} of {before}");
    let kept = home.tenant().event(receipts[999].id).await.unwrap();
    assert_eq!(&kept.content.data[..], br#"{"said":"of-eight"}"#);
    home.shutdown().await;
}
