//! The demo's judge: whether a receiver got exactly what was meant for it. Knows nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::receiver::{Received, Signature};

/// What the judge found at one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Events that were meant for it.
    pub(super) expected: usize,
    /// Requests that it got, repeated ones included.
    pub(super) requests: usize,
    /// Events that it should have acknowledged and never did.
    pub(super) missing: Vec<String>,
    /// Events that it got although they were not meant for it.
    pub(super) unexpected: Vec<String>,
    /// Events of which two attempts had different bodies.
    pub(super) altered: Vec<String>,
    /// Requests without a good signature.
    pub(super) unverified: usize,
}

impl Verdict {
    /// Judges all that one receiver got against the ids of the events that were meant for it.
    pub(super) fn of(expected: &BTreeSet<String>, received: &[Received]) -> Self {
        let acknowledged: BTreeSet<_> =
            received.iter().filter(|got| got.replied.is_success()).map(|got| &got.id).collect();
        let mut bodies: BTreeMap<&String, BTreeSet<&[u8]>> = BTreeMap::new();
        for got in received {
            bodies.entry(&got.id).or_default().insert(&got.body);
        }
        let ids = |ids: &mut dyn Iterator<Item = &String>| ids.cloned().collect::<Vec<_>>();
        Self {
            expected: expected.len(),
            requests: received.len(),
            missing: ids(&mut expected.iter().filter(|id| !acknowledged.contains(id))),
            unexpected: ids(&mut bodies.keys().copied().filter(|id| !expected.contains(*id))),
            altered: ids(&mut bodies.iter().filter(|(_, bodies)| bodies.len() > 1).map(|(id, _)| *id)),
            unverified: received.iter().filter(|got| got.signature != Signature::Verified).count(),
        }
    }

    /// Every event arrived, none astray, all bodies alike between attempts, all signatures good.
    pub(super) fn passed(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.altered.is_empty()
            && self.unverified == 0
    }

    /// What is wrong, a line each; empty if it passed.
    pub(super) fn complaints(&self) -> Vec<String> {
        let of_events =
            |what: &str, ids: &[String]| (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")));
        [
            of_events("never arrived", &self.missing),
            of_events("not meant for it", &self.unexpected),
            of_events("body changed between attempts", &self.altered),
            (self.unverified > 0).then(|| format!("{} requests without a good signature", self.unverified)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::StatusCode, web::Bytes};

    use super::*;

    fn got(id: &str, body: &'static str, status: u16) -> Received {
        Received {
            number: 1,
            method: "POST".into(),
            path: "/".into(),
            id: id.into(),
            headers: Vec::new(),
            body: Bytes::from_static(body.as_bytes()),
            signature: Signature::Verified,
            replied: StatusCode::from_u16(status).unwrap(),
        }
    }

    fn expected(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn retries_with_the_same_body_pass() {
        let received = [got("a", "{}", 503), got("a", "{}", 204), got("b", "[]", 204)];
        let verdict = Verdict::of(&expected(&["a", "b"]), &received);
        assert!(verdict.passed(), "{verdict:?}");
        assert_eq!((verdict.expected, verdict.requests), (2, 3));
    }

    #[test]
    fn whatever_is_missing_astray_altered_or_unsigned_is_named() {
        let mut received =
            [got("a", "{}", 503), got("b", "[]", 503), got("b", "[ ]", 204), got("c", "", 204)];
        received[3].signature = Signature::Bad("no".into());
        let verdict = Verdict::of(&expected(&["a", "b"]), &received);
        assert!(!verdict.passed());
        assert_eq!(
            verdict.complaints(),
            [
                "never arrived: a",
                "not meant for it: c",
                "body changed between attempts: b",
                "1 requests without a good signature"
            ]
        );
    }
}
