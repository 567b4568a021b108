//! An endpoint that has not acknowledged anything for long is disabled, after a warning, and has another chance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::http::Method;
use casewire::{DeliveryStatus, EndpointDraft, EndpointStatus, Limits, RetrySchedule};

use crate::support::{Embedded, Receiver, Reply, host::Host, to, wait_until};

fn home(disable_after_ms: Option<i64>) -> Embedded {
    Embedded::with(move |builder| {
        builder
            .limits(Limits { disable_after_ms, ..Limits::default() })
            .retry_schedule(RetrySchedule::new(vec![1; 60]).unwrap())
    })
}

/// A receiver that answers 500 until it is mended.
fn broken() -> (Receiver, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let script = move |_: &_| Reply::status(if is_mended.load(Ordering::SeqCst) { 204 } else { 500 });
    (Receiver::start(script), mended)
}

#[actix_web::test]
async fn who_never_acknowledges_is_paused_with_a_reason_and_nothing_is_lost() {
    let home = home(Some(4_000));
    let (receiver, mended) = broken();
    let watcher = Receiver::willing();
    let watching = home.subscribe(to(watcher.url(), &["casewire.endpoint.*"])).await;
    // One event, so that it is never down: it fails all the same.
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Held).await;

    let host = Host::around(home.engine.clone()).await;
    let shown = host.call(Method::GET, &format!("/endpoints/{endpoint}"), "").await.data();
    assert_eq!(shown["status"], "paused");
    let reason = shown["status_reason"].as_str().unwrap();
    assert!(
        reason.starts_with("no delivery has succeeded since ") && reason.contains("(last: 500)"),
        "{reason}"
    );
    let audit = host.call(Method::GET, "/audit", "").await.text;
    assert!(audit.contains("endpoint.disable"), "{audit}");
    let told = wait_until(async || watcher.requests(), |told| told.len() >= 3).await;
    let told: Vec<serde_json::Value> =
        told.iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect();
    let types: Vec<_> = told.iter().map(|it| it["type"].as_str().unwrap()).collect();
    let failing = "casewire.endpoint.failing";
    assert_eq!(types, [failing, failing, "casewire.endpoint.disabled"]);
    assert_eq!(told[0]["data"].get("disables_at"), None, "{}", told[0]);
    assert!(told[1]["data"]["disables_at"].is_string(), "the second one is a warning: {}", told[1]);
    assert_eq!(told[2]["data"]["reason"], reason);

    let attempts = receiver.count();
    mended.store(true, Ordering::SeqCst);
    home.set_status(endpoint, EndpointStatus::Active).await;
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(record.attempts.len(), attempts + 1);
    let stats = home.tenant().endpoint_stats(endpoint).await.unwrap();
    assert_eq!((stats.failing, stats.down), (None, None));
    assert_eq!(home.tenant().endpoint(watching).await.unwrap().endpoint.status, EndpointStatus::Active);
    host.stop().await;
}

#[tokio::test]
async fn the_period_goes_on_over_a_restart_and_begins_anew_with_another_chance() {
    let home = home(Some(8_000));
    let (receiver, _) = broken();
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let event = home.publish("cases.created").await;
    let failing = async |home: &Embedded| home.tenant().endpoint_stats(endpoint).await.unwrap().failing;
    let since = wait_until(async || failing(&home).await, Option::is_some).await.unwrap().since;
    let home = home.restart().await;
    assert_eq!(failing(&home).await.map(|failing| failing.since), Some(since));
    home.until(event, endpoint, DeliveryStatus::Held).await;
    let disabled = home.tenant().endpoint(endpoint).await.unwrap().endpoint.updated_at;
    let took = disabled.millis_since(since);
    assert!((7_000..15_000).contains(&took), "counted from the first failure: {took} ms");

    home.set_status(endpoint, EndpointStatus::Active).await;
    let again = wait_until(async || failing(&home).await, Option::is_some).await.unwrap().since;
    assert!(again > disabled.plus_millis(-1_000), "{again} is after {disabled}");
}

#[tokio::test]
async fn a_success_now_and_then_is_enough_and_without_a_period_nobody_is_disabled() {
    let home = home(Some(1_000));
    let receiver =
        Receiver::start(|request| Reply::status(if request.text().contains("good") { 204 } else { 500 }));
    let (broken, _) = broken();
    let draft = EndpointDraft { retry_schedule_seconds: Some(vec![0; 2]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let bad = home.publish("cases.bad").await;
        home.until(bad, endpoint, DeliveryStatus::Dead).await;
        let good = home.publish("cases.good").await;
        home.until(good, endpoint, DeliveryStatus::Delivered).await;
    }
    assert_eq!(home.tenant().endpoint(endpoint).await.unwrap().endpoint.status, EndpointStatus::Active);

    let never = self::home(None);
    let endpoint = never.subscribe(to(broken.url(), &["*"])).await;
    never.publish("cases.created").await;
    broken.received(5).await;
    assert_eq!(never.tenant().endpoint(endpoint).await.unwrap().endpoint.status, EndpointStatus::Active);
}
