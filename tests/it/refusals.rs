//! An event that the dialect of an endpoint could never say is refused when it is published, and nothing is stored.

use actix_web::http::Method;
use casewire::{
    Actor, ActorId, EndpointDraft, EndpointPatch, EndpointStatus, Error, ErrorKind, EventId, NewEvent,
    Receipt, Result, Tenant,
};

use serde_json::json;

use crate::support::{
    Embedded, Receiver,
    host::{self, Host},
    to,
};

/// Complete for claimable if the actor's kind is `ui` or `api`.
fn claim(kind: Option<&str>) -> NewEvent {
    let mut event = NewEvent::new("claim.assigned", r#"{"id":1}"#).unwrap();
    event.actor = kind.map(|kind| Actor {
        kind: kind.to_owned(),
        id: Some(ActorId::Integer(7)),
        name: Some("J".to_owned()),
    });
    event
}

fn keyed(event: NewEvent) -> NewEvent {
    NewEvent { idempotency_key: Some("k".to_owned()), ..event }
}

fn claimable(receiver: &Receiver) -> EndpointDraft {
    let dialect = Some("claimable@1".to_owned());
    EndpointDraft { dialect, ..to(receiver.url(), &["claim.assigned"]) }
}

fn fields(error: &Error) -> Vec<&str> {
    error.field_errors().iter().map(|error| error.field.as_str()).collect()
}

impl Embedded {
    async fn offer(&self, event: NewEvent) -> Result<Receipt> {
        self.engine.publisher().publish_event(event).await
    }

    /// The events that came to a receiver of all events when a last one has come.
    async fn stored(&self, receiver: &Receiver) -> Vec<EventId> {
        let last = self.publish("cases.created").await;
        receiver.received_all(&[last]).await;
        receiver.events().into_iter().filter(|event| *event != last).collect()
    }
}

#[tokio::test]
async fn what_an_endpoint_could_never_be_sent_is_refused_and_not_stored() {
    let (home, receiver, all) = (Embedded::start(), Receiver::willing(), Receiver::willing());
    home.subscribe(to(all.url(), &["*"])).await;
    let before = home.offer(keyed(claim(None))).await.unwrap();
    let endpoint = home.subscribe(claimable(&receiver)).await;
    for (kind, missing) in [(None, &["actor.kind", "actor.name"][..]), (Some("robot"), &["actor.kind"])] {
        let error = home.offer(claim(kind)).await.unwrap_err();
        assert_eq!((error.kind(), &*fields(&error)), (ErrorKind::Invalid, missing));
        let message = &error.field_errors()[0].message;
        for said in [endpoint.to_string().as_str(), "claimable@1", "publish the event complete"] {
            assert!(message.contains(said), "{said}: {message}");
        }
    }
    let batch = vec![claim(Some("ui")), claim(None), claim(Some("api"))];
    let error = home.engine.publisher().publish_batch(batch).await.unwrap_err();
    assert_eq!(fields(&error), ["events[1].actor.kind", "events[1].actor.name"], "all or nothing");
    let again = home.offer(keyed(claim(None))).await.unwrap();
    assert_eq!((again.id, again.duplicate), (before.id, true), "it was accepted when nobody minded");

    let complete = home.offer(claim(Some("ui"))).await.unwrap();
    assert_eq!(complete.deliveries, 2);
    let mut stored = home.stored(&all).await;
    stored.sort_unstable();
    assert_eq!(stored, [before.id, complete.id]);
}

#[tokio::test]
async fn only_endpoints_that_take_the_event_are_asked_paused_ones_too() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint =
        home.subscribe(EndpointDraft { agencies: vec!["north".to_owned()], ..claimable(&receiver) }).await;
    assert!(home.offer(claim(None)).await.is_ok(), "of no agency");
    let north = NewEvent { agency: Some("north".to_owned()), ..claim(None) };
    assert!(home.offer(north.clone()).await.is_err());
    home.set_status(endpoint, EndpointStatus::Paused).await;
    assert!(home.offer(north.clone()).await.is_err(), "it would be held, and never go out");
    let other_tenant = home.engine.tenant(Tenant::new("other").unwrap()).publisher();
    assert!(other_tenant.publish_event(north.clone()).await.is_ok());
    let other_type =
        EndpointPatch { events: Some(vec!["claim.created".to_owned()]), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, other_type).await.unwrap();
    assert!(home.offer(north.clone()).await.is_ok());
    home.tenant().delete_endpoint(endpoint).await.unwrap();
    assert!(home.offer(north).await.is_ok());
}

fn ecourtdate(receiver: &Receiver) -> EndpointDraft {
    EndpointDraft {
        dialect: Some("ecourtdate@1".to_owned()),
        secret: Some("shared".to_owned()),
        ..to(receiver.url(), &["messages.*"])
    }
}

/// A body of eCourtDate of so many bytes.
fn message_of(bytes: usize) -> String {
    let frame = r#"{"uuid":"u","content":""}"#.len();
    format!(r#"{{"uuid":"u","content":"{}"}}"#, "x".repeat(bytes - frame))
}

#[tokio::test]
async fn ecourtdate_is_sent_nothing_that_its_receiver_would_read_otherwise() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(ecourtdate(&receiver)).await;
    let too_large = message_of(1_000_001);
    for (data, field) in [
        (r#"{"uuid":"u","n":1e400}"#, "data.n"),
        (r#"{"uuid":"u","n":[12345678901234567890123]}"#, "data.n[0]"),
        (r#"{"uuid":"u","a":1,"a":2}"#, "data.a"),
        (r#"{"content":"no uuid"}"#, "data.uuid"),
        (r#"{"uuid":7}"#, "data.uuid"),
        ("[]", "data"),
        (&*too_large, "data"),
    ] {
        let shown = &data[..data.len().min(60)];
        let event = NewEvent::new("messages.sent", data.to_owned()).unwrap();
        let error = home.offer(event).await.expect_err(shown);
        assert!(fields(&error).contains(&field), "{shown}: {error:?}");
        assert!(error.field_errors()[0].message.contains(&endpoint.to_string()), "{shown}: {error:?}");
    }
    let (respelled, spelled) =
        (r#"{ "uuid": "u", "1": 1.0, "e": "\u00e9\/" }"#, r#"{"1":1,"uuid":"u","e":"é/"}"#);
    let sent = [message_of(1_000_000), r#"{"uuid":"u","s":"\ud800"}"#.to_owned(), spelled.to_owned()];
    for (number, data) in [&*sent[0], &sent[1], respelled].into_iter().enumerate() {
        home.offer(NewEvent::new("messages.sent", data.to_owned()).unwrap()).await.unwrap();
        let came = receiver.received(number + 1).await.remove(number);
        assert!(came.text() == sent[number], "{} bytes came", came.body.len());
    }
}

#[tokio::test]
async fn a_batch_is_refused_whole_and_names_every_place_and_the_first_above_all() {
    let (home, receiver, all) = (Embedded::start(), Receiver::willing(), Receiver::willing());
    home.subscribe(to(all.url(), &["*"])).await;
    home.subscribe(ecourtdate(&receiver)).await;
    home.subscribe(claimable(&receiver)).await;
    let fine = || NewEvent::new("cases.updated", "1").unwrap();
    let batch = vec![fine(), NewEvent::new("messages.sent", "{}").unwrap(), fine(), claim(None)];
    let error = home.engine.publisher().publish_batch(batch).await.unwrap_err();
    let named = fields(&error);
    assert!(
        named[0] == "events[1].data.uuid" && named.iter().any(|it| it.starts_with("events[3].")),
        "{named:?}"
    );
    assert!(error.message().starts_with("2 of 4 events are refused; first events[1].data.uuid: "), "{error}");
    assert_eq!(home.stored(&all).await, []);
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn an_endpoint_of_another_dialect_does_not_get_what_one_of_the_same_tenant_could_not() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let xpath = Some("xpath@1".to_owned());
    home.subscribe(EndpointDraft { dialect: xpath, ..to(receiver.at("/xpath"), &["cases.*"]) }).await;
    let casebook = home
        .subscribe(EndpointDraft {
            dialect: Some("casebook@1".to_owned()),
            params: [("tenant_id".to_owned(), "be461bd7-2d91-41c6-ab29-4389066bcc71".to_owned())].into(),
            ..to(receiver.at("/casebook"), &[])
        })
        .await;
    let event = || NewEvent::new("cases.closed", "{}").unwrap();
    let error = home.offer(event()).await.unwrap_err();
    assert_eq!(fields(&error), ["type"]);
    assert!(error.field_errors()[0].message.contains("casebook@1"), "{error:?}");
    home.tenant().delete_endpoint(casebook).await.unwrap();
    let taken = home.offer(event()).await.unwrap();
    receiver.received_all(&[taken.id]).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 1, "the refused one never came");
}

#[actix_web::test]
async fn the_api_names_endpoint_and_field_and_nothing_is_stored() {
    let (host, receiver, other) = (Host::start().await, Receiver::willing(), Receiver::willing());
    let endpoint = |url: String, dialect: &str, event: &str| {
        json!({ "url": url, "dialect": dialect, "events": [event] }).to_string()
    };
    // All or none: it does not get what the next one could not be sent.
    host.endpoint(&endpoint(other.url(), "standard@1", "claim.*")).await;
    let claimable = host.endpoint(&endpoint(receiver.url(), "claimable@2", "claim.closed")).await;
    let event =
        |actor: &str| format!(r#"{{"type":"claim.closed","data":{{"id":1}}{actor},"idempotency_key":"k"}}"#);
    let robot = event(r#","actor":{"kind":"robot","name":"R"}"#);
    for (path, body, field) in [
        ("/events", event(""), "actor.kind"),
        ("/events", robot.clone(), "actor.kind"),
        ("/events", event(r#","actor":{"kind":"ui","name":"N","id":"text"}"#), "actor.id"),
        (
            "/events/batch",
            format!("[{}]", robot.replace(r#","idempotency_key":"k""#, "")),
            "events[0].actor.kind",
        ),
    ] {
        let problem = host.call(Method::POST, path, &body).await.problem(422);
        assert_eq!(host::fields(&problem)[0], field, "{body}");
        let words = problem["errors"][0]["message"].as_str().unwrap();
        assert!(words.contains(&claimable) && words.contains("claimable@2"), "{words}");
    }
    // Had one been stored, its key would be taken.
    let complete = event(r#","actor":{"kind":"api","name":"Importer"}"#);
    let published = host.call(Method::POST, "/events", &complete).await;
    assert_eq!((&published.data()["deliveries"], &published.data()["duplicate"]), (&json!(2), &json!(false)));
    other.received(1).await;
    receiver.received(1).await;
    host.stop().await;
    assert_eq!((other.count(), receiver.count()), (1, 1));
}
