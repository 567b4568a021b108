//! A registered schema holds over restarts and for every way in, and a test of an endpoint goes the real way.

use std::time::Duration;

use casewire::{
    DeliveryId, DeliveryOrder, DeliveryQuery, DeliveryStatus, EndpointDraft, EndpointId, EndpointStatus,
    EndpointTrial, ErrorKind, EventType, InboundRequest, NewEvent, Outcome, ReplayQuery, ReplayStatus,
    SourceDraft, TypeDraft, verify,
};

use crate::support::{Embedded, Receiver, Reply, to, wait_until};

/// What casebook@1 sends of a `people.create`.
const PEOPLE_CREATE: &[u8] = br#"{"resource":{"id":"r"},"tenant_id":"be461bd7-2d91-41c6-ab29-4389066bcc71",
    "user_id":"f9762deb-a115-412d-adf7-cf772807734a","resource_id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543",
    "resource_type":"people","event_type":"CREATE","event_time":"2024-03-26T18:53:16.818049Z"}"#;

fn event_type(name: &str) -> EventType {
    EventType::new(name).unwrap()
}

async fn register(home: &Embedded, name: &str, schema: Option<&str>, sample: Option<&str>) {
    let (schema, sample) = (schema.map(str::to_owned), sample.map(str::to_owned));
    let draft = TypeDraft { schema, sample, ..TypeDraft::default() };
    home.tenant().put_event_type(event_type(name), draft, false).await.unwrap();
}

#[tokio::test]
async fn a_schema_holds_over_restarts_and_for_what_comes_in_by_a_source() {
    let home = Embedded::start();
    register(&home, "people.create", Some(r#"{"required":["nobody"]}"#), None).await;
    register(&home, "gone", Some("false"), None).await;
    home.tenant().delete_event_type(event_type("gone")).await.unwrap();
    let home = home.restart().await;
    let refused = home.tenant().publish(NewEvent::new("people.create", "{}").unwrap()).await.unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "data.nobody");
    home.tenant().publish(NewEvent::new("gone", "{}").unwrap()).await.unwrap();

    let (name, dialect) = ("people".to_owned(), "casebook@1".to_owned());
    let source = home.tenant().create_source(SourceDraft { name, dialect, ..SourceDraft::default() }).await;
    let request = InboundRequest { method: "POST", query: "", headers: &[], body: PEOPLE_CREATE };
    let reception = home.tenant().receive(source.unwrap().id, request).await.unwrap();
    let refused = reception.outcome.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.field_errors()[0].field.as_str()),
        (ErrorKind::Invalid, "data.nobody")
    );
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_event_whatever_the_schema_has_become() {
    let home = Embedded::start();
    let keyed = |key: &str, data: &str| NewEvent {
        idempotency_key: Some(key.to_owned()),
        ..NewEvent::new("people.create", data.to_owned()).unwrap()
    };
    let first = home.tenant().publish(keyed("k", "{}")).await.unwrap();
    let (name, dialect) = ("people".to_owned(), "casebook@1".to_owned());
    let draft = SourceDraft { name, dialect, ..SourceDraft::default() };
    let source = home.tenant().create_source(draft).await.unwrap().id;
    let request = |body| InboundRequest { method: "POST", query: "", headers: &[], body };
    let received = home.tenant().receive(source, request(PEOPLE_CREATE)).await.unwrap().outcome.unwrap();

    register(&home, "people.create", Some(r#"{"required":["nobody"]}"#), None).await;
    let again = home.tenant().publish(keyed("k", "{}")).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first.id, true));
    let again = home.tenant().receive(source, request(PEOPLE_CREATE)).await.unwrap().outcome.unwrap();
    assert_eq!(again.map(|it| (it.id, it.duplicate)), received.map(|it| (it.id, true)));
    let other = home.tenant().publish(keyed("k", "1")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict, "{other}");

    let batch = vec![keyed("k", "{}"), keyed("new", "{}")];
    let refused = home.tenant().publish_batch(batch).await.unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "events[1].data.nobody", "the one that is new");
}

#[tokio::test]
async fn a_test_is_signed_and_sent_once_to_one_endpoint_even_if_it_is_paused() {
    let (home, receiver) = (
        Embedded::start(),
        Receiver::start(|request| Reply::status(if request.path == "/no" { 500 } else { 204 })),
    );
    let paused = EndpointDraft { status: Some(EndpointStatus::Paused), ..to(receiver.at("/"), &["cases.*"]) };
    let paused = home.tenant().create_endpoint(paused).await.unwrap().endpoint;
    home.subscribe(to(receiver.at("/other"), &["*"])).await;
    register(&home, "cases.closed", Some(r#"{"required":["id"]}"#), Some(r#"{"id":"C-7"}"#)).await;

    let trial = home.tenant().test_endpoint(paused.id, None).await.unwrap();
    assert_eq!(trial.event.event_type().as_str(), "cases.closed", "which the catalogue knows");
    assert!(trial.report.delivered);
    assert!(matches!(trial.report.attempt.outcome, Outcome::Answered { status: 204, .. }), "{trial:?}");
    let request = receiver.requests().remove(0);
    assert!(request.text().contains(r#"{"id":"C-7"}"#), "{}", request.text());
    let [id, timestamp, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.header(name).to_owned());
    let now = trial.report.attempt.started_at;
    verify(&paused.secrets[0], &id, &timestamp, &signature, &request.body, now, 300).unwrap();

    let stored = home.tenant().event(trial.event.id).await.unwrap();
    assert_eq!(stored.content.tags["casewire.test"], "true");
    assert_is_recorded(&home, paused.id, &trial).await;
    assert_eq!(home.tenant().endpoint(paused.id).await.unwrap().held, 0);

    // One that fails is told so and left at that.
    let failing = home.subscribe(to(receiver.at("/no"), &["a.b"])).await;
    let trial = home.tenant().test_endpoint(failing, None).await.unwrap();
    assert_eq!(
        (trial.event.event_type().as_str(), trial.report.delivered),
        ("a.b", false),
        "as its pattern names it"
    );
    assert_is_recorded(&home, failing, &trial).await;
    let real = home.publish("cases.created").await;
    home.set_status(paused.id, EndpointStatus::Active).await;
    home.until(real, paused.id, DeliveryStatus::Delivered).await;
    let count = |path: &str| receiver.requests().iter().filter(|request| request.path == path).count();
    assert_eq!(count("/no"), 1, "not again");
    assert_eq!(receiver.requests().iter().filter(|it| it.path == "/other").count(), 1, "the real one alone");
}

/// Its one attempt is in every list at once, and the delivery waits for nothing.
async fn assert_is_recorded(home: &Embedded, endpoint: EndpointId, trial: &EndpointTrial) {
    let status = if trial.report.delivered { DeliveryStatus::Delivered } else { DeliveryStatus::Dead };
    let query = DeliveryQuery { endpoint: Some(endpoint), ..DeliveryQuery::default() };
    let listed = home.tenant().deliveries(query, None, 50).await.unwrap().items;
    let of_event = home.tenant().event_deliveries(trial.event.id).await.unwrap();
    let delivery = DeliveryId { event: trial.event.id, endpoint };
    let found = home.tenant().delivery(delivery).await.unwrap();
    assert_eq!(listed.iter().map(|it| (it.id, it.status)).collect::<Vec<_>>(), [(delivery, status)]);
    assert_eq!(of_event, [found.clone()]);
    assert_eq!((found.status, found.next_attempt_at), (status, None));
    assert_eq!(found.attempts, [trial.report.attempt.clone()]);
}

#[tokio::test]
async fn the_record_of_a_test_outlives_restarts_and_nothing_follows_from_a_failed_one() {
    let receiver = Receiver::start(|request| Reply::status(if request.path == "/no" { 410 } else { 204 }));
    let home = Embedded::start();
    let operator = home.subscribe(to(receiver.at("/operator"), &["casewire.*"])).await;
    let failing = EndpointDraft {
        ordering: DeliveryOrder::Endpoint.into(),
        ..to(receiver.at("/no"), &["cases.created"])
    };
    let failing = home.subscribe(failing).await;
    let willing = home.subscribe(to(receiver.at("/"), &["cases.created"])).await;
    let failed = home.tenant().test_endpoint(failing, None).await.unwrap();
    let taken = home.tenant().test_endpoint(willing, None).await.unwrap();
    let home = home.restart().await.drop_and_restart().await;
    assert_is_recorded(&home, failing, &failed).await;
    assert_is_recorded(&home, willing, &taken).await;

    assert_eq!(home.tenant().endpoint(failing).await.unwrap().endpoint.status, EndpointStatus::Active);
    let told = DeliveryQuery { endpoint: Some(operator), ..DeliveryQuery::default() };
    assert!(home.tenant().deliveries(told, None, 50).await.unwrap().items.is_empty(), "it is news to nobody");
    // Neither what is dead of the one, nor what the other was never sent.
    for endpoint in [failing, willing] {
        let query = ReplayQuery { statuses: ReplayStatus::ALL.into(), ..ReplayQuery::default() };
        assert_eq!(home.tenant().count_replay(endpoint, query).await.unwrap(), 0);
    }
    // One delivery is made again by whoever asks for it.
    let delivery = DeliveryId { event: taken.event.id, endpoint: willing };
    home.tenant().retry_delivery(delivery).await.unwrap();
    let again =
        wait_until(async || home.delivery(taken.event.id, willing).await, |it| it.attempts.len() == 2);
    assert_eq!(again.await.status, DeliveryStatus::Delivered);
}

#[tokio::test]
async fn a_test_that_cannot_be_is_refused_with_the_reason() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(to(receiver.url(), &["cases.*"])).await;
    let test = async |name: Option<&str>| home.tenant().test_endpoint(endpoint, name.map(event_type)).await;
    for wrong in [Some("people.created"), None] {
        let error = test(wrong).await.unwrap_err();
        assert_eq!(error.field_errors()[0].field, "type", "{wrong:?} {error}");
    }
    assert!(
        test(Some("cases.created")).await.unwrap().report.delivered,
        "without a sample, a small one is made"
    );
    // Nobody listens there.
    let nowhere = home.subscribe(to("http://127.0.0.1:1/", &["cases.created"])).await;
    let trial = home.tenant().test_endpoint(nowhere, None).await.unwrap();
    assert!(matches!(trial.report.attempt.outcome, Outcome::Failed { .. }) && !trial.report.delivered);
    home.engine.shutdown(Duration::from_secs(30)).await;
}
