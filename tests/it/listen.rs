//! `casewire listen` receives what the engine sends, in every dialect, and takes no forgery for it.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use casewire::{DeliveryStatus, EndpointDraft, EndpointStatus, Tenant};
use casewire_data::{samples, secret::Secret};
use serde_json::Value;

use crate::{
    binary::{Listener, run},
    support::{Embedded, wait_until},
};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WHSK: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

/// Dialect, secret, and the event of its system that is sent.
const DIALECTS: [(&str, Option<&str>, &str); 10] = [
    ("casebook@1", None, "people.create"),
    ("claimable@1", None, "claim.label_removed"),
    ("claimable@2", None, "claim.damage.created"),
    ("clio@1", Some("hook-secret"), "matter.created"),
    ("cloudevents@1", None, "org.example.docket.order.entered"),
    ("ecourtdate@1", Some("ecd-shared-secret-24char"), "messages.received"),
    ("github@1", Some("It's-a-Secret-to-Everybody"), "issues.opened"),
    ("hivelight@1", Some("a-value-that-comes-back"), "task.status.updated"),
    ("standard@1", Some(WHSK), "invoice.paid"),
    ("xpath@1", Some(WHSEC), "cases.created"),
];

/// What a receiver is given to verify with.
fn shared(secret: &str) -> String {
    let public = Secret::parse(secret).ok().and_then(|secret| secret.public_key());
    public.map_or_else(|| secret.to_owned(), |public| public.expose())
}

fn listener(dialect: &str, secret: Option<&str>) -> Listener {
    let secret = secret.map(shared);
    let mut arguments = vec!["--dialect", dialect];
    arguments.extend(secret.iter().flat_map(|secret| ["--secret", secret]));
    Listener::json(&arguments)
}

fn draft(listener: &Listener, dialect: &str, secret: Option<&str>, event_type: &str) -> EndpointDraft {
    let tenant_id = ("tenant_id".to_owned(), "be461bd7-2d91-41c6-ab29-4389066bcc71".to_owned());
    EndpointDraft {
        url: listener.url(),
        events: vec![event_type.to_owned()],
        dialect: Some(dialect.to_owned()),
        secret: secret.map(str::to_owned),
        params: if dialect == "casebook@1" { [tenant_id].into() } else { [].into() },
        ..EndpointDraft::default()
    }
}

#[tokio::test]
async fn what_the_engine_sends_is_verified_and_understood_and_what_was_tampered_with_is_not() {
    let home = Embedded::start();
    for (dialect, secret, event_type) in DIALECTS {
        let mut listener = listener(dialect, secret);
        let (system, revision) = dialect.split_once('@').unwrap();
        let tenant = home.engine.tenant(Tenant::new(&format!("{system}-{revision}")).unwrap());
        let endpoint = tenant.create_endpoint(draft(&listener, dialect, secret, event_type)).await.unwrap();
        let endpoint = endpoint.endpoint.id;
        let sample = samples::event(system, event_type).unwrap();
        let event = tenant.publish(samples::parse(sample).unwrap()).await.unwrap().id;

        let sample: Value = serde_json::from_str(sample).unwrap();
        let told = listener.next();
        let signature = if secret.is_some() { "verified" } else { "unsigned" };
        assert_eq!(
            (&told["signature"], &told["error"]),
            (&signature.into(), &Value::Null),
            "{dialect}: {told}"
        );
        assert_eq!(
            (&told["event"]["type"], &told["event"]["data"]),
            (&sample["type"], &sample["data"]),
            "{dialect}"
        );
        assert_eq!(told["event"]["idempotency_key"], told["id"], "{dialect}");
        assert_ne!(told["id"], "", "{dialect}");

        // Where an answer must give the secret back, one that does not would have disabled the endpoint.
        let delivery = casewire::DeliveryId { event, endpoint };
        let status = async || tenant.delivery(delivery).await.unwrap().status;
        wait_until(status, |status| *status == DeliveryStatus::Delivered).await;
        let endpoint = tenant.endpoint(endpoint).await.unwrap().endpoint;
        assert_eq!(
            (endpoint.status, endpoint.status_reason.as_deref()),
            (EndpointStatus::Active, None),
            "{dialect}"
        );

        if secret.is_some() {
            tamper(&listener, &told);
            let forged = listener.next();
            assert_eq!((&forged["signature"], &forged["event"]), (&"bad".into(), &Value::Null), "{dialect}");
            assert_eq!(forged["error"], forged["reason"], "{dialect}");
        }
    }
}

/// Sends a request once more with a body that says the same, and with another `X-Secret`.
fn tamper(listener: &Listener, told: &Value) {
    let dropped = ["host", "content-length", "connection"];
    let headers = told["headers"].as_object().unwrap().iter();
    let headers: Vec<_> = headers
        .filter(|(name, _)| !dropped.contains(&name.as_str()))
        .map(|(name, value)| match name.as_str() {
            "x-secret" => (name.as_str(), "another"),
            name => (name, value.as_str().unwrap()),
        })
        .collect();
    listener.send("POST", &headers, &format!("{} ", told["body"].as_str().unwrap()));
}

#[tokio::test]
async fn a_receiver_of_clio_learns_its_secret_in_the_handshake_which_is_not_counted() {
    let listener = Listener::start(&["--dialect", "clio@1", "--count", "1"]);
    let answer = listener.send("POST", &[("x-hook-secret", "made-by-clio")], "");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-hook-secret: made-by-clio"), "{answer}");

    let home = Embedded::start();
    home.subscribe(draft(&listener, "clio@1", Some("made-by-clio"), "matter.created")).await;
    home.publish("matter.created").await;
    let ended = listener.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for said in
        ["handshake  POST /", "trusted from now on", "signature verified", "type         matter.created"]
    {
        assert!(ended.stdout.contains(said), "{said}: {ended:?}");
    }
}

#[test]
fn a_receiver_of_cloud_events_answers_the_question_whether_it_is_willing() {
    let listener = Listener::start(&["--dialect", "cloudevents@1", "--reply", "503", "--count", "1"]);
    let answer = listener.send("OPTIONS", &[("webhook-request-origin", "docket.example")], "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("webhook-allowed-origin: docket.example"), "{answer}");
    assert!(listener.send("POST", &[], "{}").starts_with("HTTP/1.1 503"), "the script is for deliveries");
    let ended = listener.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for said in ["signs nothing", "handshake  OPTIONS /", "unsigned", "NOT AN EVENT: "] {
        assert!(ended.stdout.contains(said), "{said}: {ended:?}");
    }
}

#[test]
fn a_bad_signature_is_named_with_its_header_and_ends_in_1() {
    let listener = Listener::start(&["--dialect", "github@1", "--secret", "ours", "--count", "1"]);
    listener.send("POST", &[("x-hub-signature-256", "sha256=00")], "{}");
    let ended = listener.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("BAD SIGNATURE: X-Hub-Signature-256 does not fit"), "{ended:?}");
}

#[test]
fn a_dialect_that_only_tells_how_it_is_sent_is_shown_and_not_called_forged() {
    let dir = tempfile::TempDir::new().unwrap();
    let github = casewire_data::dialect::Dialects::builtin().get("github@1").unwrap();
    let (one_way, _) = github.text().split_once("[inbound]").unwrap();
    std::fs::write(dir.path().join("oneway@1.toml"), one_way.replace("github@1", "oneway@1")).unwrap();
    let folder = dir.path().to_str().unwrap();
    let arguments = ["--dialects", folder, "--dialect", "oneway@1", "--secret", "ours", "--count", "1"];
    let listener = Listener::start(&arguments);
    listener.send("POST", &[("x-hub-signature-256", "sha256=00")], "{\"n\":1}");
    let ended = listener.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("signature not verified: oneway@1 has no table [inbound]"), "{ended:?}");
    assert!(!ended.stdout.contains("NOT AN EVENT"), "{ended:?}");
}

#[test]
fn wrong_use_is_answered_with_what_would_be_right() {
    for (arguments, said) in [
        (&["--dialect", "xpath@9"][..], "casebook@1, claimable@1"),
        (&["--dialect", "casebook@1", "--secret", "x"], "casebook@1 neither signs nor sends one"),
        (&["--secret", "x"], "`whsec_` followed by"),
        (&["--dialect", "cloudevents@1", "--param", "sauce=/x"], "no parameter `sauce`"),
    ] {
        let ended = run(&[&["listen"], arguments].concat(), &[]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
}
