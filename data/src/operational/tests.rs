//! What an operational event says, and that there are never too many of them.

use serde_json::{Value, json};

use super::*;
use crate::{
    address::EgressPolicy,
    delivery::FailureClass,
    dialect::Dialects,
    endpoint::{EndpointContext, EndpointDraft, EndpointIdentity},
    id::EventId,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_777_453_800_000 + millis)
}

fn endpoint(ordinal: u32, tenant: &str) -> Endpoint {
    let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
    let context =
        EndpointContext { dialects: &dialects, default_dialect: "standard@1", egress: &egress, now: at(0) };
    let tenant = Tenant::new(tenant).unwrap();
    let identity = EndpointIdentity { id: EndpointId::from_u128(1), ordinal, tenant, random: [9; 32] };
    let draft = EndpointDraft {
        url: "https://partner.example.com:8443/secret/path?token=x".into(),
        events: vec!["*".into()],
        name: Some("Partner".into()),
        ..EndpointDraft::default()
    };
    draft.into_endpoint(identity, &context).unwrap()
}

fn data(notice: Notice) -> Value {
    let event = notice.into_event();
    event.check().unwrap();
    serde_json::from_slice(&event.data).unwrap()
}

fn refused() -> Outcome {
    Outcome::Failed { class: FailureClass::Connect, message: "connection refused".into() }
}

#[test]
fn a_notice_says_what_it_is_about_and_nothing_of_the_path() {
    let endpoint = endpoint(7, "north");
    let told = json!({"id": endpoint.id.to_string(), "name": "Partner", "host": "partner.example.com:8443"});
    let failing = Failing { since: at(-60_000), disables_at: Some(at(60_000)) };
    assert_eq!(
        data(Notice::failing(&endpoint, failing, 32, &refused(), at(0))),
        json!({
            "endpoint": told, "since": "2026-04-29T09:09:00Z", "attempts": 32,
            "last": {"error": {"class": "connect", "message": "connection refused"}},
            "disables_at": "2026-04-29T09:11:00Z",
        })
    );
    let delivery = DeliveryId { event: EventId::from_u128(5), endpoint: endpoint.id };
    let answered = Outcome::Answered { status: 503, headers: Vec::new(), body: Vec::new() };
    let event_type = EventType::new("cases.created").unwrap();
    let dead = Notice::dead(&endpoint, (delivery, &event_type), 10, &answered, at(0));
    let event = dead.clone().into_event();
    assert_eq!((event.occurred_at, event.resource.unwrap().id), (Some(at(0)), endpoint.id.to_string()));
    let delivery = json!({
        "id": delivery.to_string(), "event_id": delivery.event.to_string(), "type": "cases.created",
    });
    assert_eq!(
        data(dead),
        json!({"endpoint": told, "delivery": delivery, "attempts": 10, "last": {"status_code": 503}})
    );
    let reason = "it answered 410".to_owned();
    assert_eq!(
        data(Notice::disabled(&endpoint.disabled(reason, at(0)), at(0))),
        json!({"endpoint": told, "reason": "it answered 410"})
    );
    assert_eq!(data(Notice::paused(&endpoint, at(0))), json!({ "endpoint": told }));
}

#[test]
fn types_of_the_engine_are_not_a_hosts() {
    for kind in Kind::ALL {
        assert!(refuse_reserved(&kind.event_type()).is_err());
    }
    for (name, free) in
        [("casewire", false), ("casewire.x", false), ("casewires.x", true), ("x.casewire", true)]
    {
        assert_eq!(refuse_reserved(&EventType::new(name).unwrap()).is_ok(), free, "{name}");
    }
}

#[test]
fn a_burst_is_told_in_part_and_the_rest_is_counted_by_kind() {
    let (mut desk, north, south) = (Desk::default(), endpoint(7, "north"), endpoint(8, "south"));
    for _ in 0..100_000 {
        desk.take(Notice::paused(&north, at(0)), at(0));
    }
    desk.take(Notice::resumed(&north, at(0)), at(0));
    desk.take(Notice::paused(&south, at(1)), at(1));
    let now = desk.give(at(5_000));
    assert_eq!(now.len(), SHARE_NOTICES as usize + 1, "another tenant has a share of its own");
    assert_eq!((desk.give(at(9_999)), desk.gives_at()), (Vec::new(), Some(at(10_000))));
    let later = desk.give(at(10_000));
    assert!(later.iter().all(|notice| notice.about == Some(7)), "all that is counted is about one endpoint");
    let later: Vec<_> = later.into_iter().map(|notice| (notice.kind, data(notice)["more"].clone())).collect();
    assert_eq!(later, [(Kind::EndpointPaused, json!(99_500)), (Kind::EndpointResumed, json!(1))]);
    assert_eq!((desk.give(at(20_000)), desk.gives_at()), (Vec::new(), None));
}

#[test]
fn what_could_not_be_published_is_counted() {
    let (mut desk, endpoint) = (Desk::default(), endpoint(7, "north"));
    desk.take(Notice::paused(&endpoint, at(0)), at(0));
    for notice in desk.give(at(0)) {
        desk.give_back(&notice.tenant, notice.kind, notice.about);
    }
    desk.give_back(&endpoint.tenant, Kind::EndpointPaused, Some(8));
    let more = desk.give(at(10_000));
    assert_eq!((more.len(), more[0].about), (1, None), "it is about two endpoints");
    assert_eq!(data(more[0].clone())["more"], 2);
    desk.give_back(&endpoint.tenant, Kind::EndpointPaused, None);
    assert_eq!((desk.take_dropped(), desk.take_dropped()), (1, 0));
}

#[test]
fn more_tenants_than_are_counted_cost_no_more_memory() {
    let mut desk = Desk::default();
    for tenant in 0..3_000 {
        desk.take(Notice::paused(&endpoint(1, &format!("t{tenant}")), at(0)), at(0));
    }
    assert_eq!((desk.give(at(0)).len(), desk.take_dropped()), (1_024, 3_000 - 1_024));
}
