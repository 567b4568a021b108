//! The engine: starts the actors on a thread of its own, so that any host runtime can embed it.

use std::{path::PathBuf, time::Duration};

use casewire_data::{Result, event::Tenant, limits::Limits, retry::RetrySchedule, token::{Scope, Token}};
use ipnet::IpNet;

use crate::tenant::TenantHandle;

/// How an [`Engine`] is to run; made by [`Engine::builder`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    dir: PathBuf,
    limits: Limits,
    retry: RetrySchedule,
    egress_allow: Vec<IpNet>,
    dialect: String,
}

impl EngineBuilder {
    /// Limits of the whole engine.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The retry schedule of endpoints without one of their own.
    #[must_use]
    pub fn retry_schedule(mut self, retry: RetrySchedule) -> Self {
        self.retry = retry;
        self
    }

    /// Networks to which deliveries may go although they are private, and over plain http.
    #[must_use]
    pub fn egress_allow(mut self, networks: Vec<IpNet>) -> Self {
        self.egress_allow = networks;
        self
    }

    /// The dialect of endpoints created without one; `standard@1` if not set.
    #[must_use]
    pub fn default_dialect(mut self, dialect: &str) -> Self {
        self.dialect = dialect.to_owned();
        self
    }

    /// Opens the journal, recovers what was under way and starts to deliver. Blocks until the engine is ready.
    pub fn start(self) -> Result<Engine> {
        todo!()
    }
}

/// A running engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
}

/// What a shutdown came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Attempts that were in flight and finished within the grace time.
    pub finished: u64,
    /// Attempts cut off at the end of the grace time; they are made again after the next start.
    pub interrupted: u64,
    /// Deliveries that wait in the journal for the next start.
    pub pending: u64,
}

/// Whether the engine can accept events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The journal accepts writes.
    pub writable: bool,
    /// The queue before the journal is below its limit.
    pub accepting: bool,
    /// Why not, if not.
    pub reason: Option<String>,
}

impl Engine {
    /// An engine on a data directory; one process at a time may hold it.
    pub fn builder(dir: impl Into<PathBuf>) -> EngineBuilder {
        EngineBuilder {
            dir: dir.into(),
            limits: Limits::default(),
            retry: RetrySchedule::default(),
            egress_allow: Vec::new(),
            dialect: "standard@1".to_owned(),
        }
    }

    /// Everything that one tenant can see and do.
    pub fn tenant(&self, tenant: Tenant) -> TenantHandle {
        todo!()
    }

    /// Whether the engine can accept events now.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// Creates a token; the second value is its secret, which is not stored and never shown again.
    pub async fn create_token(&self, tenant: Tenant, scopes: Vec<Scope>, description: Option<String>) -> Result<(Token, String)> {
        todo!()
    }

    /// The token that a secret belongs to, if there is one.
    pub fn authenticate(&self, secret: &str) -> Option<Token> {
        todo!()
    }

    /// Accepts nothing more, lets attempts in flight finish for up to `grace`, writes everything out and stops.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        todo!()
    }
}
