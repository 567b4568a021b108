//! What the samples must be. The names, keys and orders here are copied from the systems' documents.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;
use crate::{dialect::Dialects, event::ActorId, pattern::Pattern};

/// Event types of eCourtDate: nine categories and what happens in each.
const ECOURTDATE: [&str; 22] = [
    "messages.received",
    "messages.sent",
    "messages.delivered",
    "messages.failed",
    "events.created",
    "events.updated",
    "payments.created",
    "checkins.created",
    "forms.submitted",
    "chatbot.started",
    "chatbot.message",
    "chatbot.completed",
    "warrants.created",
    "warrants.signed",
    "warrants.served",
    "citations.issued",
    "citations.updated",
    "citations.resolved",
    "signatures.sent",
    "signatures.viewed",
    "signatures.signed",
    "signatures.declined",
];
/// Keys of an eCourtDate message.
const MESSAGE: [&str; 9] =
    ["uuid", "channel", "direction", "created_at", "from", "to", "content", "token", "last_status"];
/// Event names of Hivelight.
const HIVELIGHT: [&str; 5] =
    ["matter.created", "milestone.created", "milestone.updated", "task.created", "task.status.updated"];
/// Attributes of a Hivelight matter, milestone and task.
const MATTER: [&str; 8] =
    ["name", "description", "jurisdictions", "types", "roles", "createdDate", "createdBy", "tags"];
const MILESTONE: [&str; 9] = [
    "name",
    "status",
    "createdDate",
    "dueDate",
    "targetDate",
    "matter",
    "totalTasks",
    "completedTasks",
    "pendingTasks",
];
const TASK: [&str; 10] = [
    "name",
    "status",
    "createdDate",
    "dueDate",
    "lastModifiedBy",
    "lastModifiedDate",
    "createdBy",
    "assignees",
    "reviewers",
    "tags",
];
/// Event names of Claimable: those of its first document, then those that its second one adds.
const CLAIMABLE: [&str; 14] = [
    "claim.created",
    "claim.closed",
    "claim.reopened",
    "claim.label_added",
    "claim.label_removed",
    "claim.assigned",
    "claim.unassigned",
    "claim.switched_type",
    "contact.created",
    "claim.label.added",
    "claim.label.removed",
    "claim.deleted",
    "claim.damage.created",
    "claim.damage.deleted",
];

fn parsed(system: &str) -> impl Iterator<Item = NewEvent> {
    of(system).map(|(_, json)| parse(json).unwrap())
}

fn types(system: &str) -> BTreeSet<&'static str> {
    of(system).map(|(event_type, _)| event_type).collect()
}

fn data(event: &NewEvent) -> Map<String, Value> {
    serde_json::from_slice(&event.data).unwrap()
}

fn keys(object: &Map<String, Value>) -> Vec<&str> {
    object.keys().map(String::as_str).collect()
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    let digit = |byte: u8| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(digit)
}

#[test]
fn every_sample_is_an_event_that_can_be_published_and_is_named_after_its_type() {
    for system in systems() {
        for (event_type, json) in of(system) {
            let event = parse(json).unwrap_or_else(|error| panic!("{system}/{event_type}: {error}"));
            assert_eq!(event.event_type.as_str(), event_type, "{system}");
            event.check().unwrap_or_else(|error| panic!("{system}/{event_type}: {error}"));
        }
    }
}

#[test]
fn there_are_samples_of_all_systems() {
    for system in [
        "casebook",
        "claimable",
        "clio",
        "cloudevents",
        "ecourtdate",
        "github",
        "hivelight",
        "standard",
        "xpath",
    ] {
        assert!(systems().any(|own| own == system), "{system}");
    }
    assert_eq!(types("ecourtdate"), ECOURTDATE.into());
    assert_eq!(types("hivelight"), HIVELIGHT.into());
    assert_eq!(types("claimable"), CLAIMABLE.into());
}

#[test]
fn every_token_of_xpath_has_a_sample_and_every_sample_can_be_subscribed_to() {
    let dialect = Dialects::builtin().get("xpath@1").unwrap();
    for token in dialect.tokens() {
        let pattern = Pattern::new(token).unwrap();
        assert!(of("xpath").any(|(event_type, _)| pattern.matches(event_type)), "{token}");
    }
    for event_type in types("xpath") {
        dialect.check_patterns(&[event_type.to_owned()]).unwrap();
    }
}

#[test]
fn an_ecourtdate_body_is_flat_all_text_and_begins_with_its_uuid() {
    let mut uuids = BTreeSet::new();
    for event in parsed("ecourtdate") {
        let (name, data) = (event.event_type.as_str(), data(&event));
        assert_eq!(keys(&data)[0], "uuid", "{name}");
        assert!(data.values().all(Value::is_string), "{name}");
        assert!(
            data.keys().all(|key| key.parse::<u32>().is_err()),
            "{name}: JSON.stringify would move a key"
        );
        let uuid = data["uuid"].as_str().unwrap();
        assert!(is_uuid(uuid) && uuids.insert(uuid.to_owned()), "{name}: {uuid}");
    }
    assert!(parsed("ecourtdate").any(|event| event.agency.is_none()), "an event may belong to no agency");
}

#[test]
fn an_ecourtdate_message_has_the_documented_keys_in_order() {
    let mut channels = BTreeSet::new();
    for event in parsed("ecourtdate") {
        let (name, data) = (event.event_type.as_str(), data(&event));
        let Some(verb) = name.strip_prefix("messages.") else { continue };
        assert_eq!(keys(&data), MESSAGE, "{name}");
        let direction = if verb == "received" { "inbound" } else { "outbound" };
        assert_eq!((&data["direction"], &data["last_status"]), (&json!(direction), &json!(verb)));
        Timestamp::parse(data["created_at"].as_str().unwrap()).unwrap();
        channels.insert(data["channel"].as_str().unwrap().to_owned());
    }
    assert_eq!(channels, ["email", "text", "voice"].map(String::from).into());
}

#[test]
fn casebooks_sample_is_that_of_its_document() {
    let event = parse(event("casebook", "people.create").unwrap()).unwrap();
    let resource = r#"{"marital_status":{"name":"Single adult","id":"6120b81e-221c-11ea-978f-2e728ce88125"},"date_of_birth":"02/13/2023","sex":{"name":"Male","id":"b149d056-6a9f-46ee-afde-1aec972dbe9f"},"primary_language":{"name":"English","id":"f045ef20-221a-11ea-978f-2e728ce88125"},"last_name":"Doe","hispanic_or_latino":"no","id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543","first_name":"John","highest_education_grade":{"name":"12","id":"7772ff4a-221d-11ea-978f-2e728ce88125"}}"#;
    assert_eq!(serde_json::to_string(&data(&event)).unwrap(), resource);
    assert_eq!(event.occurred_at.unwrap().to_rfc3339_micros(), "2024-03-26T18:53:16.818049Z");
    let user = "f9762deb-a115-412d-adf7-cf772807734a".to_owned();
    assert_eq!(event.actor.unwrap().id, Some(ActorId::Text(user)));
}

#[test]
fn a_casebook_event_names_its_resource_and_its_user_by_uuid() {
    let mut verbs = BTreeSet::new();
    for event in parsed("casebook") {
        let name = event.event_type.as_str();
        let (noun, verb) = name.split_once('.').unwrap();
        verbs.insert(verb.to_owned());
        let resource = event.resource.as_ref().unwrap();
        assert_eq!(resource.kind, noun, "{name}");
        assert_eq!(data(&event)["id"], resource.id, "{name}");
        assert!(is_uuid(&resource.id), "{name}");
        let Some(ActorId::Text(user)) = event.actor.unwrap().id else { panic!("{name}: no user") };
        assert!(is_uuid(&user) && event.occurred_at.is_some(), "{name}");
    }
    assert_eq!(verbs, ["create", "delete", "update"].map(String::from).into());
}

#[test]
fn a_hivelight_event_has_the_documented_attributes_in_order_and_dates_in_milliseconds() {
    for event in parsed("hivelight") {
        let (name, data) = (event.event_type.as_str(), data(&event));
        let kind = event.resource.as_ref().unwrap().kind.clone();
        assert!(name.starts_with(&format!("{kind}.")));
        let (attributes, parts): (&[_], &[_]) = match kind.as_str() {
            "matter" => (&MATTER, &["attributes"]),
            "milestone" => (&MILESTONE, &["attributes"]),
            _ => (&TASK, &["attributes", "relationships"]),
        };
        assert_eq!(keys(&data), parts, "{name}");
        let own = data["attributes"].as_object().unwrap();
        assert_eq!(keys(own), attributes, "{name}");
        for (key, value) in own.iter().filter(|(key, _)| key.ends_with("Date")) {
            let year = Timestamp::from_millis(value.as_i64().unwrap()).to_string();
            assert!(year.starts_with("2025-"), "{name} {key}: {year}");
        }
        if let Some(relationships) = data.get("relationships") {
            assert_eq!(keys(relationships.as_object().unwrap()), ["milestone", "matter"]);
        }
    }
}

#[test]
fn a_hivelight_event_shows_by_its_attributes_whether_it_is_new() {
    for event in parsed("hivelight") {
        let (name, data) = (event.event_type.as_str(), data(&event));
        let (own, new) = (&data["attributes"], name.ends_with(".created"));
        if name.starts_with("task.") {
            assert_eq!(own["lastModifiedDate"] == own["createdDate"], new, "{name}");
        }
        if name.starts_with("milestone.") {
            let count = |key| own[key].as_u64().unwrap();
            assert_eq!(count("completedTasks") == 0, new, "{name}");
            assert_eq!(count("totalTasks"), count("completedTasks") + count("pendingTasks"), "{name}");
        }
    }
}

#[test]
fn a_claimable_event_says_by_what_way_and_by_whom() {
    let mut kinds = BTreeSet::new();
    for event in parsed("claimable") {
        let name = event.event_type.as_str();
        let (resource, actor) = (event.resource.as_ref().unwrap(), event.actor.as_ref().unwrap());
        assert!(name.starts_with(&format!("{}.", resource.kind)), "{name}");
        assert_eq!(data(&event)["id"].to_string(), resource.id, "{name}");
        assert!(actor.name.is_some(), "{name}");
        match actor.kind.as_str() {
            "ui" => assert!(matches!(actor.id, Some(ActorId::Integer(_))), "{name}"),
            "api" => assert_eq!(actor.id, None, "{name}: absent, not null"),
            other => panic!("{name}: {other}"),
        }
        kinds.insert(actor.kind.clone());
    }
    assert_eq!(kinds, ["api", "ui"].map(String::from).into());
}

#[test]
fn githubs_data_is_its_whole_body_with_an_action_where_the_type_has_one() {
    for event in parsed("github") {
        let data = data(&event);
        let action = event.event_type.as_str().split_once('.').map(|(_, action)| json!(action));
        assert_eq!(data.get("action"), action.as_ref());
        assert!(data.contains_key("repository") && data.contains_key("sender"));
    }
}

#[test]
fn a_sample_is_found_by_system_and_type() {
    assert!(event("xpath", "cases.created").is_some_and(|json| json.contains("cases.created")));
    assert!(event("xpath", "cases.reopened").is_none() && event("none", "cases.created").is_none());
}

#[test]
fn all_that_publishing_takes_is_read_and_nothing_else() {
    let event = parse(
        r#"{"type":"people.create","data":{ "n": 1.0 },"occurred_at":"2024-03-26T18:53:16.818040Z",
            "actor":{"kind":"ui","id":7,"name":"A"},"resource":{"type":"people","id":"p"},
            "agency":"g","tags":{"a":"b"},"idempotency_key":"k"}"#,
    )
    .unwrap();
    assert_eq!(event.data, "{ \"n\": 1.0 }");
    assert_eq!(event.occurred_at.unwrap().to_rfc3339_micros(), "2024-03-26T18:53:16.818040Z");
    assert_eq!(event.actor.unwrap().id, Some(ActorId::Integer(7)));
    assert_eq!(event.resource.unwrap().id, "p");
    assert_eq!((event.agency.as_deref(), event.idempotency_key.as_deref()), (Some("g"), Some("k")));
    assert_eq!(event.tags["a"], "b");
    for (bad, said) in [
        (r#"{"type":"a"}"#, "data"),
        (r#"{"type":"a","data":1,"more":2}"#, "more"),
        (r#"{"type":"a..b","data":1}"#, "a..b"),
        (r#"{"type":"a","data":1,"occurred_at":"today"}"#, "today"),
    ] {
        assert!(parse(bad).unwrap_err().to_string().contains(said), "{bad}");
    }
}

#[test]
fn an_event_that_cannot_be_read_is_told_by_its_field() {
    for (json, field, said) in [
        ("[]", "event", "JSON object in braces"),
        ("{\"type\":\"a.b\"}", "event", "missing field `data`"),
        ("{\"type\":\"a.b\",\"data\":1,\"dta\":1}", "event", "unknown field `dta`"),
        ("{\"type\":5,\"data\":1}", "type", "is not a text"),
        ("{\"type\":\"a.b\",\"data\":1,\"actor\":{\"kind\":1}}", "actor", "`kind`, a text"),
        ("{\"type\":\"a.b\",\"data\":1,\"resource\":{\"id\":\"1\"}}", "resource", "`type` and `id`"),
        ("{\"type\":\"a.b\",\"data\":1,\"tags\":{\"a\":1}}", "tags", "an object of texts"),
        (
            &format!("{{\"type\":\"a.b\",\"data\":{}1{}}}", "[".repeat(127), "]".repeat(127)),
            "event",
            "127 levels",
        ),
    ] {
        let error = parse(json).expect_err(json);
        let [only] = error.field_errors() else { panic!("{error}") };
        assert_eq!(only.field, field, "{json}");
        assert!(only.message.contains(said), "{json}: {error}");
    }
    assert_eq!(parse("{\"type\":\"a.b\",\"data\":null,\"actor\":null}").unwrap().data, "null");
}
