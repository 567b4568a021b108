//! The seed's five routes and the extensions of its object.

use actix_web::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::support::host::{Host, keys};

/// The seed's own example.
const SEED_BODY: &str = r#"{
    "url": "https://partner.example.com/webhooks/xpath",
    "events": ["cases.*", "assignments.*"],
    "description": "Partner production endpoint"
}"#;
const SEED_KEYS: [&str; 7] = ["id", "url", "description", "events", "status", "created_at", "updated_at"];

#[actix_web::test]
async fn the_seeds_five_routes_answer_as_the_seed_says() {
    let host = Host::start().await;

    let created = host.call(Method::POST, "/endpoints", SEED_BODY).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("content-type"), Some("application/json"));
    assert_eq!(keys(&created.json()), ["data"]);
    let endpoint = created.data();
    let with_secret = ["id", "url", "description", "events", "status", "secret", "created_at", "updated_at"];
    assert_eq!(keys(&endpoint), with_secret);
    assert_eq!(endpoint["url"], "https://partner.example.com/webhooks/xpath");
    assert_eq!(endpoint["events"], json!(["cases.*", "assignments.*"]));
    assert_eq!(endpoint["description"], "Partner production endpoint");
    assert_eq!(endpoint["status"], "active");
    let secret = endpoint["secret"].as_str().unwrap().strip_prefix("whsec_").expect("whsec_…");
    assert_eq!(STANDARD.decode(secret).unwrap().len(), 32);
    let created_at = endpoint["created_at"].as_str().unwrap();
    assert_eq!((created_at.len(), created_at.ends_with('Z')), ("2026-04-29T09:10:00Z".len(), true));

    let path = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    let shown = host.call(Method::GET, &path, "").await;
    assert_eq!(shown.status, 200);
    assert_eq!(keys(&shown.data()), SEED_KEYS);

    let listed = host.call(Method::GET, "/endpoints", "").await;
    assert_eq!(listed.status, 200);
    assert_eq!(listed.json(), json!({"data": [shown.data()]}));

    let changed = host.call(Method::PATCH, &path, r#"{"status":"paused","events":["cases.*"]}"#).await;
    assert_eq!(changed.status, 200);
    assert_eq!(keys(&changed.data()), SEED_KEYS);
    assert_eq!(changed.data()["status"], "paused");
    assert_eq!(changed.data()["events"], json!(["cases.*"]), "replaced whole");
    assert_eq!(changed.data()["url"], endpoint["url"]);
    assert_eq!(changed.data()["created_at"], endpoint["created_at"]);

    let deleted = host.call(Method::DELETE, &path, "").await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    host.call(Method::GET, &path, "").await.problem(404);
    host.call(Method::DELETE, &path, "").await.problem(404);
    assert_eq!(host.call(Method::GET, "/endpoints", "").await.json(), json!({"data": []}));
    host.stop().await;
}

#[actix_web::test]
async fn what_was_never_given_is_absent_and_extensions_follow_the_seeds_keys() {
    let host = Host::start().await;
    let plain = host.endpoint(r#"{"url":"https://a.example","events":["cases.*"],"status":"paused"}"#).await;
    let plain = host.call(Method::GET, &format!("/endpoints/{plain}"), "").await.data();
    assert_eq!(keys(&plain), ["id", "url", "events", "status", "created_at", "updated_at"]);
    assert_eq!(plain["status"], "paused");

    let full = host
        .endpoint(
            r#"{"retry":{"schedule_seconds":[1,60]},"timeout_seconds":7,"ordering":"resource","max_in_flight":3,"headers":{"x-a":"1"},
               "name":"n","events":["cases.*"],"description":"d","url":"https://b.example/",
               "sources":["api","ui","api"],"agencies":["south","north","south"],"sandbox":false,"params":{}}"#,
        )
        .await;
    let full = host.call(Method::GET, &format!("/endpoints/{full}"), "").await.data();
    let extensions =
        ["name", "agencies", "sources", "headers", "ordering", "max_in_flight", "timeout_seconds", "retry"];
    assert_eq!(keys(&full), [&SEED_KEYS[..], &extensions[..]].concat());
    assert_eq!(full["headers"], json!({"x-a": "1"}));
    assert_eq!((&full["agencies"], &full["sources"]), (&json!(["north", "south"]), &json!(["ui", "api"])));
    assert_eq!(full["retry"], json!({"schedule_seconds": [1, 60]}));
    assert_eq!(full["ordering"], "resource");
    host.stop().await;
}

#[actix_web::test]
async fn a_patch_leaves_what_is_absent_and_clears_what_is_null() {
    let host = Host::start().await;
    let id = host
        .endpoint(
            r#"{"url":"https://a.example/","events":["cases.*"],"description":"d","name":"n","headers":{"x-a":"1"},
               "agencies":["north"],"sources":["ui"],"ordering":"endpoint",
               "max_in_flight":3,"timeout_seconds":7,"retry":{"schedule_seconds":[1]}}"#,
        )
        .await;
    let path = format!("/endpoints/{id}");
    let before = host.call(Method::GET, &path, "").await.data();

    let mut untouched = host.call(Method::PATCH, &path, "{}").await.data();
    untouched["updated_at"] = before["updated_at"].clone();
    assert_eq!(untouched, before);

    for (field, patch) in [
        ("description", r#"{"description":null}"#),
        ("name", r#"{"name":null}"#),
        ("agencies", r#"{"agencies":null}"#),
        ("sources", r#"{"sources":[]}"#),
        ("params", r#"{"params":null}"#),
        ("sandbox", r#"{"sandbox":null}"#),
        ("headers", r#"{"headers":null}"#),
        ("ordering", r#"{"ordering":null}"#),
        ("ordering", r#"{"ordering":"none"}"#),
        ("max_in_flight", r#"{"max_in_flight":null}"#),
        ("timeout_seconds", r#"{"timeout_seconds":null}"#),
        ("retry", r#"{"retry":null}"#),
    ] {
        let changed = host.call(Method::PATCH, &path, patch).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert!(!keys(&changed.data()).contains(&field), "{patch}");
    }
    let cleared = host.call(Method::GET, &path, "").await.data();
    assert_eq!(keys(&cleared), ["id", "url", "events", "status", "created_at", "updated_at"]);

    let scoped = host.call(Method::PATCH, &path, r#"{"sources":["api"],"agencies":["b","a"]}"#).await.data();
    assert_eq!((&scoped["agencies"], &scoped["sources"]), (&json!(["a", "b"]), &json!(["api"])));
    let renamed =
        host.call(Method::PATCH, &path, r#"{"url":"https://b.example/","description":"e"}"#).await.data();
    assert_eq!((&renamed["url"], &renamed["description"]), (&json!("https://b.example/"), &json!("e")));
    assert!(renamed["updated_at"].as_str() >= before["updated_at"].as_str());
    host.stop().await;
}

#[actix_web::test]
async fn a_secret_is_shown_at_its_creation_and_never_again() {
    let host = Host::start().await;
    let own = format!("whsec_{}", STANDARD.encode([7; 32]));
    let body = json!({"url": "https://a.example", "events": ["cases.*"], "secret": own}).to_string();
    let created = host.call(Method::POST, "/endpoints", &body).await;
    assert_eq!(created.data()["secret"], own.as_str());
    assert_eq!(created.header("cache-control"), Some("no-store"));

    let path = format!("/endpoints/{}", created.data()["id"].as_str().unwrap());
    let rotated = format!("whsec_{}", STANDARD.encode([8; 32]));
    let patch = json!({"secret": rotated}).to_string();
    for answer in [
        host.call(Method::PATCH, &path, &patch).await,
        host.call(Method::GET, &path, "").await,
        host.call(Method::GET, "/endpoints", "").await,
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains("whsec_"), "{}", answer.text);
    }
    host.stop().await;
}

#[actix_web::test]
async fn the_list_is_newest_first_and_goes_on_at_its_cursor() {
    let host = Host::start().await;
    let mut newest_first = Vec::new();
    for _ in 0..5 {
        newest_first.insert(0, host.endpoint(r#"{"url":"https://a.example","events":["cases.*"]}"#).await);
    }
    assert_eq!(
        keys(&host.call(Method::GET, "/endpoints", "").await.json()),
        ["data"],
        "complete without paging"
    );

    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = host.call(Method::GET, &format!("/endpoints{query}"), "").await.json();
        seen.extend(page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        match page.get("next_cursor") {
            Some(cursor) => query = format!("?limit=2&cursor={}", cursor.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, newest_first);
    host.stop().await;
}

#[actix_web::test]
async fn an_event_that_an_endpoints_scope_leaves_out_is_no_delivery_of_it() {
    let host = Host::start().await;
    let endpoint = r#"{"url":"https://a.example","events":["cases.*"],"status":"paused","agencies":["north"],"sources":["ui"]}"#;
    host.endpoint(endpoint).await;
    let deliveries = async |event: &str| {
        let answer = host.call(Method::POST, "/events", event).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let path = format!("/events/{}/deliveries", answer.data()["id"].as_str().unwrap());
        let listed = host.call(Method::GET, &path, "").await.data().as_array().unwrap().len();
        assert_eq!(answer.data()["deliveries"], listed, "{event}");
        listed
    };
    let north = r#"{"type":"cases.created","data":1,"agency":"north","actor":{"kind":"ui"}}"#;
    assert_eq!(deliveries(north).await, 1);
    assert_eq!(deliveries(&north.replace("north", "south")).await, 0);
    assert_eq!(deliveries(&north.replace("ui", "api")).await, 0);
    assert_eq!(deliveries(r#"{"type":"cases.created","data":1}"#).await, 0);
    host.stop().await;
}
