//! The trace context of a publish is passed on to the receivers, where their dialect knows of such headers.

use actix_web::http::Method;
use casewire::{EndpointDraft, NewEvent, Tenant};
use casewire_data::token::Scope;
use serde_json::json;

use crate::support::{Embedded, Receiver, Reply, Request, host::Host, to};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// What of a trace a request carries.
fn carried(request: &Request) -> (Option<&str>, Option<&str>) {
    (request.find("traceparent"), request.find("tracestate"))
}

/// A host with an endpoint that takes everything.
async fn host(receiver: &Receiver) -> Host {
    let host = Host::start().await;
    host.endpoint(&json!({"url": receiver.url(), "events": ["*"]}).to_string()).await;
    host
}

/// Publishes with headers, and answers the receipts.
async fn publish(host: &Host, path: &str, headers: &[(&str, &str)], body: String) -> serde_json::Value {
    let credentials = format!("Bearer {}", host.admin);
    let own = [("Authorization", credentials.as_str()), ("Content-Type", "application/json")];
    let answer = host.send(Method::POST, path, &[&own[..], headers].concat(), body.into_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.data()
}

#[actix_web::test]
async fn the_headers_of_a_publish_reach_the_receiver() {
    let receiver = Receiver::willing();
    let host = host(&receiver).await;
    let trace =
        [("traceparent", PARENT), ("tracestate", "congo=t61rcWkgMzE"), ("tracestate", "rojo=00f067aa")];
    let one = json!({"type": "a.b", "data": 1}).to_string();
    publish(&host, "/events", &trace, one.clone()).await;
    let seen = receiver.received(1).await;
    assert_eq!(carried(&seen[0]), (Some(PARENT), Some("congo=t61rcWkgMzE,rojo=00f067aa")));

    publish(&host, "/events/batch", &trace[..1], format!("[{one},{one}]")).await;
    for request in &receiver.received(3).await[1..] {
        assert_eq!(carried(request), (Some(PARENT), None));
    }
    host.stop().await;
}

#[actix_web::test]
async fn what_the_event_brings_itself_goes_before_and_what_is_malformed_is_passed_over() {
    let receiver = Receiver::willing();
    let host = host(&receiver).await;
    let tagged =
        |parent: &str| json!({"type": "a.b", "data": 1, "tags": {"traceparent": parent}}).to_string();
    publish(&host, "/events", &[("traceparent", OTHER)], tagged(PARENT)).await;
    assert_eq!(carried(&receiver.received(1).await[0]), (Some(PARENT), None));

    let untagged = json!({"type": "a.b", "data": 1}).to_string();
    publish(&host, "/events", &[], tagged("00-nonsense")).await;
    publish(&host, "/events", &[("traceparent", "00-nonsense"), ("tracestate", "a=1")], untagged.clone())
        .await;
    publish(&host, "/events", &[("tracestate", "a=1")], untagged.clone()).await;
    publish(&host, "/events", &[("traceparent", PARENT), ("traceparent", OTHER)], untagged).await;
    for request in &receiver.received(5).await[1..] {
        assert_eq!(carried(request), (None, None));
    }
    host.stop().await;
}

#[actix_web::test]
async fn who_publishes_again_from_another_span_repeats_the_same_event() {
    let receiver = Receiver::willing();
    let host = host(&receiver).await;
    let body = json!({"type": "a.b", "data": 1, "idempotency_key": "k"}).to_string();
    let first = publish(&host, "/events", &[("traceparent", PARENT)], body.clone()).await;
    let again = publish(&host, "/events", &[("traceparent", OTHER)], body.clone()).await;
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let bare = publish(&host, "/events", &[], body).await;
    assert_eq!((&bare["id"], &bare["duplicate"]), (&first["id"], &json!(true)));
    host.stop().await;
}

#[actix_web::test]
async fn what_comes_in_with_a_trace_goes_out_with_it() {
    let receiver = Receiver::willing();
    let host = host(&receiver).await;
    host.call(Method::POST, "/sources", r#"{"name":"court","dialect":"cloudevents@1"}"#).await;
    let publisher = host.token("default", &[Scope::EventsPublish]).await;
    let credentials = format!("Bearer {publisher}");
    let body = json!({"specversion": "1.0", "id": "1", "source": "/court", "type": "a.b", "data": {}});
    let headers = [
        ("Authorization", credentials.as_str()),
        ("Content-Type", "application/cloudevents+json"),
        ("Traceparent", PARENT),
    ];
    let answer = host.send(Method::POST, "/inbound/court", &headers, body.to_string().into_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(carried(&receiver.received(1).await[0]), (Some(PARENT), None));
    host.stop().await;
}

#[tokio::test]
async fn every_attempt_carries_it_and_a_format_that_lists_its_headers_gets_no_other() {
    let (home, receiver) = (
        Embedded::start(),
        Receiver::start(|request| match request.attempt {
            1 => Reply::status(500),
            _ => Reply::status(204),
        }),
    );
    home.subscribe(to(receiver.at("/ours"), &["claim.created"])).await;
    let strict = EndpointDraft {
        dialect: Some("claimable@2".into()),
        ..to(receiver.at("/vendor"), &["claim.created"])
    };
    home.subscribe(strict).await;
    let sample = casewire_data::samples::event("claimable", "claim.created").unwrap();
    let mut event: NewEvent = casewire_data::samples::parse(sample).unwrap();
    event.tags.insert("traceparent".into(), PARENT.into());
    event
        .tags
        .insert("tracestate".into(), format!("a={}", "x".repeat(250)) + &format!(",b={}", "y".repeat(250)));
    home.engine.tenant(Tenant::default()).publish(event).await.unwrap();
    let seen = receiver.received(4).await;
    for request in seen {
        match request.path.as_str() {
            "/ours" => {
                assert_eq!(request.header("traceparent"), PARENT);
                assert_eq!(request.header("tracestate").len(), 505);
            }
            _ => assert_eq!(carried(&request), (None, None)),
        }
    }
    home.shutdown().await;
}
