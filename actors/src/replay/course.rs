//! The course of one replay: chosen from the log slice by slice, noted in the registry, fed to the mailbox.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
};

use casewire_data::{
    Error, ErrorKind, Result,
    audit::Act,
    endpoint::Endpoint,
    replay::{Chosen, Replay, ReplayState, WINDOW_MAX},
    route::{Choice, Terms},
    store::{Document, ReplayFilter, Store},
};
use tokio::sync::{oneshot, watch};

use super::{
    Again,
    line::{ReplayLine, Signal},
};
use crate::{
    clock,
    config::Config,
    directory::Directory,
    journal::Journal,
    registry::{Shards, shard_of},
    shard::{DropReplay, Feed, LookAgain},
};

/// Bytes of payload that one answer to a mailbox holds, about.
const FEED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What all replays work with.
pub struct Kit {
    /// What is on disk.
    pub journal: Journal,
    /// Where endpoints are read.
    pub directory: Arc<Directory>,
    /// Where their mailboxes are.
    pub shards: Shards,
    /// The dialects that there are.
    pub config: Arc<Config>,
    /// Where mailboxes ask.
    pub line: Arc<ReplayLine>,
    /// Where damage found while reading is reported, so that the engine stops rather than serve around it.
    pub damage: watch::Sender<Option<Error>>,
}

impl Kit {
    /// Makes durable what somebody did with a replay.
    pub(super) async fn write(&self, act: Act, replay: &Replay) -> Result<()> {
        self.journal.document(act, Document::Replay(Box::new(replay.clone()))).await
    }
}

/// See the module. It lives on the actors' own thread; what it feeds goes to others.
pub struct Course {
    pub endpoint: u32,
    pub signal: Arc<Signal>,
    replay: RefCell<Replay>,
    /// Chosen and not in the window yet.
    ahead: RefCell<VecDeque<Chosen>>,
    /// Every event up to this one was looked at.
    looked: Cell<u64>,
    /// For the audit.
    called_off_by: RefCell<Option<Act>>,
    over: watch::Sender<bool>,
}

/// How a step ended.
enum Step {
    /// The mailbox has all that it gets for now.
    Fed,
    /// Everything was sent.
    Finished,
    /// The endpoint is no more, or the replay is called off.
    CalledOff,
}

impl Course {
    pub fn new(replay: Replay) -> Self {
        Self {
            endpoint: replay.endpoint,
            signal: Arc::default(),
            looked: Cell::new(replay.place),
            ahead: RefCell::default(),
            called_off_by: RefCell::default(),
            over: watch::Sender::new(!replay.is_running()),
            replay: RefCell::new(replay),
        }
    }

    /// The replay as it stands.
    pub fn replay(&self) -> Replay {
        self.replay.borrow().clone()
    }

    /// Somebody calls it off, unless it is over or somebody else has.
    pub fn cancel(&self, act: Act) {
        if !self.signal.is_cancelled() {
            self.called_off_by.replace(Some(act));
            self.signal.cancel();
        }
    }

    /// Waits until nothing more of it is sent.
    pub async fn over(&self) {
        // The sender is this course's own.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Feeds the mailbox whenever it asks, until all is sent.
    pub async fn run(self: Rc<Self>, kit: Rc<Kit>) {
        // A mailbox that sleeps is woken, so that it asks.
        if let Some(shard) = shard_of(&kit.shards, self.endpoint) {
            shard.do_send(LookAgain(self.endpoint));
        }
        let ended = loop {
            let Some(holds) = self.signal.asked().await else { break self.call_off(&kit).await };
            match self.step(&kit, &holds).await {
                Ok(Step::Fed) => {}
                Ok(Step::Finished) => break Ok(()),
                Ok(Step::CalledOff) => break self.call_off(&kit).await,
                Err(error) => break Err(error),
            }
        };
        kit.line.close(self.endpoint, &self.signal);
        // Whoever asked last is answered, or it would wait for that and never ask the next replay.
        self.feed(&kit, Vec::new());
        if let Err(error) = ended {
            self.report(&kit, &error);
        }
        self.end();
    }

    /// Nothing more of it is sent.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    async fn step(&self, kit: &Kit, holds: &[u64]) -> Result<Step> {
        loop {
            let Some(endpoint) = kit.directory.by_ordinal(self.endpoint) else { return Ok(Step::CalledOff) };
            self.note(kit).await?;
            self.choose(kit, &endpoint).await?;
            if self.signal.is_cancelled() {
                return Ok(Step::CalledOff);
            }
            let is_done = self.fill_window();
            if is_done {
                self.replay.borrow_mut().end(ReplayState::Finished, clock::wall());
            }
            // Before anything of it is made: what is made after a crash is told from it.
            let replay = self.replay();
            kit.journal.replay(replay.clone()).await?;
            if is_done {
                return Ok(Step::Finished);
            }
            let unsent: Vec<_> =
                replay.window.iter().filter(|chosen| !holds.contains(&chosen.seq)).copied().collect();
            let nothing_new = unsent.is_empty();
            let fed = self.load(kit, unsent).await?;
            if self.signal.is_cancelled() {
                return Ok(Step::CalledOff);
            }
            if !fed.is_empty() || nothing_new {
                self.feed(kit, fed);
                return Ok(Step::Fed);
            }
            // All that was new has been taken or sent otherwise in this moment.
        }
    }

    /// Counts what the journal says of the window.
    async fn note(&self, kit: &Kit) -> Result<()> {
        let (endpoint, window) = (self.endpoint, self.replay.borrow().window.clone());
        let seen = kit.journal.read(move |store| store.seen(endpoint, &window)).await??;
        self.replay.borrow_mut().note(&seen);
        Ok(())
    }

    /// Searches the log for as many as the window has room for, slice by slice, so that others read in between.
    async fn choose(&self, kit: &Kit, endpoint: &Arc<Endpoint>) -> Result<()> {
        let (room, query, through, as_of) = {
            let replay = self.replay.borrow();
            let room = WINDOW_MAX.saturating_sub(replay.window.len());
            (room, replay.query.clone(), replay.span.1, replay.as_of)
        };
        let terms = Arc::new(Terms::new(endpoint.clone(), &kit.config.dialects));
        while self.ahead.borrow().len() < room && self.looked.get() < through && !self.signal.is_cancelled() {
            let (after, endpoint, query, terms) =
                (self.looked.get(), endpoint.clone(), query.clone(), terms.clone());
            let slice = move |store: &Store| {
                let filter = ReplayFilter {
                    tenant: &endpoint.tenant,
                    endpoint: endpoint.ordinal,
                    query: &query,
                    through,
                    as_of,
                };
                store.replayable(&filter, after, |event| terms.choose(&event.content) == Choice::Taken)
            };
            let slice = kit.journal.read(slice).await??;
            self.ahead.borrow_mut().extend(slice.chosen);
            self.looked.set(slice.place);
        }
        Ok(())
    }

    /// Moves on what is ahead. Tells whether nothing is left.
    fn fill_window(&self) -> bool {
        let (mut replay, mut ahead) = (self.replay.borrow_mut(), self.ahead.borrow_mut());
        while replay.window.len() < WINDOW_MAX
            && let Some(next) = ahead.pop_front()
        {
            replay.place = next.seq;
            replay.window.push(next);
        }
        if ahead.is_empty() {
            replay.place = self.looked.get();
        }
        replay.window.is_empty() && replay.place >= replay.span.1
    }

    async fn load(&self, kit: &Kit, unsent: Vec<Chosen>) -> Result<Vec<Again>> {
        let endpoint = self.endpoint;
        let loaded = kit.journal.read(move |store| store.unsent(endpoint, &unsent, FEED_BYTES_MAX)).await??;
        let again = |(chosen, event): (Chosen, _)| Again {
            event: Arc::new(event),
            attempts: chosen.attempts,
            missing: chosen.missing,
        };
        Ok(loaded.into_iter().map(again).collect())
    }

    fn feed(&self, kit: &Kit, deliveries: Vec<Again>) {
        if let Some(shard) = shard_of(&kit.shards, self.endpoint) {
            shard.do_send(Feed { endpoint: self.endpoint, deliveries });
        }
    }

    /// Ends it before its time. What is under way ends as it does; nothing else is sent.
    async fn call_off(&self, kit: &Kit) -> Result<()> {
        kit.line.close(self.endpoint, &self.signal);
        if let Some(shard) = shard_of(&kit.shards, self.endpoint) {
            let (told, heard) = oneshot::channel();
            shard.do_send(DropReplay { endpoint: self.endpoint, told });
            let _ = heard.await;
        }
        if kit.directory.by_ordinal(self.endpoint).is_none() {
            // The registry has forgotten it with its endpoint.
            return Ok(());
        }
        self.note(kit).await?;
        let mut replay = self.replay();
        replay.end(ReplayState::Cancelled, clock::wall());
        match self.called_off_by.take() {
            Some(act) => kit.write(act, &replay).await?,
            None => kit.journal.replay(replay.clone()).await?,
        }
        *self.replay.borrow_mut() = replay;
        Ok(())
    }

    fn report(&self, kit: &Kit, error: &Error) {
        let replay: Ref<'_, Replay> = self.replay.borrow();
        match error.kind() {
            // It goes on after the next start.
            ErrorKind::Closed => {}
            ErrorKind::Damaged => {
                tracing::error!(%error, replay = %replay.id, "what is to be replayed cannot be read");
                kit.damage.send_if_modified(|damage| {
                    let first = damage.is_none();
                    damage.get_or_insert_with(|| error.clone());
                    first
                });
            }
            _ => tracing::error!(%error, replay = %replay.id, "the replay stops until the next start"),
        }
    }
}
