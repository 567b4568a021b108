//! What the actors are started with: checked once, then shared and never changed.

use std::{fmt, path::PathBuf, sync::Arc};

use casewire_data::{
    address::EgressPolicy, dialect::Dialects, event::Event, limits::Limits, retry::RetrySchedule,
};

/// Called on an arbiter before each attempt; for fault injection in tests.
pub type BeforeAttempt = Arc<dyn Fn(&Event) + Send + Sync>;

/// See the module.
#[derive(Clone)]
pub struct Config {
    /// Limits of the whole engine.
    pub limits: Limits,
    /// The retry schedule of endpoints without one of their own.
    pub retry: RetrySchedule,
    /// Where deliveries may go.
    pub egress: Arc<EgressPolicy>,
    /// The dialects that there are.
    pub dialects: Arc<Dialects>,
    /// The dialect of endpoints that name none.
    pub default_dialect: String,
    /// Arbiters that deliver, each on a thread of its own.
    pub workers: usize,
    /// The `User-Agent` of deliveries.
    pub user_agent: String,
    /// Where backups are made; a folder of the data directory if not set.
    pub backup_dir: Option<PathBuf>,
    /// A test's hook.
    pub before_attempt: Option<BeforeAttempt>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .field("default_dialect", &self.default_dialect)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
