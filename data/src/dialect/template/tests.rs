//! What templates render, and what is said of wrong ones.

use proptest::prelude::*;

use super::*;
use crate::{
    Timestamp,
    dialect::{body::ROOTS, context::EventParts},
    event::{Actor, ActorId, NewEvent, Resource, Tenant},
    id::EventId,
};

fn event(data: &str) -> NewEvent {
    NewEvent::new("cases.tasks.created", data.to_owned()).unwrap()
}

fn render(template: &str, content: &NewEvent) -> String {
    let tenant = Tenant::default();
    let published_at = Timestamp::from_micros(1_711_479_196_818_040);
    let parts = EventParts { id: EventId::from_u128(1), tenant: &tenant, published_at, content };
    let context = Context { event: Some(parts), ..Context::default() };
    let mut out = Vec::new();
    Template::compile(template, ROOTS).unwrap().write(&context, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn keys_keep_their_order_and_data_its_bytes() {
    let data = r#"{ "z": 1.0, "a": "\u00e9é\/", "n": 12345678901234567890123 }"#;
    let body =
        render(r#"{ "z": $type, "data": $data, "a": [1, 2.5, null, $id], "n": $data.n }"#, &event(data));
    let id = "evt_00000000000000000000000001";
    assert_eq!(
        body,
        format!(
            r#"{{"z":"cases.tasks.created","data":{data},"a":[1,2.5,null,"{id}"],"n":12345678901234567890123}}"#
        )
    );
    assert_eq!(render(" $data ", &event(data)), data);
}

#[test]
fn parts_stand_in_keys_and_within_text() {
    let mut event = event("1");
    event.resource = Some(Resource { kind: "people \"x\"".into(), id: "7".into() });
    assert_eq!(render(r#"{$type:head: 1, $resource.type: 2}"#, &event), r#"{"cases":1,"people \"x\"":2}"#);
    assert_eq!(
        render(r#"{"a":"$type:tail:upper of ${resource.id}.","b":"$$5","c":"no $actor.name"}"#, &event),
        r#"{"a":"TASKS.CREATED of 7.","b":"$5"}"#
    );
}

#[test]
fn absent_leaves_no_key_and_is_not_null() {
    let template = r#"{"agency":$agency,"by":{"id":$actor.id,"name":$actor.name},"none":{},"l":[$agency],"of":$resource.id}"#;
    let mut event = event("1");
    assert_eq!(render(template, &event), r#"{"none":{}}"#);
    event.actor = Some(Actor { kind: "api".into(), id: None, name: Some("A \"B\"".into()) });
    event.resource = Some(Resource { kind: "people".into(), id: "7".into() });
    assert_eq!(render(template, &event), r#"{"by":{"name":"A \"B\""},"none":{},"of":"7"}"#);
    assert_eq!(render(r#"{"a":$agency}"#, &event), "");
    assert_eq!(render(r#"{"a":$data.x}"#, &event), "");
}

#[test]
fn an_actor_id_keeps_its_json_type_and_times_have_the_format_asked_for() {
    let mut event = event("1");
    for (id, json) in [(ActorId::Integer(-7), "-7"), (ActorId::Text("7".into()), "\"7\"")] {
        event.actor = Some(Actor { kind: "ui".into(), id: Some(id), name: None });
        assert_eq!(render(r#"{"id":$actor.id}"#, &event), format!("{{\"id\":{json}}}"));
    }
    let times =
        r#"{"s":$occurred_at:seconds,"u":$published_at:micros,"m":$occurred_at:epoch_millis,"i":$id:uuid}"#;
    let expected = r#"{"s":"2024-03-26T18:53:16Z","u":"2024-03-26T18:53:16.818040Z","m":1711479196818,"i":"00000000-0000-0000-0000-000000000001"}"#;
    assert_eq!(render(times, &event), expected);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (template, at) in [
        ("", 0),
        ("{\n  \"a\": $nothing }", 9),
        ("{\"a\":$occurred_at}", 5),
        ("{\"a\":$secret}", 5),
        ("{\"a\":${type}", 12),
        ("{\"a\":${type:head", 16),
        ("{\"é\":1 \"b\":2}", 8),
        ("{\"a\":1,\"a\":2}", 7),
        ("{\"a\":1,}", 7),
        ("{1:2}", 1),
        ("{} x", 3),
        (&"{\"a\":".repeat(17), 80),
    ] {
        assert_eq!(Template::compile(template, ROOTS).expect_err(template).at, at, "{template}");
    }
}

proptest! {
    #[test]
    fn no_template_makes_it_panic_and_what_it_renders_is_json(template in r#"[{}$":, a-c1.é\\\[\]id]{0,24}"#) {
        if Template::compile(&template, ROOTS).is_ok() {
            let rendered = render(&template, &event("[1]"));
            prop_assert!(rendered.is_empty() || serde_json::from_str::<Json>(&rendered).is_ok(), "{}", rendered);
        }
    }

    #[test]
    fn text_of_any_kind_comes_back_from_what_is_rendered(text: String) {
        let mut event = event("{}");
        event.agency = Some(text.clone());
        let rendered: Json = serde_json::from_str(&render(r#"{"a":$agency,"b":"<$agency>"}"#, &event)).unwrap();
        prop_assert_eq!(rendered["a"].as_str(), Some(text.as_str()));
        let bracketed = format!("<{text}>");
        prop_assert_eq!(rendered["b"].as_str(), Some(&*bracketed));
    }
}
