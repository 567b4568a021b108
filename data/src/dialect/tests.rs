//! Every dialect that is shipped, against what its system's documents say.

use super::*;
use crate::{Timestamp, event::Event, id::EventId, samples, secret::SecretForm};

mod at_publish;
mod meaning;
mod mistakes;
mod return_trip;
mod rotation;

const ID: &str = "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW";
const AT: Timestamp = Timestamp::from_micros(1_777_453_800_900_000);

fn dialect(id: &str) -> Arc<Dialect> {
    Dialects::builtin().get(id).unwrap()
}

fn event(content: NewEvent) -> Event {
    Event {
        seq: 1,
        position: 0,
        id: ID.parse::<EventId>().unwrap(),
        tenant: Tenant::default(),
        published_at: Timestamp::parse("2026-04-29T09:10:00.999Z").unwrap(),
        erased_at: None,
        content,
    }
}

fn read(json: &str) -> NewEvent {
    samples::parse(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// An endpoint of a dialect as its owner would set it up.
fn recipient(id: &str) -> Recipient {
    let given: BTreeMap<String, String> = match id {
        "casebook@1" => [("tenant_id".into(), "be461bd7-2d91-41c6-ab29-4389066bcc71".into())].into(),
        _ => BTreeMap::new(),
    };
    dialect(id).check_params(&given).unwrap();
    let own = match id {
        "ecourtdate@1" | "hivelight@1" | "github@1" => Some("ecd-shared-secret-24char"),
        _ => None,
    };
    let secret = dialect(id).secret(own, [3; 32]).unwrap();
    dialect(id).recipient(&given, secret.as_slice())
}

/// What is sent: headers as written, and the body.
fn sent(id: &str, content: &NewEvent) -> (Vec<(String, String)>, String) {
    let (dialect, recipient, event) = (dialect(id), recipient(id), event(content.clone()));
    dialect.express(&event.tenant, content, recipient.params()).unwrap();
    let body = dialect.body(&event, recipient.params()).unwrap();
    let headers = dialect.headers(&event, &body, &recipient, AT);
    (headers.to_pairs(), String::from_utf8(body.to_vec()).unwrap())
}

fn body(id: &str, json: &str) -> String {
    sent(id, &read(json)).1
}

/// The dialect `standard@1` with changes to its file.
fn changed(changes: &[(&str, &str)]) -> Dialect {
    let mut text = dialect("standard@1").text().to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    Dialect::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// The fields of an event that a dialect cannot do without, with what is said of each.
fn refused(id: &str, json: &str) -> Vec<(String, String)> {
    let error = dialect(id).express(&Tenant::default(), &read(json), recipient(id).params()).unwrap_err();
    error.field_errors().iter().map(|wrong| (wrong.field.clone(), wrong.message.clone())).collect()
}

#[test]
fn every_embedded_file_compiles_and_is_known_by_its_id() {
    for (name, text) in crate::embedded::DIALECTS {
        let dialect = Dialect::parse(text).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        assert_eq!(dialect.id(), *name);
        assert!(dialect.is_inbound() && !dialect.assumptions().is_empty(), "{name}");
    }
    let dialects = Dialects::builtin();
    assert_eq!(
        dialects.ids().collect::<Vec<_>>(),
        [
            "casebook@1",
            "claimable@1",
            "claimable@2",
            "clio@1",
            "cloudevents@1",
            "ecourtdate@1",
            "github@1",
            "hivelight@1",
            "standard@1",
            "xpath@1"
        ]
    );
    let error = dialects.get("xpath").unwrap_err().to_string();
    assert!(error.contains("standard@1, xpath@1"), "{error}");
}

#[test]
fn every_sample_of_a_system_can_be_said_in_its_dialects() {
    for dialect in Dialects::builtin().all() {
        let system = dialect.id().split('@').next().unwrap();
        let recipient = recipient(dialect.id());
        for (event_type, json) in samples::of(system) {
            if dialect.tokens().next().is_some() && dialect.check_patterns(&[event_type.to_owned()]).is_err()
            {
                continue;
            }
            dialect
                .express(&Tenant::default(), &read(json), recipient.params())
                .unwrap_or_else(|error| panic!("{} {event_type}: {error}", dialect.id()));
        }
    }
}

#[test]
fn xpath_and_standard() {
    let json = r#"{"type":"cases.created","occurred_at":"2026-04-29T09:10:00.999Z","data":{ "é": "\u00e9","n":1.0 }}"#;
    assert_eq!(
        body("xpath@1", json),
        format!(
            r#"{{"id":"{ID}","type":"cases.created","created_at":"2026-04-29T09:10:00Z","data":{{ "é": "\u00e9","n":1.0 }}}}"#
        )
    );
    assert_eq!(
        body("standard@1", json),
        r#"{"type":"cases.created","timestamp":"2026-04-29T09:10:00Z","data":{ "é": "\u00e9","n":1.0 }}"#
    );
    for id in ["xpath@1", "standard@1"] {
        let (headers, body) = sent(id, &read(json));
        let expected = ["Content-Type", "webhook-id", "webhook-timestamp", "webhook-signature"];
        assert_eq!(names(&headers), expected);
        let [(_, kind), (_, message), (_, timestamp), (_, signature)] = &headers[..] else { panic!() };
        assert_eq!([kind.as_str(), message, timestamp], ["application/json", ID, "1777453800"]);
        let secret = Secret::generate([3; 32]);
        crate::signature::verify(&secret, message, timestamp, signature, body.as_bytes(), AT, 0).unwrap();
    }
}

#[test]
fn the_vector_of_standard_webhooks_comes_out_to_the_byte_by_both_algorithms() {
    let standard = dialect("standard@1");
    let signature = standard.signature.as_ref().unwrap();
    let value = |secrets: &[&str]| {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::parse(text).unwrap()).collect();
        let received =
            context::Received { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: Some("1614265330") };
        let message = Some(Message { body: br#"{"test": 2432232314}"#, ..Message::default() });
        let context = Context { received: Some(received), message, ..Context::default() };
        let mut value = Vec::new();
        assert!(signature.write(&signature.keys(&secrets, &[]), &context, &mut value));
        String::from_utf8(value).unwrap()
    };
    let hmac = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let v1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(value(&[hmac]), v1);
    let ed25519 = Secret::generate_as(SecretForm::Whsk, [9; 32]).expose();
    let both = value(&[&ed25519, hmac]);
    assert!(both.starts_with("v1a,") && both.ends_with(&format!(" {v1}")), "the newest first: {both}");
}

#[test]
fn ecourtdate_signs_the_vector_of_its_document() {
    let data = r#"{"uuid":"6f1c2a0e-7d43-4b8e-9a51-0c2f5d9e8b11","channel":"text","direction":"inbound","created_at":"2024-01-15T10:30:00Z","from":"+15551234567","to":"+15559876543","content":"Message content here","token":"token-identifier","last_status":"received"}"#;
    let (headers, body) = sent("ecourtdate@1", &NewEvent::new("messages.received", data).unwrap());
    assert_eq!(body, data);
    let expected = [
        ("Content-Type", "application/json"),
        ("X-ECD-Signature", "72ac6744c785485501d6d974bd5b239a6f4136edfe927669bb4d87555ded0b82"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn ecourtdate_sends_what_javascript_would_write_and_refuses_what_it_would_change() {
    let json =
        r#"{"type":"forms.submitted","data":{ "uuid" : "u", "b": 1.0, "2": "\/\u00e9", "1": [ 1e2 ] }}"#;
    assert_eq!(body("ecourtdate@1", json), r#"{"1":[100],"2":"/é","uuid":"u","b":1}"#);
    for (data, field) in [
        (r#"{"uuid":"u","n":1e400}"#, "data.n"),
        (r#"{"uuid":"u","n":12345678901234567890}"#, "data.n"),
        (r#"{"uuid":"u","a":1,"a":2}"#, "data.a"),
        (r#"{"uuid":""}"#, "data.uuid"),
        (r#"{"uuid":7}"#, "data.uuid"),
        (r#"{"a":"u"}"#, "data.uuid"),
        (r#"[]"#, "data"),
    ] {
        let wrong = refused("ecourtdate@1", &format!(r#"{{"type":"forms.submitted","data":{data}}}"#));
        assert!(wrong.iter().any(|(wrong, _)| wrong == field), "{data}: {wrong:?}");
    }
    let large = format!(r#"{{"type":"forms.submitted","data":{{"uuid":"{}"}}}}"#, "u".repeat(1_000_000));
    assert!(refused("ecourtdate@1", &large)[0].1.contains("1000000"));
}

#[test]
fn secrets_are_as_each_system_has_them() {
    let secret = |id: &str, given: Option<&str>| {
        dialect(id).secret(given, [1; 32]).map(|secret| secret.map(|it| it.expose()))
    };
    assert!(secret("xpath@1", None).unwrap().unwrap().starts_with("whsec_"));
    assert_eq!(secret("hivelight@1", None).unwrap(), None);
    assert_eq!(secret("clio@1", None).unwrap(), Some("01".repeat(32)));
    for id in ["casebook@1", "claimable@1", "cloudevents@1"] {
        assert_eq!(secret(id, None).unwrap(), None);
        assert!(secret(id, Some("x")).unwrap_err().message().contains("leave it out"));
    }
    let ours = "ecd-shared-secret-24char";
    assert_eq!(secret("ecourtdate@1", Some(ours)).unwrap().as_deref(), Some(ours));
    assert_eq!(secret("ecourtdate@1", Some("whsec_x")).unwrap().as_deref(), Some("whsec_x"));
    let long = format!("{ours}x");
    for (given, said) in
        [(None, "missing"), (Some(&*long), "24"), (Some(""), "ASCII"), (Some("a b"), "ASCII")]
    {
        let error = secret("ecourtdate@1", given).unwrap_err();
        assert!(error.message().contains(said), "{given:?}: {error}");
        assert_eq!(error.field_errors()[0].field, "secret");
    }
    assert!(secret("xpath@1", Some("plain")).is_err());
    assert!(secret("standard@1", Some(&Secret::generate_as(SecretForm::Whsk, [1; 32]).expose())).is_ok());
    assert!(secret("standard@1", Some(&Secret::generate_as(SecretForm::Whpk, [1; 32]).expose())).is_err());
}

#[test]
fn casebook_has_seven_keys_in_order_and_six_digits() {
    let json = r#"{"type":"people.create","occurred_at":"2024-03-26T18:53:16.8Z",
        "data":{"id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543","n":1.0},
        "actor":{"kind":"ui","id":"f9762deb-a115-412d-adf7-cf772807734a"},
        "resource":{"type":"people","id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543"}}"#;
    let (headers, body) = sent("casebook@1", &read(json));
    assert_eq!(names(&headers), ["Content-Type"]);
    assert_eq!(
        body,
        r#"{"resource":{"id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543","n":1.0},"tenant_id":"be461bd7-2d91-41c6-ab29-4389066bcc71","user_id":"f9762deb-a115-412d-adf7-cf772807734a","resource_id":"eedc1ff9-0cf8-4f13-ac9b-dcbd2d25e543","resource_type":"people","event_type":"CREATE","event_time":"2024-03-26T18:53:16.800000Z"}"#
    );
    assert!(dialect("casebook@1").check_patterns(&[]).is_ok_and(|patterns| patterns[0].as_str() == "*"));
    let missing = dialect("casebook@1").check_params(&BTreeMap::new()).unwrap_err();
    assert_eq!(missing.field_errors()[0].field, "params.tenant_id");
    for (from, to, field) in [
        ("people.create", "people.archive", "type"),
        ("people.create", "cases.create", "resource.type"),
        ("\"id\":\"f9762deb-a115-412d-adf7-cf772807734a\"", "\"id\":7", "actor.id"),
        ("{\"id\":\"eedc1ff9", "{\"id\":\"00000000", "data.id"),
        (
            ",\n        \"actor\":{\"kind\":\"ui\",\"id\":\"f9762deb-a115-412d-adf7-cf772807734a\"}",
            "",
            "actor.id",
        ),
    ] {
        assert!(json.contains(from), "{from}");
        let wrong = refused("casebook@1", &json.replacen(from, to, 1));
        assert_eq!(wrong.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), [field], "{wrong:?}");
    }
}

#[test]
fn hivelight_is_json_api_and_disables_without_an_echo() {
    let json = samples::event("hivelight", "milestone.created").unwrap();
    let (headers, body) = sent("hivelight@1", &read(json));
    assert_eq!(names(&headers), ["Content-Type", "X-Secret"]);
    assert!(
        body.starts_with(r#"{"data":{"type":"milestone","id":""#) && !body.contains("relationships"),
        "{body}"
    );

    let (hivelight, with) = (dialect("hivelight@1"), recipient("hivelight@1"));
    let echo = |value: &str| vec![("X-SECRET".to_owned(), value.to_owned())];
    let ruling = |recipient: &Recipient, headers: &[(String, String)], status| {
        let answer = Message { status: Some(status), headers, ..Message::default() };
        hivelight.acknowledge(recipient, answer, AT).cloned()
    };
    for status in [200, 204, 302, 410, 500] {
        assert_eq!(ruling(&with, &echo("ecd-shared-secret-24char"), status), None);
        for wrong in [&[][..], &echo("ecd-shared-secret-24chaR"), &echo("")] {
            assert!(matches!(ruling(&with, wrong, status), Some(Ruling::Disable { .. })), "{status}");
        }
        let without = hivelight.recipient(&BTreeMap::new(), &[]);
        assert_eq!(ruling(&without, &[], status), None);
    }
    let unsigned =
        hivelight.headers(&event(read(json)), b"", &hivelight.recipient(&BTreeMap::new(), &[]), AT);
    assert_eq!(names(&unsigned.to_pairs()), ["Content-Type"]);
}

#[test]
fn claimable_says_who_did_it_and_leaves_out_what_is_absent() {
    let json = |actor: &str| format!(r#"{{"type":"claim.assigned","data":{{"id":1}},"actor":{actor}}}"#);
    let ui = body("claimable@1", &json(r#"{"kind":"ui","id":2642,"name":"J \"é\""}"#));
    assert_eq!(
        ui,
        r#"{"claim":{"id":1},"event_name":"claim.assigned","source":"ui","performed_by":{"user_id":2642,"name":"J \"é\""}}"#
    );
    let api = body("claimable@1", &json(r#"{"kind":"api","id":7,"name":"Token"}"#));
    assert_eq!(
        api,
        r#"{"claim":{"id":1},"event_name":"claim.assigned","source":"api","performed_by":{"name":"Token"}}"#
    );
    let contact = r#"{"type":"contact.created","data":{},"actor":{"kind":"api","name":"T"}}"#;
    let (headers, body) = sent("claimable@2", &read(contact));
    assert!(body.starts_with(r#"{"contact":{},"#));
    assert_eq!(headers[1], ("Event-Name".to_owned(), "contact.created".to_owned()));
    for (actor, field, said) in [
        (r#"{"kind":"robot","name":"x"}"#, "actor.kind", "must be `ui`, or must be `api`"),
        (r#"{"kind":"ui","name":"x"}"#, "actor.id", "whole number"),
        (r#"{"kind":"ui","id":"7","name":"x"}"#, "actor.id", "whole number"),
        (r#"{"kind":"api"}"#, "actor.name", "text"),
    ] {
        let wrong = refused("claimable@1", &json(actor));
        assert_eq!(wrong[0].0, field, "{wrong:?}");
        assert!(wrong[0].1.contains(said), "{wrong:?}");
    }
    assert_eq!(refused("claimable@1", r#"{"type":"claim.closed","data":{}}"#)[0].0, "actor.kind");
    for wrong in ["claim.*", "*", "claim.deleted"] {
        assert!(dialect("claimable@1").check_patterns(&[wrong.to_owned()]).is_err());
    }
    assert!(dialect("claimable@1").check_patterns(&[]).is_err());
}

#[test]
fn cloudevents_asks_before_it_sends() {
    let cloudevents = dialect("cloudevents@1");
    let given = [("origin".to_owned(), "cases.example.com".to_owned())].into();
    let recipient = cloudevents.recipient(&given, &[]);
    let probe = cloudevents.probe(&recipient).unwrap();
    assert_eq!(probe.method, ProbeMethod::Options);
    assert_eq!(probe.headers.as_str(), "WebHook-Request-Origin: cases.example.com\r\n");
    let judged = |header: &str| {
        let headers = [("webhook-allowed-origin".to_owned(), header.to_owned())];
        cloudevents
            .judge_probe(&recipient, Message { status: Some(200), headers: &headers, ..Message::default() })
    };
    judged("*").unwrap();
    judged("cases.example.com").unwrap();
    let error = judged("example.com").unwrap_err();
    assert_eq!(error.field_errors()[0].field, "url");
    assert!(error.message().contains("WebHook-Allowed-Origin"), "{error}");
    let json = samples::of("cloudevents").next().unwrap().1;
    let (headers, body) = sent("cloudevents@1", &read(json));
    assert_eq!(headers[0].1, "application/cloudevents+json; charset=utf-8");
    assert!(
        body.starts_with(&format!(r#"{{"specversion":"1.0","id":"{ID}","source":"/casewire","type":"#)),
        "{body}"
    );
}

#[test]
fn clio_and_github() {
    let clio = dialect("clio@1");
    let probe = clio.probe(&recipient("clio@1")).unwrap();
    assert_eq!(probe.headers.as_str(), format!("X-Hook-Secret: {}\r\n", "03".repeat(32)));
    let answered = |status, secret: &str| {
        let headers = [("x-hook-secret".to_owned(), secret.to_owned())];
        let answer = Message { status: Some(status), headers: &headers, ..Message::default() };
        clio.judge_probe(&recipient("clio@1"), answer)
    };
    answered(200, &"03".repeat(32)).unwrap();
    assert!(!format!("{:?}{probe:?}", recipient("clio@1")).contains("0303"), "no print repeats a secret");
    assert!(answered(500, &"03".repeat(32)).is_err() && answered(200, "03").is_err());
    let error = answered(200, "other").unwrap_err().to_string();
    assert!(!error.contains("0303"), "a secret stays one: {error}");

    let json = r#"{"type":"issues.opened","data":{"action":"opened","issue":{}}}"#;
    let (headers, sent_body) = sent("github@1", &read(json));
    assert_eq!(sent_body, r#"{"action":"opened","issue":{}}"#);
    assert_eq!(
        names(&headers),
        ["Content-Type", "X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256"]
    );
    assert_eq!(headers[1].1, "issues");
    assert_eq!(headers[2].1.len(), 36);
    assert!(headers[3].1.starts_with("sha256=") && headers[3].1.len() == 71);
    assert_eq!(refused("github@1", r#"{"type":"issues.opened","data":{}}"#)[0].0, "data.action");
    assert_eq!(body("github@1", r#"{"type":"push","data":{"ref":"main"}}"#), r#"{"ref":"main"}"#);
}
