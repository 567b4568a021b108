//! Sending again by the admin API: what is answered, and what is refused.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{
    host::{Host, fields, keys, receiver},
    wait_until,
};

#[actix_web::test]
async fn a_replay_is_counted_begun_watched_and_called_off() {
    let (host, (url, _server)) = (Host::start().await, receiver(204, ""));
    for event_type in ["cases.created", "cases.closed", "tasks.created"] {
        let event = json!({ "type": event_type, "data": 1 }).to_string();
        assert_eq!(host.call(Method::POST, "/events", &event).await.status, 202);
    }
    let endpoint = host.endpoint(&json!({ "url": url, "events": ["cases.*"] }).to_string()).await;
    let path = format!("/endpoints/{endpoint}/replay");

    let counted = host.call(Method::POST, &path, r#"{"status":["missing"],"dry_run":true}"#).await;
    assert_eq!(counted.status, 202);
    assert_eq!(counted.data(), json!({ "endpoint": endpoint, "dry_run": true, "count": 2 }));
    let nothing = host.call(Method::POST, &path, r#"{"dry_run":true}"#).await.data();
    assert_eq!(nothing["count"], 0, "what is dead, unless something else is asked for");

    let asked = r#"{"since":"2020-01-01T00:00:00Z","until":"2999-01-01T00:00:00Z","status":["missing","dead"],
        "types":["cases.c*"]}"#;
    let begun = host.call(Method::POST, &path, asked).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let begun = begun.data();
    let always =
        ["id", "endpoint", "dry_run", "state", "count", "sent", "delivered", "failed", "skipped", "status"];
    assert_eq!(keys(&begun), [&always[..], &["types", "since", "until", "started_at"]].concat());
    assert_eq!((&begun["state"], &begun["count"]), (&json!("running"), &json!(2)));
    assert_eq!((&begun["status"], &begun["types"]), (&json!(["dead", "missing"]), &json!(["cases.c*"])));

    let one = format!("/endpoints/{endpoint}/replays/{}", begun["id"].as_str().unwrap());
    let look = async || host.call(Method::GET, &one, "").await.data();
    let finished = wait_until(look, |replay| replay["state"] == "finished").await;
    assert_eq!((&finished["sent"], &finished["delivered"]), (&json!(2), &json!(2)));
    assert!(finished["finished_at"].is_string());
    let listed = host.call(Method::GET, &format!("/endpoints/{endpoint}/replays"), "").await;
    assert_eq!(listed.json(), json!({ "data": [finished] }));
    let over = host.call(Method::DELETE, &one, "").await;
    assert_eq!((over.status, over.data()), (200, finished), "it is over, and stays as it is");

    host.call(Method::PATCH, &format!("/endpoints/{endpoint}"), r#"{"status":"paused"}"#).await;
    let waits = host.call(Method::POST, &path, r#"{"status":["delivered"]}"#).await.data();
    let second = host.call(Method::POST, &path, "{}").await.problem(409);
    assert!(second["detail"].as_str().unwrap().contains(waits["id"].as_str().unwrap()), "{second}");
    let one = format!("/endpoints/{endpoint}/replays/{}", waits["id"].as_str().unwrap());
    let cancelled = host.call(Method::DELETE, &one, "").await;
    assert_eq!((cancelled.status, &cancelled.data()["state"]), (200, &json!("cancelled")));

    let audit = host.call(Method::GET, "/audit?limit=4", "").await.data();
    let told = |entry: &Value| (entry["action"].clone(), entry["subject"].clone());
    let acts: Vec<_> = audit.as_array().unwrap().iter().map(told).collect();
    let subject = json!(format!("{endpoint}/{}", waits["id"].as_str().unwrap()));
    assert_eq!(acts[..2], [(json!("replay.cancel"), subject.clone()), (json!("replay.begin"), subject)]);
    assert_eq!(acts[2].0, "endpoint.pause", "what is refused or over is no act");
    host.stop().await;
}

#[actix_web::test]
async fn whatever_is_wrong_with_a_replay_is_named() {
    let host = Host::start().await;
    let endpoint = host.endpoint(r#"{"url":"https://a.example","events":["*"],"status":"paused"}"#).await;
    let path = format!("/endpoints/{endpoint}/replay");
    let wrong = r#"{"since":"yesterday","status":["pending"],"types":["cases.[",7],"dry":true}"#;
    let named = host.call(Method::POST, &path, wrong).await.problem(422);
    assert_eq!(fields(&named), ["status[0]", "since", "types[0]", "types[1]", "dry"]);
    let backwards = r#"{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z","status":[]}"#;
    assert_eq!(fields(&host.call(Method::POST, &path, backwards).await.problem(422)), ["until", "status"]);
    host.call(Method::POST, &path, "{").await.problem(400);
    host.call(Method::GET, &path, "").await.problem(405);
    host.call(Method::GET, &format!("/endpoints/{endpoint}/replays/evt_1"), "").await.problem(404);
    host.stop().await;
}
