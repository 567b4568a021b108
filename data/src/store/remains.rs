//! What remains of an entry whose content is erased: an entry of the same length, which ends with zeros.
//!
//! So no other entry moves, no position that is kept anywhere changes, and a packed file leaves the zeros out.
//!
//! Of an event remain its routes, id, type, times, resource and agency, and what its idempotency key was remembered by,
//! as long as that can still tell a repeat; of an attempt all but what the receiver answered, or what in the event could
//! not be said.

use std::collections::BTreeMap;

use super::{
    codec::{self, Kind},
    idempotency,
    record::{Erased, EventBody, Settled},
};
use crate::{
    Timestamp,
    delivery::{Attempt, FailureClass, Outcome, Transit},
    error::Result,
    event::Event,
    limits::IDEMPOTENCY_MILLIS,
};

/// What stands for a message that may quote the event.
const ERASED: &str = "erased";

/// What remains of an entry's body, without the zeros at its end; `None` if there is nothing in it to take away.
pub fn of(kind: Kind, body: &[u8], at: Timestamp) -> Result<Option<Vec<u8>>> {
    match kind {
        Kind::Event => of_event(&EventBody::split(body)?, body.len(), at),
        Kind::Settled => of_attempt(body),
        _ => Ok(None),
    }
}

fn of_event(body: &EventBody<'_>, room: usize, at: Timestamp) -> Result<Option<Vec<u8>>> {
    if body.is_erased() {
        return Ok(None);
    }
    let event = body.event(0)?;
    // After that, a digest of the content would only tell whoever guesses it that he is right.
    let tells_repeats = at.millis_since(event.published_at) <= IDEMPOTENCY_MILLIS;
    let fingerprint = idempotency::fingerprint(&event.tenant, &event.content).filter(|_| tells_repeats);
    let fingerprint = fingerprint.map(|(key, content)| {
        let number = u128::from_be_bytes;
        (number(key), number(content))
    });
    // The least payload leaves room for a mark and no more.
    let marks = [Some((at, fingerprint)), Some((at, None)), None];
    let remains = marks.into_iter().map(|mark| put_event(body, &event, mark));
    Ok(remains.into_iter().find(|remains| remains.len() <= room))
}

/// As [`record::put_event`](super::record::put_event), with a head of one element more.
fn put_event(body: &EventBody<'_>, event: &Event, erased: Option<Erased>) -> Vec<u8> {
    let (routes, mut out) = (body.routes().collect::<Vec<_>>(), Vec::new());
    out.extend_from_slice(&(routes.len() as u32).to_le_bytes());
    routes.iter().for_each(|route| out.extend_from_slice(&route.to_le_bytes()));
    let content = &event.content;
    let nothing = None::<()>;
    let mut head = Vec::new();
    codec::pack(
        &(
            event.seq,
            event.id,
            &event.tenant,
            event.published_at,
            &content.event_type,
            content.occurred_at,
            nothing,
            &content.resource,
            &content.agency,
            BTreeMap::<String, String>::new(),
            nothing,
            erased,
        ),
        &mut head,
    );
    out.extend_from_slice(&(head.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    out
}

fn of_attempt(body: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut settled: Settled = codec::unpack(body, "an attempt in the log")?;
    if !strip(&mut settled.attempt) {
        return Ok(None);
    }
    let mut out = Vec::new();
    codec::pack(&settled, &mut out);
    if out.len() > body.len() && settled.attempt.transit == Transit::default() && settled.lane.is_none() {
        out = as_first_written(&settled);
    }
    Ok((out.len() <= body.len()).then_some(out))
}

/// An attempt from before they said where their time went, as they were written then: it would be longer now, by more
/// than what little it was answered.
fn as_first_written(settled: &Settled) -> Vec<u8> {
    let Settled { endpoint, seq, event_position, parked, floor, fate, attempt, lane: _ } = settled;
    let attempt = (attempt.number, attempt.started_at, attempt.duration_us, &attempt.outcome);
    let mut out = Vec::new();
    codec::pack(&(endpoint, seq, event_position, parked, floor, fate, attempt), &mut out);
    out
}

/// Takes away what an attempt may hold of a content, and notes that. Tells whether there was anything.
pub fn strip(attempt: &mut Attempt) -> bool {
    let had = match &mut attempt.outcome {
        Outcome::Answered { headers, body, .. } => {
            let had = !headers.is_empty() || !body.is_empty();
            headers.clear();
            body.clear();
            had
        }
        // Says what in the event could not be said, so it is never shorter.
        Outcome::Failed { class: FailureClass::Request, message } if message.len() > ERASED.len() => {
            ERASED.clone_into(message);
            true
        }
        Outcome::Failed { .. } => false,
    };
    // One byte, where one at least has gone.
    attempt.erased |= had;
    had
}

/// As [`strip`], for an attempt of an event that is erased: nothing is kept of an answer, be it that there was nothing.
pub fn strip_erased(attempt: &mut Attempt) {
    strip(attempt);
    attempt.erased |= attempt.outcome.status().is_some();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{NewEvent, Resource, Tenant},
        id::EventId,
        store::record::{self, Fate},
    };

    const PUBLISHED_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR_MS: i64 = 3_600_000;

    fn written(content: NewEvent) -> Vec<u8> {
        let event = Event {
            seq: u64::MAX,
            position: 0,
            id: EventId::from_u128(1 << 90),
            tenant: Tenant::default(),
            published_at: PUBLISHED_AT,
            erased_at: None,
            content,
        };
        let mut body = Vec::new();
        record::put_event(&mut body, &event, &[1, 7]);
        body
    }

    #[test]
    fn the_remains_of_any_event_fit_into_its_place_and_read_back() {
        let at = PUBLISHED_AT.plus_millis(HOUR_MS);
        for key in [None, Some("k"), Some("a key of so many letters that a digest is no longer than it")] {
            for data in
                ["1", "\"ten byte\"", "\"many more bytes, so that whatever is to stay finds room in there\""]
            {
                let mut content = NewEvent::new("a", data).unwrap();
                content.idempotency_key = key.map(str::to_owned);
                content.resource = Some(Resource { kind: "people".to_owned(), id: "7".to_owned() });
                let body = written(content.clone());
                let mut remains = of(Kind::Event, &body, at).unwrap().expect("there was a content");
                assert!(remains.len() <= body.len(), "{key:?} {data}");
                remains.resize(body.len(), 0);
                let read = EventBody::split(&remains).unwrap();
                let event = read.event(0).unwrap();
                assert!(read.is_erased() && read.routes().eq([1, 7]));
                assert!(event.content.data.is_empty() && event.content.idempotency_key.is_none());
                assert_eq!(event.content.resource, content.resource);
                let kept = read.kept_fingerprint().unwrap();
                assert!(kept.is_none() || kept == idempotency::fingerprint(&event.tenant, &content));
                if data.len() > 50 {
                    assert_eq!((event.erased_at, kept.is_some()), (Some(at), key.is_some()));
                }
                assert!(of(Kind::Event, &remains, at).unwrap().is_none(), "nothing is left to take away");
            }
        }
    }
    #[test]
    fn a_digest_of_the_content_stays_only_as_long_as_it_tells_repeats() {
        let mut content =
            NewEvent::new("a", "\"bytes enough, so that a digest finds room where they were\"").unwrap();
        content.idempotency_key = Some("key".to_owned());
        let body = written(content);
        for (hours, stays) in [(24, true), (25, false)] {
            let remains = of(Kind::Event, &body, PUBLISHED_AT.plus_millis(hours * HOUR_MS)).unwrap().unwrap();
            let kept = EventBody::split(&remains).unwrap().kept_fingerprint().unwrap();
            assert_eq!(kept.is_some(), stays, "after {hours} hours");
        }
    }

    #[test]
    fn an_attempt_loses_its_answer_however_short_it_is_and_however_old_its_form() {
        let outcome =
            |body: &[u8]| Outcome::Answered { status: 200, headers: Vec::new(), body: body.to_vec() };
        let attempt = |body: &[u8]| Attempt {
            number: 1,
            started_at: PUBLISHED_AT,
            duration_us: 5,
            outcome: outcome(body),
            transit: Transit::default(),
        };
        let settled = |body: &[u8]| Settled {
            endpoint: 1,
            seq: 2,
            event_position: 3,
            parked: false,
            floor: 2,
            fate: Fate::Delivered,
            attempt: attempt(body),
            lane: None,
        };
        for answer in [&b"k"[..], b"ok", b"a longer answer"] {
            let mut now = Vec::new();
            codec::pack(&settled(answer), &mut now);
            for written in [now, as_first_written(&settled(answer))] {
                let mut remains =
                    of(Kind::Settled, &written, PUBLISHED_AT).unwrap().expect("it had an answer");
                assert!(remains.len() <= written.len());
                remains.resize(written.len(), 0);
                let read: Settled = codec::unpack(&remains, "an attempt").unwrap();
                assert_eq!(read, settled(b""));
            }
        }
    }
}
