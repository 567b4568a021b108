//! The catalogue: shipped types beside registered ones, and schemas that what is published must fit.

use actix_web::http::Method;
use casewire_data::token::Scope;
use serde_json::{Value, json};

use crate::support::host::{Host, fields, keys};

const PAID: &str = "/event-types/invoice.paid";
const SCHEMA: &str =
    r#"{"type":"object","required":["amount"],"properties":{"amount":{"type":"integer","minimum":1}}}"#;

async fn put(host: &Host, path: &str, body: Value) -> crate::support::host::Answer {
    host.call(Method::PUT, path, &body.to_string()).await
}

fn with_schema(schema: &str) -> Value {
    json!({ "schema": serde_json::from_str::<Value>(schema).unwrap() })
}

#[actix_web::test]
async fn what_comes_with_a_dialect_is_listed_beside_what_is_registered() {
    let host = Host::start().await;
    let shipped = host.call(Method::GET, "/event-types", "").await.json()["data"].clone();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&shipped), ["document.filed", "hearing.scheduled", "invoice.paid"], "of standard@1");
    assert_eq!(
        (keys(&shipped[0]), &shipped[0]["source"]),
        (vec!["name", "sample", "source"], &json!("standard@1"))
    );

    let body =
        json!({"description": "Paid.", "category": "Money", "sample": {"amount": 3}, "deprecated": true});
    let created = put(&host, "/event-types/fees.paid", body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let view = ["name", "description", "category", "sample", "deprecated", "created_at", "updated_at"];
    assert_eq!(keys(&created.data()), view);
    let replaced = put(&host, "/event-types/fees.paid", json!({"sample": null})).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    assert_eq!(keys(&replaced.data()), ["name", "sample", "created_at", "updated_at"], "replaced as a whole");
    assert_eq!(host.call(Method::GET, "/event-types/fees.paid", "").await.data(), replaced.data());

    // The types of an endpoint's dialect are the tenant's too, a page at a time.
    host.endpoint(r#"{"url":"https://a.example","events":["matter.created"],"dialect":"hivelight@1"}"#).await;
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = host.call(Method::GET, &format!("/event-types?limit=4{cursor}"), "").await.json();
        all.extend(names(&page["data"]));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(all.is_sorted() && all.len() == 9, "{all:?}");
    let matter = host.call(Method::GET, "/event-types/matter.created", "").await.data();
    assert_eq!(
        (&matter["category"], &matter["description"]),
        (&json!("Matters"), &json!("A new matter was created."))
    );

    assert_eq!(host.call(Method::DELETE, "/event-types/fees.paid", "").await.status, 204);
    for path in ["/event-types/fees.paid", "/event-types/not%20one"] {
        host.call(Method::GET, path, "").await.problem(404);
        host.call(Method::DELETE, path, "").await.problem(404);
    }
    host.call(Method::DELETE, PAID, "").await.problem(404);
    assert_eq!(host.call(Method::GET, PAID, "").await.status, 200, "what is shipped stays");
    host.stop().await;
}

#[actix_web::test]
async fn what_does_not_fit_its_schema_is_refused_by_its_path_and_nothing_is_stored() {
    let host = Host::start().await;
    assert_eq!(put(&host, "/event-types/fees.paid", with_schema(SCHEMA)).await.status, 201);
    let publish = async |body: &str| host.call(Method::POST, "/events", body).await;
    let refused = publish(r#"{"type":"fees.paid","data":{"amount":0.5}}"#).await.problem(422);
    assert_eq!(fields(&refused), ["data.amount", "data.amount"]);
    let missing = publish(r#"{"type":"fees.paid","data":{}}"#).await.problem(422);
    assert_eq!(missing["detail"], "data.amount: is missing");
    let batch =
        r#"[{"type":"fees.paid","data":{"amount":1}},{"type":"a","data":1},{"type":"fees.paid","data":"1"}]"#;
    let batch = host.call(Method::POST, "/events/batch", batch).await.problem(422);
    assert_eq!(fields(&batch), ["events[2].data"]);
    assert_eq!(batch["detail"], "events[2].data: is of the type string; it must be object");
    let several =
        r#"[{"type":"a","data":1},{"type":"fees.paid","data":{"amount":0}},{"type":"fees.paid","data":[]}]"#;
    let several = host.call(Method::POST, "/events/batch", several).await.problem(422);
    assert_eq!(fields(&several), ["events[1].data.amount", "events[2].data"]);
    let detail = "2 of 3 events are refused; first events[1].data.amount: must be 1 or more";
    assert_eq!(several["detail"], detail);
    let reserved = r#"[{"type":"a","data":1},{"type":"casewire.a","data":1},{"type":"casewire.b","data":1}]"#;
    let reserved = host.call(Method::POST, "/events/batch", reserved).await.problem(422);
    assert_eq!(fields(&reserved), ["events[1].type", "events[2].type"]);
    let detail = reserved["detail"].as_str().unwrap();
    assert!(detail.starts_with("2 of 3 events are refused; first events[1].type: "), "{detail}");
    assert_eq!(host.call(Method::GET, "/events", "").await.json(), json!({"data": []}));
    assert_eq!(publish(r#"{"type":"fees.paid","data":{"amount":1.0}}"#).await.status, 202);

    // Another tenant's types are its own.
    let stranger = host.token("stranger", &[Scope::Admin]).await;
    let other = host.call_as(&stranger, Method::POST, "/events", r#"{"type":"fees.paid","data":0}"#).await;
    assert_eq!(other.status, 202, "{}", other.text);
    host.call_as(&stranger, Method::GET, "/event-types/fees.paid", "").await.problem(404);
    host.call_as(&stranger, Method::DELETE, "/event-types/fees.paid", "").await.problem(404);

    assert_eq!(host.call(Method::DELETE, "/event-types/fees.paid", "").await.status, 204);
    assert_eq!(publish(r#"{"type":"fees.paid","data":0}"#).await.status, 202);
    host.stop().await;
}

#[actix_web::test]
async fn a_schema_that_breaks_samples_must_be_forced_and_a_wrong_one_is_refused() {
    let host = Host::start().await;
    let broken = put(&host, PAID, with_schema(r#"{"required":["nobody"]}"#)).await.problem(409);
    assert!(broken["detail"].as_str().unwrap().contains("sample.nobody is missing"), "{broken}");
    let forced = put(&host, &format!("{PAID}?force=true"), with_schema(r#"{"required":["nobody"]}"#)).await;
    assert_eq!(forced.status, 201, "{}", forced.text);

    let wrong =
        put(&host, PAID, with_schema(r#"{"$ref":"https://example.com/s","properties":{"a":{"typ":1}}}"#))
            .await;
    assert_eq!(fields(&wrong.problem(422)), ["schema.$ref", "schema.properties.a.typ"]);
    let wrong = put(&host, PAID, json!({"name": "x", "description": 1})).await.problem(422);
    assert_eq!(fields(&wrong), ["description", "name"]);
    let wrong = put(&host, &format!("{PAID}?force=perhaps&more=1"), json!({})).await.problem(422);
    assert_eq!(fields(&wrong), ["force", "more"]);
    let wrong = put(&host, "/event-types/cases.*", json!({})).await.problem(422);
    assert_eq!(fields(&wrong), ["type"]);
    let reserved = put(&host, "/event-types/casewire.delivery.dead", with_schema("false")).await.problem(422);
    assert_eq!(fields(&reserved), ["type"], "nothing holds the engine's own events against a schema");
    host.stop().await;
}

#[actix_web::test]
async fn what_is_registered_is_shown_in_the_very_bytes_that_came() {
    let host = Host::start().await;
    let sample = r#"{"b":1.0,"a":[1E+3,-0,0.10000000000000000001,18446744073709551617],"a":"\ud83d\uDE00","\u00e9":"\/"}"#;
    let schema = r#"{"properties":{"c":{"const":"\u00E9"},"d":{"maximum":1e3,"multipleOf":0.10}}, "x-a":-0}"#;
    let body = format!(r#"{{"sample":{sample},"schema":{schema}}}"#);
    let created = host.call(Method::PUT, "/event-types/fees.paid", &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let shown = host.call(Method::GET, "/event-types/fees.paid", "").await.text;
    let listed = host.call(Method::GET, "/event-types", "").await.text;
    for text in [created.text, shown, listed] {
        assert!(text.contains(sample) && text.contains(schema), "{text}");
    }
    let publish = async |data: &str| {
        let body = format!(r#"{{"type":"fees.paid","data":{data}}}"#);
        host.call(Method::POST, "/events", &body).await.status
    };
    assert_eq!((publish(sample).await, publish(r#"{"c":"é","d":1000.0}"#).await), (202, 202));
    assert_eq!((publish(r#"{"c":"e"}"#).await, publish(r#"{"d":0.25}"#).await), (422, 422));
    host.stop().await;
}
