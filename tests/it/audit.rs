//! The audit: whatever is changed or revealed is told, by whom, for good; and what it tells cannot be changed unnoticed.

use std::fs;

use actix_web::http::Method;
use casewire::{AuditQuery, DeliveryStatus, Principal, SourceDraft, Tenant};
use casewire_data::token::Scope;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::{Server, run},
    support::{
        Embedded, Receiver, Reply,
        host::{Host, fields, keys},
        to, wait_until,
    },
};

/// A word that must not turn up where secrets and payloads must not be.
const CANARY: &str = "canary-of-the-audit";

async fn told(host: &Host, token: &str, query: &str) -> Vec<Value> {
    let answer = host.call_as(token, Method::GET, &format!("/audit{query}"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.data().as_array().unwrap().clone()
}

/// What was done, oldest first, with the fields that it changed.
fn done(entries: &[Value]) -> Vec<String> {
    let one = |entry: &Value| {
        let fields = entry["fields"].as_array().into_iter().flatten();
        let fields: Vec<_> = fields.map(|field| field.as_str().unwrap()).collect();
        format!("{} {}", entry["action"].as_str().unwrap(), fields.join(",")).trim_end().to_owned()
    };
    entries.iter().rev().map(one).collect()
}

#[actix_web::test]
async fn every_change_by_a_token_is_told_with_the_names_of_what_changed_and_no_value() {
    let host = Host::start().await;
    let call = async |method: Method, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = host.call(method, path, &body).await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
        if answer.text.is_empty() { Value::Null } else { answer.data() }
    };
    let draft = json!({"url": format!("https://a.example/{CANARY}"), "events": ["a.*"],
        "headers": {"X-Key": CANARY}, "description": CANARY});
    let endpoint = call(Method::POST, "/endpoints", draft).await["id"].as_str().unwrap().to_owned();
    let path = format!("/endpoints/{endpoint}");
    call(Method::PATCH, &path, json!({"headers": {"X-Key": "other"}, "agencies": ["north"]})).await;
    call(Method::PATCH, &path, json!({"status": "paused", "name": CANARY})).await;
    call(Method::PATCH, &path, json!({"status": "active"})).await;
    call(Method::GET, &format!("{path}/secret"), Value::Null).await;
    call(Method::POST, &format!("{path}/secret/rotate"), Value::Null).await;
    call(Method::DELETE, &path, Value::Null).await;
    let source = json!({"name": "court", "dialect": "github@1", "secret": CANARY});
    let source = call(Method::POST, "/sources", source).await["id"].as_str().unwrap().to_owned();
    call(Method::PATCH, &format!("/sources/{source}"), json!({"secret": format!("{CANARY}2")})).await;
    call(Method::DELETE, &format!("/sources/{source}"), Value::Null).await;
    let token = json!({"scopes": ["payload:read"], "description": "for the wall"});
    let token = call(Method::POST, "/tokens", token).await["id"].as_str().unwrap().to_owned();
    call(Method::DELETE, &format!("/tokens/{token}"), Value::Null).await;
    call(Method::POST, "/backup", json!({"name": "noon"})).await;
    // Nothing of what is refused, or only looked at.
    host.call(Method::POST, "/backup", r#"{"name":".."}"#).await.problem(422);
    host.call(Method::PATCH, &path, "{}").await.problem(404);
    host.call(Method::POST, "/endpoints", r#"{"url":"nowhere"}"#).await.problem(422);
    call(Method::GET, "/endpoints", Value::Null).await;

    let entries = told(&host, &host.admin, "").await;
    assert_eq!(
        done(&entries),
        [
            // The host's own, by the library.
            "token.create",
            "endpoint.create",
            "endpoint.update agencies,headers",
            "endpoint.pause name,status",
            "endpoint.resume status",
            "secret.reveal",
            "secret.rotate secret",
            "endpoint.delete",
            "source.create",
            "source.update secret",
            "source.delete",
            "token.create",
            "token.delete",
            "backup.create",
        ]
    );
    let text = json!(entries).to_string();
    assert!(!text.contains(CANARY) && !text.contains("whsec_") && !text.contains("cwt_"), "{text}");
    assert_eq!(keys(&entries[0]), ["id", "created_at", "actor", "action", "subject", "sha256"]);
    let (by_host, by_token) = (&entries[13]["actor"], &entries[0]["actor"]);
    assert_eq!((by_host, by_token["kind"].as_str()), (&json!({"kind": "host"}), Some("token")));
    assert_eq!(by_token["id"], entries[13]["subject"], "the token that the host made");
    assert_eq!((&entries[0]["subject"], &entries[1]["subject"]), (&json!("noon"), &json!(token)));
    assert_eq!(entries[7]["subject"], endpoint.as_str());

    let actor = by_token["id"].as_str().unwrap();
    for (query, expected) in [
        (format!("?actor={actor}&limit=200"), 13),
        ("?actor=host".to_owned(), 1),
        ("?action=endpoint.update".to_owned(), 1),
        ("?since=2026-01-01T00:00:00Z&until=9999-01-01T00:00:00Z".to_owned(), 14),
        ("?until=2026-01-01T00:00:00%2B02:00".to_owned(), 0),
    ] {
        assert_eq!(told(&host, &host.admin, &query).await.len(), expected, "{query}");
    }
    let wrong = "/audit?since=yesterday&until=x&actor=ada&action=sleep&by=ada";
    let problem = host.call(Method::GET, wrong, "").await.problem(422);
    assert_eq!(fields(&problem), ["since", "until", "actor", "action", "by"]);
    host.stop().await;
}

#[actix_web::test]
async fn pages_follow_each_other_to_the_first_entry() {
    let host = Host::start().await;
    for _ in 0..6 {
        host.token("default", &[Scope::EndpointsRead]).await;
    }
    let all = told(&host, &host.admin, "").await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = host.call(Method::GET, &format!("/audit?limit=3{cursor}"), "").await.json();
        found.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((found.len(), &found), (7, &all));
    host.stop().await;
}

#[actix_web::test]
async fn a_tenant_reads_of_its_own_alone_and_of_the_operator_no_more_than_that_it_was_there() {
    let host = Host::start().await;
    let north = host.token("north", &[Scope::Admin]).await;
    host.call(Method::POST, "/tokens", r#"{"tenant":"north","scopes":["payload:read"]}"#).await.data();
    let body = r#"{"url":"https://a.example","events":["a.*"]}"#;
    host.call_as(&north, Method::POST, "/endpoints", body).await.data();

    let entries = told(&host, &north, "").await;
    assert_eq!(done(&entries), ["token.create", "token.create", "endpoint.create"]);
    let kinds: Vec<_> = entries.iter().rev().map(|entry| entry["actor"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["host", "operator", "token"]);
    assert_eq!(keys(&entries[1]["actor"]), ["kind"]);
    assert_eq!(told(&host, &north, "?actor=operator").await.len(), 1);

    let seen = told(&host, &host.admin, "?tenant=north").await;
    assert_eq!(keys(&seen[1]["actor"]), ["kind", "id"]);
    assert_eq!(done(&told(&host, &host.admin, "").await), ["token.create"], "its own tenant's");
    host.stop().await;
}

#[tokio::test]
async fn what_the_host_and_the_engine_do_is_told_too_and_outlasts_a_restart() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| Reply::status(if request.path == "/gone" { 410 } else { 200 }));
    let gone = home.subscribe(to(receiver.at("/gone"), &["a.b"])).await;
    let good = home.subscribe(to(receiver.at("/good"), &["a.b"])).await;
    let event = home.publish("a.b").await;
    let delivery = home.until(event, good, DeliveryStatus::Delivered).await.id;
    let tenant = home.tenant();
    wait_until(async || tenant.endpoint(gone).await.unwrap().endpoint.status_reason.is_some(), |gone| *gone)
        .await;
    tenant.retry_delivery(delivery).await.unwrap();
    let draft = SourceDraft { name: "court".into(), dialect: "standard@1".into(), ..SourceDraft::default() };
    tenant.create_source(draft).await.unwrap();

    let query = || AuditQuery::newest(Tenant::default(), 100);
    let entries =
        wait_until(async || tenant.audit(query()).await.unwrap(), |entries| entries.len() == 5).await;
    let disabled = entries.iter().find(|it| it.act.action.as_str() == "endpoint.disable").unwrap();
    assert_eq!((&disabled.act.by, &disabled.act.subject), (&Principal::Engine, &gone.to_string()));
    assert!(disabled.act.reason.as_ref().unwrap().contains("410"), "{disabled:?}");
    let retried = entries.iter().find(|it| it.act.action.as_str() == "delivery.retry").unwrap();
    assert_eq!((&retried.act.by, &retried.act.subject), (&Principal::Host, &delivery.to_string()));
    drop(tenant);
    let home = home.restart().await;
    assert_eq!(home.tenant().audit(query()).await.unwrap(), entries);
    home.shutdown().await;
}

#[test]
fn the_program_lists_verifies_beside_the_server_and_names_the_first_broken_entry() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    let server = Server::start(dir.path(), &[]);
    let (url, env) = (server.url(), [("CASEWIRE_TOKEN", crate::binary::TOKEN)]);
    let casewire = |arguments: &[&str]| run(&[arguments, &["--server", &url]].concat(), &env);
    let printed = |arguments: &[&str]| {
        let ended = casewire(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    };
    let (endpoint, secret) = server.endpoint("https://a.example/", &["a.*"]);
    assert!(printed(&["endpoints", "secret", &endpoint]).contains(&secret));
    let rotated = printed(&["endpoints", "rotate", &endpoint, "--overlap-seconds", "60", "--json"]);
    let rotated: Value = serde_json::from_str(&rotated).unwrap();
    assert_ne!(rotated["data"]["secret"], secret.as_str());
    printed(&["token", "create", "--scope", "payload:read", "--description", "for the wall"]);
    let tokens = printed(&["token", "list"]);
    assert!(tokens.contains("for the wall") && !tokens.contains("cwt_"), "{tokens}");
    let id = tokens.lines().nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(printed(&["token", "delete", id]).trim(), format!("deleted {id}"));
    assert_eq!(casewire(&["token", "delete", id]).code, Some(1));

    let listed = printed(&["audit", "list", "--limit", "4"]);
    assert_eq!(listed.lines().count(), 6, "headings, four entries, and that there are more: {listed}");
    assert!(
        listed.contains("from the engine's configuration") && listed.contains("secret.rotate"),
        "{listed}"
    );
    assert_eq!(printed(&["audit", "list", "--action", "secret.reveal"]).lines().count(), 2);
    assert_eq!(casewire(&["audit", "list", "--action", "sleep"]).code, Some(2));

    let verify = || run(&["audit", "verify", "--data-dir", path, "--json"], &[]);
    let beside: Value = serde_json::from_str(&verify().stdout).unwrap();
    assert_eq!(beside["entries"], 5);
    assert_eq!(server.terminate().code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&verify().stdout).unwrap(), beside);

    let newest = beside["newest_sha256"].as_str().unwrap();
    let against = |noted: &str| run(&["audit", "verify", "--data-dir", path, "--noted", noted], &[]);
    let held = against(&newest.to_uppercase());
    assert!(held.code == Some(0) && held.stdout.contains("noted    entry 5"), "{held:?}");
    let other = against(&"0".repeat(64));
    assert!(other.code == Some(1) && other.stderr.contains("none of the 5 entries"), "{other:?}");
    assert_eq!(against(&newest[1..]).code, Some(2), "not a hash");

    let folder = fs::read_dir(dir.path().join("audit")).unwrap();
    let file = folder.map(|entry| entry.unwrap().path()).next().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let third = bytes.windows(13).position(|it| it == b"secret.rotate").unwrap();
    bytes[third] ^= 1;
    fs::write(&file, bytes).unwrap();
    let broken = run(&["audit", "verify", "--data-dir", path], &[]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.stderr.contains("entry 3 of the audit"), "{broken:?}");
    assert_eq!(run(&["audit", "verify", "--data-dir", "/nowhere"], &[]).code, Some(1));
}
