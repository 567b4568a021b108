//! The registry on disk: endpoints, tokens and sources, as a log of documents that is rewritten when it is mostly history.

use std::{
    collections::{BTreeMap, HashSet},
    hash::Hash,
    path::Path,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    codec::{self, Kind},
    segment::Segment,
    synced_log::{Known, SyncedLog},
};
use crate::{
    Timestamp,
    catalogue::RegisteredType,
    endpoint::Endpoint,
    error::Result,
    event::{EventType, Tenant},
    id::{EndpointId, ReplayId, SourceId, TokenId},
    pattern::Pattern,
    replay::{REMEMBERED_MAX, Replay},
    source::InboundSource,
    token::Token,
};

/// Rewriting pays once there is this much history.
const HISTORY_BYTES_MIN: u64 = 1024 * 1024;

/// What remains of a deleted endpoint while events that were routed to it are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Its public id.
    pub id: EndpointId,
    /// Its number in routes.
    pub ordinal: u32,
    /// Whose it was.
    pub tenant: Tenant,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// One change of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Document {
    /// An endpoint was created or changed.
    Endpoint(Arc<Endpoint>),
    /// An endpoint was deleted.
    EndpointDeleted(Tombstone),
    /// A token was created.
    Token(Token),
    /// A token was revoked.
    TokenRevoked(TokenId),
    /// A source was created or changed.
    Source(Box<InboundSource>),
    /// A source was deleted.
    SourceDeleted(SourceId),
    /// An event type was registered or changed.
    EventType(Box<RegisteredType>),
    /// An event type was taken out of a tenant's catalogue.
    EventTypeDeleted(Tenant, EventType),
    /// A replay began, went on or ended.
    Replay(Box<Replay>),
}

impl Document {
    /// The number of the endpoint that it tells the end of.
    pub fn deleted_ordinal(&self) -> Option<u32> {
        match self {
            Self::EndpointDeleted(tombstone) => Some(tombstone.ordinal),
            _ => None,
        }
    }
}

/// The registry as it stands.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Endpoints by ordinal.
    pub endpoints: BTreeMap<u32, Arc<Endpoint>>,
    /// Deleted endpoints by ordinal.
    pub tombstones: BTreeMap<u32, Tombstone>,
    /// Tokens.
    pub tokens: BTreeMap<TokenId, Token>,
    /// Sources.
    pub sources: BTreeMap<SourceId, Arc<InboundSource>>,
    /// Registered event types.
    pub event_types: BTreeMap<(Tenant, EventType), Arc<RegisteredType>>,
    /// Replays: those that go on, and of each endpoint the last that are over.
    pub replays: BTreeMap<ReplayId, Replay>,
}

impl Documents {
    /// The first ordinal that was never used.
    pub fn next_ordinal(&self) -> u32 {
        let last = |map: Option<&u32>| map.map_or(0, |ordinal| ordinal + 1);
        last(self.endpoints.keys().next_back()).max(last(self.tombstones.keys().next_back()))
    }

    fn apply(&mut self, document: Document) {
        match document {
            Document::Endpoint(endpoint) => {
                self.endpoints.insert(endpoint.ordinal, endpoint);
            }
            Document::EndpointDeleted(tombstone) => {
                self.endpoints.remove(&tombstone.ordinal);
                self.replays.retain(|_, replay| replay.endpoint != tombstone.ordinal);
                self.tombstones.insert(tombstone.ordinal, tombstone);
            }
            Document::Token(token) => {
                self.tokens.insert(token.id, token);
            }
            Document::TokenRevoked(id) => {
                self.tokens.remove(&id);
            }
            Document::Source(source) => {
                self.sources.insert(source.id, Arc::new(*source));
            }
            Document::SourceDeleted(id) => {
                self.sources.remove(&id);
            }
            Document::EventType(registered) => {
                let key = (registered.tenant.clone(), registered.event_type.clone());
                self.event_types.insert(key, Arc::new(*registered));
            }
            Document::EventTypeDeleted(tenant, event_type) => {
                self.event_types.remove(&(tenant, event_type));
            }
            Document::Replay(replay) => {
                let is_over = (!replay.is_running()).then_some(replay.endpoint);
                self.replays.insert(replay.id, *replay);
                if let Some(endpoint) = is_over {
                    self.forget_replays(endpoint);
                }
            }
        }
    }

    /// Forgets the oldest replays of an endpoint that are over.
    fn forget_replays(&mut self, endpoint: u32) {
        let over = self.replays.values().filter(|it| it.endpoint == endpoint && !it.is_running());
        let oldest = over.rev().nth(REMEMBERED_MAX).map(|replay| replay.id);
        if let Some(oldest) = oldest {
            self.replays.retain(|id, it| *id > oldest || it.endpoint != endpoint || it.is_running());
        }
    }

    /// How many there are.
    fn len(&self) -> usize {
        let of_endpoints = self.endpoints.len() + self.tombstones.len() + self.replays.len();
        of_endpoints + self.tokens.len() + self.sources.len() + self.event_types.len()
    }

    fn all(&self) -> impl Iterator<Item = Document> {
        let endpoints = self.endpoints.values().cloned().map(Document::Endpoint);
        let tombstones = self.tombstones.values().cloned().map(Document::EndpointDeleted);
        let tokens = self.tokens.values().cloned().map(Document::Token);
        let sources = self.sources.values().map(|source| Document::Source(Box::new((**source).clone())));
        let registered = self.event_types.values();
        let registered = registered.map(|registered| Document::EventType(Box::new((**registered).clone())));
        let replays = self.replays.values().cloned().map(|replay| Document::Replay(Box::new(replay)));
        endpoints.chain(tombstones).chain(tokens).chain(sources).chain(registered).chain(replays)
    }
}

/// What many endpoints have in common, kept in memory once. For the time of reading them.
#[derive(Debug, Default)]
struct Common {
    tenants: HashSet<Tenant>,
    patterns: HashSet<Pattern>,
    events: HashSet<Arc<[Pattern]>>,
    dialects: HashSet<Arc<str>>,
}

impl Common {
    fn share(&mut self, endpoint: &mut Endpoint) {
        endpoint.tenant = shared(&mut self.tenants, &endpoint.tenant);
        endpoint.dialect = shared(&mut self.dialects, &endpoint.dialect);
        if !self.events.contains(&endpoint.events) {
            let patterns = endpoint.events.iter().map(|pattern| shared(&mut self.patterns, pattern));
            endpoint.events = patterns.collect();
        }
        endpoint.events = shared(&mut self.events, &endpoint.events);
    }
}

/// The first value that was equal to this one.
fn shared<T: Clone + Eq + Hash>(known: &mut HashSet<T>, value: &T) -> T {
    match known.get(value) {
        Some(first) => first.clone(),
        None => {
            known.insert(value.clone());
            value.clone()
        }
    }
}

/// The registry's log and what it comes to.
#[derive(Debug)]
pub struct RegistryLog {
    log: SyncedLog,
    /// The registry as it stands.
    pub documents: Documents,
    /// Documents in the log, history among them.
    written: usize,
    /// Bytes that it had when it was written anew last, by estimate if that was in an earlier run.
    rewritten_bytes: u64,
}

impl RegistryLog {
    /// Opens the folder and reads all documents. Once a run has left a registry there, none is damage.
    /// `reach` is where it ended, at the least.
    pub fn open(dir: &Path, now: Timestamp, was_there: bool, reach: u64) -> Result<Self> {
        let log = SyncedLog::open(dir, Known { name: "registry", was_there, reach }, now)?;
        let (mut documents, mut common, mut written) = (Documents::default(), Common::default(), 0);
        let mut scan = log.scan();
        while let Some((_, kind)) = scan.next_entry()? {
            debug_assert_eq!(kind, Kind::Document, "the registry holds documents only");
            let mut document = codec::unpack(scan.body(), "a document of the registry")?;
            if let Document::Endpoint(endpoint) = &mut document {
                common.share(Arc::make_mut(endpoint));
            }
            documents.apply(document);
            written += 1;
        }
        let mean_bytes = log.entry_bytes() / written.max(1) as u64;
        let rewritten_bytes = mean_bytes * documents.len() as u64;
        Ok(Self { log, documents, written, rewritten_bytes })
    }

    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.log.end()
    }

    /// Its files.
    pub fn segments(&self) -> Arc<[Arc<Segment>]> {
        self.log.segments()
    }

    /// Writes documents, synced, and applies them.
    pub fn append(&mut self, documents: Vec<Document>, now: Timestamp) -> Result<()> {
        self.write(documents.iter())?;
        documents.into_iter().for_each(|document| self.documents.apply(document));
        if self.is_mostly_history() { self.rewrite(now) } else { Ok(()) }
    }

    /// Whether it has doubled, and what was overtaken is not little. What is only much is not written again.
    fn is_mostly_history(&self) -> bool {
        let bytes = self.log.entry_bytes();
        let overtaken = self.written.saturating_sub(self.documents.len()) as u64;
        let history_bytes = bytes / self.written.max(1) as u64 * overtaken;
        history_bytes > HISTORY_BYTES_MIN && bytes > 2 * self.rewritten_bytes
    }

    /// Forgets endpoints deleted before a time, when no event that names them is left, and tells their ordinals.
    pub fn forget_deleted_before(&mut self, time: Timestamp) -> Vec<u32> {
        let next_ordinal = self.documents.next_ordinal();
        let all = std::mem::take(&mut self.documents.tombstones);
        // The last ordinal stays taken: the next endpoint must not inherit what is known of it.
        let stays =
            |tombstone: &Tombstone| tombstone.deleted_at >= time || tombstone.ordinal + 1 == next_ordinal;
        let (kept, gone) = all.into_iter().partition(|(_, tombstone)| stays(tombstone));
        self.documents.tombstones = kept;
        BTreeMap::into_keys(gone).collect()
    }

    /// Writes all documents into a new segment and drops the older ones.
    fn rewrite(&mut self, now: Timestamp) -> Result<()> {
        self.log.begin_segment(now)?;
        self.written = 0;
        let all: Vec<_> = self.documents.all().collect();
        self.write(all.iter())?;
        self.rewritten_bytes = self.log.entry_bytes();
        self.log.drop_older()
    }

    fn write<'a>(&mut self, documents: impl Iterator<Item = &'a Document>) -> Result<()> {
        let written = &mut self.written;
        let documents = documents.inspect(|_| *written += 1);
        self.log.append(Kind::Document, documents, codec::pack_named)
    }
}
