//! The registry: the one place where endpoints, sources and tokens change. What it answers is durable.

mod event_types;
mod notes;
mod revisions;
mod sources;
mod tokens;
mod trials;

use std::{
    rc::Rc,
    sync::{Arc, OnceLock},
};

use actix::{
    Actor, ActorFutureExt, Addr, Context, Handler, Message, ResponseActFuture, ResponseFuture, WrapFuture,
    fut,
};
use casewire_data::{
    Error, ErrorKind, Result, Timestamp,
    audit::{Act, Action, Principal},
    dialect::Dialects,
    endpoint::{Endpoint, EndpointContext, EndpointDraft, EndpointIdentity},
    event::Tenant,
    id::{EndpointId, UlidSequence},
    route::Terms,
    store::{Document, Tombstone},
};
use rustls::ClientConfig;
use tokio::sync::oneshot;

use crate::{
    clock,
    config::Config,
    directory::Directory,
    dispatch::endpoint_tls,
    handshake::{Handshakes, Question},
    health::HealthBook,
    journal::Journal,
    matcher::{Matching, Subscribe},
    operational::Operational,
    shard::{PutEndpoint, RemoveEndpoint, Shard, Told},
    trial::Trials,
};

pub use self::{
    event_types::{DeleteEventType, PutEventType},
    notes::{Disable, NoteFailing},
    revisions::{Rotate, Update},
    sources::{CreateSource, DeleteSource, UpdateSource},
    tokens::{CreateToken, DeleteToken},
    trials::Try,
};

/// The shards, known once all are started.
pub type Shards = Arc<OnceLock<Vec<Addr<Shard>>>>;

/// The shard that an endpoint lives on.
pub fn shard_of(shards: &Shards, ordinal: u32) -> Option<&Addr<Shard>> {
    let shards = shards.get()?;
    shards.get(ordinal as usize % shards.len())
}

/// The actor; see the module.
pub struct Registry {
    config: Arc<Config>,
    tls: Arc<ClientConfig>,
    directory: Arc<Directory>,
    journal: Journal,
    audience: Audience,
    next_ordinal: u32,
    ids: UlidSequence,
    handshakes: Handshakes,
    trials: Trials,
}

/// Who is told of endpoints that are there, or change.
#[derive(Clone)]
pub struct Audience {
    /// Event types to endpoints.
    pub matcher: Matching,
    /// Those who deliver.
    pub shards: Shards,
    /// How endpoints in trouble are doing.
    pub health: Arc<HealthBook>,
    /// Where operational events are left.
    pub operational: Operational,
}

/// An endpoint that was stored, or not.
type Stored = ResponseActFuture<Registry, Result<Arc<Endpoint>>>;

impl Registry {
    /// A registry over what the directory holds; `next_ordinal` was never used.
    pub fn new(
        (config, tls, trials): (Arc<Config>, Arc<ClientConfig>, Trials),
        directory: Arc<Directory>,
        journal: Journal,
        audience: Audience,
        next_ordinal: u32,
    ) -> Self {
        let handshakes = Handshakes::new(&config, tls.clone());
        let ids = UlidSequence::after(0);
        Self { config, tls, directory, journal, audience, next_ordinal, ids, handshakes, trials }
    }

    fn next_id(&mut self, now: Timestamp) -> Result<u128> {
        Ok(self.ids.next(now, u128::from_be_bytes(random()?)))
    }

    fn context(&self, now: Timestamp) -> EndpointContext<'_> {
        EndpointContext {
            dialects: &self.config.dialects,
            default_dialect: &self.config.default_dialect,
            egress: &self.config.egress,
            now,
        }
    }

    fn find(&self, tenant: &Tenant, id: EndpointId) -> Result<Arc<Endpoint>> {
        self.directory.endpoint(tenant, id).ok_or_else(no_endpoint)
    }

    fn check_room(&self, tenant: &Tenant) -> Result<()> {
        let endpoints_max = self.config.limits.endpoints_per_tenant_max;
        if self.directory.endpoint_count(tenant) < endpoints_max {
            return Ok(());
        }
        let message = format!("the tenant has {endpoints_max} endpoints, the most allowed; delete one first");
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// The endpoint that a draft describes. It has its number only when it is put.
    fn drafted(&mut self, tenant: Tenant, draft: EndpointDraft) -> Result<Endpoint> {
        self.check_room(&tenant)?;
        let now = clock::wall();
        let id = EndpointId::from_u128(self.next_id(now)?);
        let identity = EndpointIdentity { id, ordinal: self.next_ordinal, tenant, random: random()? };
        let endpoint = draft.into_endpoint(identity, &self.context(now))?;
        endpoint_tls(&self.tls, endpoint.tls.as_deref())?;
        Ok(endpoint)
    }

    /// Stores a new endpoint, whose receiver has agreed if it had to. Others may have been created meanwhile.
    fn admit(&mut self, mut endpoint: Endpoint, by: Principal) -> Stored {
        if let Err(error) = self.check_room(&endpoint.tenant) {
            return refused(error);
        }
        endpoint.ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        let act = Act::new(&endpoint.tenant, by, Action::EndpointCreate, endpoint.id);
        Box::pin(self.put(endpoint, act).into_actor(self))
    }

    /// Goes on when a receiver has agreed; whatever else there is to be done is done meanwhile.
    fn ask(
        &mut self,
        tenant: Tenant,
        question: Rc<Question>,
        go_on: impl FnOnce(&mut Self) -> Stored + 'static,
    ) -> Stored {
        let asking = match self.handshakes.begin(&tenant, question) {
            Ok(asking) => asking,
            Err(error) => return refused(error),
        };
        Box::pin(asking.into_actor(self).then(move |agreed, registry, _| {
            registry.handshakes.end(&tenant);
            match agreed {
                Ok(()) => go_on(registry),
                Err(error) => refused(error),
            }
        }))
    }

    /// Makes an endpoint durable, then lets everybody know. Changes of one endpoint overtake each other at no point:
    /// the directory has the newest at once, and whoever is told is told the newest.
    fn put(&self, endpoint: Endpoint, act: Act) -> ResponseFuture<Result<Arc<Endpoint>>> {
        let endpoint = Arc::new(endpoint);
        self.directory.put(endpoint.clone());
        let (journal, directory) = (self.journal.clone(), self.directory.clone());
        let (config, Audience { matcher, shards, .. }) = (self.config.clone(), self.audience.clone());
        Box::pin(async move {
            // Shared with the store's own registry unless they differ.
            let stored =
                if endpoint.is_speechless() { Arc::new(endpoint.to_stored()) } else { endpoint.clone() };
            journal.document(act, Document::Endpoint(stored)).await?;
            if let Some(newest) = directory.by_ordinal(endpoint.ordinal) {
                let (told, heard) = oneshot::channel();
                matcher.change(subscribe(&newest, &config.dialects));
                announce(&shards, &newest, false, Some(told));
                // Nobody reads "paused" while an attempt may still begin.
                let _ = heard.await;
            }
            Ok(endpoint)
        })
    }
}

/// What the matcher is told of an endpoint.
pub fn subscribe(endpoint: &Arc<Endpoint>, dialects: &Dialects) -> Subscribe {
    let terms = Some(Terms::new(endpoint.clone(), dialects));
    Subscribe { tenant: endpoint.tenant.clone(), ordinal: endpoint.ordinal, terms }
}

/// Tells the shard of an endpoint; `told` is dropped when its mailbox knows, or there is none.
pub fn announce(shards: &Shards, endpoint: &Arc<Endpoint>, has_work: bool, told: Option<Told>) {
    if let Some(shard) = shard_of(shards, endpoint.ordinal) {
        shard.do_send(PutEndpoint { endpoint: endpoint.clone(), has_work, told });
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
}

/// Create an endpoint.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Endpoint>>")]
pub struct Create {
    /// Whose it will be.
    pub tenant: Tenant,
    /// What it is to be like.
    pub draft: EndpointDraft,
    /// Who wants it.
    pub by: Principal,
}

impl Handler<Create> for Registry {
    type Result = Stored;

    fn handle(&mut self, Create { tenant, draft, by }: Create, _: &mut Self::Context) -> Self::Result {
        let endpoint = match self.drafted(tenant, draft) {
            Ok(endpoint) => endpoint,
            Err(error) => return refused(error),
        };
        match Question::of(&endpoint, &self.config) {
            None => self.admit(endpoint, by),
            Some(question) => {
                let tenant = endpoint.tenant.clone();
                self.ask(tenant, Rc::new(question), |registry| registry.admit(endpoint, by))
            }
        }
    }
}

/// Answered when every message sent before has been begun: what they write is in the journal's queue.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CatchUp;

impl Handler<CatchUp> for Registry {
    type Result = ();

    fn handle(&mut self, _: CatchUp, _: &mut Self::Context) {}
}

/// Delete an endpoint.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Delete {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: EndpointId,
    /// Who wants it.
    pub by: Principal,
}

impl Handler<Delete> for Registry {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, Delete { tenant, id, by }: Delete, _: &mut Self::Context) -> Self::Result {
        let endpoint = match self.find(&tenant, id) {
            Ok(endpoint) => endpoint,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let ordinal = endpoint.ordinal;
        let act = Act::new(&tenant, by, Action::EndpointDelete, id);
        let tombstone = Tombstone { id, ordinal, tenant: tenant.clone(), deleted_at: clock::wall() };
        self.directory.bury(tombstone.clone());
        self.audience.matcher.change(Subscribe { tenant, ordinal, terms: None });
        let (told, heard) = oneshot::channel();
        if let Some(shard) = shard_of(&self.audience.shards, ordinal) {
            shard.do_send(RemoveEndpoint { ordinal, told });
        }
        let journal = self.journal.clone();
        Box::pin(async move {
            journal.document(act, Document::EndpointDeleted(tombstone)).await?;
            // Nobody reads "deleted" while an attempt may still begin.
            let _ = heard.await;
            Ok(())
        })
    }
}

fn refused(error: Error) -> Stored {
    Box::pin(fut::err(error))
}

fn no_endpoint() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such endpoint")
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Storage, format!("the operating system gave no randomness: {error}"))
    })?;
    Ok(bytes)
}
