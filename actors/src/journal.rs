//! The journal: one thread that is the sole caller of the store's writer, and one that reads for everybody.
//!
//! Group commit: all that waits is written as one batch and synced once; only then is it answered. Settlements wait
//! for company, since losing one only repeats a delivery. Reads pass through the writer, so that each sees all that
//! its caller wrote before.

mod queue;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use casewire_data::{
    Error, ErrorKind, Result,
    limits::Limits,
    store::{Document, Parked, Publication, Published, Requeued, Settled, Store, Write, Writer, Written},
};
use tokio::sync::{oneshot, watch};

use self::queue::{Queue, Room};
use crate::{clock::Clock, envelope::Envelope, unwritten::Unwritten};

/// Writes that share one sync.
const BATCH_WRITES_MAX: usize = 1_024;
/// How long settlements wait for company.
const SETTLE_WAIT: Duration = Duration::from_millis(2);
/// How often the retry journal is brought up to the log.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Log bytes after which it is brought up earlier; bounds what a restart replays.
const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;
/// How often retention looks, at most.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

/// An event that is on disk, and the endpoints that it matched.
pub type Committed = (Arc<Envelope>, Arc<[u32]>);

/// Takes what is committed, in publish order. Called on the journal's thread: it must not block.
pub type OnCommit = Box<dyn FnMut(Vec<Committed>) + Send>;

enum Command {
    Write(Write, Waiter),
    Read(Reading),
    /// Nothing to do but to look at the settlements.
    Wake,
    Close,
}

/// What a mailbox left for the journal, and who counts it.
type Settlement = (Write, Option<Unwritten>);

type Reading = Box<dyn FnOnce(&Store) + Send>;

/// A handle on the journal. Clones share it.
#[derive(Clone)]
pub struct Journal {
    commands: Sender<Command>,
    queue: Arc<Queue>,
    store: Store,
    failure: watch::Receiver<Option<Error>>,
}

/// The journal's threads, to be joined at the end.
pub struct JournalThreads {
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl Journal {
    /// Starts the threads.
    pub fn start(
        writer: Writer,
        store: Store,
        clock: Clock,
        limits: &Limits,
        on_commit: OnCommit,
    ) -> (Self, JournalThreads) {
        let (commands, inbox) = mpsc::channel();
        let (readings, reading_inbox) = mpsc::channel::<Reading>();
        let (failed, failure) = watch::channel(None);
        let queue = Arc::new(Queue {
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            events_max: limits.queue_events_max,
            bytes_max: limits.queue_bytes_max,
            settlements: Mutex::new(Vec::new()),
            asleep: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let (reader_store, reader_failed) = (store.clone(), failed.clone());
        let reader = spawn("casewire-reader", move || {
            for reading in reading_inbox {
                // The store is only read, so a panic leaves nothing half done; but what is stored cannot be read.
                if catch_unwind(AssertUnwindSafe(|| reading(&reader_store))).is_err() {
                    fail(
                        &reader_failed,
                        Error::new(ErrorKind::Damaged, "reading the journal made the engine panic"),
                    );
                }
            }
        });
        let retention_every =
            RETENTION_EVERY.min(Duration::from_millis((limits.retention_ms / 8).max(100).cast_unsigned()));
        let worker = WriterThread {
            writer,
            inbox,
            readings,
            queue: queue.clone(),
            clock,
            on_commit,
            failed,
            retention_every,
            checkpoint_at: Instant::now() + CHECKPOINT_EVERY,
            retention_at: Instant::now(),
        };
        let writer = spawn("casewire-journal", move || worker.run());
        (Self { commands, queue, store, failure }, JournalThreads { writer, reader })
    }

    /// Publishes events, all or nothing; answers when they are durable. `Busy` at once if the queue is full.
    pub async fn publish(&self, publication: Publication) -> Result<Vec<Published>> {
        let events = publication.events.len();
        let bytes = publication.events.iter().map(|(event, _)| event.data.len()).sum();
        self.write(Write::Publish(publication), Some(Queue::enter(&self.queue, events, bytes)?)).await
    }

    /// Writes a change of the registry; answers when it is durable.
    pub async fn document(&self, document: Document) -> Result<()> {
        self.write(Write::Document(document), None).await.map(drop)
    }

    /// Has a delivery attempted again; answers when that is durable.
    pub async fn requeue(&self, requeued: Requeued) -> Result<()> {
        self.write(Write::Requeue(requeued), None).await.map(drop)
    }

    /// Notes an attempt and its fate. Durable soon; until it is written it counts as unwritten.
    pub fn settle(&self, settled: Settled, unwritten: &Unwritten) {
        unwritten.add();
        self.leave(Write::Settle(settled), Some(unwritten.clone()));
    }

    /// Has settlements written now, without waiting for company.
    pub fn hurry(&self) {
        let _ = self.commands.send(Command::Wake);
    }

    /// Notes that a delivery is set aside. Durable soon.
    pub fn park(&self, parked: Parked) {
        self.leave(Write::Park(parked), None);
    }

    /// Reads on the reader's thread, after all that was written before is in.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let reading: Reading = Box::new(move |store| {
            let _ = answer.send(read(store));
        });
        self.commands.send(Command::Read(reading)).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }

    /// The store, for questions that are answered from memory.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Resolves when the journal has failed or ended.
    pub async fn failed(&self) -> Error {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        failed.unwrap_or_else(closed)
    }

    /// Why the journal accepts nothing, if it has failed.
    pub fn failure(&self) -> Option<Error> {
        let failure = self.failure.borrow().clone();
        // Its threads are gone, be it at a stop or in a panic.
        failure.or_else(|| self.failure.has_changed().is_err().then(closed))
    }

    /// Whether the queue has room.
    pub fn has_room(&self) -> bool {
        self.queue.events.load(Ordering::Relaxed) < self.queue.events_max
    }

    /// Accepts nothing more from now on.
    pub fn stop_accepting(&self) {
        self.queue.closed.store(true, Ordering::SeqCst);
    }

    /// Writes everything out and ends both threads; blocks until they have.
    pub fn close(self, threads: JournalThreads) {
        self.stop_accepting();
        let _ = self.commands.send(Command::Close);
        drop(self);
        for thread in [threads.writer, threads.reader] {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
        }
    }

    async fn write(&self, write: Write, room: Option<Room>) -> Result<Vec<Published>> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Write(write, Waiter { answer, room })).map_err(|_| closed())?;
        answered.await.map_err(|_| self.failure().unwrap_or_else(closed))?
    }

    fn leave(&self, write: Write, unwritten: Option<Unwritten>) {
        self.queue.settlements().push((write, unwritten));
        if self.queue.asleep.swap(false, Ordering::SeqCst) {
            let _ = self.commands.send(Command::Wake);
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("failure", &self.failure()).finish_non_exhaustive()
    }
}

/// Who waits for a write. The place in the queue goes with the write: were it the publisher's own, one that gives up
/// would free it while the events still wait.
struct Waiter {
    answer: oneshot::Sender<Result<Vec<Published>>>,
    room: Option<Room>,
}

impl Waiter {
    fn answer(self, written: Written) {
        // First, so that whoever reads the answer finds the place free.
        drop(self.room);
        let _ = self.answer.send(written);
    }
}

struct WriterThread {
    writer: Writer,
    inbox: Receiver<Command>,
    readings: Sender<Reading>,
    queue: Arc<Queue>,
    clock: Clock,
    on_commit: OnCommit,
    failed: watch::Sender<Option<Error>>,
    retention_every: Duration,
    checkpoint_at: Instant,
    retention_at: Instant,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            let first = self.next();
            let closing = self.work_off(first);
            if closing {
                break;
            }
            self.keep_house();
        }
        match self.writer.close() {
            Ok(lock) => drop(lock),
            Err(error) => {
                tracing::error!(%error, "the journal did not end cleanly; the next start recovers it")
            }
        }
    }

    /// Waits for a command, for the settlements' time, or for the next checkpoint.
    fn next(&mut self) -> Option<Command> {
        if !self.queue.settlements().is_empty() {
            return self.inbox.recv_timeout(SETTLE_WAIT).ok();
        }
        let idle = self.writer.bytes_since_checkpoint() == 0;
        let until = if idle { self.retention_at } else { self.checkpoint_at.min(self.retention_at) };
        self.queue.asleep.store(true, Ordering::SeqCst);
        // A settlement left between the look above and the flag would not wake anybody.
        let wait = if self.queue.settlements().is_empty() {
            until.saturating_duration_since(Instant::now())
        } else {
            SETTLE_WAIT
        };
        let command = self.inbox.recv_timeout(wait);
        self.queue.asleep.store(false, Ordering::SeqCst);
        match command {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Command::Close),
        }
    }

    /// Commits all that waits, then passes the reads on. Tells whether to close.
    fn work_off(&mut self, first: Option<Command>) -> bool {
        let mut writes: Vec<Write> = Vec::new();
        let mut waiters: Vec<Option<Waiter>> = Vec::new();
        let mut readings = Vec::new();
        let mut closing = false;
        let mut next = first;
        while let Some(command) = next {
            match command {
                Command::Write(write, waiter) => {
                    writes.push(write);
                    waiters.push(Some(waiter));
                }
                Command::Read(reading) => readings.push(reading),
                Command::Wake => {}
                Command::Close => closing = true,
            }
            next = if writes.len() < BATCH_WRITES_MAX { self.inbox.try_recv().ok() } else { None };
        }
        let settlements = std::mem::take(&mut *self.queue.settlements());
        let (settlements, unwritten): (Vec<Write>, Vec<_>) = settlements.into_iter().unzip();
        waiters.resize_with(writes.len() + settlements.len(), || None);
        writes.extend(settlements);
        if !writes.is_empty() {
            self.commit(writes, waiters);
        }
        Unwritten::written(&unwritten.into_iter().flatten().collect::<Vec<_>>());
        for reading in readings {
            let _ = self.readings.send(reading);
        }
        closing
    }

    fn commit(&mut self, writes: Vec<Write>, waiters: Vec<Option<Waiter>>) {
        match self.writer.commit(writes, self.clock.now(), &mut random) {
            Ok(answers) => self.answer(answers, waiters),
            Err(error) => {
                for waiter in waiters.into_iter().flatten() {
                    waiter.answer(Err(error.clone()));
                }
                self.fail(error);
            }
        }
        if let Err(error) = self.writer.flush_rows() {
            self.fail(error);
        }
    }

    fn answer(&mut self, answers: Vec<Written>, waiters: Vec<Option<Waiter>>) {
        let mut committed = Vec::new();
        for (answer, waiter) in answers.into_iter().zip(waiters) {
            if let Ok(published) = &answer {
                let fresh = published.iter().filter_map(|published| published.fresh.clone());
                let routed = fresh.filter(|(_, routes)| !routes.is_empty());
                committed.extend(routed.map(|(event, routes)| (Arc::new(Envelope::new(event)), routes)));
            }
            if let Some(waiter) = waiter {
                waiter.answer(answer);
            }
        }
        if !committed.is_empty() {
            (self.on_commit)(committed);
        }
    }

    fn keep_house(&mut self) {
        let now = Instant::now();
        let due = now >= self.checkpoint_at && self.writer.bytes_since_checkpoint() > 0;
        if due || self.writer.bytes_since_checkpoint() >= CHECKPOINT_BYTES {
            self.checkpoint_at = now + CHECKPOINT_EVERY;
            match self.writer.checkpoint() {
                Ok(()) => {
                    let _ = self.readings.send(Box::new(|store| {
                        if let Err(error) = store.flush_retry_journal() {
                            tracing::warn!(%error, "the retry journal was not flushed; a restart replays more of the log");
                        }
                    }));
                }
                Err(error) => self.fail(error),
            }
        }
        if now >= self.retention_at {
            self.retention_at = now + self.retention_every;
            match self.writer.enforce_retention(self.clock.now()) {
                Ok(0) => {}
                Ok(deliveries) => {
                    tracing::warn!(
                        deliveries,
                        "deliveries expired: retention took their events before they were settled"
                    );
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Fails closed: whoever waits or asks later learns why.
    fn fail(&mut self, error: Error) {
        fail(&self.failed, error);
    }
}

fn fail(failed: &watch::Sender<Option<Error>>, error: Error) {
    failed.send_if_modified(|failure| {
        let first = failure.is_none();
        failure.get_or_insert(error);
        first
    });
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the engine is stopping or has stopped")
}

fn random() -> u128 {
    let word = || u128::from(getrandom::u64().expect("the operating system has randomness"));
    word() << 64 | word()
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("the operating system starts a thread")
}

#[cfg(test)]
mod tests;
