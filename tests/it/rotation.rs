//! Rotation: a receiver that knows only the old secret, then only the new one, never sees a request that it cannot verify.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use casewire::{EndpointId, ErrorKind, Rotation, Secret, SecretInForce, Timestamp, verify};
use serde_json::{Value, json};

use crate::support::{
    Embedded, Receiver, Reply, Request,
    host::{Host, fields, keys},
    to, wait_until,
};

fn is_signed_by(request: &Request, secret: &Secret) -> bool {
    let [id, timestamp, signatures] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.header(name));
    let now = Timestamp::from_millis(timestamp.parse::<i64>().unwrap() * 1_000);
    verify(secret, id, timestamp, signatures, &request.body, now, 0).is_ok()
}

/// A receiver that knows one secret, which can be changed, and how often it could not verify a request.
fn knowing(secret: &Secret) -> (Receiver, Arc<Mutex<Secret>>, Arc<Mutex<usize>>) {
    let (known, unverified) = (Arc::new(Mutex::new(secret.clone())), Arc::new(Mutex::new(0)));
    let state = (known.clone(), unverified.clone());
    let receiver = Receiver::start(move |request| {
        let genuine = is_signed_by(request, &state.0.lock().unwrap());
        *state.1.lock().unwrap() += usize::from(!genuine);
        Reply::status(if genuine { 200 } else { 401 })
    });
    (receiver, known, unverified)
}

async fn rotate(home: &Embedded, endpoint: EndpointId, overlap_seconds: u32) -> Vec<SecretInForce> {
    let rotation = Rotation { secret: None, overlap_seconds: Some(overlap_seconds) };
    home.tenant().rotate_secret(endpoint, rotation).await.unwrap()
}

#[tokio::test]
async fn during_the_overlap_a_receiver_verifies_with_the_old_secret_or_the_new_one_also_over_a_restart() {
    let mut home = Embedded::start();
    let old = Secret::generate([1; 32]);
    let (receiver, known, unverified) = knowing(&old);
    let mut draft = to(receiver.url(), &["*"]);
    draft.secret = Some(old.expose());
    let endpoint = home.subscribe(draft).await;

    home.publish_many("a.b", 20).await;
    let secrets = rotate(&home, endpoint, 3_600).await;
    assert_eq!((secrets.len(), &secrets[1].secret), (2, &old));
    home.publish_many("a.b", 20).await;
    home = home.restart().await;
    home.publish_many("a.b", 20).await;
    receiver.received(60).await;
    *known.lock().unwrap() = secrets[0].secret.clone();
    home.publish_many("a.b", 20).await;
    home = home.restart().await;
    home.publish_many("a.b", 20).await;
    receiver.received(100).await;
    assert_eq!(*unverified.lock().unwrap(), 0);
    assert_eq!(home.tenant().endpoint_secrets(endpoint).await.unwrap(), secrets);
    home.shutdown().await;
}

#[tokio::test]
async fn two_rotations_in_the_overlap_and_a_change_of_algorithm_leave_no_receiver_behind() {
    let home = Embedded::start();
    let old = Secret::generate([1; 32]);
    let (receiver, known, unverified) = knowing(&old);
    let mut draft = to(receiver.url(), &["*"]);
    draft.secret = Some(old.expose());
    let endpoint = home.subscribe(draft).await;
    // 32 zeros: a private key, whose receiver knows but the public one.
    let private = format!("whsk_{}=", "A".repeat(43));
    let rotation = Rotation { secret: Some(private), overlap_seconds: Some(3_600) };
    let first = home.tenant().rotate_secret(endpoint, rotation).await.unwrap().remove(0).secret;
    let second = rotate(&home, endpoint, 3_600).await.remove(0).secret;
    let public = |secret: &Secret| secret.public_key().expect("it signs by a private key, as the one before");
    for (round, secret) in [old, public(&first), public(&second)].into_iter().enumerate() {
        *known.lock().unwrap() = secret;
        home.publish_many("a.b", 20).await;
        receiver.received((round + 1) * 20).await;
    }
    assert_eq!(*unverified.lock().unwrap(), 0);
    let ended = rotate(&home, endpoint, 0).await;
    assert_eq!(ended.len(), 1, "an overlap of 0 ends all others: {ended:?}");
    home.shutdown().await;
}

#[tokio::test]
async fn the_old_secret_ends_at_its_time_by_itself_and_over_a_restart() {
    for restarts in [false, true] {
        let mut home = Embedded::start();
        let old = Secret::generate([1; 32]);
        let receiver = Receiver::willing();
        let mut draft = to(receiver.url(), &["*"]);
        draft.secret = Some(old.expose());
        let endpoint = home.subscribe(draft).await;
        let new = rotate(&home, endpoint, 1).await.remove(0);
        assert_eq!(new.until, None);
        if restarts {
            home = home.restart().await;
        }
        let delivered = async || {
            let event = home.publish("a.b").await;
            receiver.received_all(&[event]).await;
            receiver.requests().into_iter().find(|it| it.event() == event).unwrap()
        };
        let ended = |request: &Request| !is_signed_by(request, &old);
        wait_until(delivered, ended).await;
        assert!(receiver.requests().iter().all(|request| is_signed_by(request, &new.secret)));
        let in_force = home.tenant().endpoint_secrets(endpoint).await.unwrap();
        assert_eq!(in_force, [new], "restarts: {restarts}");
        home.shutdown().await;
    }
}

#[tokio::test]
async fn where_a_delivery_holds_one_signature_the_old_secret_signs_until_its_end() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let mut draft = to(receiver.url(), &["push"]);
    (draft.dialect, draft.secret) = (Some("github@1".to_owned()), Some("old".to_owned()));
    let endpoint = home.subscribe(draft).await;
    let signature = async |count| {
        let data = r#"{"ref":"refs/heads/main"}"#;
        home.engine.publisher().publish_json("push", data).await.unwrap();
        receiver.received(count).await[count - 1].header("x-hub-signature-256").to_owned()
    };
    let by_old = signature(1).await;
    let rotation =
        |secret: &str, overlap_seconds| Rotation { secret: Some(secret.to_owned()), overlap_seconds };
    home.tenant().rotate_secret(endpoint, rotation("new", None)).await.unwrap();
    assert_eq!(signature(2).await, by_old, "the receiver has a day to learn the new one");
    home.tenant().rotate_secret(endpoint, rotation("newer", Some(0))).await.unwrap();
    assert_ne!(signature(3).await, by_old);
    let error = home.tenant().rotate_secret(endpoint, Rotation::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "it is the receiver's own: {error}");
    home.shutdown().await;
}

async fn rotated(host: &Host, id: &str, body: &str) -> Value {
    let answer = host.call(Method::POST, &format!("/endpoints/{id}/secret/rotate"), body).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text);
    answer.data()
}

#[actix_web::test]
async fn the_routes_show_the_new_secret_once_and_all_in_force_to_admins() {
    let host = Host::start().await;
    let made =
        host.call(Method::POST, "/endpoints", r#"{"url":"https://a.example","events":["*"]}"#).await.data();
    let (id, first) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let path = format!("/endpoints/{id}/secret");
    let show = async || {
        let answer = host.call(Method::GET, &path, "").await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        answer.data()
    };
    assert_eq!(show().await, json!({ "id": id, "secret": first }));

    let answer = rotated(&host, id, "").await;
    assert_eq!(keys(&answer), ["id", "secret", "previous"]);
    assert_eq!(keys(&answer["previous"][0]), ["expires_at"], "the old one is for admins: {answer}");
    let shown = show().await;
    assert_eq!(shown["secret"], answer["secret"]);
    assert_eq!(shown["previous"][0]["secret"], first);
    assert_eq!(shown["previous"][0]["expires_at"], answer["previous"][0]["expires_at"]);
    let expires_at = Timestamp::parse(shown["previous"][0]["expires_at"].as_str().unwrap()).unwrap();
    let made_at = Timestamp::parse(made["created_at"].as_str().unwrap()).unwrap();
    assert!((86_400..86_460).contains(&(expires_at.as_secs() - made_at.as_secs())), "{shown}");

    let own = Secret::generate([9; 32]).expose();
    let answer = rotated(&host, id, &json!({ "secret": own, "overlap_seconds": 0 }).to_string()).await;
    assert_eq!(answer, json!({ "id": id, "secret": own }));
    assert_eq!(show().await, answer);
    let private = format!("whsk_{}=", "A".repeat(43));
    let answer = rotated(&host, id, &json!({ "secret": private }).to_string()).await;
    assert!(answer["public_key"].as_str().unwrap().starts_with("whpk_"), "{answer}");
    let next = rotated(&host, id, "").await;
    assert!(next["secret"].as_str().unwrap().starts_with("whsk_"), "{next}");
    assert_eq!(keys(&next["previous"][0]), ["public_key", "expires_at"]);
    let shown = show().await;
    assert_eq!(shown["public_key"], next["public_key"]);
    assert_eq!(shown["previous"][0]["public_key"], answer["public_key"]);
    assert_eq!(shown["previous"][1]["secret"], own);
    let endpoint = host.call(Method::GET, &format!("/endpoints/{id}"), "").await;
    assert!(!endpoint.text.contains("whsk_"), "{}", endpoint.text);
    assert!(!endpoint.text.contains("whsec_"), "{}", endpoint.text);
    host.stop().await;
}

#[actix_web::test]
async fn what_cannot_be_rotated_so_is_refused_and_changes_nothing() {
    let host = Host::start().await;
    let id = host.endpoint(r#"{"url":"https://a.example","events":["*"]}"#).await;
    let path = format!("/endpoints/{id}/secret/rotate");
    let before = host.call(Method::GET, &format!("/endpoints/{id}"), "").await.text;
    for (body, wrong) in [
        (r#"{"secret":"whsec_short"}"#, &["secret"][..]),
        (r#"{"overlap_seconds":-1}"#, &["overlap_seconds"]),
        (r#"{"overlap_seconds":2592001}"#, &["overlap_seconds"]),
        (r#"{"overlap_seconds":99999999999999999999}"#, &["overlap_seconds"]),
        (r#"{"overlap_seconds":1.5}"#, &["overlap_seconds"]),
        (r#"{"overlap_seconds":"a day","overlap":1}"#, &["overlap_seconds", "overlap"]),
        ("[]", &["body"]),
    ] {
        assert_eq!(fields(&host.call(Method::POST, &path, body).await.problem(422)), wrong, "{body}");
    }
    host.call(Method::POST, &path, "{").await.problem(400);
    let bearer = format!("Bearer {}", host.admin);
    let untyped = host.send(Method::POST, &path, &[("Authorization", &bearer)], b"{}".to_vec()).await;
    untyped.problem(415);
    assert_eq!(host.call(Method::GET, &format!("/endpoints/{id}"), "").await.text, before);
    let silent = json!({"url": "https://a.example", "events": ["claim.created"], "dialect": "claimable@1"});
    let silent = host.endpoint(&silent.to_string()).await;
    host.call(Method::POST, &format!("/endpoints/{silent}/secret/rotate"), "").await.problem(409);
    let shown = host.call(Method::GET, &format!("/endpoints/{silent}/secret"), "").await.data();
    assert_eq!(shown, json!({ "id": silent }));
    host.stop().await;
}

#[tokio::test]
async fn where_a_handshake_brings_the_secret_the_receiver_is_asked_first_and_the_new_one_signs_at_once() {
    let willing = Arc::new(Mutex::new(true));
    let asked = willing.clone();
    let receiver = Receiver::start(move |request| match request.find("x-hook-secret") {
        Some(secret) if *asked.lock().unwrap() => Reply::status(200).with("X-Hook-Secret", secret),
        Some(_) => Reply::status(403),
        None => Reply::status(200),
    });
    let home = Embedded::start();
    let mut draft = to(receiver.url(), &["matter.created"]);
    draft.dialect = Some("clio@1".to_owned());
    let endpoint = home.subscribe(draft).await;
    let secrets = home.tenant().rotate_secret(endpoint, Rotation::default()).await.unwrap();
    assert_eq!(secrets.len(), 1, "no other is left");
    assert_eq!(receiver.requests()[1].header("x-hook-secret"), secrets[0].secret.expose());

    *willing.lock().unwrap() = false;
    let error = home.tenant().rotate_secret(endpoint, Rotation::default()).await.unwrap_err();
    assert_eq!(error.field_errors()[0].field, "url", "{error}");
    assert_eq!(home.tenant().endpoint_secrets(endpoint).await.unwrap(), secrets, "nothing has changed");
    home.shutdown().await;
}
