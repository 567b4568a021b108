//! The engine: runs the actors on a thread of its own, so that any host can embed it, whatever its runtime.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use casewire_actors::{Config, Tree, config::BeforeAttempt};
use casewire_data::{
    Error, ErrorKind, Result,
    address::EgressPolicy,
    audit::Principal,
    dialect::Dialects,
    event::{self, Tenant},
    id::TokenId,
    limits::Limits,
    retry::RetrySchedule,
    signature::{constant_time_eq, sha256},
    token::{Scope, Token},
};
use ipnet::IpNet;
use tokio::sync::oneshot;

use crate::{publisher::Publisher, tenant::TenantHandle};

pub use casewire_actors::Drained as ShutdownReport;
pub use casewire_data::store::BackupReport;

/// The `User-Agent` of deliveries, unless their dialect has one of its own.
pub(crate) const USER_AGENT: &str = concat!("Casewire/", env!("CARGO_PKG_VERSION"));

/// How an [`Engine`] is to run; made by [`Engine::builder`].
#[derive(Clone)]
pub struct EngineBuilder {
    dir: PathBuf,
    limits: Limits,
    retry: RetrySchedule,
    egress_allow: Vec<IpNet>,
    dialect: String,
    dialects: Option<Dialects>,
    workers: usize,
    admin_token: Option<String>,
    backup_dir: Option<PathBuf>,
    before_attempt: Option<BeforeAttempt>,
}

impl EngineBuilder {
    /// Limits of the whole engine; [`Limits::default`] if not set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The retry schedule of endpoints without one of their own; that of Standard Webhooks if not set.
    #[must_use]
    pub fn retry_schedule(mut self, retry: RetrySchedule) -> Self {
        self.retry = retry;
        self
    }

    /// Networks to which deliveries may go although they are private, and over plain http; none if not set.
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

    /// The dialects that endpoints may have, such as [`read_dialects`](crate::read_dialects) reads; those that are
    /// shipped if not set.
    ///
    /// An endpoint whose dialect is not among them is paused while the engine runs, and loses nothing.
    #[must_use]
    pub fn dialects(mut self, dialects: Dialects) -> Self {
        self.dialects = Some(dialects);
        self
    }

    /// Threads that deliver; one if not set, which is enough until deliveries take a whole core.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// A token of the default tenant with all scopes, for the admin endpoints. It is kept in memory only.
    #[must_use]
    pub fn admin_token(mut self, secret: impl Into<String>) -> Self {
        self.admin_token = Some(secret.into());
        self
    }

    /// The folder in which [`Engine::backup`] makes backups; `backups` in the data directory if not set.
    #[must_use]
    pub fn backup_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.backup_dir = Some(dir.into());
        self
    }

    /// Called before each attempt, on the thread that makes it; for fault injection in tests.
    #[doc(hidden)]
    #[must_use]
    pub fn before_attempt(mut self, hook: impl Fn(&event::Event) + Send + Sync + 'static) -> Self {
        self.before_attempt = Some(Arc::new(hook));
        self
    }

    /// Opens the journal, recovers what was under way and starts to deliver. Blocks until the engine is ready.
    ///
    /// Fails with `Invalid` for limits out of range or an unknown dialect, `Locked` if another process holds the
    /// directory, `Damaged` naming the place if what is stored cannot be trusted, `Newer` if a newer version has written
    /// it, and `Storage` if the disk fails.
    pub fn start(self) -> Result<Engine> {
        self.limits.check()?;
        let dialects = self.dialects.unwrap_or_else(Dialects::builtin);
        dialects.get(&self.dialect)?;
        let config = Config {
            limits: self.limits,
            retry: self.retry,
            egress: Arc::new(EgressPolicy::new(self.egress_allow)),
            dialects: Arc::new(dialects),
            default_dialect: self.dialect,
            workers: self.workers,
            user_agent: USER_AGENT.to_owned(),
            backup_dir: self.backup_dir,
            before_attempt: self.before_attempt,
        };
        let (started, outcome) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let dir = self.dir;
        let thread = thread::Builder::new().name("casewire-engine".to_owned());
        let thread = thread.spawn(move || run(dir, config, &started, stopped)).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("the operating system started no thread: {error}"))
        })?;
        let tree = outcome.recv().unwrap_or_else(|_| Err(gone()))?;
        let admin_token = self.admin_token.map(|secret| admin_token(&secret));
        let inner = Inner { tree, admin_token, running: Mutex::new(Some(Running { stop, thread })) };
        Ok(Engine { inner: Arc::new(inner) })
    }
}

/// A running engine. Clones share it; it stops at [`Engine::shutdown`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    tree: Tree,
    admin_token: Option<Token>,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: oneshot::Sender<Stop>,
    thread: JoinHandle<()>,
}

struct Stop {
    grace: Duration,
    report: oneshot::Sender<ShutdownReport>,
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
    /// An engine on a data directory, created if it is not there; one process at a time may hold it.
    pub fn builder(dir: impl Into<PathBuf>) -> EngineBuilder {
        EngineBuilder {
            dir: dir.into(),
            limits: Limits::default(),
            retry: RetrySchedule::default(),
            egress_allow: Vec::new(),
            dialect: "standard@1".to_owned(),
            dialects: None,
            workers: 1,
            admin_token: None,
            backup_dir: None,
            before_attempt: None,
        }
    }

    /// Everything that one tenant can see and do.
    pub fn tenant(&self, tenant: Tenant) -> TenantHandle {
        TenantHandle::new(self.inner.tree.clone(), tenant)
    }

    /// The running actors.
    pub(crate) fn tree(&self) -> &Tree {
        &self.inner.tree
    }

    /// Publishes for the default tenant; for another one, see [`TenantHandle::publisher`].
    pub fn publisher(&self) -> Publisher {
        self.tenant(Tenant::default()).publisher()
    }

    /// The dialect of endpoints created without one.
    pub fn default_dialect(&self) -> &str {
        &self.inner.tree.config.default_dialect
    }

    /// Whether the engine can accept events now.
    pub fn health(&self) -> Health {
        let tree = &self.inner.tree;
        let failure = tree.failure();
        let accepting = tree.journal.has_room();
        let full = || "the queue of events that wait for the disk is full".to_owned();
        let reason = failure.as_ref().map(ToString::to_string).or_else(|| (!accepting).then(full));
        Health { writable: failure.is_none(), accepting, reason }
    }

    /// Resolves when the engine has stopped accepting because its disk failed or its data is damaged; else never.
    pub async fn failed(&self) -> Error {
        self.inner.tree.failed().await
    }

    /// Creates a token; the second value is its secret, which is kept nowhere and cannot be shown again.
    pub async fn create_token(
        &self,
        tenant: Tenant,
        scopes: Vec<Scope>,
        description: Option<String>,
    ) -> Result<(Token, String)> {
        self.tenant(tenant).create_token(scopes, description).await
    }

    /// Whether there is a token with all scopes that is stored nowhere; see [`EngineBuilder::admin_token`].
    pub(crate) fn has_admin_token(&self) -> bool {
        self.inner.admin_token.is_some()
    }

    /// The token that a secret belongs to, if there is one. Takes the same time for any wrong secret.
    pub fn authenticate(&self, secret: &str) -> Option<Token> {
        let admin = self.inner.admin_token.as_ref();
        let digest = sha256(secret.as_bytes());
        match admin.filter(|token| constant_time_eq(&token.secret_sha256, &digest)) {
            Some(token) => Some(token.clone()),
            None => self.inner.tree.directory.token(secret),
        }
    }

    /// Copies everything that is stored, while all goes on: a backup from which [`restore`](crate::restore) makes a data
    /// directory. It lies in the folder of backups, under a name or, without one, that of the time.
    ///
    /// All that was acknowledged before the call is in it. Answers when it is on disk; after an error nothing is left of
    /// it. `Busy` while another one is being made, `Invalid` for what is no name, `Conflict` for one that is taken,
    /// `Storage` if the disk fails or is full, `Damaged` naming the place if what is stored is not whole.
    pub async fn backup(&self, name: Option<String>) -> Result<BackupReport> {
        self.backup_by(Principal::Host, name).await
    }

    /// As [`Engine::backup`], for somebody.
    pub(crate) async fn backup_by(&self, by: Principal, name: Option<String>) -> Result<BackupReport> {
        self.inner.tree.backups.make(by, name).await
    }

    /// Accepts nothing more, lets attempts in flight finish for up to `grace`, writes everything out and stops.
    /// A second call reports nothing more to do.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let nothing = ShutdownReport { finished: 0, interrupted: 0, pending: 0 };
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { stop, thread }) = running else { return nothing };
        let (report, reported) = oneshot::channel();
        if stop.send(Stop { grace, report }).is_err() {
            return nothing;
        }
        let report = reported.await.unwrap_or(nothing);
        // The thread reports last of all, so this join does not block.
        let _ = thread.join();
        report
    }
}

impl Drop for Inner {
    /// Stops without grace. Blocks for the moment that writing everything out takes.
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { stop, thread }) = running {
            drop(stop);
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("health", &self.health()).finish_non_exhaustive()
    }
}

/// The engine's thread: an actix system from start to stop.
fn run(dir: PathBuf, config: Config, started: &mpsc::Sender<Result<Tree>>, stopped: oneshot::Receiver<Stop>) {
    actix_rt::System::new().block_on(async move {
        let (tree, stoppable) = match Tree::start(&dir, config) {
            Ok(running) => running,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        if started.send(Ok(tree.clone())).is_err() {
            stoppable.stop(tree);
            return;
        }
        let stop = tokio::select! {
            stop = stopped => stop.ok(),
            error = tree.failed() => {
                tracing::error!(%error, "the engine stops delivering; restart it when the cause is mended");
                tree.drain(Duration::ZERO).await;
                None
            }
        };
        let grace = stop.as_ref().map_or(Duration::ZERO, |stop| stop.grace);
        let report = tree.drain(grace).await;
        stoppable.stop(tree);
        if let Some(stop) = stop {
            let _ = stop.report.send(report);
        }
    });
}

fn admin_token(secret: &str) -> Token {
    Token {
        id: TokenId::from_u128(0),
        tenant: Tenant::default(),
        scopes: vec![Scope::Admin],
        description: Some("from the engine's configuration".to_owned()),
        secret_sha256: sha256(secret.as_bytes()),
        created_at: casewire_data::Timestamp::default(),
    }
}

/// The engine's thread is no more.
pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Closed, "the engine has stopped")
}
