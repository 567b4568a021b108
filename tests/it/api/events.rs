//! Events are published and looked up, and so are their deliveries.

use actix_web::http::Method;
use casewire_data::{samples, token::Scope};
use serde_json::json;

use crate::support::{
    host::{Host, fields, keys, receiver},
    wait_until,
};

const PAUSED: &str = r#"{"url":"https://a.example","events":["cases.*"],"status":"paused"}"#;

#[actix_web::test]
async fn a_published_event_is_shown_as_it_was_given() {
    let host = Host::start().await;
    host.endpoint(PAUSED).await;
    // Spaces, a trailing zero, an escape, a key given twice: all of it is the host's.
    let data = r#"{ "n": 1.0, "s":"\u00e9", "s" : 12345678901234567890123 }"#;
    let body = format!(
        r#"{{"type":"cases.created","data":{data},"occurred_at":"2026-04-29T11:10:00+02:00",
            "actor":{{"kind":"ui","id":2642,"name":"J"}},"resource":{{"type":"case","id":"C-1"}},
            "agency":"north","tags":{{"b":"2","a":"1"}},"idempotency_key":"k-1"}}"#
    );
    let published = host.call(Method::POST, "/events", &body).await;
    assert_eq!(published.status, 202, "{}", published.text);
    let receipt = published.data();
    assert_eq!(keys(&receipt), ["id", "type", "deliveries", "duplicate"]);
    assert_eq!((&receipt["type"], &receipt["deliveries"]), (&json!("cases.created"), &json!(1)));
    assert_eq!(receipt["duplicate"], false);

    let path = format!("/events/{}", receipt["id"].as_str().unwrap());
    let shown = host.call(Method::GET, &path, "").await;
    assert_eq!(shown.status, 200);
    assert!(shown.text.contains(&format!(r#""data":{data}"#)), "byte for byte: {}", shown.text);
    let event = shown.data();
    let all =
        ["id", "type", "created_at", "occurred_at", "actor", "resource", "agency", "tags", "idempotency_key"];
    assert_eq!(keys(&event), [&all[..], &["data"]].concat());
    assert_eq!(event["occurred_at"], "2026-04-29T09:10:00Z");
    assert_eq!(event["actor"], json!({"kind": "ui", "id": 2642, "name": "J"}));
    assert_eq!(event["resource"], json!({"type": "case", "id": "C-1"}));

    let without_payload = host.token("default", &[Scope::DeliveriesRead]).await;
    assert_eq!(keys(&host.call_as(&without_payload, Method::GET, &path, "").await.data()), all);

    let again = host.call(Method::POST, "/events", &body).await;
    assert_eq!(again.status, 202);
    assert_eq!((&again.data()["id"], &again.data()["duplicate"]), (&receipt["id"], &json!(true)));
    let conflict = host.call(Method::POST, "/events", &body.replace("C-1", "C-2")).await.problem(409);
    assert!(!conflict["detail"].as_str().unwrap().contains("(event"), "it is the only one: {conflict}");
    host.stop().await;
}

#[actix_web::test]
async fn null_is_data_and_no_data_is_a_mistake() {
    let host = Host::start().await;
    let published = host.call(Method::POST, "/events", r#"{"type":"a.b","data":null}"#).await;
    assert_eq!((published.status, &published.data()["deliveries"]), (202, &json!(0)));
    let path = format!("/events/{}", published.data()["id"].as_str().unwrap());
    let shown = host.call(Method::GET, &path, "").await;
    assert!(shown.text.ends_with(r#""data":null}}"#), "{}", shown.text);

    let missing = host.call(Method::POST, "/events", r#"{"type":"a.b"}"#).await;
    assert_eq!(fields(&missing.problem(422)), ["data"]);
    host.stop().await;
}

#[actix_web::test]
async fn a_batch_is_answered_in_order_and_published_whole_or_not_at_all() {
    let host = Host::start().await;
    let good = r#"{"type":"a.one","data":1,"idempotency_key":"first"}"#;
    let spoilt = format!(r#"{{"events":[{good},{{"type":"a..b","data":2}},{{"data":3,"tags":{{"t":4}}}}]}}"#);
    let refused = host.call(Method::POST, "/events/batch", &spoilt).await;
    assert_eq!(fields(&refused.problem(422)), ["events[1].type", "events[2].type", "events[2].tags.t"]);

    let whole = format!(r#"{{"events":[{good},{{"type":"a.two","data":2}}]}}"#);
    let accepted = host.call(Method::POST, "/events/batch", &whole).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let receipts = accepted.data();
    assert_eq!(keys(&receipts[0]), ["id", "type", "deliveries", "duplicate"]);
    assert_eq!((&receipts[0]["type"], &receipts[1]["type"]), (&json!("a.one"), &json!("a.two")));
    assert_eq!(receipts[0]["duplicate"], false, "nothing of the spoilt batch was stored");

    let bare = host.call(Method::POST, "/events/batch", &format!("[{good}]")).await;
    assert_eq!((bare.status, &bare.data()[0]["duplicate"]), (202, &json!(true)));
    for (body, field) in [("[]", "body"), (r#"{"events":[]}"#, "events")] {
        assert_eq!(fields(&host.call(Method::POST, "/events/batch", body).await.problem(422)), [field]);
    }
    let too_many = format!("[{}]", vec![r#"{"type":"a.b","data":1}"#; 1_001].join(","));
    host.call(Method::POST, "/events/batch", &too_many).await.problem(422);
    host.stop().await;
}

#[actix_web::test]
async fn a_paused_endpoint_shows_what_it_holds() {
    let host = Host::start().await;
    let id = host.endpoint(PAUSED).await;
    let event = host.call(Method::POST, "/events", r#"{"type":"cases.created","data":{}}"#).await.data();
    let event = event["id"].as_str().unwrap();

    let deliveries = host.call(Method::GET, &format!("/events/{event}/deliveries"), "").await;
    assert_eq!(deliveries.status, 200);
    let delivery = deliveries.data()[0].clone();
    assert_eq!(
        keys(&delivery),
        ["id", "event_id", "endpoint_id", "type", "status", "attempts", "created_at"]
    );
    assert_eq!(delivery["id"], format!("{event}.{id}"));
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("held"), &json!(0)));
    assert_eq!(host.call(Method::GET, &format!("/endpoints/{id}"), "").await.data()["held"], 1);
    host.stop().await;
}

#[actix_web::test]
async fn a_delivery_shows_its_attempts_and_what_the_receiver_said_only_with_payload_read() {
    let host = Host::start().await;
    let (url, receiver) = receiver(200, "thank you");
    let id = host.endpoint(&json!({"url": url, "events": ["cases.*"]}).to_string()).await;
    let event = host.call(Method::POST, "/events", r#"{"type":"cases.created","data":{}}"#).await.data();
    let path = format!("/deliveries/{}.{id}", event["id"].as_str().unwrap());

    let delivered = wait_until(
        async || host.call(Method::GET, &path, "").await,
        |answer| answer.status == 200 && answer.data()["status"] == "delivered",
    )
    .await
    .data();
    let attempt = &delivered["attempts"][0];
    let always = ["number", "started_at", "duration_ms", "remote_address", "timing", "status_code"];
    assert_eq!(keys(attempt), [&always[..], &["response"]].concat());
    assert_eq!(attempt["remote_address"], url.split('/').nth(2).unwrap(), "to whom it went");
    assert_eq!(keys(&attempt["timing"]), ["dns_ms", "connect_ms", "first_byte_ms", "total_ms"], "no TLS");
    let times = attempt["timing"].as_object().unwrap().values().map(|time| time.as_f64().unwrap());
    let total = attempt["timing"]["total_ms"].as_f64().unwrap();
    assert!(times.sum::<f64>() - total <= total, "the steps are within the whole: {attempt}");
    assert_eq!((&attempt["number"], &attempt["status_code"]), (&json!(1), &json!(200)));
    assert_eq!(attempt["response"]["body"], "thank you");
    assert!(attempt["response"]["headers"].is_object());

    let without_payload = host.token("default", &[Scope::DeliveriesRead]).await;
    let seen = host.call_as(&without_payload, Method::GET, &path, "").await.data();
    assert_eq!(keys(&seen["attempts"][0]), always);

    let retried = host.call(Method::POST, &format!("{path}/retry"), "").await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    assert_eq!(retried.data()["id"], delivered["id"]);
    wait_until(
        async || host.call(Method::GET, &path, "").await,
        |answer| answer.data()["attempts"].as_array().is_some_and(|attempts| attempts.len() == 2),
    )
    .await;
    receiver.stop(false).await;
    host.stop().await;
}

/// `casewire dialect render` and the samples have a reader of their own, of what `POST /events` takes.
#[actix_web::test]
async fn a_file_holds_an_event_exactly_if_the_api_takes_it() {
    let host = Host::start().await;
    let with = |more: &str| format!(r#"{{"type":"a.b","data":{{ "n":1.0 }}{more}}}"#);
    let mut bodies: Vec<String> = [
        "",
        r#","occurred_at":"2026-04-29T11:10:00+02:00""#,
        r#","occurred_at":"yesterday""#,
        r#","occurred_at":7"#,
        r#","occurred_at":null,"actor":null,"resource":null,"agency":null,"tags":null,"idempotency_key":null"#,
        r#","actor":{"kind":"ui","id":7,"name":"A"}"#,
        r#","actor":{"kind":"ui","id":"7","name":null}"#,
        r#","actor":{"kind":"ui","id":null}"#,
        r#","actor":{"kind":"ui","id":1.5}"#,
        r#","actor":{"kind":"ui","id":9223372036854775808}"#,
        r#","actor":{"kind":"ui","id":true}"#,
        r#","actor":{"kind":null}"#,
        r#","actor":{"kind":""}"#,
        r#","actor":{}"#,
        r#","actor":[]"#,
        r#","actor":["ui"]"#,
        r#","actor":{"kind":"ui","colour":"red"}"#,
        r#","resource":{"type":"case","id":"1"}"#,
        r#","resource":{"type":"case","id":1}"#,
        r#","resource":{"type":"case"}"#,
        r#","resource":["case","1"]"#,
        r#","agency":"north""#,
        r#","agency":"""#,
        r#","tags":{"a":"b"}"#,
        r#","tags":{"a":1}"#,
        r#","tags":{"a":null}"#,
        r#","tags":[]"#,
        r#","idempotency_key":"k""#,
        r#","colour":"red""#,
        r#","type":"a.c""#,
    ]
    .map(with)
    .into();
    let whole = [
        "{}",
        "[]",
        "null",
        r#"{"type":"a.b"}"#,
        r#"{"type":"a.b","data":null}"#,
        r#"["a.b",1,null,null,null,null,null,null]"#,
    ];
    bodies.extend(whole.map(str::to_owned));
    bodies.extend([r#"{"type":"a b","data":1}"#, r#"{"data":1,"type":7}"#].map(str::to_owned));
    for body in bodies {
        let read = samples::parse(&body).and_then(|event| event.check());
        let status = host.call(Method::POST, "/events", &body).await.status;
        assert_eq!(read.is_ok(), status == 202, "{body}: {status}, {read:?}");
    }
    host.stop().await;
}
