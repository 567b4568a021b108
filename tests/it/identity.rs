//! What is sent: the host's bytes, under one id, signed by Standard Webhooks for each attempt anew.

use casewire::{DeliveryStatus, Secret};
use standardwebhooks::Webhook;

use crate::support::{Embedded, Receiver, Reply, Request, to};

/// Payloads that a parser and printer in between would change.
const HOSTILE: [&str; 8] = [
    r#"{ "n" : 1.0,"e": 1e400, "big":123456789012345678901234567890 , "z":-0.0 }"#,
    r#"{"s":"\u00e9 \ud83d\ude00 \/ \" \\ \u0000 \n"}"#,
    "{\"s\":\"é 😀 \u{2028} \u{7f}\"}",
    "[\t1,\r\n 2 ]",
    r#"{"b":1,"a":2,"a":3}"#,
    r#""$data $type ${data} {{data}} %7B""#,
    "null",
    "  {}  ",
];

/// Holds a request to be signed with a secret, by the judgement of the reference implementation.
fn assert_signed(request: &Request, secret: &str) {
    let mut headers = headers_of(Webhook::verify);
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).parse().unwrap());
    }
    let webhook = Webhook::new(secret).unwrap();
    webhook.verify(&request.body, &headers).unwrap_or_else(|error| panic!("{error}: {request:?}"));
    let mut forged = request.body.clone();
    forged.push(b' ');
    assert!(webhook.verify(&forged, &headers).is_err(), "one byte more is another message");
}

/// An empty header map of the version of `http` that the reference library uses.
fn headers_of<E, H: Default>(_: impl Fn(&Webhook, &[u8], &H) -> Result<(), E>) -> H {
    H::default()
}

#[tokio::test]
async fn hostile_payloads_arrive_byte_for_byte_and_verify_by_the_reference_implementation() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let own = Secret::generate([7; 32]).expose();
    let endpoint =
        home.tenant().create_endpoint(to(receiver.at("/generated"), &["*"])).await.unwrap().endpoint;
    let mut draft = to(receiver.at("/own"), &["*"]);
    draft.secret = Some(own.clone());
    home.subscribe(draft).await;

    for data in HOSTILE {
        home.engine.publisher().publish_json("cases.created", data).await.unwrap();
    }
    for request in receiver.received(2 * HOSTILE.len()).await {
        let secret = if request.path == "/own" { own.clone() } else { endpoint.secrets[0].expose() };
        assert_signed(&request, &secret);
        let carried = |data: &&str| request.text().contains(data.trim());
        assert!(HOSTILE.iter().any(carried), "{}", request.text());
    }
    for data in HOSTILE {
        let carriers = receiver.requests().iter().filter(|it| it.text().contains(data.trim())).count();
        assert!(carriers >= 2, "{data} reached both");
    }
}

#[tokio::test]
async fn over_retries_id_and_body_stay_and_each_attempt_is_signed_at_its_own_time() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| Reply::status(if request.attempt < 4 { 500 } else { 200 }));
    let mut draft = to(receiver.url(), &["*"]);
    draft.retry_schedule_seconds = Some(vec![0, 1, 0]);
    let endpoint = home.tenant().create_endpoint(draft).await.unwrap().endpoint;
    let event = home.engine.publisher().publish_json("cases.created", HOSTILE[0]).await.unwrap().id;
    home.until(event, endpoint.id, DeliveryStatus::Delivered).await;

    let attempts = receiver.requests();
    assert_eq!(attempts.len(), 4);
    let times: Vec<i64> = attempts.iter().map(|it| it.header("webhook-timestamp").parse().unwrap()).collect();
    for attempt in &attempts {
        assert_signed(attempt, &endpoint.secrets[0].expose());
        assert_eq!(attempt.header("webhook-id"), event.to_string());
        assert_eq!(attempt.body, attempts[0].body);
    }
    assert!(times.is_sorted() && times[2] > times[1], "a second passed before the third attempt: {times:?}");
    let signatures = [1, 2].map(|at: usize| attempts[at].header("webhook-signature"));
    assert_ne!(signatures[0], signatures[1]);
}
