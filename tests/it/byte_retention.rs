//! A tenant that may keep only so many bytes: its oldest events, or contents, go, and those of nobody else.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use casewire::{
    DeliveryStatus, EndpointStatus, EventId, Limits, NewEvent, PayloadRetention, Tenant, TenantHandle,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::{Connection, Server, run},
    support::{Embedded, Receiver, to, wait_until},
};

/// The least that can be set.
const MIB: u64 = 1 << 20;
const EVENT_BYTES: usize = 100_000;
/// A period that nobody's events have, and by which it is looked all the more often what is too much.
const QUICK: &str = "quick";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn large() -> String {
    format!("\"{}\"", "x".repeat(EVENT_BYTES))
}

fn disk_bytes(log: &Path) -> u64 {
    let files = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().metadata());
    // One may go in this moment.
    files.flatten().map(|file| file.blocks() * 512).sum()
}

/// All events of a tenant, newest first.
fn ids(connection: &mut Connection) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = connection.request("GET", &format!("/events?limit=200{cursor}"), "").unwrap();
        let page: Value = serde_json::from_str(&answer.text).unwrap();
        let events = page["data"].as_array().unwrap();
        ids.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return ids };
        cursor = format!("&cursor={next}");
    }
}

fn status(connection: &mut Connection, event: &str) -> u16 {
    connection.request("GET", &format!("/events/{event}"), "").unwrap().status
}

#[tokio::test]
async fn a_tenants_oldest_events_go_over_a_kill_and_in_a_restored_backup_and_their_disk_is_given_back() {
    let dir = TempDir::new().unwrap();
    let (data, restored, config) =
        (dir.path().join("data"), dir.path().join("restored"), dir.path().join("casewire.toml"));
    fs::write(
        &config,
        format!("[tenants.north]\nretention_bytes = {MIB}\n[tenants.{QUICK}]\nretention_hours = 0.0003\n"),
    )
    .unwrap();
    let settings = [("CASEWIRE_CONFIG", text(&config))];
    let server = Server::start(&data, &settings);
    let body = json!({ "tenant": "north", "scopes": ["admin"] }).to_string();
    let made = server.connect().request("POST", "/tokens", &body).unwrap().data(201);
    let token = made["token"].as_str().unwrap().to_owned();
    let connect = |server: &Server| Connection::open(&server.address, "/v2.3/webhooks", &token).unwrap();
    let (mut theirs, mut ours) = (connect(&server), server.connect());
    let event = json!({ "type": "cases.created", "data": "x".repeat(EVENT_BYTES) }).to_string();
    let publish =
        |connection: &mut Connection| connection.request("POST", "/events", &event).unwrap().id(202);
    let kept: Vec<String> = (0..5).map(|_| publish(&mut ours)).collect();
    let northern: Vec<String> = (0..50).map(|_| publish(&mut theirs)).collect();

    // Ten are within the limit, each in a file of its own; beside them the newest file.
    let left = wait_until(async || ids(&mut theirs), |left| left.len() <= 11).await;
    assert!(left.len() >= 10, "{}", left.len());
    assert!(northern.iter().rev().take(left.len()).eq(&left), "the oldest have gone");
    assert_eq!(status(&mut theirs, &northern[0]), 404);
    assert!(ids(&mut ours).iter().eq(kept.iter().rev()));
    let most = (EVENT_BYTES * 22) as u64;
    wait_until(async || disk_bytes(&data.join("log")), |bytes| *bytes < most).await;

    server.kill();
    let server = Server::start(&data, &settings);
    assert_eq!(ids(&mut connect(&server)), left, "what has gone never comes back, and nothing more goes");
    assert!(ids(&mut server.connect()).iter().eq(kept.iter().rev()));
    let backup = server.connect().request("POST", "/backup", "").unwrap().data(201);
    let ended = run(&["restore", backup["path"].as_str().unwrap(), "--data-dir", text(&restored)], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.kill();
    let server = Server::start(&restored, &settings);
    assert_eq!(ids(&mut connect(&server)), left);
    publish(&mut connect(&server));
    publish(&mut connect(&server));
    // What is whose is counted anew there.
    let gone = async || status(&mut connect(&server), left.last().unwrap());
    wait_until(gone, |status| *status == 404).await;
    assert!(ids(&mut server.connect()).iter().eq(kept.iter().rev()));
}

async fn publish(tenant: &TenantHandle, event_type: &str) -> EventId {
    tenant.publish(NewEvent::new(event_type, large()).unwrap()).await.unwrap().id
}

#[tokio::test]
async fn each_tenants_oldest_contents_go_and_their_records_stay() {
    let north = Tenant::new("north").unwrap();
    let payload_retention = PayloadRetention {
        default_bytes: Some(MIB),
        tenants_bytes: [(north.clone(), 64 * MIB)].into(),
        tenants_ms: [(Tenant::new(QUICK).unwrap(), 1_000)].into(),
        ..PayloadRetention::default()
    };
    let home = Embedded::with(move |builder| {
        builder.limits(Limits { payload_retention: payload_retention.clone(), ..Limits::default() })
    });
    let receiver = Receiver::willing();
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let held = home.subscribe(to(receiver.url(), &["held"])).await;
    home.set_status(held, EndpointStatus::Paused).await;
    let northern = publish(&home.engine.tenant(north.clone()), "cases.created").await;
    let waits = publish(&home.tenant(), "held").await;
    let mut events = Vec::new();
    for _ in 0..30 {
        let event = publish(&home.tenant(), "cases.created").await;
        // What waits for its delivery would keep its content.
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
        events.push(event);
    }
    let erased = async || {
        let mut erased = Vec::new();
        for event in &events {
            erased.push(home.tenant().event(*event).await.unwrap().erased_at.is_some());
        }
        erased
    };
    // Ten are within the limit, and beside them the newest file's.
    let seen = wait_until(erased, |erased| erased.iter().filter(|it| **it).count() >= 19).await;
    assert!(seen.is_sorted_by(|one, next| one >= next), "the oldest go first: {seen:?}");
    assert!(seen.iter().filter(|it| **it).count() <= 20, "what is within the limit stays: {seen:?}");
    let home = home.restart().await;
    for event in &events {
        assert_eq!(home.delivery(*event, endpoint).await.status, DeliveryStatus::Delivered);
    }
    let whole =
        |event: casewire::StoredEvent| event.erased_at.is_none() && event.content.data.len() > EVENT_BYTES;
    assert!(whole(home.tenant().event(waits).await.unwrap()), "it waits for its delivery");
    assert!(whole(home.engine.tenant(north).event(northern).await.unwrap()), "its own limit is larger");
    home.set_status(held, EndpointStatus::Active).await;
    home.until(waits, held, DeliveryStatus::Delivered).await;
    home.shutdown().await;
}

#[test]
fn a_limit_that_is_too_small_is_refused_by_its_name() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("casewire.toml");
    for (line, told) in [
        ("payload_retention_bytes = 1", "payload_retention_bytes: is 1; choose 1048576 to"),
        (
            "[tenants.north]\nretention_bytes = 65536",
            "tenants.north.retention_bytes: is 65536; choose 1048576",
        ),
        ("[tenants.north]\npayload_retention_bytes = -1", "`-1` is not a whole number"),
    ] {
        fs::write(&config, line).unwrap();
        let ended = Server::try_start(&dir.path().join("data"), &[("CASEWIRE_CONFIG", text(&config))]);
        let ended = ended.err().expect("it is refused");
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(told), "{line}: {}", ended.stderr);
    }
}
