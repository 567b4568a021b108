//! Whatever comes in, the answer names what is wrong with it, and nothing is stored.

use casewire_data::limits::{ADMIN_BODY_BYTES_MAX, EVENT_DATA_BYTES_MAX};

use super::*;
use crate::{binary::Dice, support::host::fields};

/// What proves itself by a header alone, so that any body passes the door.
fn passes() -> (&'static System, Sent) {
    let system = system("hivelight@1");
    (system, system.genuine())
}

#[actix_web::test]
async fn a_body_that_is_no_json_is_refused_with_its_place() {
    let (system, genuine) = passes();
    let door = Door::of(system).await;
    let bomb = "[".repeat(10_000);
    let closed = format!(r#"{{"data":{}{}}}"#, bomb, "]".repeat(10_000));
    for body in ["", "{", "nul", "{} {}", "\u{feff}{}", "[NaN]", &bomb, &closed] {
        let problem = door.send(&genuine.clone().with_body(body)).await.problem(400);
        assert!(problem["detail"].as_str().unwrap().contains("line 1 column "), "{problem}");
    }
    door.send(&genuine.clone().with_body(b"{\"a\":\"\xff\"}".to_vec())).await.problem(400);
    assert_eq!(door.stored().await, 0);
    door.close().await;
}

#[actix_web::test]
async fn what_tells_of_no_event_is_refused_naming_what_is_missing() {
    let door = Door::open().await;
    for (dialect, body, field) in [
        ("hivelight@1", r#"{"data":{"id":"1"}}"#, "body"),
        ("hivelight@1", "[]", "body"),
        ("casebook@1", r#"{"resource":{},"event_type":"CREATE"}"#, "body"),
        ("casebook@1", r#"{"resource_type":"people","event_type":"CREATE"}"#, "body"),
        (
            "casebook@1",
            r#"{"resource":{},"resource_type":"people","event_type":"CREATE","event_time":"today"}"#,
            "body.event_time",
        ),
        ("casebook@1", r#"{"resource":{},"resource_type":"pe ople","event_type":"CREATE"}"#, "type"),
        ("claimable@1", r#"{"event_name":"claim.closed"}"#, "body"),
        ("cloudevents@1", r#"{"type":"a.b","data":1}"#, "body.id"),
        ("cloudevents@1", r#"{"id":"","type":"a.b","data":1}"#, "body.id"),
        ("cloudevents@1", r#"{"id":"1","data":1}"#, "body"),
    ] {
        let system = system(dialect);
        let listed = door.host.call(Method::GET, "/sources", "").await.text;
        if !listed.contains(dialect) {
            door.source(&system.draft()).await;
        }
        let sent = system.genuine().at(format!("/inbound/{}", system.name())).with_body(body);
        let problem = door.send_of(system, &sent).await.problem(422);
        assert_eq!(fields(&problem), [field], "{dialect} {body}: {problem}");
    }
    let github = system("github@1");
    door.source(&github.draft()).await;
    let nameless = github.genuine().without("x-github-delivery");
    assert_eq!(fields(&door.send(&nameless).await.problem(422)), ["header.x-github-delivery"]);
    let typeless = github.genuine().without("x-github-event");
    assert_eq!(fields(&door.send(&typeless).await.problem(422)), ["body"]);
    assert_eq!(door.stored().await, 0);
    door.close().await;
}

#[actix_web::test]
async fn a_category_that_the_body_does_not_tell_is_told_by_the_url() {
    let system = system("ecourtdate@1");
    let door = Door::of(system).await;
    let payment = system.events().into_iter().find(|event| event.event_type.as_str() == "payments.created");
    let sent = system.request(payment.unwrap(), now());
    let problem = door.send(&sent.clone().at("/inbound/ecourtdate-1")).await.problem(422);
    assert!(problem["detail"].as_str().unwrap().contains("?type="), "{problem}");
    let crooked = sent.clone().at("/inbound/ecourtdate-1?type=payments%20created");
    assert_eq!(fields(&door.send(&crooked).await.problem(422)), ["type"]);
    assert_eq!(door.send(&sent).await.data()["type"], "payments.created");
    door.close().await;
}

#[actix_web::test]
async fn bodies_have_a_type_and_a_limit() {
    let (system, genuine) = passes();
    let door = Door::of(system).await;
    let bare = genuine.clone().without("content-type");
    for wrong in [
        bare.clone(),
        bare.clone().with("Content-Type", "text/plain"),
        bare.clone().with("Content-Type", "application/x-www-form-urlencoded"),
        bare.clone().with("Content-Type", "application/json; charset=utf-16"),
        genuine.clone().with("Content-Encoding", "gzip"),
    ] {
        door.send(&wrong).await.problem(415);
        door.send(&wrong.at("/inbound/nowhere")).await.problem(415);
    }
    for right in ["application/json;charset=UTF-8", "application/cloudevents+json"] {
        assert_eq!(door.send(&bare.clone().with("Content-Type", right)).await.status, 202, "{right}");
    }
    let large = genuine.clone().with_body(vec![b' '; ADMIN_BODY_BYTES_MAX + 1]);
    door.send(&large).await.problem(413);
    door.send(&large.at("/inbound/nowhere")).await.problem(413);
    let payload = "x".repeat(EVENT_DATA_BYTES_MAX);
    let body = format!(r#"{{"data":{{"type":"matter","id":"1","attributes":{{"a":"{payload}"}}}}}}"#);
    assert_eq!(fields(&door.send(&genuine.clone().with_body(body)).await.problem(422)), ["data"]);
    assert_eq!(door.stored().await, 1);
    door.close().await;
}

#[actix_web::test]
async fn of_a_header_that_comes_twice_the_first_counts_and_one_that_is_no_text_is_none() {
    let system = system("standard@1");
    let door = Door::of(system).await;
    let genuine = system.genuine();
    let signature = genuine.clone().header("webhook-signature").clone();
    let wrong_first = genuine.clone().without("webhook-signature").with("webhook-signature", "v1,AAAA");
    door.send(&wrong_first.with("webhook-signature", &signature)).await.problem(401);
    door.send_bytes(&genuine.clone().without("webhook-id"), "webhook-id", b"evt_\xff\xfe").await.problem(401);
    assert_eq!(door.stored().await, 0);
    let answer = door.send_bytes(&genuine.clone(), "x-other", b"\xff\xfe").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let right_first = genuine.with("webhook-id", "evt_other").with("webhook-signature", "v1,AAAA");
    assert_eq!(door.send(&right_first).await.data()["duplicate"], true);
    door.close().await;
}

#[actix_web::test]
async fn one_of_several_signatures_is_enough_but_not_of_thousands() {
    let system = system("standard@1");
    let door = Door::of(system).await;
    let genuine = system.genuine();
    let signature = genuine.clone().header("webhook-signature").clone();
    let among = |others: usize| {
        let all = format!("{}{signature}", "v1,AAAA ".repeat(others));
        genuine.clone().without("webhook-signature").with("webhook-signature", &all)
    };
    door.send(&among(5_000)).await.problem(401);
    assert_eq!(door.send(&among(3)).await.status, 202);
    door.close().await;
}

/// As many bytes as it likes of a body become others, are left out or come twice.
fn garbled(body: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(body.len());
        match dice.below(4) {
            0 => body[at] = u8::try_from(dice.below(256)).unwrap(),
            1 => body.truncate(at.max(1)),
            2 => drop(body.drain(at..(at + dice.below(40)).min(body.len() - 1).max(at))),
            _ => body.extend_from_within(..at),
        }
    }
    body
}

#[actix_web::test]
async fn whatever_comes_the_answer_is_of_the_sender_and_never_a_failure_of_ours() {
    let (door, mut dice) = (Door::open().await, Dice::thrown());
    // Those whose bodies are looked into although they prove nothing.
    for dialect in ["hivelight@1", "casebook@1", "claimable@2", "cloudevents@1"] {
        let system = system(dialect);
        door.source(&system.draft()).await;
        let genuine = system.genuine();
        for _ in 0..100 {
            let sent = genuine.clone().with_body(garbled(&genuine.body, &mut dice));
            let answer = door.send_of(system, &sent).await;
            let body = String::from_utf8_lossy(&sent.body).into_owned();
            assert!([202, 400, 409, 422].contains(&answer.status), "{dialect} {body}: {}", answer.text);
        }
    }
    door.close().await;
}

impl Door {
    /// Sends a header whose value is no text.
    async fn send_bytes(&self, sent: &Sent, name: &str, value: &[u8]) -> Answer {
        let client = awc::Client::builder().no_default_headers().finish();
        let prefix = crate::support::host::PREFIX;
        let mut request = client.post(format!("http://{}{prefix}{}", self.host.address(), sent.path));
        for (name, value) in &sent.headers {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        request =
            request.append_header((name, actix_web::http::header::HeaderValue::from_bytes(value).unwrap()));
        let mut response = request.send_body(sent.body.clone()).await.unwrap();
        let text = String::from_utf8(response.body().await.unwrap().to_vec()).unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }
}
