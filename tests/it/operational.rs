//! What happens to endpoints and deliveries is told, as events like any other, to whoever subscribes to it by name.

use actix_web::http::Method;
use casewire::{
    DeliveryStatus, EndpointDraft, EndpointStatus, ErrorKind, EventQuery, FailureClass, NewEvent,
    RetrySchedule,
};
use serde_json::{Value, json};

use crate::support::{
    Embedded, Receiver, Reply,
    host::{Host, fields},
    to, wait_until,
};

/// Every failure is the last.
fn home() -> Embedded {
    Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(Vec::new()).unwrap()))
}

fn bodies(receiver: &Receiver) -> Vec<Value> {
    receiver.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

/// The operational events that came, by type, in order.
async fn told(receiver: &Receiver, count: usize) -> Vec<Value> {
    wait_until(async || bodies(receiver), |bodies| bodies.len() >= count).await
}

#[tokio::test]
async fn a_dead_letter_is_told_to_who_subscribes_and_to_nobody_else() {
    let home = home();
    let [named, exact, everything] = [(); 3].map(|()| Receiver::willing());
    home.subscribe(to(named.url(), &["casewire.*"])).await;
    home.subscribe(to(exact.url(), &["casewire.delivery.dead"])).await;
    let all = home.subscribe(to(everything.url(), &["*"])).await;
    let failing = Receiver::start(|_| Reply::status(503));
    // It wants to hear of dead letters too, and never hears of its own.
    let draft = EndpointDraft {
        name: Some("Partner".into()),
        ..to(failing.at("/secret/path"), &["cases.*", "casewire.*"])
    };
    let endpoint = home.subscribe(draft).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Dead).await;

    let about = home.tenant().endpoint(endpoint).await.unwrap().endpoint;
    for receiver in [&named, &exact] {
        let told = told(receiver, 1).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["type"], "casewire.delivery.dead");
        assert_eq!(
            told[0]["data"],
            json!({
                "endpoint": {"id": endpoint.to_string(), "name": "Partner", "host": about.host()},
                "delivery": {
                    "id": format!("{event}.{endpoint}"), "event_id": event.to_string(), "type": "cases.created",
                },
                "attempts": 1,
                "last": {"status_code": 503},
            })
        );
    }
    home.until(event, all, DeliveryStatus::Delivered).await;
    // Another event passes through all that a notice would have passed through before it.
    let after = home.publish("cases.closed").await;
    everything.received_all(&[after]).await;
    assert_eq!(everything.events(), [event, after]);
    failing.received_all(&[after]).await;
    assert_eq!(failing.events(), [event, after], "nothing about itself");
}

#[tokio::test]
async fn an_endpoint_whose_dialect_cannot_say_a_notice_keeps_it_from_nobody_else() {
    let home = home();
    let (failing, mute, watcher) =
        (Receiver::start(|_| Reply::status(500)), Receiver::willing(), Receiver::willing());
    let endpoint = home.subscribe(to(failing.url(), &["cases.*"])).await;
    // It takes its header from `data.action`, which no notice has.
    let github = EndpointDraft {
        dialect: Some("github@1".into()),
        secret: Some("a-secret-that-we-share".into()),
        ..to(mute.url(), &["casewire.*"])
    };
    let mute_one = home.subscribe(github).await;
    home.subscribe(to(watcher.url(), &["casewire.*"])).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Dead).await;
    told(&watcher, 1).await;
    let record = home.until(watcher.events()[0], mute_one, DeliveryStatus::Dead).await;
    assert_eq!(record.attempts[0].outcome.failure_class(), Some(FailureClass::Request));
    home.shutdown().await;
    assert_eq!((mute.count(), watcher.count()), (0, 1));
}

#[tokio::test]
async fn what_becomes_of_a_notice_raises_none_and_nothing_is_stored_that_nobody_wants() {
    let home = home();
    let failing = Receiver::start(|_| Reply::status(500));
    let endpoint = home.subscribe(to(failing.url(), &["cases.*"])).await;
    let unheard = home.publish("cases.created").await;
    home.until(unheard, endpoint, DeliveryStatus::Dead).await;

    let deaf = Receiver::start(|_| Reply::status(500));
    let (deaf_one, watcher) = (home.subscribe(to(deaf.url(), &["casewire.*"])).await, Receiver::willing());
    home.subscribe(to(watcher.url(), &["casewire.*"])).await;
    let heard = home.publish("cases.created").await;
    home.until(heard, endpoint, DeliveryStatus::Dead).await;
    let notice = told(&watcher, 1).await;
    let notice = watcher.events()[notice.len() - 1];
    home.until(notice, deaf_one, DeliveryStatus::Dead).await;
    // Whatever the dead letter of the notice had raised would have come before this one.
    let last = home.publish("cases.created").await;
    home.until(last, endpoint, DeliveryStatus::Dead).await;
    let seen = told(&watcher, 2).await;
    let about: Vec<_> = seen.iter().map(|it| it["data"]["delivery"]["event_id"].clone()).collect();
    assert_eq!(about, [json!(heard.to_string()), json!(last.to_string())]);
    let stored = home.tenant().events(EventQuery::default(), None, 200).await.unwrap();
    let stored =
        stored.items.iter().filter(|event| event.event_type().as_str().starts_with("casewire.")).count();
    assert_eq!(stored, 2);
}

#[tokio::test]
async fn the_life_of_an_endpoint_is_told() {
    let home = Embedded::start();
    let (watcher, receiver) = (
        Receiver::willing(),
        Receiver::start(|request| {
            Reply::status(if request.text().contains("cases.gone") { 410 } else { 204 })
        }),
    );
    // One at a time, so that they come in order.
    home.subscribe(EndpointDraft { max_in_flight: Some(1), ..to(watcher.url(), &["casewire.endpoint.*"]) })
        .await;
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    told(&watcher, 1).await;
    home.set_status(endpoint, EndpointStatus::Active).await;
    told(&watcher, 2).await;
    let gone = home.publish("cases.gone").await;
    home.until(gone, endpoint, DeliveryStatus::Held).await;
    let told = told(&watcher, 3).await;
    let types: Vec<_> =
        told.iter().map(|it| it["type"].as_str().unwrap().rsplit('.').next().unwrap()).collect();
    assert_eq!(types, ["paused", "resumed", "disabled"]);
    assert!(told[2]["data"]["reason"].as_str().unwrap().contains("410"), "{}", told[2]);
}

#[tokio::test]
async fn who_fails_and_recovers_is_told_of_once_each() {
    let home = Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(vec![1; 10]).unwrap()));
    let watcher = Receiver::willing();
    home.subscribe(to(watcher.url(), &["casewire.endpoint.*"])).await;
    let receiver = Receiver::start(|request| Reply::status(if request.attempt < 5 { 500 } else { 204 }));
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let event = home.publish("cases.created").await;
    home.until(event, endpoint, DeliveryStatus::Delivered).await;
    let told = told(&watcher, 2).await;
    let types: Vec<_> = told.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["casewire.endpoint.failing", "casewire.endpoint.recovered"]);
    assert_eq!(told[0]["data"]["attempts"], 3);
    assert_eq!(told[0]["data"]["since"], told[1]["data"]["since"]);
}

#[tokio::test]
async fn a_burst_of_dead_letters_is_told_in_part_and_counted() {
    const DEAD: usize = 1_200;
    let home = home();
    let watcher = Receiver::willing();
    home.subscribe(to(watcher.url(), &["casewire.delivery.dead"])).await;
    // Many endpoints, each of which gives up a few: none of them is down.
    let failing = Receiver::start(|_| Reply::status(500));
    for n in 0..DEAD / 20 {
        home.subscribe(to(failing.at(&format!("/{n}")), &["cases.*"])).await;
    }
    home.publish_many("cases.created", 20).await;
    let sum =
        |bodies: &[Value]| bodies.iter().map(|it| it["data"]["more"].as_u64().unwrap_or(1)).sum::<u64>();
    let told = wait_until(async || bodies(&watcher), |bodies| sum(bodies) >= DEAD as u64).await;
    assert_eq!(sum(&told), DEAD as u64);
    assert!(told.len() < DEAD, "{} notices", told.len());
}

#[actix_web::test]
async fn types_of_the_engine_are_refused_from_hosts_and_in_vocabularies_without_them() {
    let host = Host::start().await;
    for (path, body, field) in [
        ("/events", json!({"type": "casewire.endpoint.failing", "data": {}}), "type"),
        (
            "/events/batch",
            json!({"events": [{"type": "a.b", "data": 1}, {"type": "casewire", "data": 1}]}),
            "events[1].type",
        ),
    ] {
        let refused = host.call(Method::POST, path, &body.to_string()).await.problem(422);
        assert_eq!(fields(&refused), [field], "{refused}");
    }
    let reserved = NewEvent::new("casewire.x", "1").unwrap();
    assert_eq!(host.engine.publisher().publish_event(reserved).await.unwrap_err().kind(), ErrorKind::Invalid);
    let free = json!({"type": "casewired.x", "data": {}});
    assert_eq!(host.call(Method::POST, "/events", &free.to_string()).await.status, 202);
    for (dialect, status) in [("xpath@1", 422), ("standard@1", 201), ("cloudevents@1", 422)] {
        let endpoint = json!({"url": "https://a.example", "events": ["casewire.*"], "dialect": dialect});
        let answer = host.call(Method::POST, "/endpoints", &endpoint.to_string()).await;
        if dialect != "cloudevents@1" {
            assert_eq!(answer.status, status, "{}", answer.text);
        } else {
            // It asks its receiver first; nothing is wrong with the events.
            assert!(!answer.text.contains("\"events"), "{}", answer.text);
        }
    }
    host.stop().await;
}
