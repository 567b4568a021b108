//! Starts all actors in the order in which they depend on each other, and stops them in the reverse.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Arbiter};
use casewire_data::{
    Error, Result,
    audit::Act,
    dialect::Dialects,
    store::{self, Requeued},
};
use tokio::sync::watch;

use crate::{
    backup::Backups,
    clock::Clock,
    config::Config,
    crowd::Crowd,
    directory::Directory,
    dispatch,
    health::HealthBook,
    in_flight::InFlight,
    journal::{Journal, JournalThreads, News, OnCommit},
    matcher::Matching,
    metrics::Metrics,
    operational::{Herald, Operational},
    registry::{self, Audience, CatchUp, Registry, Shards},
    replay::{Kit, Replays},
    shard::{Drain, Handover, LookAgain, Shard, WakeAt},
    stats::StatsBook,
    surroundings::Surroundings,
    sweeper::Sweeper,
    trial::Trials,
};

/// Where backups lie in the data directory, unless they are to lie elsewhere.
const BACKUP_FOLDER: &str = "backups";
/// How often a stop looks whether the attempts under way are over.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// The running actors. Every part of it can be used from any thread.
#[derive(Clone)]
pub struct Tree {
    /// What it was started with.
    pub config: Arc<Config>,
    /// The engine's clock.
    pub clock: Clock,
    /// Event types to endpoints.
    pub matcher: Matching,
    /// What is on disk.
    pub journal: Journal,
    /// Where endpoints change.
    pub registry: Addr<Registry>,
    /// Where they are sent again what they had.
    pub replays: Addr<Replays>,
    /// Where they are read.
    pub directory: Arc<Directory>,
    /// Copies of what is on disk.
    pub backups: Backups,
    /// What takes contents out of what is on disk.
    pub sweeper: Sweeper,
    /// Attempts under way.
    pub in_flight: Arc<InFlight>,
    /// What all of it counts of its work.
    pub metrics: Metrics,
    /// The stats of endpoints that were attempted lately.
    pub stats: Arc<StatsBook>,
    /// How endpoints in trouble are doing.
    pub health: Arc<HealthBook>,
    shards: Shards,
    damage: watch::Receiver<Option<Error>>,
}

/// Tells an endpoint's mailbox to look into the retry journal, when it is dropped.
struct LookAgainAtLast {
    shard: Option<Addr<Shard>>,
    ordinal: u32,
}

impl Drop for LookAgainAtLast {
    fn drop(&mut self) {
        if let Some(shard) = &self.shard {
            shard.do_send(LookAgain(self.ordinal));
        }
    }
}

/// What must be stopped, by the thread that started it.
pub struct Stoppable {
    arbiters: Vec<Arbiter>,
    threads: JournalThreads,
}

/// What a drain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Attempts that were under way and finished within the grace time.
    pub finished: u64,
    /// Attempts cut off at its end; they are made again after the next start.
    pub interrupted: u64,
    /// Deliveries that wait in the journal for the next start.
    pub pending: u64,
}

impl Tree {
    /// Opens the data directory and starts the actors. Must be called within an actix `System`.
    pub fn start(dir: &Path, config: Config) -> Result<(Self, Stoppable)> {
        let clock = Clock::start();
        let (writer, store) = store::open(dir, config.limits.store_options(), clock.now())?;
        let documents = writer.documents();
        let interrupted = documents.replays.clone();
        let (directory, next_ordinal) = (Arc::new(Directory::new(documents)), documents.next_ordinal());
        pause_the_speechless(&directory, &config.dialects);
        let shards = Shards::new(OnceLock::new());
        let on_commit = hand_over(shards.clone(), directory.clone());
        let (journal, threads) = Journal::start(writer, store, clock, &config.limits, on_commit);

        let backup_dir = config.backup_dir.clone().unwrap_or_else(|| dir.join(BACKUP_FOLDER));
        let backups = Backups::new(backup_dir, journal.clone(), clock);

        let sweeper = Sweeper::start(journal.clone(), directory.clone(), clock, &config.limits);

        let config = Arc::new(config);
        let subscriptions = directory.all();
        let health = Arc::new(HealthBook::new(&subscriptions));
        let subscriptions = subscriptions.iter().map(|it| registry::subscribe(it, &config.dialects));
        let matcher = Matching::start(subscriptions);
        let operational = Operational::new(clock, matcher.clone());
        actix_rt::spawn(Herald::new(operational.clone(), journal.clone()).work());
        let to_tell = Audience {
            matcher: matcher.clone(),
            shards: shards.clone(),
            health: health.clone(),
            operational: operational.clone(),
        };
        let tls = dispatch::tls_config();
        let metrics = Metrics::new(journal.counts().clone(), config.workers.max(1));
        let trials = Trials::new(&config, tls.clone(), metrics.of_trials());
        let told = (config.clone(), tls.clone(), trials);
        let registry = Registry::new(told, directory.clone(), journal.clone(), to_tell, next_ordinal).start();

        let (damage_sender, damage) = watch::channel(None);
        let line = Arc::default();
        let kit = Kit {
            journal: journal.clone(),
            directory: directory.clone(),
            shards: shards.clone(),
            config: config.clone(),
            line: Arc::clone(&line),
            damage: damage_sender.clone(),
        };
        let replays = Replays::new(kit, interrupted.into_values()).start();

        let (in_flight, traffic) = (Arc::new(InFlight::default()), Arc::default());
        let stats = Arc::new(StatsBook::new(clock));
        let arbiters: Vec<_> = (0..config.workers.max(1)).map(|_| Arbiter::new()).collect();
        let addresses = arbiters.iter().enumerate().map(|(index, arbiter)| {
            let surroundings = Surroundings {
                journal: journal.clone(),
                clock,
                directory: directory.clone(),
                registry: registry.clone(),
                config: config.clone(),
                tls: tls.clone(),
                crowd: Crowd::default(),
                traffic: Arc::clone(&traffic),
                in_flight: in_flight.clone(),
                replays: line.clone(),
                replayer: replays.clone(),
                counts: metrics.of_arbiter(index),
                stats: stats.clone(),
                health: health.clone(),
                operational: operational.clone(),
                damage: damage_sender.clone(),
            };
            let shards = arbiters.len();
            Shard::start_in_arbiter(&arbiter.handle(), move |_| Shard::new(index, shards, surroundings))
        });
        shards.get_or_init(|| addresses.collect());

        let with_work = journal.store().endpoints_with_work();
        for endpoint in with_work.into_iter().filter_map(|ordinal| directory.by_ordinal(ordinal)) {
            registry::announce(&shards, &endpoint, true, None);
        }
        let tree = Self {
            config,
            clock,
            matcher,
            journal,
            registry,
            replays,
            directory,
            backups,
            sweeper,
            in_flight,
            metrics,
            stats,
            health,
            shards,
            damage,
        };
        Ok((tree, Stoppable { arbiters, threads }))
    }

    /// Has a delivery made again, as somebody wished; answers when that is durable. Its endpoint hears of it even if the caller goes away
    /// before that: what is written then must not lie there until the next start.
    pub async fn requeue(&self, act: Act, requeued: Requeued) -> Result<()> {
        let ordinal = requeued.endpoint;
        let _at_last = LookAgainAtLast { shard: registry::shard_of(&self.shards, ordinal).cloned(), ordinal };
        self.journal.requeue(act, requeued).await
    }

    /// Resolves when the engine must stop because its disk failed or its data is damaged.
    pub async fn failed(&self) -> Error {
        let mut damage = self.damage.clone();
        let damaged = async {
            match damage.wait_for(Option::is_some).await {
                Ok(error) => error.clone().expect("waited until there is one"),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            error = self.journal.failed() => error,
            error = damaged => error,
        }
    }

    /// Why the engine accepts nothing, if it has failed.
    pub fn failure(&self) -> Option<Error> {
        self.journal.failure().or_else(|| self.damage.borrow().clone())
    }

    /// Accepts no more events, begins no more attempts, and waits up to `grace` for those under way.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.journal.stop_accepting();
        for shard in self.shards.get().into_iter().flatten() {
            let _ = shard.send(Drain).await;
        }
        let under_way = self.in_flight.len();
        let deadline = Instant::now() + grace;
        while !self.in_flight.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        let interrupted = self.in_flight.len();
        // What the last attempts came to, for endpoint and delivery, is written before it is counted.
        let _ = self.registry.send(CatchUp).await;
        let pending = self.journal.read(|store| store.waiting()).await.unwrap_or(0);
        let finished = under_way.saturating_sub(interrupted) as u64;
        Drained { finished, interrupted: interrupted as u64, pending }
    }
}

impl Stoppable {
    /// Stops the arbiters, then the journal; blocks until all have ended.
    pub fn stop(self, tree: Tree) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        for arbiter in self.arbiters {
            if arbiter.join().is_err() {
                tracing::error!("an arbiter panicked");
            }
        }
        tree.backups.stop();
        tree.sweeper.stop();
        tree.journal.close(self.threads);
    }
}

/// Pauses every endpoint whose dialect is gone, in the directory alone, so that it goes on by itself after a start with
/// the dialect: to have forgotten a setting once changes nothing that is stored.
fn pause_the_speechless(directory: &Directory, dialects: &Dialects) {
    let mut gone = BTreeMap::<Arc<str>, usize>::new();
    for paused in directory.all().iter().filter_map(|endpoint| endpoint.speechless(dialects)) {
        *gone.entry(paused.dialect.clone()).or_default() += 1;
        directory.put(Arc::new(paused));
    }
    for (dialect, endpoints) in gone {
        tracing::error!(%dialect, endpoints, "a dialect is gone; its endpoints are paused until it is back");
    }
}

/// Hands committed events to every shard, in one message each, and wakes endpoints that keep an order if retention took
/// what others may have waited for.
fn hand_over(shards: Shards, directory: Arc<Directory>) -> OnCommit {
    Box::new(move |news| match news {
        News::Committed(committed) => {
            let committed = Arc::new(committed);
            for shard in shards.get().into_iter().flatten() {
                shard.do_send(Handover(committed.clone()));
            }
        }
        News::Expired(endpoints) => {
            let at = Instant::now();
            let keeps_order = |ordinal: &u32| {
                directory.by_ordinal(*ordinal).is_some_and(|endpoint| !endpoint.ordering.is_none())
            };
            for ordinal in endpoints.into_iter().filter(keeps_order) {
                if let Some(shard) = registry::shard_of(&shards, ordinal) {
                    shard.do_send(WakeAt { ordinal, at });
                }
            }
        }
    })
}
