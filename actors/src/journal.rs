//! The journal: one thread that is the sole caller of the store's writer, and one that reads for everybody.
//!
//! Group commit: all that waits is written as one batch and synced once; only then is it answered. Settlements wait
//! for company, since losing one only repeats a delivery. Reads pass through the writer, so that each sees all that
//! its caller wrote before.

mod queue;
mod reader;
mod writer;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use casewire_data::{
    Error, ErrorKind, Result,
    audit::Act,
    event::{Event, Resource, Tenant},
    limits::Limits,
    replay::Replay,
    route::Routes,
    store::{
        BackupPoint, Cancelled, Document, Parked, Publication, Published, Requeued, Settled, Store, Write,
        Writer, Written,
    },
};
use tokio::sync::{oneshot, watch};

pub use self::queue::Depth;
use self::{
    queue::{Queue, Room},
    writer::{CHECKPOINT_EVERY, Randomness, WriterThread},
};
use crate::{
    clock::Clock,
    envelope::Envelope,
    metrics::{JournalCounts, SyncTimer},
    unwritten::Unwritten,
};

/// An event that is on disk, and the endpoints that it matched.
pub type Committed = (Arc<Envelope>, Routes);

/// What the journal tells those who deliver.
pub enum News {
    /// These are on disk, in publish order.
    Committed(Vec<Committed>),
    /// Retention took deliveries of these endpoints that waited.
    Expired(BTreeSet<u32>),
}

/// Takes the journal's news. Called on its thread: it must not block.
pub type OnCommit = Box<dyn FnMut(News) + Send>;

#[expect(clippy::large_enum_variant, reason = "most commands are writes, and each is moved once")]
enum Command {
    Write(Write, Waiter),
    Read(Reading),
    Point(oneshot::Sender<Result<BackupPoint>>),
    Seal(oneshot::Sender<Result<bool>>),
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
    counts: Arc<JournalCounts>,
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
        mut writer: Writer,
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
            refused: AtomicU64::new(0),
        });
        let counts = Arc::<JournalCounts>::default();
        writer.watch_syncs(Box::new(SyncTimer::new(counts.clone())));
        let (reader_store, reader_failed) = (store.clone(), failed.clone());
        let reader =
            spawn("casewire-reader", move || reader::run(&reader_store, &reading_inbox, &reader_failed));
        let retention_every = Duration::from_millis(limits.retention_every_ms());
        let worker = WriterThread {
            writer,
            inbox,
            readings,
            queue: queue.clone(),
            counts: counts.clone(),
            clock,
            on_commit,
            failed,
            retention_every,
            randomness: Randomness::new(),
            checkpoint_at: Instant::now() + CHECKPOINT_EVERY,
            retention_at: Instant::now(),
        };
        let writer = spawn("casewire-journal", move || worker.run());
        (Self { commands, queue, counts, store, failure }, JournalThreads { writer, reader })
    }

    /// Publishes events, all or nothing; answers when they are durable. `Busy` at once if the queue is full.
    pub async fn publish(&self, publication: Publication) -> Result<Vec<Published>> {
        let events = publication.events.len();
        let bytes = publication.events.iter().map(|(event, _)| event.data.len()).sum();
        self.write(Write::Publish(publication), Some(Queue::enter(&self.queue, events, bytes)?)).await
    }

    /// Writes a change of the registry and who made it; answers when both are durable.
    pub async fn document(&self, act: Act, document: Document) -> Result<()> {
        self.audited(act, Some(Write::Document(document))).await
    }

    /// Writes what the engine has noted of an endpoint, which is nobody's act; answers when it is durable.
    pub async fn note(&self, document: Document) -> Result<()> {
        self.write(Write::Document(document), None).await.map(drop)
    }

    /// Has the audit say what somebody did, and makes the change by which it was done, if there is one; answers when both
    /// are durable. A change that is refused leaves nothing in the audit.
    pub async fn audited(&self, act: Act, change: Option<Write>) -> Result<()> {
        self.write(Write::Audited(Box::new(act), change.map(Box::new)), None).await.map(drop)
    }

    /// Writes how far a replay has come, of which the audit says nothing; answers when it is durable.
    pub async fn replay(&self, replay: Replay) -> Result<()> {
        self.write(Write::Document(Document::Replay(Box::new(replay))), None).await.map(drop)
    }

    /// Has a delivery attempted again, as somebody wished; answers when that is durable.
    pub async fn requeue(&self, act: Act, requeued: Requeued) -> Result<()> {
        self.audited(act, Some(Write::Requeue(requeued))).await
    }

    /// Notes the moment for a backup: all that was written before is in it, and synced.
    pub async fn backup_point(&self) -> Result<BackupPoint> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Point(answer)).map_err(|_| closed())?;
        answered.await.map_err(|_| self.failure().unwrap_or_else(closed))?
    }

    /// Has the content of a tenant's events about a resource erased; answers when that is durable, and nobody sees it any
    /// more. The files still have it.
    pub async fn erase(&self, act: Act, tenant: Tenant, resource: Resource) -> Result<()> {
        self.audited(act, Some(Write::Erase(tenant, resource))).await
    }

    /// Notes that all erasures asked for before a position are done. Durable soon.
    pub fn erased_before(&self, position: u64) {
        self.leave(Write::ErasedBefore(position), None);
    }

    /// Has a new segment begun, once all that was written before is in; see [`Writer::seal`]. Blocks.
    pub fn seal(&self) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Seal(answer)).map_err(|_| closed())?;
        answered.blocking_recv().map_err(|_| self.failure().unwrap_or_else(closed))?
    }

    /// Returns once all that was left before is written. Blocks.
    pub fn catch_up(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let reading: Reading = Box::new(move |_| {
            let _ = answer.send(());
        });
        self.commands.send(Command::Read(reading)).map_err(|_| closed())?;
        answered.blocking_recv().map_err(|_| closed())
    }

    /// Notes an attempt of an event's delivery and its fate. Durable soon; until it is written it counts as unwritten.
    /// `replayed` if a replay asked for it: whether the event was not routed to the endpoint before.
    pub fn settle(&self, mut settled: Settled, event: &Event, replayed: Option<bool>, unwritten: &Unwritten) {
        unwritten.add();
        let mut settlements = self.queue.settlements();
        // Under the lock: what the writer takes after an erasure was noted holds nothing of what was erased.
        self.store.strip(event, &mut settled.attempt);
        let write = match replayed {
            None => Write::Settle(settled),
            Some(missing) => Write::SettleReplayed { settled: Box::new(settled), missing },
        };
        settlements.push((write, Some(unwritten.clone())));
        drop(settlements);
        self.wake();
    }

    /// Notes that a delivery is not to be made any more. Durable soon.
    pub fn cancel(&self, cancelled: Cancelled) {
        self.leave(Write::Cancel(cancelled), None);
    }

    /// Has settlements written now, without waiting for company.
    pub fn hurry(&self) {
        let _ = self.commands.send(Command::Wake);
    }

    /// Notes that a delivery is set aside. Durable soon.
    pub fn park(&self, parked: Parked) {
        self.leave(Write::Park(parked), None);
    }

    /// Gives a delivery that has a row its case. Durable soon.
    pub fn enrol(&self, requeued: Requeued) {
        self.leave(Write::Enrol(requeued), None);
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

    /// What waits before it.
    pub fn depth(&self) -> Depth {
        self.queue.depth()
    }

    /// What its writing thread counts.
    pub fn counts(&self) -> &Arc<JournalCounts> {
        &self.counts
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
        self.wake();
    }

    fn wake(&self) {
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

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("the operating system starts a thread")
}

#[cfg(test)]
mod tests;
