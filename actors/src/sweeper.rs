//! Erasing: marked by the journal at once, then taken out of the log's files by a thread of its own, which also takes
//! payloads out that are older than their tenant's period, or more than it may keep.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action, Principal},
    event::{Resource, Tenant},
    limits::{Limits, PayloadRetention},
    store::{Sweep, SweepReport, SweepTerms},
};
use tokio::sync::oneshot;

use crate::{clock::Clock, directory::Directory, journal::Journal};

/// How long an erasure is waited for to be out of the files.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Erases contents. Clones share it.
#[derive(Clone)]
pub struct Sweeper {
    journal: Journal,
    requests: Sender<Request>,
    shared: Arc<Shared>,
}

/// What became of an erasure that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Events without a content now; absent as long as the files still hold some of it, which nobody is shown any more.
    pub events: Option<u64>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Somebody waits for the next sweep. The end of the thread is asked for with a flag; this only wakes it.
type Request = oneshot::Sender<Swept>;

/// What a sweep took out; nothing of it counts unless it is `complete`.
#[derive(Clone, Debug, Default)]
struct Swept {
    report: SweepReport,
    complete: bool,
}

struct Thread {
    journal: Journal,
    directory: Arc<Directory>,
    clock: Clock,
    /// How long contents are kept, and how many bytes of them.
    contents: PayloadRetention,
    /// How many bytes of some tenants' events are kept.
    tenants_bytes: BTreeMap<Tenant, u64>,
    every: Duration,
    shared: Arc<Shared>,
}

impl Sweeper {
    /// Starts the thread.
    pub fn start(journal: Journal, directory: Arc<Directory>, clock: Clock, limits: &Limits) -> Self {
        let (requests, inbox) = mpsc::channel();
        let shared = Arc::<Shared>::default();
        let sweeping = Thread {
            journal: journal.clone(),
            directory,
            clock,
            contents: limits.content_retention(),
            tenants_bytes: limits.tenants_retention_bytes.clone(),
            every: Duration::from_millis(limits.retention_every_ms()),
            shared: shared.clone(),
        };
        let named = thread::Builder::new().name("casewire-sweeper".to_owned());
        let thread = named.spawn(move || sweeping.run(&inbox)).expect("the operating system starts a thread");
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Self { journal, requests, shared }
    }

    /// Erases the content of a tenant's events about a resource. Once it is durable that nobody sees it any more, it waits
    /// until it is out of the log's files, but not for long; those are swept in any case.
    pub async fn erase(&self, tenant: Tenant, by: Principal, resource: Resource) -> Result<Erased> {
        let subject = format!("{}/{}", resource.kind, resource.id);
        let act = Act::new(&tenant, by, Action::EventsErase, subject);
        self.journal.erase(act, tenant.clone(), resource.clone()).await?;
        let (answer, answered) = oneshot::channel();
        let nothing = Erased { events: None };
        if self.requests.send(answer).is_err() {
            return Ok(nothing);
        }
        let Ok(Ok(swept)) = tokio::time::timeout(ANSWER_WITHIN, answered).await else { return Ok(nothing) };
        let mut counts = swept.report.by_erasure.into_iter().rev();
        let count = counts.find(|(whose, about, _)| *whose == tenant && *about == resource);
        Ok(Erased { events: count.filter(|_| swept.complete).map(|(_, _, events)| events) })
    }

    /// Ends a sweep under way, and begins no other; blocks until the thread has ended.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = self.requests.send(oneshot::channel().0);
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that takes contents out of the log panicked");
        }
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").finish_non_exhaustive()
    }
}

impl Thread {
    fn run(self, inbox: &Receiver<Request>) {
        // What an earlier run has left.
        let mut waiting: Vec<Request> = Vec::new();
        while !self.shared.stop.load(Ordering::SeqCst) {
            // All of these were marked before their request came.
            waiting.extend(inbox.try_iter());
            let swept = self.sweep().unwrap_or_else(|error| {
                warn(&error, "contents that are erased are still in the log's files");
                Swept::default()
            });
            for request in waiting.drain(..) {
                let _ = request.send(swept.clone());
            }
            // Nobody waits for this.
            if let Err(error) = self.keep_within_bytes() {
                warn(&error, "tenants may have more bytes in the log's files than they may keep");
            }
            match inbox.recv_timeout(self.every) {
                Ok(request) => waiting.push(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn sweep(&self) -> Result<Swept> {
        let store = self.journal.store();
        let mut sweep = Sweep::new(store);
        if sweep.done_before().is_some() {
            // What was answered before the erasure was noted is in the log then, and will be found there.
            self.journal.catch_up()?;
        }
        let tenant_of = |ordinal| self.directory.tenant_of(ordinal);
        let terms = self.terms(&tenant_of);
        let must_seal = sweep.go(store, &terms)?;
        let complete = !must_seal || (self.journal.seal()? && !sweep.go(store, &terms)?);
        if let Some(position) = sweep.done_before().filter(|_| complete) {
            self.journal.erased_before(position);
        }
        tell(&sweep.report);
        Ok(Swept { report: sweep.report, complete })
    }

    fn keep_within_bytes(&self) -> Result<()> {
        let tenant_of = |ordinal| self.directory.tenant_of(ordinal);
        let report = self.journal.store().keep_within_bytes(&self.terms(&tenant_of))?;
        tell(&report);
        Ok(())
    }

    fn terms<'a>(&'a self, tenant_of: &'a dyn Fn(u32) -> Option<Tenant>) -> SweepTerms<'a> {
        SweepTerms {
            now: self.clock.now(),
            payloads: &self.contents,
            tenants_bytes: &self.tenants_bytes,
            tenant_of,
            stop: &self.shared.stop,
        }
    }
}

fn tell(SweepReport { events, segments, .. }: &SweepReport) {
    if *segments > 0 {
        tracing::info!(events, segments, "contents of events were taken out of the log's files");
    }
}

fn warn(error: &Error, what: &str) {
    // The engine stops.
    if error.kind() != ErrorKind::Closed {
        tracing::warn!(%error, "{what}; this is tried again");
    }
}
