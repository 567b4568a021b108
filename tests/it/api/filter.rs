//! What an endpoint takes by the content of events, and a look at it beforehand.

use actix_web::http::Method;
use casewire_data::token::Scope;
use serde_json::{Value, json};

use crate::support::host::{Host, fields, keys};

const URGENT: &str = r#"{"data.status":["open","reopened"],"data.amount":{"gte":1000}}"#;

fn draft(filter: &str) -> String {
    format!(r#"{{"url":"https://a.example","events":["cases.*"],"filter":{filter}}}"#)
}

async fn publish(host: &Host, event_type: &str, data: Value) -> Value {
    let body = json!({"type": event_type, "data": data}).to_string();
    let answer = host.call(Method::POST, "/events", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.data()
}

#[actix_web::test]
async fn a_filter_is_shown_as_it_was_written_and_only_while_there_is_one() {
    let host = Host::start().await;
    let id = host.endpoint(&draft(URGENT)).await;
    let path = format!("/endpoints/{id}");
    let shown = host.call(Method::GET, &path, "").await;
    assert!(shown.text.contains(&format!(r#""filter":{URGENT}"#)), "{}", shown.text);

    assert_eq!(
        publish(&host, "cases.created", json!({"status": "open", "amount": 1000})).await["deliveries"],
        1
    );
    assert_eq!(
        publish(&host, "cases.created", json!({"status": "open", "amount": 999.99})).await["deliveries"],
        0
    );
    host.call(Method::PATCH, &path, r#"{"filter":{"data.amount":{"lt":1e3}}}"#).await.data();
    assert_eq!(publish(&host, "cases.created", json!({"amount": 999.99})).await["deliveries"], 1);
    for none in [r#"{"filter":null}"#, r#"{"filter":{}}"#] {
        host.call(Method::PATCH, &path, &format!(r#"{{"filter":{URGENT}}}"#)).await.data();
        let changed = host.call(Method::PATCH, &path, none).await.data();
        assert!(!keys(&changed).contains(&"filter"), "{changed}");
        assert_eq!(publish(&host, "cases.created", json!({})).await["deliveries"], 1, "{none}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_wrong_filter_is_refused_at_its_path() {
    let host = Host::start().await;
    let id = host.endpoint(r#"{"url":"https://a.example","events":["cases.*"]}"#).await;
    for (filter, wrong) in [
        (r#"{"data.amount":{"gte":[]},"amount":1}"#, &["filter.data.amount.gte", "filter.amount"][..]),
        (r#""open""#, &["filter"]),
        ("[]", &["filter"]),
    ] {
        let created = host.call(Method::POST, "/endpoints", &draft(filter)).await.problem(422);
        assert_eq!(fields(&created), wrong);
        let body = format!(r#"{{"filter":{filter}}}"#);
        let changed = host.call(Method::PATCH, &format!("/endpoints/{id}"), &body).await.problem(422);
        assert_eq!(fields(&changed), wrong);
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_preview_tells_what_would_have_been_taken_and_stores_nothing() {
    let host = Host::start().await;
    publish(&host, "cases.created", json!({"status": "open", "amount": 5})).await;
    publish(&host, "people.created", json!({})).await;
    let taken = publish(&host, "cases.created", json!({"status": "open", "amount": 5000})).await;
    let body = format!(r#"{{"events":["cases.*"],"filter":{URGENT},"last":1000}}"#);
    let preview = host.call(Method::POST, "/endpoints/preview", &body).await.json();
    assert_eq!(keys(&preview), ["data", "events", "taken"]);
    assert_eq!((&preview["events"], &preview["taken"]), (&json!(3), &json!(1)));
    assert_eq!(keys(&preview["data"][0]), ["id", "type", "created_at", "taken"]);
    assert_eq!((&preview["data"][0]["id"], &preview["data"][0]["taken"]), (&taken["id"], &json!(true)));
    let because = |index: usize| preview["data"][index]["because"].as_str().unwrap();
    assert_eq!((because(1), because(2)), ("pattern", "filter"));
    assert_eq!(preview["data"][2]["detail"], "data.amount");
    assert!(!preview.to_string().contains("5000"), "no payload");

    let scoped = r#"{"events":["*"],"agencies":["north"],"last":2,"dialect":"standard@1"}"#;
    let preview = host.call(Method::POST, "/endpoints/preview", scoped).await.json();
    assert_eq!((preview["events"].as_u64(), preview["taken"].as_u64()), (Some(2), Some(0)));
    assert_eq!(preview["data"][0]["because"], "scope");
    // The limit of a page is not that of a preview.
    for n in 0..60 {
        publish(&host, "cases.closed", json!({"n": n})).await;
    }
    let preview =
        host.call(Method::POST, "/endpoints/preview", r#"{"events":["cases.closed"]}"#).await.json();
    assert_eq!((preview["events"].as_u64(), preview["taken"].as_u64()), (Some(63), Some(60)));
    assert_eq!(host.call(Method::GET, "/endpoints", "").await.json(), json!({"data": []}));
    host.stop().await;
}

#[actix_web::test]
async fn a_preview_is_checked_like_an_endpoint_and_tells_nobody_what_they_may_not_see() {
    let host = Host::start().await;
    let path = "/endpoints/preview";
    let wrong = r#"{"events":["cases.["],"filter":{"x":1},"url":"http://10.0.0.1/","last":0,"more":1}"#;
    assert_eq!(fields(&host.call(Method::POST, path, wrong).await.problem(422)), ["more", "last"]);
    let wrong = r#"{"events":["cases.["],"filter":{"x":1},"url":"http://10.0.0.1/"}"#;
    let problem = host.call(Method::POST, path, wrong).await.problem(422);
    assert_eq!(fields(&problem), ["url", "events[0]", "filter.x"]);

    let by_data = format!(r#"{{"events":["*"],"filter":{URGENT}}}"#);
    let by_agency = r#"{"events":["*"],"filter":{"agency":"north"}}"#;
    let token = host.token("default", &[Scope::EndpointsRead]).await;
    host.call_as(&token, Method::POST, path, by_agency).await.problem(403);
    let token = host.token("default", &[Scope::EndpointsRead, Scope::DeliveriesRead]).await;
    assert_eq!(host.call_as(&token, Method::POST, path, by_agency).await.status, 200);
    let detail = host.call_as(&token, Method::POST, path, &by_data).await.problem(403)["detail"].to_string();
    assert!(detail.contains("payload:read"), "{detail}");

    publish(&host, "cases.created", json!({})).await;
    let stranger = host.token("stranger", &[Scope::Admin]).await;
    let preview = host.call_as(&stranger, Method::POST, path, by_agency).await.json();
    assert_eq!(preview, json!({"data": [], "events": 0, "taken": 0}));
    host.stop().await;
}
