//! The demo's judge: whether a receiver got exactly what was meant for it. Knows nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};

use casewire_data::event::NewEvent;
use serde::Serialize;
use serde_json::Value;

use crate::cli::receiver::{Content, Received, Signature};

/// The events that are meant for a receiver, by the ids by which it knows them.
type Expected<'e> = BTreeMap<String, &'e NewEvent>;

/// What the judge found at one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Events that were to arrive.
    pub(super) expected: usize,
    /// Requests that it got, repeated ones included.
    pub(super) requests: usize,
    /// Events that it should have acknowledged and never did.
    pub(super) missing: Vec<String>,
    /// Ids of what it got although it was not meant for it.
    pub(super) unexpected: Vec<String>,
    /// Events of which two attempts had different bodies.
    pub(super) altered: Vec<String>,
    /// Events that tell something else than was published.
    pub(super) mistold: Vec<String>,
    /// Requests that should be signed and have no good signature.
    pub(super) unverified: usize,
    /// Requests of a dialect that signs nothing.
    pub(super) unsigned: usize,
    /// Why the engine disabled it, where it was to be disabled.
    pub(super) disabled: Option<String>,
    /// It was to be disabled after one request, and this came instead.
    pub(super) indulged: Option<String>,
}

impl Verdict {
    /// Judges all that one receiver got against the events that were meant for it.
    pub(super) fn of(expected: &Expected<'_>, received: &[Received]) -> Self {
        let acknowledged: BTreeSet<_> =
            received.iter().filter(|got| got.replied.is_success()).map(|got| &got.id).collect();
        let mut bodies: BTreeMap<&String, BTreeSet<&[u8]>> = BTreeMap::new();
        for got in received {
            bodies.entry(&got.id).or_default().insert(&got.body);
        }
        let mistold: BTreeSet<_> =
            received.iter().filter(|got| !is_as_published(got, expected)).map(|got| &got.id).collect();
        let named = |id: &&String| match expected.get(*id) {
            Some(event) => format!("{} {id}", event.event_type),
            None if id.is_empty() => "something that it cannot read".to_owned(),
            None => (*id).clone(),
        };
        let signed =
            |wanted: fn(&Signature) -> bool| received.iter().filter(|got| wanted(&got.signature)).count();
        Self {
            expected: expected.len(),
            requests: received.len(),
            missing: expected.keys().filter(|id| !acknowledged.contains(id)).map(|id| named(&id)).collect(),
            unexpected: bodies.keys().filter(|id| !expected.contains_key(**id)).map(named).collect(),
            altered: bodies.iter().filter(|(_, bodies)| bodies.len() > 1).map(|(id, _)| named(id)).collect(),
            mistold: mistold.iter().map(named).collect(),
            unverified: signed(|signature| matches!(signature, Signature::Bad(_) | Signature::Unverified(_))),
            unsigned: signed(|signature| *signature == Signature::Unsigned),
            disabled: None,
            indulged: None,
        }
    }

    /// As [`Verdict::of`], for a receiver that gives reason to be disabled at its first answer.
    pub(super) fn of_disabled(
        expected: &Expected<'_>,
        received: &[Received],
        disabled: Option<String>,
    ) -> Self {
        let indulged = match (received.len(), &disabled) {
            (1, Some(_)) => None,
            (requests, Some(_)) => Some(format!("{requests} requests")),
            (requests, None) => Some(format!("{requests} requests, and it is still active")),
        };
        // What was not sent any more is not missing.
        Self { expected: 1, missing: Vec::new(), disabled, indulged, ..Self::of(expected, received) }
    }

    /// Events that arrived and were acknowledged.
    pub(super) fn arrived(&self) -> usize {
        self.expected - self.missing.len()
    }

    /// Every event arrived, none astray, all as published and alike between attempts, all signatures good.
    pub(super) fn passed(&self) -> bool {
        self.complaints().is_empty()
    }

    /// What is wrong, a line each; empty if it passed.
    pub(super) fn complaints(&self) -> Vec<String> {
        let of_events =
            |what: &str, ids: &[String]| (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")));
        [
            of_events("never arrived", &self.missing),
            of_events("not meant for it", &self.unexpected),
            of_events("body changed between attempts", &self.altered),
            of_events("tells something else than was published", &self.mistold),
            (self.unverified > 0).then(|| format!("{} requests without a good signature", self.unverified)),
            self.indulged.as_ref().map(|came| format!("should be disabled after one request, not: {came}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Whether what a receiver reads in a request is what was published. It need not be able to read everything: some
/// bodies do not name their type.
fn is_as_published(got: &Received, expected: &Expected<'_>) -> bool {
    let (Content::Event(told), Some(published)) = (&got.content, expected.get(&got.id)) else { return true };
    let data = |event: &NewEvent| serde_json::from_slice::<Value>(&event.data).ok();
    told.event_type == published.event_type && data(told) == data(published)
}

#[cfg(test)]
mod tests {
    use actix_web::{http::StatusCode, web::Bytes};

    use super::*;

    fn event(event_type: &str, data: &'static str) -> NewEvent {
        NewEvent::new(event_type, data).unwrap()
    }

    fn got(id: &str, body: &'static str, status: u16) -> Received {
        Received {
            number: 1,
            method: "POST".into(),
            path: "/".into(),
            id: id.into(),
            headers: Vec::new(),
            body: Bytes::from_static(body.as_bytes()),
            signature: Signature::Verified,
            content: Content::Event(event("cases.created", "{}").into()),
            replied: StatusCode::from_u16(status).unwrap(),
        }
    }

    fn verdict(ids: &[&str], received: &[Received]) -> Verdict {
        let event = event("cases.created", "{}");
        Verdict::of(&ids.iter().map(|id| ((*id).to_owned(), &event)).collect(), received)
    }

    #[test]
    fn retries_with_the_same_body_pass() {
        let verdict = verdict(&["a", "b"], &[got("a", "{}", 503), got("a", "{}", 204), got("b", "[]", 204)]);
        assert!(verdict.passed(), "{verdict:?}");
        assert_eq!((verdict.expected, verdict.arrived(), verdict.requests), (2, 2, 3));
    }

    #[test]
    fn whatever_is_missing_astray_altered_mistold_or_unsigned_is_named() {
        let mut received =
            [got("a", "{}", 503), got("b", "[]", 503), got("b", "[ ]", 204), got("c", "", 204)];
        received[0].content = Content::Event(event("cases.closed", "{}").into());
        received[1].content = Content::Event(event("cases.created", "{\"id\":1}").into());
        received[3].signature = Signature::Bad("no".into());
        let verdict = verdict(&["a", "b"], &received);
        assert!(!verdict.passed());
        assert_eq!(
            verdict.complaints(),
            [
                "never arrived: cases.created a",
                "not meant for it: c",
                "body changed between attempts: cases.created b",
                "tells something else than was published: cases.created a, cases.created b",
                "1 requests without a good signature"
            ]
        );
    }

    #[test]
    fn one_request_and_a_reason_are_the_expected_end_of_a_receiver_that_forgets() {
        let event = event("cases.created", "{}");
        let expected = ["a", "b"].map(|id| (id.to_owned(), &event)).into();
        let judged = |received: &[Received], reason: Option<&str>| {
            Verdict::of_disabled(&expected, received, reason.map(str::to_owned)).complaints()
        };
        assert_eq!(judged(&[got("a", "{}", 200)], Some("why")), Vec::<String>::new());
        let never = judged(&[got("a", "{}", 200)], None);
        assert_eq!(never, ["should be disabled after one request, not: 1 requests, and it is still active"]);
        let late = judged(&[got("a", "{}", 200), got("b", "{}", 200)], Some("why"));
        assert_eq!(late, ["should be disabled after one request, not: 2 requests"]);
    }
}
