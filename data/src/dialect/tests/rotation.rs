//! During a rotation, whoever knows a secret that is in force can verify what it can be verified by.

use super::*;
use crate::{
    secret::RetiringSecret,
    signature::{Algorithm, SigningKey, hex, verify},
};

fn retiring(secret: Secret, until: Timestamp) -> RetiringSecret {
    RetiringSecret { secret, until }
}

/// The headers of a delivery made at a time.
fn headers(dialect: &Dialect, recipient: &Recipient, at: Timestamp) -> (Vec<(String, String)>, Vec<u8>) {
    let system = dialect.id().split('@').next().unwrap();
    let sample = ["document.filed", "push", "milestone.created"]
        .into_iter()
        .find_map(|name| samples::event(system, name));
    let event = event(read(sample.unwrap()));
    let body = dialect.body(&event, recipient.params()).unwrap();
    (dialect.headers(&event, &body, recipient, at).to_pairs(), body.to_vec())
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    &headers.iter().find(|(known, _)| known == name).expect(name).1
}

#[test]
fn where_there_is_a_separator_each_secret_in_force_signs_until_its_end() {
    let (old, new) = (Secret::generate([1; 32]), Secret::generate([2; 32]));
    let ed25519 = Secret::generate_as(SecretForm::Whsk, [3; 32]);
    let standard = dialect("standard@1");
    let ends = [AT.plus_millis(2_000), AT.plus_millis(1_000)];
    let recipient = standard.recipient_in_rotation(
        &BTreeMap::new(),
        &[ed25519],
        &[retiring(new.clone(), ends[0]), retiring(old.clone(), ends[1])],
    );
    for (at, by_new, by_old) in [(AT, true, true), (ends[1], true, false), (ends[0], false, false)] {
        let (headers, body) = headers(&standard, &recipient, at);
        let signatures = value(&headers, "webhook-signature");
        assert!(signatures.starts_with("v1a,"), "the newest first: {signatures}");
        let holds = |secret: &Secret| {
            let (id, timestamp) = (value(&headers, "webhook-id"), value(&headers, "webhook-timestamp"));
            verify(secret, id, timestamp, signatures, &body, at, 0).is_ok()
        };
        assert_eq!((holds(&new), holds(&old)), (by_new, by_old), "{signatures}");
    }
}

#[test]
fn where_there_is_room_for_one_the_oldest_signs_until_its_end() {
    let text = |text: &str| Secret::parse_as(SecretForm::Text, text).unwrap();
    let github = dialect("github@1");
    let ends = [AT.plus_millis(2_000), AT.plus_millis(1_000)];
    let secrets = ["newest", "newer", "old"].map(text);
    let earlier = [retiring(secrets[1].clone(), ends[0]), retiring(secrets[2].clone(), ends[1])];
    let recipient = github.recipient_in_rotation(&BTreeMap::new(), &secrets[..1], &earlier);
    for (at, signs) in [(AT, 2), (ends[1], 1), (ends[0], 0)] {
        let (headers, body) = headers(&github, &recipient, at);
        let key = SigningKey::new(&secrets[signs], Algorithm::HmacSha256).unwrap();
        let expected = key.sign(|take| {
            take(&body);
            true
        });
        let expected = format!("sha256={}", hex(expected.unwrap().as_ref()));
        assert_eq!(value(&headers, "X-Hub-Signature-256"), expected);
    }
}

#[test]
fn a_secret_that_is_sent_is_the_oldest_and_any_in_force_is_taken_back() {
    let text = |text: &str| Secret::parse_as(SecretForm::Text, text).unwrap();
    let hivelight = dialect("hivelight@1");
    let end = AT.plus_millis(1_000);
    let recipient =
        hivelight.recipient_in_rotation(&BTreeMap::new(), &[text("new")], &[retiring(text("old"), end)]);
    let sent = |at| value(&headers(&hivelight, &recipient, at).0, "X-Secret").to_owned();
    assert_eq!((sent(AT), sent(end)), ("old".to_owned(), "new".to_owned()));
    let disables = |echo: &str, sent_at| {
        let headers = [("x-secret".to_owned(), echo.to_owned())];
        let answer = Message { status: Some(200), headers: &headers, ..Message::default() };
        matches!(hivelight.acknowledge(&recipient, answer, sent_at), Some(Ruling::Disable { .. }))
    };
    for echo in ["old", "new"] {
        assert!(!disables(echo, AT), "{echo} is in force");
    }
    assert!(disables("other", AT));
    assert!(disables("old", end) && !disables("new", end));
}
