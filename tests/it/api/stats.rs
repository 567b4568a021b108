//! How an endpoint has been doing: what is counted, and how it is shown.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{
    host::{Host, keys, receiver},
    wait_until,
};

async fn stats(host: &Host, endpoint: &str) -> Value {
    let answer = host.call(Method::GET, &format!("/endpoints/{endpoint}/stats"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.data()
}

#[actix_web::test]
async fn an_endpoint_that_was_never_called_has_empty_hours() {
    let host = Host::start().await;
    let endpoint = host.endpoint(r#"{"url":"https://a.example","events":["a.*"],"status":"paused"}"#).await;
    let seen = stats(&host, &endpoint).await;
    assert_eq!(
        keys(&seen),
        ["endpoint", "counted_since", "attempts", "deliveries", "backlog", "breaker", "hours"]
    );
    assert_eq!(seen["attempts"], json!({"total": 0, "delivered": 0, "retried": 0, "dead": 0}));
    assert_eq!(seen["deliveries"], json!({"delivered": 0, "dead": 0, "expired": 0, "retrying": 0}));
    assert_eq!(seen["breaker"], json!({"state": "closed"}));
    let hours = seen["hours"].as_array().unwrap();
    assert_eq!(hours.len(), 24);
    assert_eq!(keys(&hours[0]), ["begins_at", "total", "delivered", "retried", "dead"]);
    assert!(hours.is_sorted_by_key(|hour| hour["begins_at"].as_str().unwrap().to_owned()), "{hours:?}");
    host.stop().await;
}

#[actix_web::test]
async fn deliveries_and_failures_are_counted_with_their_latency_and_what_waits() {
    let host = Host::start().await;
    let ((good, _good), (bad, _bad)) = (receiver(200, ""), receiver(500, ""));
    let [good, bad] = [good, bad].map(|url| json!({"url": url, "events": ["a.*"]}).to_string());
    let (good, bad) = (host.endpoint(&good).await, host.endpoint(&bad).await);
    let event = host.call(Method::POST, "/events", r#"{"type":"a.b","data":1}"#).await.data();

    let seen =
        wait_until(async || stats(&host, &good).await, |seen| seen["deliveries"]["delivered"] == 1).await;
    assert_eq!(seen["attempts"], json!({"total": 1, "delivered": 1, "retried": 0, "dead": 0}));
    assert_eq!((&seen["success_rate"], &seen["backlog"]), (&json!(1.0), &json!(0)));
    assert_eq!(keys(&seen["latency_ms"]), ["p50", "p95", "p99"]);
    assert!(seen["latency_ms"]["p50"].as_f64().unwrap() < 20_000.0, "{seen}");
    assert!(seen.get("oldest_waiting_at").is_none(), "{seen}");
    let newest = &seen["hours"].as_array().unwrap()[22..];
    assert_eq!(newest.iter().map(|hour| hour["delivered"].as_u64().unwrap()).sum::<u64>(), 1, "{seen}");

    let seen =
        wait_until(async || stats(&host, &bad).await, |seen| seen["deliveries"]["retrying"] == 1).await;
    assert_eq!(seen["attempts"], json!({"total": 1, "delivered": 0, "retried": 1, "dead": 0}));
    assert_eq!((&seen["success_rate"], &seen["backlog"]), (&json!(0.0), &json!(1)));
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    let published = host.call(Method::GET, &path, "").await.data()["created_at"].clone();
    assert_eq!(seen["oldest_waiting_at"], published);
    host.stop().await;
}

#[actix_web::test]
async fn what_waits_for_a_paused_endpoint_is_its_backlog() {
    let host = Host::start().await;
    let endpoint = host.endpoint(r#"{"url":"https://a.example","events":["a.*"],"status":"paused"}"#).await;
    let first = host.call(Method::POST, "/events", r#"{"type":"a.b","data":1}"#).await.data();
    host.call(Method::POST, "/events", r#"{"type":"a.b","data":2}"#).await;
    let seen = stats(&host, &endpoint).await;
    let path = format!("/events/{}", first["id"].as_str().unwrap());
    let published = host.call(Method::GET, &path, "").await.data()["created_at"].clone();
    assert_eq!((&seen["backlog"], &seen["oldest_waiting_at"]), (&json!(2), &published));
    host.stop().await;
}
