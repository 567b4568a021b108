//! A receiver, from the other end of a socket.

use std::{collections::BTreeMap, net::Ipv4Addr};

use casewire_data::{dialect::Dialects, secret::SecretForm, signature::Signer};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::*;

/// A receiver of a dialect, and what it tells.
struct Ear {
    receiver: Receiver,
    requests: UnboundedReceiver<Received>,
}

impl Ear {
    fn open(dialect: &str, secrets: &[&str], replies: &[u16]) -> Self {
        let dialect = Dialects::builtin().get(dialect).unwrap();
        let mut verifier = Verifier::new(dialect, BTreeMap::new());
        for secret in secrets {
            let secret = verifier.read_secret(secret).unwrap();
            verifier.trust(secret);
        }
        let replies = replies.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
        let script = Script { replies, delay: Duration::ZERO, forgetful: false };
        let (told, requests) = mpsc::unbounded_channel();
        let receiver = Receiver::start((Ipv4Addr::LOCALHOST, 0).into(), verifier, script, told).unwrap();
        Self { receiver, requests }
    }

    /// Status and headers of the answer.
    async fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> (u16, HeaderMap) {
        let url = format!("http://{}/in?x=1", self.receiver.address());
        let mut request = awc::Client::default().request(method.parse().unwrap(), url);
        for header in headers {
            request = request.insert_header(*header);
        }
        let answer = request.send_body(body.to_owned()).await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }

    async fn signed(&self, signature: &str, body: &str) -> u16 {
        let timestamp = clock::wall().as_secs().to_string();
        let headers =
            [("webhook-id", "evt_1"), ("webhook-timestamp", &timestamp), ("webhook-signature", signature)];
        self.send("POST", &headers, body).await.0
    }

    async fn next(&mut self) -> Received {
        self.requests.recv().await.unwrap()
    }
}

fn whsec(byte: u8) -> Secret {
    Secret::generate([byte; 32])
}

fn sign(secret: Secret, body: &str) -> String {
    Signer::new(&[secret]).sign("evt_1", clock::wall().as_secs(), body.as_bytes())
}

#[actix_rt::test]
async fn it_replies_by_script_and_the_last_reply_repeats() {
    let mut ear = Ear::open("xpath@1", &[], &[500, 429, 200]);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ear.signed("", "{}").await);
    }
    assert_eq!(statuses, [500, 429, 200, 200]);
    let first = ear.next().await;
    assert_eq!((first.number, first.id.as_str(), first.path.as_str()), (1, "evt_1", "/in?x=1"));
    assert!(matches!(first.signature, Signature::Unverified(why) if why.contains("--secret")));
    assert_eq!(first.body, "{}");
    assert!(matches!(first.content, Content::Refused(reason) if reason.starts_with("body ")));
}

#[actix_rt::test]
async fn it_tells_a_good_signature_from_a_bad_one_and_asks_no_forgery_what_it_says() {
    let mut ear = Ear::open("xpath@1", &[&whsec(2).expose()], &[200]);
    ear.receiver.trust(whsec(1));
    let body = r#"{"id":"evt_1","type":"cases.created","created_at":"2026-04-29T09:10:00Z","data":{}}"#;
    ear.signed(&sign(whsec(1), body), body).await;
    let genuine = ear.next().await;
    assert_eq!(genuine.signature, Signature::Verified);
    let Content::Event(event) = genuine.content else { panic!("{:?}", genuine.content) };
    assert_eq!(
        (event.event_type.as_str(), event.idempotency_key.as_deref()),
        ("cases.created", Some("evt_1"))
    );

    ear.signed(&sign(whsec(3), body), body).await;
    let forged = ear.next().await;
    assert!(matches!(&forged.signature, Signature::Bad(why) if why.starts_with("webhook-signature ")));
    assert!(matches!(forged.content, Content::Refused(_)), "{:?}", forged.content);
}

#[actix_rt::test]
async fn a_public_key_is_enough_where_private_ones_sign() {
    let private = Secret::generate_as(SecretForm::Whsk, [7; 32]);
    let public = private.public_key().unwrap().expose();
    let dialect = |id| Verifier::new(Dialects::builtin().get(id).unwrap(), BTreeMap::new());
    assert_eq!(dialect("standard@1").read_secret(&public).unwrap().form(), SecretForm::Whpk);
    assert_eq!(dialect("standard@1").read_secret(&private.expose()).unwrap(), private);
    assert!(dialect("xpath@1").read_secret(&public).is_err(), "it signs by whsec_ alone");
    assert!(dialect("casebook@1").read_secret(&public).is_err(), "it signs nothing");
    assert_eq!(dialect("ecourtdate@1").read_secret("whpk_text").unwrap().form(), SecretForm::Text);
}

#[actix_rt::test]
async fn a_secret_is_given_back_to_those_who_know_it_alone() {
    let mut ear = Ear::open("hivelight@1", &["comes-back"], &[503]);
    let body = r#"{"data":{"type":"matter","id":"m-1","attributes":{}}}"#;
    let (status, headers) = ear.send("POST", &[("x-secret", "comes-back")], body).await;
    assert_eq!((status, headers.get("x-secret").unwrap().to_str().unwrap()), (503, "comes-back"));
    assert_eq!(ear.next().await.signature, Signature::Verified);
    let (_, headers) = ear.send("POST", &[("x-secret", "guessed")], body).await;
    assert!(headers.get("x-secret").is_none());
    assert!(matches!(ear.next().await.signature, Signature::Bad(why) if why.starts_with("x-secret ")));
}

#[actix_rt::test]
async fn a_handshake_is_answered_at_once_and_is_not_counted() {
    let mut ear = Ear::open("cloudevents@1", &[], &[500]);
    let (status, headers) = ear.send("OPTIONS", &[("webhook-request-origin", "docket.example")], "").await;
    assert_eq!(
        (status, headers.get("webhook-allowed-origin").unwrap().to_str().unwrap()),
        (200, "docket.example")
    );
    let handshake = ear.next().await;
    assert_eq!((handshake.number, handshake.content), (0, Content::Handshake { adopted: false }));
    let body = r#"{"specversion":"1.0","id":"e-1","source":"/x","type":"docket.filed","data":{}}"#;
    assert_eq!(ear.send("POST", &[], body).await.0, 500);
    let first = ear.next().await;
    assert_eq!((first.number, first.id.as_str(), first.signature), (1, "e-1", Signature::Unsigned));
}

#[actix_rt::test]
async fn the_secret_of_the_first_handshake_is_adopted_and_no_other_one() {
    let mut ear = Ear::open("clio@1", &[], &[200]);
    let (status, headers) = ear.send("POST", &[("x-hook-secret", "made-by-clio")], "").await;
    assert_eq!((status, headers.get("x-hook-secret").unwrap().to_str().unwrap()), (200, "made-by-clio"));
    assert_eq!(ear.next().await.content, Content::Handshake { adopted: true });
    ear.send("POST", &[("x-hook-secret", "made-by-clio")], "").await;
    assert_eq!(ear.next().await.content, Content::Handshake { adopted: false }, "the same once more");

    let (_, headers) = ear.send("POST", &[("x-hook-secret", "another")], "").await;
    assert!(headers.get("x-hook-secret").is_none());
    assert!(matches!(ear.next().await.signature, Signature::Bad(_)), "a delivery without its signature");
}
