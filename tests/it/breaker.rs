//! An endpoint that keeps failing is probed with one request now and then, and takes up what waits at a ramp.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use actix_web::http::Method;
use casewire::{DeliveryStatus, Down, EndpointDraft, EndpointId};

use crate::support::{Embedded, Receiver, Reply, Request, host::Host, to, wait_until, work_for};

/// Failures in a row after which an endpoint counts as down.
const UNTIL_DOWN: usize = 32;

/// A receiver that is out of order until it is mended.
fn broken() -> (Receiver, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let receiver = Receiver::start(move |_| {
        work_for(Duration::from_millis(2));
        Reply::status(if is_mended.load(Ordering::SeqCst) { 204 } else { 500 })
    });
    (receiver, mended)
}

async fn until_down(home: &Embedded, endpoint: EndpointId) -> Down {
    let down = async || home.tenant().endpoint_stats(endpoint).await.unwrap().down;
    wait_until(down, Option::is_some).await.expect("it was waited for")
}

/// The first probes of an endpoint that is down. What was under way when it went down can still come in; the first probe
/// comes half a second later.
async fn probes(receiver: &Receiver, down: Down, count: usize) -> Vec<Request> {
    let from = Duration::from_micros(down.since.plus_millis(400).as_micros().unsigned_abs());
    let probes = async || {
        let mut requests = receiver.requests();
        requests.retain(|request| request.wall >= UNIX_EPOCH + from);
        requests
    };
    wait_until(probes, |probes| probes.len() >= count).await
}

/// The most requests of one path that were there at once.
fn at_once(requests: &[&Request]) -> usize {
    let ends = |request: &Request| request.replied.unwrap_or_else(Instant::now);
    let at = |time: Instant| requests.iter().filter(|it| it.at <= time && time < ends(it)).count();
    requests.iter().map(|request| at(request.at)).max().unwrap_or(0)
}

#[tokio::test]
async fn a_backlog_is_not_sent_to_who_fails_and_goes_out_at_a_ramp_when_he_answers() {
    let home = Embedded::start();
    let (receiver, mended) = broken();
    let draft = EndpointDraft { max_in_flight: Some(8), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let events = home.publish_many("cases.updated", 500).await;
    let down = until_down(&home, endpoint).await;
    let probes = probes(&receiver, down, 2).await;
    let when_down = receiver.count() - probes.len();
    assert!(when_down <= UNTIL_DOWN + 8, "{when_down} requests until it counted as down");
    assert!(probes.iter().all(|probe| probe.concurrent == 1), "{probes:?}");
    let gap = probes[1].at - probes[0].replied.unwrap();
    assert!(gap >= Duration::from_millis(900), "the intervals grow: {gap:?}");

    mended.store(true, Ordering::SeqCst);
    receiver.received_all(&events).await;
    for event in &events {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }
    let requests = receiver.requests();
    let first = requests.iter().skip(when_down).position(|it| it.concurrent > 1).unwrap() + when_down;
    // Each success adds one: the second at once comes after the first success, and so on.
    for (after, request) in requests[first..].iter().enumerate() {
        assert!(request.concurrent <= (after + 2).min(8), "{} at once, {after} after", request.concurrent);
    }
}

#[actix_web::test]
async fn retries_that_are_due_wait_too_and_use_up_nothing_of_their_schedule() {
    let home = Embedded::start();
    let (receiver, mended) = broken();
    let draft = EndpointDraft { retry_schedule_seconds: Some(vec![1; 3]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let events = home.publish_many("cases.updated", 200).await;
    let down = until_down(&home, endpoint).await;
    let seen = probes(&receiver, down, 4).await;
    assert!(seen.iter().all(|request| request.concurrent == 1), "one at a time: {seen:?}");
    assert!(seen.iter().any(|request| request.attempt == 1), "a probe is what is new");
    assert!(seen.iter().any(|request| request.attempt > 1), "and, in turn, what failed before");

    let host = Host::around(home.engine.clone()).await;
    let stats = host.call(Method::GET, &format!("/endpoints/{endpoint}/stats"), "").await.data();
    let state = stats["breaker"]["state"].as_str().unwrap();
    assert!(["open", "half_open"].contains(&state), "{stats}");
    assert_eq!(stats["breaker"]["next_probe_at"].is_string(), state == "open", "{stats}");
    let metrics = host.call(Method::GET, "/metrics", "").await.text;
    assert!(metrics.contains("\ncasewire_endpoints_down 1\n"), "{metrics}");

    mended.store(true, Ordering::SeqCst);
    for event in &events {
        let record = home.until(*event, endpoint, DeliveryStatus::Delivered).await;
        assert!(record.attempts.len() <= 4, "{record:?}");
    }
    let stats = host.call(Method::GET, &format!("/endpoints/{endpoint}/stats"), "").await.data();
    assert_eq!(stats["breaker"]["state"], "closed", "{stats}");
    host.stop().await;
}

#[tokio::test]
async fn an_operators_retry_is_a_probe_at_once() {
    let home = Embedded::start();
    let (receiver, mended) = broken();
    let draft = EndpointDraft { retry_schedule_seconds: Some(vec![3_600]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let events = home.publish_many("cases.updated", UNTIL_DOWN).await;
    until_down(&home, endpoint).await;
    mended.store(true, Ordering::SeqCst);
    let id = home.delivery(events[0], endpoint).await.id;
    home.tenant().retry_delivery(id).await.unwrap();
    // The others need not wait for their time: it was the outage that failed, not they.
    for event in &events {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }
}

#[tokio::test]
async fn who_was_failing_before_a_restart_is_probed_first() {
    let home = Embedded::start();
    let (receiver, mended) = broken();
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let events = home.publish_many("cases.updated", 200).await;
    let failing = async || home.tenant().endpoint_stats(endpoint).await.unwrap().failing;
    let since = wait_until(failing, Option::is_some).await.unwrap().since;
    let before = receiver.count();

    let home = home.restart().await;
    let probes = receiver.received(before + 2).await.split_off(before);
    assert!(probes.iter().all(|probe| probe.concurrent == 1), "{probes:?}");
    let stats = home.tenant().endpoint_stats(endpoint).await.unwrap();
    assert_eq!(
        stats.failing.map(|failing| failing.since),
        Some(since),
        "it fails since then, not since the start"
    );
    mended.store(true, Ordering::SeqCst);
    receiver.received_all(&events).await;
}

#[tokio::test]
async fn a_hundred_endpoints_that_come_back_are_never_sent_more_than_their_limits() {
    const ENDPOINTS: usize = 100;
    const EVENTS: usize = 60;
    let home = Embedded::start();
    let (receiver, mended) = broken();
    for n in 0..ENDPOINTS {
        let draft = EndpointDraft {
            max_in_flight: Some(2),
            rate_limit_per_second: Some(25.0),
            retry_schedule_seconds: Some(vec![1; 10]),
            ..to(receiver.at(&format!("/{n}")), &["*"])
        };
        home.subscribe(draft).await;
    }
    let events = home.publish_many("cases.updated", EVENTS).await;
    let down = async || {
        let page = home.engine.metrics();
        page.contains(&format!("\ncasewire_endpoints_down {ENDPOINTS}\n"))
    };
    wait_until(down, |all| *all).await;
    mended.store(true, Ordering::SeqCst);
    let acknowledged = async || {
        home.engine.metrics().lines().find_map(|line| {
            line.strip_prefix("casewire_deliveries_total{result=\"delivered\"} ")?.parse::<usize>().ok()
        })
    };
    wait_until(acknowledged, |count| *count == Some(ENDPOINTS * events.len())).await;
    let requests = receiver.requests();
    for n in 0..ENDPOINTS {
        let own: Vec<_> = requests.iter().filter(|request| request.path == format!("/{n}")).collect();
        assert!(at_once(&own) <= 2, "{} at once", at_once(&own));
        for (index, request) in own.iter().enumerate() {
            let within = own[index..].iter().filter(|it| it.at < request.at + Duration::from_secs(1)).count();
            assert!(within <= 25 + 2 + 2, "{within} within a second");
        }
    }
}
