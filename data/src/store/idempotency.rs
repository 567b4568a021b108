//! Idempotency keys: the same key with the same content within 24 h is one event; with other content, a conflict.

use std::collections::BTreeMap;

use super::{codec, keys::HASH_BYTES, view::KnownKey};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{NewEvent, Tenant},
    limits,
    signature::sha256,
    trace_context::is_trace_tag,
};

/// An idempotency key, hashed, and a digest of the content that came with it.
pub type Fingerprint = ([u8; HASH_BYTES], [u8; 16]);

/// What an event's idempotency key says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// No key, or one not seen before.
    Fresh(Option<Fingerprint>),
    /// The same event was published before.
    Known(KnownKey),
    /// It repeats an event of the same publication, named by its index.
    Repeats(usize),
}

/// Resolves the events of one publication. The inner error refuses the publication as a whole.
pub fn resolve<'a>(
    tenant: &Tenant,
    events: impl Iterator<Item = &'a NewEvent>,
    mut known_key: impl FnMut(&[u8; HASH_BYTES]) -> Result<Option<KnownKey>>,
) -> Result<std::result::Result<Vec<Resolution>, Error>> {
    let mut resolutions: Vec<Resolution> = Vec::with_capacity(events.size_hint().0);
    let mut events = events.enumerate();
    while let Some((index, event)) = events.next() {
        let Some((hash, content)) = fingerprint(tenant, event) else {
            resolutions.push(Resolution::Fresh(None));
            continue;
        };
        let earlier = resolutions.iter().enumerate().find_map(|(index, earlier)| match earlier {
            Resolution::Fresh(Some((other, content))) if *other == hash => Some((index, *content)),
            _ => None,
        });
        let (resolution, first_content) = match (earlier, known_key(&hash)?) {
            (Some((first, content)), _) => (Resolution::Repeats(first), content),
            (None, Some(known)) => (Resolution::Known(known.clone()), known.content),
            (None, None) => (Resolution::Fresh(Some((hash, content))), content),
        };
        if first_content != content {
            let alone = index == 0 && events.next().is_none();
            let key = event.idempotency_key.as_deref().unwrap_or_default();
            return Ok(Err(conflict(key, (!alone).then_some(index))));
        }
        resolutions.push(resolution);
    }
    Ok(Ok(resolutions))
}

/// What an event's idempotency key is remembered by; absent if it came with none.
pub fn fingerprint(tenant: &Tenant, event: &NewEvent) -> Option<Fingerprint> {
    let key = event.idempotency_key.as_deref()?;
    Some((key_hash(tenant, key), content_digest(event)))
}

/// What an idempotency key is stored under: keys of two tenants never meet.
fn key_hash(tenant: &Tenant, key: &str) -> [u8; HASH_BYTES] {
    let digest = sha256(format!("{tenant}\0{key}").as_bytes());
    digest[..HASH_BYTES].try_into().expect("a SHA-256 has 32 bytes")
}

/// A digest of all that a host says of an event, to tell a repeat from another event under the same key.
fn content_digest(content: &NewEvent) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(content.data.len() + 128);
    let head = (&content.event_type, content.occurred_at, &content.actor, &content.resource, &content.agency);
    // Who publishes again does so in another place of its trace.
    let tags: BTreeMap<_, _> = content.tags.iter().filter(|(name, _)| !is_trace_tag(name)).collect();
    codec::pack(&(head, tags), &mut bytes);
    bytes.extend_from_slice(&content.data);
    sha256(&bytes)[..16].try_into().expect("a SHA-256 has 32 bytes")
}

/// `index` is that of the event, if there are others in its publication.
fn conflict(key: &str, index: Option<usize>) -> Error {
    let hours = limits::IDEMPOTENCY_MILLIS / 3_600_000;
    let key = limits::shorten(key);
    let place = index.map(|index| format!(" (event {index})")).unwrap_or_default();
    let message = format!(
        "idempotency key `{key}`{place} was used within {hours} h for another event; choose a new key"
    );
    Error::new(ErrorKind::Conflict, message)
}
