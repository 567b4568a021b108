//! A batch of entries on its way to the disk.

use std::{collections::HashMap, ops::Range};

use super::{
    codec::{self, FLAG_CONTINUES, Kind, Place},
    idempotency::Fingerprint,
    keys::HASH_BYTES,
    record::{self, Settled},
    registry_log::Document,
    segment::Segment,
    view::KnownKey,
};
use crate::{audit::Act, event::Event, id::AuditId};

/// What is to be written behind the end of a segment, and what must be known of it meanwhile.
#[derive(Default)]
pub struct Staged {
    /// The entries as they will stand in the file.
    pub bytes: Vec<u8>,
    /// The entries, to be taken into the view once they are on disk.
    pub entries: Vec<Entry>,
    /// What the audit is to say of this batch; it has a log of its own too.
    pub acts: Vec<(AuditId, Act)>,
    /// Changes of the registry, which go to a log of their own.
    pub documents: Vec<Document>,
    /// Idempotency keys of events in this batch.
    pub known_keys: HashMap<[u8; HASH_BYTES], KnownKey>,
    /// Whether somebody waits for the sync.
    pub must_sync: bool,
    /// Deliveries, by endpoint and event, that the batch changes. Looked through only when an operator asks for one.
    pub touched: Vec<(u32, u64)>,
    start: u64,
    durable_to: u64,
}

/// An entry of a batch; an attempt is kept as it came, to spare unpacking it.
pub enum Entry {
    /// Anything but an attempt, and where its body lies in the batch.
    Other {
        /// Where it will stand in the log.
        position: u64,
        /// What it holds.
        kind: Kind,
        /// Its body in [`Staged::bytes`].
        body: Range<usize>,
    },
    /// An attempt.
    Settled {
        /// Where it will stand in the log.
        position: u64,
        /// What it holds.
        settled: Settled,
    },
}

impl Staged {
    /// An empty batch behind the end of a segment. `buffer` is an earlier batch's, so that none has to grow.
    pub fn behind(active: &Segment, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { bytes: buffer, start: active.end(), durable_to: active.durable_to(), ..Self::default() }
    }

    /// Where the next entry will stand.
    pub fn place(&self) -> Place {
        Place { position: self.start + self.bytes.len() as u64, durable_to: self.durable_to }
    }

    /// Adds an entry whose body `write` appends.
    pub fn put(&mut self, kind: Kind, flags: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let place = self.place();
        let begin = self.bytes.len();
        codec::put_entry(&mut self.bytes, place, kind, flags, write);
        let body = begin + codec::HEADER_BYTES..self.bytes.len();
        self.entries.push(Entry::Other { position: place.position, kind, body });
    }

    /// Adds an attempt.
    pub fn put_settled(&mut self, settled: Settled) {
        let place = self.place();
        codec::put_entry(&mut self.bytes, place, Kind::Settled, 0, |out| codec::pack(&settled, out));
        self.touched.push((settled.endpoint, settled.seq));
        self.entries.push(Entry::Settled { position: place.position, settled });
    }

    /// Adds an event; if it `continues`, the next one belongs to the same publication.
    pub fn put_event(&mut self, event: &Event, routes: &[u32], known: Option<Fingerprint>, continues: bool) {
        let flags = if continues { FLAG_CONTINUES } else { 0 };
        self.put(Kind::Event, flags, |out| record::put_event(out, event, routes));
        if let Some((hash, content)) = known {
            let deliveries = routes.len() as u32;
            let known = KnownKey { at: event.published_at, id: event.id, deliveries, content };
            self.known_keys.insert(hash, known);
        }
    }
}
