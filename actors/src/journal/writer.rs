//! The writing thread: drains all that waits into one batch, has it committed, and answers; keeps house in between.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use casewire_data::{
    Error,
    store::{Published, Write, Writer, Written},
};
use tokio::sync::watch;

use super::{Command, Committed, News, OnCommit, Queue, Reading, Waiter, fail};
use crate::{clock::Clock, envelope::Envelope, metrics::JournalCounts, span, unwritten::Unwritten};

/// Writes that share one sync.
const BATCH_WRITES_MAX: usize = 1_024;
/// How long settlements wait for company.
const SETTLE_WAIT: Duration = Duration::from_millis(2);
/// How often the retry journal is brought up to the log.
pub(super) const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Log bytes after which it is brought up earlier; bounds what a restart replays.
const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;
/// How soon retention goes on that left some of what is due.
const RETENTION_BEHIND: Duration = Duration::from_millis(200);
/// The thread's state; [`WriterThread::run`] is its whole life.
pub(super) struct WriterThread {
    pub(super) writer: Writer,
    pub(super) inbox: Receiver<Command>,
    pub(super) readings: Sender<Reading>,
    pub(super) queue: Arc<Queue>,
    pub(super) counts: Arc<JournalCounts>,
    pub(super) clock: Clock,
    pub(super) on_commit: OnCommit,
    pub(super) failed: watch::Sender<Option<Error>>,
    pub(super) retention_every: Duration,
    pub(super) randomness: Randomness,
    pub(super) checkpoint_at: Instant,
    pub(super) retention_at: Instant,
}

impl WriterThread {
    /// Works until the journal is closed, then writes everything out.
    pub(super) fn run(mut self) {
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
        let (mut readings, mut points, mut seals) = (Vec::new(), Vec::new(), Vec::new());
        let mut closing = false;
        let mut next = first;
        while let Some(command) = next {
            match command {
                Command::Write(write, waiter) => {
                    writes.push(write);
                    waiters.push(Some(waiter));
                }
                Command::Read(reading) => readings.push(reading),
                Command::Point(answer) => points.push(answer),
                Command::Seal(answer) => seals.push(answer),
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
            self.commit(writes, waiters, unwritten.into_iter().flatten().collect());
        }
        for reading in readings {
            let _ = self.readings.send(reading);
        }
        for answer in seals {
            let sealed = self.writer.seal(self.clock.now());
            let _ = answer.send(sealed.inspect_err(|error| fail(&self.failed, error.clone())));
        }
        for answer in points {
            let point = self.writer.backup_point().inspect_err(|error| fail(&self.failed, error.clone()));
            let _ = answer.send(point);
        }
        closing
    }

    fn commit(&mut self, writes: Vec<Write>, waiters: Vec<Option<Waiter>>, mut unwritten: Vec<Unwritten>) {
        self.counts.batch_writes.observe(writes.len() as u64);
        let now = self.clock.now();
        // A mailbox may go on while the disk still syncs: what it was told of outlives the process.
        let mut in_file = || Unwritten::written(&std::mem::take(&mut unwritten));
        let randomness = &mut self.randomness;
        let committed = self.writer.commit_noting(writes, now, &mut || randomness.next(), &mut in_file);
        // Nobody waits for a journal that has failed.
        in_file();
        match committed {
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
                for published in published {
                    committed.extend(self.note(published));
                }
            }
            if let Some(waiter) = waiter {
                waiter.answer(answer);
            }
        }
        if !committed.is_empty() {
            (self.on_commit)(News::Committed(committed));
        }
    }

    /// Counts and logs an event that is answered for now, and takes it up if it is to be delivered.
    fn note(&self, published: &Published) -> Option<Committed> {
        let Some((event, routes)) = &published.fresh else {
            self.counts.duplicates.add(1);
            span::repeated(published.id);
            return None;
        };
        self.counts.published.add(1);
        self.counts.routed.add(routes.len() as u64);
        let envelope = Envelope::new(event.clone());
        span::published(&envelope, routes.len());
        (!routes.is_empty()).then(|| (Arc::new(envelope), routes.clone()))
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
                    self.counts.expired.add(deliveries);
                    tracing::warn!(
                        deliveries,
                        "deliveries expired: retention took their events before they were settled"
                    );
                }
                Err(error) => self.fail(error),
            }
            let expired = self.writer.take_expired();
            if !expired.is_empty() {
                (self.on_commit)(News::Expired(expired));
            }
            if self.writer.retention_is_behind() {
                self.retention_at = now + self.retention_every.min(RETENTION_BEHIND);
            }
        }
    }

    /// Fails closed: whoever waits or asks later learns why.
    fn fail(&mut self, error: Error) {
        fail(&self.failed, error);
    }
}

/// Random numbers for ids, drawn from the operating system many at a time: asking it for each costs more than the
/// rest of the id.
pub(super) struct Randomness {
    drawn: [u8; 4_096],
    left: usize,
}

impl Randomness {
    pub(super) fn new() -> Self {
        Self { drawn: [0; 4_096], left: 0 }
    }

    fn next(&mut self) -> u128 {
        const BYTES: usize = size_of::<u128>();
        if self.left == 0 {
            getrandom::fill(&mut self.drawn).expect("the operating system has randomness");
            self.left = self.drawn.len() / BYTES;
        }
        self.left -= 1;
        // Used once and wiped, so that no two ids share any of it.
        let number = &mut self.drawn[self.left * BYTES..][..BYTES];
        let value = u128::from_ne_bytes(number.try_into().expect("a number has as many bytes"));
        number.fill(0);
        value
    }
}
