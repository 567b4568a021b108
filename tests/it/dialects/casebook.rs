//! Casebook: seven keys in order, no signature, no picking of events.

use casewire::{Actor, ActorId, EndpointDraft, EndpointPatch, ErrorKind, NewEvent, Resource, Timestamp};

use super::{CASEBOOK_TENANT, Spoken, fields, sample};
use crate::support::{Embedded, Receiver};

const PERSON: &str = "572d7bd4-3da2-46c4-a869-6e356e8324d6";
const USER: &str = "f9762deb-a115-412d-adf7-cf772807734a";

fn without_events(url: String) -> EndpointDraft {
    EndpointDraft { events: Vec::new(), ..Spoken::of("casebook@1").draft(url) }
}

fn people_create(data: String, occurred_at: &str) -> NewEvent {
    NewEvent {
        occurred_at: Some(Timestamp::parse(occurred_at).unwrap()),
        actor: Some(Actor { kind: "ui".to_owned(), id: Some(ActorId::Text(USER.to_owned())), name: None }),
        resource: Some(Resource { kind: "people".to_owned(), id: PERSON.to_owned() }),
        ..NewEvent::new("people.create", data).unwrap()
    }
}

#[tokio::test]
async fn the_request_is_exactly_this() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(without_events(receiver.url())).await;
    // Spelling, order and repeats are the host's; `event_time` has six digits whatever they are.
    let data = format!(r#"{{ "n": 1.0, "name":"\u00e9 é","id":"{PERSON}","b":1,"a":[ ] }}"#);
    let event = people_create(data.clone(), "2024-03-26T19:02:44.1Z");
    home.engine.publisher().publish_event(event).await.unwrap();
    let request = receiver.received(1).await.remove(0);
    let body = format!(
        concat!(
            r#"{{"resource":{},"tenant_id":"{}","user_id":"{}","resource_id":"{}","resource_type":"people","#,
            r#""event_type":"CREATE","event_time":"2024-03-26T19:02:44.100000Z"}}"#
        ),
        data, CASEBOOK_TENANT, USER, PERSON
    );
    assert_eq!(request.text(), body);
    let host = receiver.at("").replace("http://", "");
    let head = format!(
        "POST /hook HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nUser-Agent: Casewire/{}\r\nContent-Length: {}\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    assert_eq!(request.head, head);
}

#[tokio::test]
async fn an_endpoint_without_events_gets_every_event_and_one_with_events_those() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let all = home.tenant().create_endpoint(without_events(receiver.at("/all"))).await.unwrap().endpoint;
    assert_eq!(all.events.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>(), ["*"]);
    let people =
        EndpointDraft { events: vec!["people.*".to_owned()], ..without_events(receiver.at("/people")) };
    home.subscribe(people).await;
    for (event_type, deliveries) in
        [("people.create", 2), ("people.delete", 2), ("cases.update", 1), ("notes.create", 1)]
    {
        let event = sample("casebook", event_type);
        let receipt = home.engine.publisher().publish_event(event).await.unwrap();
        assert_eq!(receipt.deliveries, deliveries, "{event_type}");
    }
    receiver.received(6).await;
    home.shutdown().await;
    let at = |path: &str| receiver.requests().iter().filter(|request| request.path == path).count();
    assert_eq!((at("/all"), at("/people")), (4, 2));
}

#[tokio::test]
async fn the_tenant_of_casebook_must_be_given_as_a_uuid() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    for tenant_id in [None, Some(""), Some("42"), Some("be461bd7-2d91-41c6-ab29-4389066bcc7")] {
        let params = tenant_id.map(|id| ("tenant_id".to_owned(), id.to_owned()));
        let draft = EndpointDraft { params: params.into_iter().collect(), ..without_events(receiver.url()) };
        let error = home.tenant().create_endpoint(draft).await.unwrap_err();
        assert_eq!((error.kind(), fields(&error)), (ErrorKind::Invalid, vec!["params.tenant_id"]));
    }
    let endpoint = home.subscribe(without_events(receiver.url())).await;
    let none = EndpointPatch { params: Some(Default::default()), ..EndpointPatch::default() };
    let error = home.tenant().update_endpoint(endpoint, none).await.unwrap_err();
    assert_eq!(fields(&error), ["params.tenant_id"]);

    let other = USER.to_owned();
    let params = Some([("tenant_id".to_owned(), other)].into());
    home.tenant()
        .update_endpoint(endpoint, EndpointPatch { params, ..EndpointPatch::default() })
        .await
        .unwrap();
    home.engine.publisher().publish_event(sample("casebook", "cases.update")).await.unwrap();
    let request = receiver.received(1).await.remove(0);
    assert!(request.text().contains(&format!(r#""tenant_id":"{USER}""#)), "{}", request.text());
}
