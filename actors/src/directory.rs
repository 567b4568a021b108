//! The registry as anybody may read it, from any thread. Only the [`Registry`](crate::registry::Registry) changes it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use casewire_data::{
    catalogue::RegisteredType,
    endpoint::{Endpoint, EndpointStatus},
    event::{EventType, Tenant},
    id::{EndpointId, SourceId, TokenId},
    signature::sha256,
    source::InboundSource,
    store::{Documents, Tombstone},
    token::Token,
};

/// See the module.
#[derive(Debug, Default)]
pub struct Directory {
    entries: RwLock<Entries>,
    /// Some event type has had a schema since the start; if not, no publish looks for one.
    has_schemas: AtomicBool,
}

/// How many endpoints there are, by what is done for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Delivered to.
    pub active: usize,
    /// Paused by its owner.
    pub paused: usize,
    /// Paused by the engine, which says why.
    pub disabled: usize,
}

impl Census {
    fn place(&mut self, endpoint: &Endpoint) -> &mut usize {
        match (endpoint.status, &*endpoint.status_reason) {
            (EndpointStatus::Active, _) => &mut self.active,
            (EndpointStatus::Paused, None) => &mut self.paused,
            (EndpointStatus::Paused, Some(_)) => &mut self.disabled,
        }
    }
}

#[derive(Debug, Default)]
struct Entries {
    by_ordinal: HashMap<u32, Arc<Endpoint>>,
    census: Census,
    /// By tenant, then by public id.
    ordinals: HashMap<Tenant, BTreeMap<EndpointId, u32>>,
    tombstones: HashMap<u32, Tombstone>,
    tokens: HashMap<[u8; 32], Token>,
    sources: HashMap<SourceId, Arc<InboundSource>>,
    /// By tenant, then by name.
    source_ids: BTreeMap<Tenant, BTreeMap<String, SourceId>>,
    event_types: HashMap<Tenant, BTreeMap<EventType, Arc<RegisteredType>>>,
}

impl Directory {
    /// A directory of what the store holds.
    pub fn new(documents: &Documents) -> Self {
        let directory = Self::default();
        documents.endpoints.values().for_each(|endpoint| directory.put(endpoint.clone()));
        documents.sources.values().for_each(|source| directory.put_source(source.clone()));
        documents.event_types.values().for_each(|registered| directory.put_event_type(registered.clone()));
        let mut entries = directory.write();
        entries.tombstones = documents.tombstones.clone().into_iter().collect();
        entries.tokens =
            documents.tokens.values().map(|token| (token.secret_sha256, token.clone())).collect();
        drop(entries);
        directory
    }

    /// A tenant's endpoint.
    pub fn endpoint(&self, tenant: &Tenant, id: EndpointId) -> Option<Arc<Endpoint>> {
        let entries = self.read();
        let ordinal = entries.ordinals.get(tenant)?.get(&id)?;
        entries.by_ordinal.get(ordinal).cloned()
    }

    /// A tenant's endpoints, newest first.
    pub fn endpoints(&self, tenant: &Tenant) -> Vec<Arc<Endpoint>> {
        let entries = self.read();
        let ordinals = entries.ordinals.get(tenant).into_iter().flat_map(|ids| ids.values().rev());
        ordinals.filter_map(|ordinal| entries.by_ordinal.get(ordinal).cloned()).collect()
    }

    /// How many endpoints a tenant has.
    pub fn endpoint_count(&self, tenant: &Tenant) -> usize {
        self.read().ordinals.get(tenant).map_or(0, BTreeMap::len)
    }

    /// The endpoint behind a number in routes.
    pub fn by_ordinal(&self, ordinal: u32) -> Option<Arc<Endpoint>> {
        self.read().by_ordinal.get(&ordinal).cloned()
    }

    /// The public id behind a number in routes, also of a deleted endpoint.
    pub fn id_of(&self, ordinal: u32) -> Option<EndpointId> {
        let entries = self.read();
        let living = entries.by_ordinal.get(&ordinal).map(|endpoint| endpoint.id);
        living.or_else(|| entries.tombstones.get(&ordinal).map(|tombstone| tombstone.id))
    }

    /// Whose endpoint is behind a number in routes, also of a deleted one.
    pub fn tenant_of(&self, ordinal: u32) -> Option<Tenant> {
        let entries = self.read();
        let living = entries.by_ordinal.get(&ordinal).map(|endpoint| endpoint.tenant.clone());
        living.or_else(|| entries.tombstones.get(&ordinal).map(|tombstone| tombstone.tenant.clone()))
    }

    /// The number in routes of a tenant's endpoint, also of a deleted one.
    pub fn ordinal_of(&self, tenant: &Tenant, id: EndpointId) -> Option<u32> {
        let entries = self.read();
        let living = entries.ordinals.get(tenant).and_then(|ids| ids.get(&id).copied());
        let mut buried = entries.tombstones.values();
        living.or_else(|| buried.find(|it| it.id == id && it.tenant == *tenant).map(|it| it.ordinal))
    }

    /// The numbers in routes of a tenant's deleted endpoints.
    pub fn deleted(&self, tenant: &Tenant) -> Vec<u32> {
        let entries = self.read();
        entries.tombstones.values().filter(|it| it.tenant == *tenant).map(|it| it.ordinal).collect()
    }

    /// How many endpoints there are, of all tenants.
    pub fn census(&self) -> Census {
        self.read().census
    }

    /// Every endpoint.
    pub fn all(&self) -> Vec<Arc<Endpoint>> {
        self.read().by_ordinal.values().cloned().collect()
    }

    /// The token that a secret belongs to. Found by its digest, so the time it takes tells nothing of the secret.
    pub fn token(&self, secret: &str) -> Option<Token> {
        self.read().tokens.get(&sha256(secret.as_bytes())).cloned()
    }

    /// A tenant's tokens, newest first.
    pub fn tokens(&self, tenant: &Tenant) -> Vec<Token> {
        let entries = self.read();
        let mut tokens: Vec<_> = entries.tokens.values().filter(|it| it.tenant == *tenant).cloned().collect();
        tokens.sort_by_key(|token| std::cmp::Reverse(token.id));
        tokens
    }

    /// A source, whosever it is.
    pub fn source(&self, id: SourceId) -> Option<Arc<InboundSource>> {
        self.read().sources.get(&id).cloned()
    }

    /// A tenant's source by its name.
    pub fn source_named(&self, tenant: &Tenant, name: &str) -> Option<Arc<InboundSource>> {
        let entries = self.read();
        let id = entries.source_ids.get(tenant)?.get(name)?;
        entries.sources.get(id).cloned()
    }

    /// A tenant's sources, newest first.
    pub fn sources(&self, tenant: &Tenant) -> Vec<Arc<InboundSource>> {
        let entries = self.read();
        let ids = entries.source_ids.get(tenant).into_iter().flat_map(BTreeMap::values);
        let mut sources: Vec<_> = ids.filter_map(|id| entries.sources.get(id).cloned()).collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.id));
        sources
    }

    /// An event type that a tenant has registered.
    pub fn event_type(&self, tenant: &Tenant, event_type: &EventType) -> Option<Arc<RegisteredType>> {
        self.read().event_types.get(tenant)?.get(event_type).cloned()
    }

    /// The event types that a tenant has registered, ascending.
    pub fn event_types(&self, tenant: &Tenant) -> Vec<Arc<RegisteredType>> {
        self.read().event_types.get(tenant).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// The event type, if it is registered with a schema. Costs nothing as long as none is.
    pub fn with_schema(&self, tenant: &Tenant, event_type: &EventType) -> Option<Arc<RegisteredType>> {
        if !self.has_schemas.load(Ordering::Acquire) {
            return None;
        }
        self.event_type(tenant, event_type).filter(|registered| registered.schema.is_some())
    }

    pub(crate) fn put_event_type(&self, registered: Arc<RegisteredType>) {
        let has_schema = registered.schema.is_some();
        let mut entries = self.write();
        let own = entries.event_types.entry(registered.tenant.clone()).or_default();
        own.insert(registered.event_type.clone(), registered);
        if has_schema {
            self.has_schemas.store(true, Ordering::Release);
        }
    }

    pub(crate) fn remove_event_type(&self, tenant: &Tenant, event_type: &EventType) {
        if let Some(own) = self.write().event_types.get_mut(tenant) {
            own.remove(event_type);
        }
    }

    pub(crate) fn put(&self, endpoint: Arc<Endpoint>) {
        let mut entries = self.write();
        let ids = entries.ordinals.entry(endpoint.tenant.clone()).or_default();
        ids.insert(endpoint.id, endpoint.ordinal);
        *entries.census.place(&endpoint) += 1;
        if let Some(was) = entries.by_ordinal.insert(endpoint.ordinal, endpoint) {
            *entries.census.place(&was) -= 1;
        }
    }

    pub(crate) fn bury(&self, tombstone: Tombstone) {
        let mut entries = self.write();
        if let Some(ids) = entries.ordinals.get_mut(&tombstone.tenant) {
            ids.remove(&tombstone.id);
        }
        if let Some(was) = entries.by_ordinal.remove(&tombstone.ordinal) {
            *entries.census.place(&was) -= 1;
        }
        entries.tombstones.insert(tombstone.ordinal, tombstone);
    }

    pub(crate) fn put_source(&self, source: Arc<InboundSource>) {
        let mut entries = self.write();
        let names = entries.source_ids.entry(source.tenant.clone()).or_default();
        names.insert(source.name.clone(), source.id);
        entries.sources.insert(source.id, source);
    }

    pub(crate) fn remove_source(&self, source: &InboundSource) {
        let mut entries = self.write();
        entries.sources.remove(&source.id);
        if let Some(names) = entries.source_ids.get_mut(&source.tenant) {
            names.remove(&source.name);
        }
    }

    pub(crate) fn put_token(&self, token: Token) {
        self.write().tokens.insert(token.secret_sha256, token);
    }

    pub(crate) fn remove_token(&self, id: TokenId) {
        self.write().tokens.retain(|_, token| token.id != id);
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().expect("nothing panics while it holds this lock")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().expect("nothing panics while it holds this lock")
    }
}
