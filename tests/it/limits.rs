//! What an endpoint's owner has set holds: requests a second, at once, and for how long, whatever they are for.

use std::time::Duration;

use actix_web::http::Method;
use casewire::{DeliveryStatus, EndpointDraft, EndpointPatch};
use serde_json::{Value, json};

use crate::support::{
    Embedded, Receiver, Reply, Request,
    host::{Host, fields},
    to, work_for,
};

/// How many arrivals may bunch up on the way: those that the receiver was not given time to read.
const IN_FLIGHT: u32 = 4;
/// How often a rate is measured before it counts as too low: other tests share the machine.
const MEASUREMENTS: usize = 4;

fn limited(receiver: &Receiver, per_second: f64) -> EndpointDraft {
    EndpointDraft {
        rate_limit_per_second: Some(per_second),
        max_in_flight: Some(IN_FLIGHT),
        ..to(receiver.url(), &["*"])
    }
}

/// Holds every second of the arrivals against a limit, and answers how many a second there were.
fn rate_of(requests: &[Request], per_second: f64) -> f64 {
    let mut times: Vec<_> = requests.iter().map(|request| request.at).collect();
    times.sort_unstable();
    let most = f64::from(IN_FLIGHT) + (per_second * 1.05).ceil();
    for (index, from) in times.iter().enumerate() {
        let within = times[index..].partition_point(|at| *at < *from + Duration::from_secs(1));
        assert!(within as f64 <= most, "{within} within a second, at {per_second}");
    }
    (times.len() - 1) as f64 / (times[times.len() - 1] - times[0]).as_secs_f64()
}

#[tokio::test]
async fn requests_come_at_the_rate_that_is_set_and_never_above_it() {
    for (per_second, count) in [(3.0, 9), (40.0, 120), (1_000.0, 3_000)] {
        let mut seen = Vec::new();
        while seen.len() < MEASUREMENTS && seen.last().is_none_or(|rate| *rate < 0.95 * per_second) {
            let (home, receiver) = (Embedded::start(), Receiver::willing());
            home.subscribe(limited(&receiver, per_second)).await;
            home.publish_many("cases.updated", count).await;
            seen.push(rate_of(&receiver.received(count).await, per_second));
            assert_eq!(receiver.count(), count);
        }
        let reached = seen.iter().copied().fold(0.0, f64::max);
        assert!((0.95 * per_second..=1.05 * per_second).contains(&reached), "{seen:?} of {per_second}");
    }
}

#[tokio::test]
async fn what_is_tried_again_counts_and_so_does_what_an_operator_asks_for() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| Reply::status(if request.attempt == 1 { 500 } else { 204 }));
    let endpoint = home.subscribe(limited(&receiver, 20.0)).await;
    let events = home.publish_many("cases.updated", 20).await;
    for event in &events {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }
    for event in &events[..10] {
        let id = home.delivery(*event, endpoint).await.id;
        home.tenant().retry_delivery(id).await.unwrap();
    }
    rate_of(&receiver.received(50).await, 20.0);
}

#[tokio::test]
async fn a_rate_that_is_changed_holds_from_the_next_request_on_and_goes_on_over_a_pause() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(limited(&receiver, 0.02)).await;
    home.publish_many("cases.updated", 30).await;
    receiver.received(1).await;
    let patch = |limit| EndpointPatch { rate_limit_per_second: Some(limit), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, patch(Some(2.0))).await.unwrap();
    rate_of(&receiver.received(4).await, 2.0);
    home.tenant().update_endpoint(endpoint, patch(None)).await.unwrap();
    receiver.received(30).await;
}

#[actix_web::test]
async fn limits_are_set_shown_refused_and_taken_away_and_outlive_a_restart() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| {
        if request.attempt == 1 {
            work_for(Duration::from_millis(1_500));
        }
        Reply::status(204)
    });
    let host = Host::around(home.engine.clone()).await;
    let own = json!({
        "url": receiver.url(), "events": ["*"], "max_in_flight": 3, "rate_limit_per_second": 2.5,
        "timeout_seconds": 1, "retry": {"schedule_seconds": [1, 2]},
    });
    let endpoint = host.endpoint(&own.to_string()).await;
    let path = format!("/endpoints/{endpoint}");
    for wrong in ["0", "-1", "0.001", "10001", "1e999", "\"3\"", "true"] {
        let patch = format!(r#"{{"rate_limit_per_second":{wrong}}}"#);
        let refused = host.call(Method::PATCH, &path, &patch).await.problem(422);
        assert_eq!(fields(&refused), ["rate_limit_per_second"], "{wrong}");
    }
    host.stop().await;

    let home = home.restart().await;
    let host = Host::around(home.engine.clone()).await;
    let shown = host.call(Method::GET, &path, "").await.data();
    for key in ["max_in_flight", "rate_limit_per_second", "timeout_seconds", "retry"] {
        assert_eq!(shown[key], own[key], "{key}");
    }
    // Its own deadline and schedule: cut off after a second, and made again after another.
    let event = home.publish("cases.created").await;
    let endpoint = endpoint.parse().unwrap();
    let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
    let [first, second] = &record.attempts[..] else { panic!("{record:?}") };
    assert!((1_000_000..20_000_000).contains(&first.duration_us), "{record:?}");
    assert!(second.started_at.millis_since(first.started_at) >= 2_000, "{record:?}");

    let whole = host.call(Method::PATCH, &path, r#"{"rate_limit_per_second":10}"#).await.data();
    assert_eq!(whole["rate_limit_per_second"].to_string(), "10");
    let none = host.call(Method::PATCH, &path, r#"{"rate_limit_per_second":null}"#).await.data();
    assert_eq!(none.get("rate_limit_per_second"), None::<&Value>);
    host.stop().await;
}
