//! Idempotency keys: the same key with the same content within 24 h is one event; with other content, a conflict.

use super::{keys::HASH_BYTES, view, view::KnownKey};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{NewEvent, Tenant},
    limits,
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
        let Some(key) = &event.idempotency_key else {
            resolutions.push(Resolution::Fresh(None));
            continue;
        };
        let hash = view::key_hash(tenant, key);
        let content = view::content_digest(event);
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
            return Ok(Err(conflict(key, (!alone).then_some(index))));
        }
        resolutions.push(resolution);
    }
    Ok(Ok(resolutions))
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
