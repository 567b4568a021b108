//! What remains of an entry whose content is erased: an entry of the same length, which ends with zeros.
//!
//! So no other entry moves, no position that is kept anywhere changes, and a file can have holes for the zeros.
//!
//! Of an event remain its routes, id, type, times, resource and agency, and what its idempotency key was remembered by;
//! of an attempt all but what the receiver answered, or what in the event could not be said.

use std::collections::BTreeMap;

use super::{
    codec::{self, Kind},
    idempotency,
    record::{Erased, EventBody, Settled},
};
use crate::{
    Timestamp,
    delivery::{Attempt, FailureClass, Outcome},
    error::Result,
    event::Event,
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
    let fingerprint = idempotency::fingerprint(&event.tenant, &event.content).map(|(key, content)| {
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
    // One from before attempts said where their time went is longer now, by more than what little it was answered.
    Ok((out.len() <= body.len()).then_some(out))
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
        store::record,
    };

    fn written(content: NewEvent) -> Vec<u8> {
        let event = Event {
            seq: u64::MAX,
            position: 0,
            id: EventId::from_u128(1 << 90),
            tenant: Tenant::default(),
            published_at: Timestamp::from_millis(1_700_000_000_000),
            erased_at: None,
            content,
        };
        let mut body = Vec::new();
        record::put_event(&mut body, &event, &[1, 7]);
        body
    }

    #[test]
    fn the_remains_of_any_event_fit_into_its_place_and_read_back() {
        let at = Timestamp::from_millis(1_800_000_000_000);
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
}
