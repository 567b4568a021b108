//! Who brings the secret, what it may be, and when it is shown.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{ALL, Spoken, obliging};
use crate::support::{
    Receiver, Request,
    host::{Host, fields, keys},
};

/// eCourtDate's own example: secret, body and signature.
const SECRET: &str = "ecd-shared-secret-24char";
const BODY: &str = r#"{"uuid":"6f1c2a0e-7d43-4b8e-9a51-0c2f5d9e8b11","channel":"text","direction":"inbound","created_at":"2024-01-15T10:30:00Z","from":"+15551234567","to":"+15559876543","content":"Message content here","token":"token-identifier","last_status":"received"}"#;
const SIGNATURE: &str = "72ac6744c785485501d6d974bd5b239a6f4136edfe927669bb4d87555ded0b82";

/// A body of `POST /endpoints`.
fn draft(spoken: &Spoken, receiver: &Receiver, secret: Option<&str>) -> String {
    let params: serde_json::Map<_, Value> =
        spoken.params.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
    let mut body = json!({
        "url": receiver.url(), "events": [spoken.event_type], "dialect": spoken.dialect, "params": params
    });
    if let Some(secret) = secret {
        body["secret"] = secret.into();
    }
    body.to_string()
}

fn agreeable() -> Receiver {
    Receiver::start(|request: &Request| obliging(request, 200))
}

#[actix_web::test]
async fn a_secret_is_refused_where_there_is_none_and_asked_for_where_one_must_be() {
    let (host, receiver) = (Host::start().await, agreeable());
    let too_long = "x".repeat(25);
    for (dialect, secret) in [
        ("claimable@1", Some("s")),
        ("claimable@2", Some("s")),
        ("casebook@1", Some("s")),
        ("cloudevents@1", Some("s")),
        ("ecourtdate@1", None),
        ("ecourtdate@1", Some("")),
        ("ecourtdate@1", Some(too_long.as_str())),
        ("hivelight@1", Some("no space")),
        ("xpath@1", Some("not-whsec")),
        ("standard@1", Some("whsk_short")),
    ] {
        let body = draft(Spoken::of(dialect), &receiver, secret);
        let problem = host.call(Method::POST, "/endpoints", &body).await.problem(422);
        assert_eq!(fields(&problem), ["secret"], "{dialect} {secret:?}: {problem}");
    }
    assert_eq!(host.call(Method::GET, "/endpoints", "").await.json(), json!({"data": []}));
    host.stop().await;
}

#[actix_web::test]
async fn the_answer_to_a_creation_shows_the_secret_where_there_is_one() {
    let (host, receiver) = (Host::start().await, agreeable());
    for spoken in &ALL {
        let own = async |secret| {
            host.call(Method::POST, "/endpoints", &draft(spoken, &receiver, secret)).await.data()
        };
        let generated = ["clio@1", "standard@1", "xpath@1"].contains(&spoken.dialect);
        let made = own(spoken.secret).await;
        let shown = made.get("secret").map(|secret| secret.as_str().unwrap().to_owned());
        match (spoken.secret, &shown) {
            (Some(given), Some(shown)) => assert_eq!(shown, given, "{}", spoken.dialect),
            (None, Some(shown)) => assert!(generated && shown.len() >= 40, "{}: {made}", spoken.dialect),
            (given, None) => assert!(given.is_none() && !generated, "{}: {made}", spoken.dialect),
        }
        let again = host.call(Method::GET, &format!("/endpoints/{}", made["id"].as_str().unwrap()), "").await;
        assert!(!keys(&again.data()).contains(&"secret"), "{}", again.text);
        if let Some(shown) = shown {
            assert!(!again.text.contains(&shown), "{}", again.text);
        }
        if ["github@1", "hivelight@1"].contains(&spoken.dialect) {
            let without = own(None).await;
            assert!(!keys(&without).contains(&"secret"), "{}: it is the customer's or none", spoken.dialect);
        }
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_new_secret_holds_from_the_next_delivery_on() {
    let (host, receiver) = (Host::start().await, agreeable());
    let body = draft(Spoken::of("ecourtdate@1"), &receiver, Some("another"));
    let path = format!("/endpoints/{}", host.endpoint(&body).await);
    let event = format!(r#"{{"type":"messages.received","data":{BODY}}}"#);
    host.call(Method::POST, "/events", &event).await.data();
    assert_ne!(receiver.received(1).await[0].header("x-ecd-signature"), SIGNATURE);

    for wrong in [json!({"secret": "x".repeat(25)}), json!({"secret": null})] {
        let answer = host.call(Method::PATCH, &path, &wrong.to_string()).await;
        assert_eq!(fields(&answer.problem(422)), ["secret"]);
    }
    let patched = host.call(Method::PATCH, &path, &json!({"secret": SECRET}).to_string()).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    assert!(!patched.text.contains(SECRET), "{}", patched.text);
    host.call(Method::POST, "/events", &event).await.data();
    let delivery = receiver.received(2).await.remove(1);
    assert_eq!((delivery.text(), delivery.header("x-ecd-signature")), (BODY, SIGNATURE));

    let unsigned = draft(Spoken::of("claimable@1"), &receiver, None);
    let path = format!("/endpoints/{}", host.endpoint(&unsigned).await);
    let answer = host.call(Method::PATCH, &path, r#"{"secret":"s"}"#).await;
    assert_eq!(fields(&answer.problem(422)), ["secret"]);
    host.stop().await;
}

#[actix_web::test]
async fn an_endpoint_that_signs_by_ed25519_shows_its_public_key() {
    let (host, receiver) = (Host::start().await, agreeable());
    // RFC 8032, 7.1, test 1.
    let secret = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let public_key = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let body = draft(Spoken::of("standard@1"), &receiver, Some(secret));
    let made = host.call(Method::POST, "/endpoints", &body).await.data();
    assert_eq!((&made["secret"], &made["public_key"]), (&json!(secret), &json!(public_key)));
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let shown = host.call(Method::GET, &path, "").await;
    assert_eq!(shown.data()["public_key"], public_key);
    assert!(!shown.text.contains("whsk_"), "{}", shown.text);
    let by_hmac =
        host.call(Method::POST, "/endpoints", &draft(Spoken::of("standard@1"), &receiver, None)).await;
    assert!(!keys(&by_hmac.data()).contains(&"public_key"), "{}", by_hmac.text);
    host.stop().await;
}
