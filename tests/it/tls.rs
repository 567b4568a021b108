//! TLS of an endpoint's own: whom its receiver must be signed by, what it is shown, and what nobody is shown.

use actix_web::http::Method;
use casewire::{
    DeliveryStatus, EndpointDraft, EndpointId, EndpointPatch, EndpointStatus, ErrorKind, TlsDraft, TlsPatch,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::{Server, TOKEN, run},
    support::{
        Embedded,
        host::{Host, fields},
        secure::{AUTHORITY, CLIENT, LetsIn, OTHER_AUTHORITY, receiver},
        to, wait_until,
    },
};

const UNTRUSTED: &str = "certificate has an issuer that is not trusted";
const UNKNOWN: &str = "the receiver demands a client certificate";

fn secured(url: String, ca_pem: Option<&str>, client_cert_pem: Option<&str>) -> EndpointDraft {
    let owned = |pem: Option<&str>| pem.map(ToOwned::to_owned);
    let tls = TlsDraft { ca_pem: owned(ca_pem), client_cert_pem: owned(client_cert_pem) };
    EndpointDraft { tls, retry_schedule_seconds: Some(vec![0]), ..to(url, &["*"]) }
}

fn trusting(authority: &str) -> TlsPatch {
    TlsPatch { ca_pem: Some(Some(authority.to_owned())), ..TlsPatch::default() }
}

async fn change(home: &Embedded, endpoint: EndpointId, tls: Option<TlsPatch>) {
    let patch = EndpointPatch { tls: Some(tls), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, patch).await.unwrap();
}

/// Publishes an event, and answers what became of its delivery: nothing if it arrived, or why it did not.
async fn sent(home: &Embedded, endpoint: EndpointId) -> Option<String> {
    let event = home.publish("cases.created").await;
    let is_over = |status| matches!(status, DeliveryStatus::Delivered | DeliveryStatus::Dead);
    let record =
        wait_until(async || home.delivery(event, endpoint).await, |record| is_over(record.status)).await;
    let last = record.attempts.last().unwrap().outcome.summary();
    (record.status == DeliveryStatus::Dead).then_some(last)
}

fn starts(why: Option<&String>, words: &str) {
    assert!(why.is_some_and(|why| why.starts_with(words)), "{why:?}");
}

#[actix_web::test]
async fn a_receiver_of_a_private_authority_is_trusted_where_the_endpoint_names_that_authority_and_only_there()
{
    let home = Embedded::start();
    let url = receiver(LetsIn::Everybody);
    let endpoint = home.subscribe(secured(url.clone(), None, None)).await;
    starts(sent(&home, endpoint).await.as_ref(), UNTRUSTED);
    change(&home, endpoint, Some(trusting(OTHER_AUTHORITY))).await;
    starts(sent(&home, endpoint).await.as_ref(), UNTRUSTED);
    change(&home, endpoint, Some(trusting(AUTHORITY))).await;
    assert_eq!(sent(&home, endpoint).await, None);
    assert!(home.tenant().test_endpoint(endpoint, None).await.unwrap().report.delivered);

    let home = home.restart().await;
    assert_eq!(sent(&home, endpoint).await, None);
    let stranger = home.subscribe(secured(url, None, None)).await;
    starts(sent(&home, stranger).await.as_ref(), UNTRUSTED);
    change(&home, endpoint, None).await;
    starts(sent(&home, endpoint).await.as_ref(), UNTRUSTED);
    assert!(home.tenant().endpoint(endpoint).await.unwrap().endpoint.tls.is_none());
    home.shutdown().await;
}

#[actix_web::test]
async fn a_receiver_that_asks_who_calls_is_shown_the_clients_certificate() {
    let home = Embedded::start();
    let url = receiver(LetsIn::Known);
    let endpoint = home.subscribe(secured(url.clone(), Some(AUTHORITY), None)).await;
    starts(sent(&home, endpoint).await.as_ref(), UNKNOWN);
    let client = TlsPatch { client_cert_pem: Some(Some(CLIENT.to_owned())), ..TlsPatch::default() };
    change(&home, endpoint, Some(client)).await;
    assert_eq!(sent(&home, endpoint).await, None, "the authority has stayed");
    assert!(home.tenant().test_endpoint(endpoint, None).await.unwrap().report.delivered);
    let home = home.restart().await;
    assert_eq!(sent(&home, endpoint).await, None);
    // Whoever resumes is the same client as before.
    home.set_status(endpoint, EndpointStatus::Paused).await;
    home.set_status(endpoint, EndpointStatus::Active).await;
    assert_eq!(sent(&home, endpoint).await, None);
    let without = TlsPatch { client_cert_pem: Some(None), ..TlsPatch::default() };
    change(&home, endpoint, Some(without)).await;
    starts(sent(&home, endpoint).await.as_ref(), UNKNOWN);
    home.shutdown().await;
}

#[actix_web::test]
async fn a_receiver_is_asked_whether_it_agrees_over_the_same_tls() {
    let home = Embedded::start();
    let url = receiver(LetsIn::Known);
    let asked = |client: Option<&str>| EndpointDraft {
        dialect: Some("cloudevents@1".to_owned()),
        params: [("origin".to_owned(), "cases.example.org".to_owned())].into(),
        events: vec!["org.example.*".to_owned()],
        ..secured(url.clone(), Some(AUTHORITY), client)
    };
    let refused = home.tenant().create_endpoint(asked(None)).await.unwrap_err();
    assert_eq!((refused.kind(), &*refused.field_errors()[0].field), (ErrorKind::Invalid, "url"));
    assert!(refused.to_string().contains(UNKNOWN), "{refused}");
    home.tenant().create_endpoint(asked(Some(CLIENT))).await.unwrap();
    home.shutdown().await;
}

#[actix_web::test]
async fn what_is_wrong_with_it_is_said_at_its_path_and_nothing_of_it_is_kept() {
    let host = Host::start().await;
    let key = &CLIENT[CLIENT.find("-----BEGIN PRIVATE").unwrap()..];
    let broken = AUTHORITY.replace("MII", "AAA");
    for (tls, path, words) in [
        (json!({ "client_cert_pem": AUTHORITY }), "tls.client_cert_pem", "holds no private key"),
        (
            json!({ "client_cert_pem": format!("{AUTHORITY}{key}") }),
            "tls.client_cert_pem",
            "is not the first",
        ),
        (
            json!({ "client_cert_pem": format!("{CLIENT}{broken}") }),
            "tls.client_cert_pem",
            "certificate 2 cannot",
        ),
        (json!({ "ca_pem": CLIENT }), "tls.ca_pem", "holds a private key"),
        (json!({ "ca_pem": broken }), "tls.ca_pem", "certificate 1 cannot be read"),
        (json!({ "ca_pem": 7 }), "tls.ca_pem", "send a string"),
        (json!({ "ca": AUTHORITY }), "tls.ca", "there are ca_pem, client_cert_pem"),
        (json!([]), "tls", "send an object"),
    ] {
        let draft = json!({ "url": "https://a.example/", "events": ["cases.*"], "tls": tls }).to_string();
        let answer = host.call(Method::POST, "/endpoints", &draft).await;
        assert_eq!((answer.status, fields(&answer.json())), (422, vec![path]), "{}", answer.text);
        assert!(answer.text.contains(words), "{}", answer.text);
    }
    let plain = json!({ "url": "http://a.example/", "events": ["cases.*"], "tls": { "ca_pem": AUTHORITY } });
    let answer = host.call(Method::POST, "/endpoints", &plain.to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(fields(&answer.json()).contains(&"tls"), "{}", answer.text);
    assert_eq!(host.call(Method::GET, "/endpoints", "").await.data(), json!([]));
    host.stop().await;
}

#[test]
fn a_private_key_is_in_no_answer_no_log_and_no_audit() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[("CASEWIRE_LOG", "trace")]);
    let mut api = server.connect();
    let mut seen = String::new();
    let mut call = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = api.request(method, path, &body).unwrap();
        seen.push_str(&answer.text);
        answer
    };
    let url = receiver(LetsIn::Known);
    let tls = json!({ "ca_pem": AUTHORITY, "client_cert_pem": CLIENT });
    let draft = json!({ "url": url, "events": ["cases.*"], "tls": tls });
    let id = call("POST", "/endpoints", draft).data(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/endpoints/{id}");
    let certificate = &CLIENT[..CLIENT.find("-----BEGIN PRIVATE").unwrap()];
    let shown = json!({ "ca_pem": AUTHORITY, "client_cert_pem": certificate });
    assert_eq!(call("GET", &path, Value::Null).data(200)["tls"], shown);
    assert_eq!(call("POST", &format!("{path}/test"), json!({})).data(200)["delivered"], true);
    call("PATCH", &path, json!({ "tls": { "client_cert_pem": CLIENT.replace("-----END PRIVATE", "") } }));
    call("PATCH", &path, json!({ "tls": { "ca_pem": CLIENT } }));
    let changed = call("PATCH", &path, json!({ "tls": { "ca_pem": null } })).data(200)["tls"].clone();
    assert_eq!(changed, json!({ "client_cert_pem": certificate }));
    assert!(call("PATCH", &path, json!({ "tls": null })).data(200).get("tls").is_none());
    for path in ["/endpoints", "/audit", "/deliveries", "/events"] {
        call("GET", path, Value::Null);
    }
    assert!(seen.contains(r#""fields":["tls"]"#), "the audit names what changed");
    let log = server.terminate().stderr;
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "it logs all that there is");
    let key = CLIENT.lines().skip_while(|line| !line.contains("PRIVATE")).skip(1).take(2);
    for part in key.map(|line| &line[..24]) {
        assert!(!seen.contains(part) && !log.contains(part), "{part}");
    }
}

#[test]
fn the_program_reads_certificates_from_files() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let casewire = |arguments: &[&str]| -> Value {
        let all = [arguments, &["--json", "--server", &url, "--token", TOKEN]].concat();
        let ended = run(&all, &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str::<Value>(&ended.stdout).unwrap()["data"].take()
    };
    let file = |name: &str, pem: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, client) = (file("ca.pem", AUTHORITY), file("client.pem", CLIENT));
    let to = ["endpoints", "create", "--url", "https://a.example/", "--event", "cases.*"];
    let made = casewire(&[&to[..], &["--tls-ca", &ca, "--tls-client-cert", &client]].concat());
    assert_eq!(made["tls"]["ca_pem"], AUTHORITY);
    let update = ["endpoints", "update", made["id"].as_str().unwrap()];
    let changed = casewire(&[&update[..], &["--tls-ca", "none"]].concat());
    assert!(changed["tls"].get("ca_pem").is_none() && changed["tls"]["client_cert_pem"].is_string());
    let missing = run(&[&update[..], &["--tls-ca", "nowhere.pem"]].concat(), &[]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("nowhere.pem"), "{missing:?}");
}
