//! A shard: the mailboxes that live on one arbiter, and the one timer that wakes them.
//!
//! A mailbox is started when its endpoint has work and let go when it has had none for a while; the journal remembers.
//! One that died is replaced, and the delivery that killed it set aside. Of an endpoint without work the shard knows
//! nothing, so that it costs nothing; the directory has it.

use std::{
    cell::Cell,
    collections::{BTreeSet, hash_map},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, SpawnHandle};
use casewire_data::{
    Timestamp,
    endpoint::{Endpoint, EndpointStatus},
};
use rustc_hash::FxHashMap as HashMap;
use tokio::sync::oneshot;

use crate::{
    directory::Directory,
    journal::Committed,
    mailbox::{self, Beginning, Mailbox},
    plan::{self, Plan},
    registry::Disable,
    replay::{Again, ForgetReplays},
    surroundings::Surroundings,
};

/// How often resting and dead mailboxes are looked for.
const ROUND: Duration = Duration::from_secs(1);

/// Passed on with a change and dropped when everybody it concerns has acted on it; the other end waits for that.
pub type Told = oneshot::Sender<()>;

/// The actor; see the module.
pub struct Shard {
    index: usize,
    shards: usize,
    surroundings: Rc<Surroundings>,
    /// Those with a mailbox, and those of which more must be remembered than the directory has.
    endpoints: HashMap<u32, Entry>,
    wakes: BTreeSet<(Instant, u32)>,
    timer: Option<(Instant, SpawnHandle)>,
    draining: bool,
}

/// An endpoint of this shard that has work, had some lately, or holds events.
struct Entry {
    endpoint: Arc<Endpoint>,
    mailbox: Option<Addr<Mailbox>>,
    /// Messages sent to the mailbox; it is let go only if it has received them all.
    sent: u64,
    /// Without a mailbox: every delivery up to this event is settled, or `None` if the journal must be asked.
    clean: Option<u64>,
    /// What its mailbox says of itself while it has nothing to do.
    rest: Rc<Cell<Option<Rest>>>,
    wake: Option<Instant>,
    current: Rc<Cell<Option<u64>>>,
}

impl Entry {
    fn new(endpoint: Arc<Endpoint>, clean: Option<u64>) -> Self {
        Self {
            endpoint,
            mailbox: None,
            sent: 0,
            clean,
            rest: Rc::default(),
            wake: None,
            current: Rc::default(),
        }
    }

    /// Whether it is as that of any endpoint without work. A paused one may have retries, and asks for no wake.
    fn is_idle(&self) -> bool {
        let is_settled = self.clean.is_some() && self.wake.is_none();
        is_settled && self.mailbox.is_none() && self.endpoint.status == EndpointStatus::Active
    }
}

impl Shard {
    /// The shard with an index out of a number of them.
    pub fn new(index: usize, shards: usize, surroundings: Surroundings) -> Self {
        Self {
            index,
            shards,
            surroundings: Rc::new(surroundings),
            endpoints: HashMap::default(),
            wakes: BTreeSet::new(),
            timer: None,
            draining: false,
        }
    }

    fn is_mine(&self, ordinal: u32) -> bool {
        ordinal as usize % self.shards == self.index
    }

    /// Sends to the mailbox of an endpoint, which is started if it is not there.
    fn send<M>(&mut self, ordinal: u32, message: M, context: &mut Context<Self>)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Mailbox: Handler<M>,
    {
        let directory = &self.surroundings.directory;
        let Some(entry) = known(&mut self.endpoints, directory, ordinal, None) else { return };
        if entry.mailbox.is_none() {
            if self.draining {
                entry.clean = None;
                return;
            }
            start(entry, None, &self.surroundings, context);
        }
        // One that died gets nothing: the round replaces it, so that one which dies at once does not do so without
        // pause.
        if let Some(mailbox) = entry.mailbox.as_ref().filter(|mailbox| mailbox.connected()) {
            entry.sent += 1;
            mailbox.do_send(message);
        }
    }

    fn wake_due(&mut self, context: &mut Context<Self>) {
        self.timer = None;
        let now = Instant::now();
        while let Some((at, ordinal)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, ordinal));
            if let Some(entry) = self.endpoints.get_mut(&ordinal) {
                entry.wake = None;
            }
            self.send(ordinal, mailbox::Wake { look_again: false }, context);
        }
        self.set_timer(context);
    }

    fn set_timer(&mut self, context: &mut Context<Self>) {
        let Some((first, _)) = self.wakes.first().copied() else { return };
        if let Some((set, handle)) = self.timer {
            if set <= first {
                return;
            }
            context.cancel_future(handle);
        }
        let wait = first.saturating_duration_since(Instant::now());
        self.timer = Some((first, context.run_later(wait, Self::wake_due)));
    }

    /// Lets go of mailboxes that have rested long enough, and replaces those that died.
    fn make_round(&mut self, context: &mut Context<Self>) {
        let long_ago =
            self.surroundings.clock.now().plus_millis(
                -i64::try_from(self.surroundings.config.limits.mailbox_rest_ms).unwrap_or(i64::MAX),
            );
        self.endpoints.retain(|_, entry| {
            let Some(mailbox) = &entry.mailbox else { return !entry.is_idle() };
            if !mailbox.connected() {
                let poisoned = entry.current.take();
                tracing::error!(endpoint = %entry.endpoint.id, seq = poisoned, "a mailbox panicked and is replaced");
                entry.mailbox = None;
                entry.clean = None;
                if !self.draining {
                    start(entry, poisoned, &self.surroundings, context);
                }
            } else if let Some(rest) = entry.rest.get()
                && rest.received == entry.sent
                && rest.since <= long_ago
            {
                mailbox.do_send(mailbox::Stop(None));
                entry.mailbox = None;
                entry.clean = rest.clean;
            }
            !entry.is_idle()
        });
    }
}

/// What is to be known of an endpoint, if it exists; with `clean` if nothing was.
fn known<'a>(
    endpoints: &'a mut HashMap<u32, Entry>,
    directory: &Directory,
    ordinal: u32,
    clean: Option<u64>,
) -> Option<&'a mut Entry> {
    match endpoints.entry(ordinal) {
        hash_map::Entry::Occupied(known) => Some(known.into_mut()),
        hash_map::Entry::Vacant(vacant) => {
            Some(vacant.insert(Entry::new(directory.by_ordinal(ordinal)?, clean)))
        }
    }
}

fn start(
    entry: &mut Entry,
    poisoned: Option<u64>,
    surroundings: &Rc<Surroundings>,
    context: &mut Context<Shard>,
) {
    let plan = match Plan::new(entry.endpoint.clone(), &surroundings.config, &surroundings.tls) {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            entry.clean = None;
            let reason = plan::unusable(&error);
            tracing::error!(endpoint = %entry.endpoint.id, reason, "the endpoint is disabled");
            let (id, tenant) = (entry.endpoint.id, entry.endpoint.tenant.clone());
            surroundings.registry.do_send(Disable { id, tenant, reason, told: None });
            return;
        }
    };
    entry.rest = Rc::default();
    let beginning = Beginning {
        plan,
        clean: entry.clean.take(),
        current: entry.current.clone(),
        poisoned,
        rest: entry.rest.clone(),
    };
    let (surroundings, shard) = (surroundings.clone(), context.address());
    let mailbox = Mailbox::create(|context| {
        Mailbox::new(beginning, surroundings, shard, context.address().downgrade())
    });
    entry.sent = 0;
    entry.mailbox = Some(mailbox);
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(ROUND, Self::make_round);
    }
}

/// Events that are on disk now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Handover(pub Arc<Vec<Committed>>);

impl Handler<Handover> for Shard {
    type Result = ();

    fn handle(&mut self, Handover(committed): Handover, context: &mut Self::Context) {
        for (envelope, routes) in committed.iter() {
            for ordinal in routes.iter().copied() {
                if !self.is_mine(ordinal) {
                    continue;
                }
                // All before it is settled, or the shard would remember the endpoint.
                let clean = Some(envelope.event.seq - 1);
                match known(&mut self.endpoints, &self.surroundings.directory, ordinal, clean) {
                    // Held events wait in the journal; a mailbox would only say so.
                    Some(entry)
                        if entry.mailbox.is_none() && entry.endpoint.status == EndpointStatus::Paused =>
                    {
                        entry.clean = None;
                    }
                    _ => self.send(ordinal, mailbox::Deliver(envelope.clone()), context),
                }
            }
        }
    }
}

/// An endpoint is there, or has changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PutEndpoint {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// It has deliveries in the journal from an earlier run.
    pub has_work: bool,
    /// Dropped when its mailbox has acted on it, or there is none.
    pub told: Option<Told>,
}

impl Handler<PutEndpoint> for Shard {
    type Result = ();

    fn handle(&mut self, PutEndpoint { endpoint, has_work, told }: PutEndpoint, context: &mut Self::Context) {
        let ordinal = endpoint.ordinal;
        let paused = endpoint.status == EndpointStatus::Paused;
        let Some(entry) = self.endpoints.get_mut(&ordinal) else {
            // When a paused one resumes, the journal is asked what was held.
            if has_work || paused {
                self.endpoints.insert(ordinal, Entry::new(endpoint, None));
            }
            if has_work && !paused {
                self.send(ordinal, mailbox::Wake { look_again: false }, context);
            }
            return;
        };
        let resumes = entry.endpoint.status == EndpointStatus::Paused && !paused;
        let was = std::mem::replace(&mut entry.endpoint, endpoint.clone());
        if entry.mailbox.is_none() && resumes && !self.draining {
            // It begins as paused, so that it resumes in order like any other.
            entry.endpoint = was.clone();
            start(entry, None, &self.surroundings, context);
            entry.endpoint = endpoint.clone();
        }
        if !paused && was.ordering != endpoint.ordering && entry.mailbox.is_none() {
            // What waited for its case may wait for nothing any more.
            self.send(ordinal, mailbox::Wake { look_again: true }, context);
            return;
        }
        if self.endpoints.get(&ordinal).is_some_and(|entry| entry.mailbox.is_some()) {
            match Plan::new(endpoint, &self.surroundings.config, &self.surroundings.tls) {
                Ok(plan) => self.send(ordinal, mailbox::Replan { plan: Arc::new(plan), told }, context),
                Err(error) => tracing::error!(%error, "an endpoint that was just checked makes no sense"),
            }
        }
    }
}

/// An endpoint is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RemoveEndpoint {
    /// Its number.
    pub ordinal: u32,
    /// Dropped when its mailbox begins nothing more, or there is none.
    pub told: Told,
}

impl Handler<RemoveEndpoint> for Shard {
    type Result = ();

    fn handle(&mut self, RemoveEndpoint { ordinal, told }: RemoveEndpoint, _: &mut Self::Context) {
        self.surroundings.health.forget(ordinal);
        if self.surroundings.replays.is_open(ordinal) {
            self.surroundings.replayer.do_send(ForgetReplays { endpoint: ordinal });
        }
        if let Some(entry) = self.endpoints.remove(&ordinal) {
            if let Some(wake) = entry.wake {
                self.wakes.remove(&(wake, ordinal));
            }
            if let Some(mailbox) = entry.mailbox {
                mailbox.do_send(mailbox::Stop(Some(told)));
            }
        }
    }
}

/// An operator put one of an endpoint's deliveries into the retry journal.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LookAgain(pub u32);

impl Handler<LookAgain> for Shard {
    type Result = ();

    fn handle(&mut self, LookAgain(ordinal): LookAgain, context: &mut Self::Context) {
        self.send(ordinal, mailbox::Wake { look_again: true }, context);
    }
}

/// Deliveries of a replay, for the mailbox that asked for them.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Feed {
    /// Whose mailbox.
    pub endpoint: u32,
    /// The deliveries; none if there are none for now.
    pub deliveries: Vec<Again>,
}

impl Handler<Feed> for Shard {
    type Result = ();

    fn handle(&mut self, Feed { endpoint, deliveries }: Feed, context: &mut Self::Context) {
        self.send(endpoint, mailbox::Feed(deliveries), context);
    }
}

/// A replay is called off.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DropReplay {
    /// The endpoint's number in routes.
    pub endpoint: u32,
    /// Dropped when its mailbox begins nothing more of it, or there is none.
    pub told: Told,
}

impl Handler<DropReplay> for Shard {
    type Result = ();

    fn handle(&mut self, DropReplay { endpoint, told }: DropReplay, context: &mut Self::Context) {
        if self.endpoints.get(&endpoint).is_some_and(|entry| entry.mailbox.is_some()) {
            self.send(endpoint, mailbox::DropReplay(told), context);
        }
    }
}

/// A mailbox asks to be woken at a time, or earlier if it asked for that before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WakeAt {
    /// Whose mailbox.
    pub ordinal: u32,
    /// When.
    pub at: Instant,
}

impl Handler<WakeAt> for Shard {
    type Result = ();

    fn handle(&mut self, WakeAt { ordinal, at }: WakeAt, context: &mut Self::Context) {
        let Some(entry) = self.endpoints.get_mut(&ordinal) else { return };
        if entry.wake.is_some_and(|wake| wake <= at) {
            return;
        }
        if let Some(later) = entry.wake.replace(at) {
            self.wakes.remove(&(later, ordinal));
        }
        self.wakes.insert((at, ordinal));
        self.set_timer(context);
    }
}

/// What a mailbox that has nothing to do says of itself. Not a message: a busy one has nothing to do many times a
/// second, and the shard looks only now and then.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// How many messages it has received: if more were sent, it has something to do again.
    pub received: u64,
    /// Every delivery up to this event is settled, or `None` if some wait in the journal.
    pub clean: Option<u64>,
    /// Since when, by the engine's clock.
    pub since: Timestamp,
}

/// Begin nothing more; attempts under way go on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

impl Handler<Drain> for Shard {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Self::Context) {
        self.draining = true;
        for mailbox in self.endpoints.values().filter_map(|entry| entry.mailbox.as_ref()) {
            mailbox.do_send(mailbox::Drain);
        }
    }
}
