//! A registered schema holds over restarts and for every way in, and a test of an endpoint goes the real way.

use std::time::Duration;

use casewire::{
    DeliveryStatus, EndpointDraft, EndpointStatus, ErrorKind, EventType, InboundRequest, NewEvent, Outcome,
    SourceDraft, TypeDraft, verify,
};

use crate::support::{Embedded, Receiver, Reply, to};

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
    let body = br#"{"resource":{"id":"r"},"tenant_id":"be461bd7-2d91-41c6-ab29-4389066bcc71",
        "user_id":"f9762deb-a115-412d-adf7-cf772807734a","resource_id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543",
        "resource_type":"people","event_type":"CREATE","event_time":"2024-03-26T18:53:16.818049Z"}"#;
    let request = InboundRequest { method: "POST", query: "", headers: &[], body };
    let reception = home.tenant().receive(source.unwrap().id, request).await.unwrap();
    let refused = reception.outcome.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.field_errors()[0].field.as_str()),
        (ErrorKind::Invalid, "data.nobody")
    );
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
    assert!(home.tenant().event_deliveries(trial.event.id).await.unwrap().is_empty(), "it is no delivery");
    assert_eq!(home.tenant().endpoint(paused.id).await.unwrap().held, 0);

    // One that fails is told so and left at that.
    let failing = home.subscribe(to(receiver.at("/no"), &["a.b"])).await;
    let trial = home.tenant().test_endpoint(failing, None).await.unwrap();
    assert_eq!(
        (trial.event.event_type().as_str(), trial.report.delivered),
        ("a.b", false),
        "as its pattern names it"
    );
    let real = home.publish("cases.created").await;
    home.set_status(paused.id, EndpointStatus::Active).await;
    home.until(real, paused.id, DeliveryStatus::Delivered).await;
    let count = |path: &str| receiver.requests().iter().filter(|request| request.path == path).count();
    assert_eq!(count("/no"), 1, "not again");
    assert_eq!(receiver.requests().iter().filter(|it| it.path == "/other").count(), 1, "the real one alone");
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
