//! The mailbox of one endpoint: what is under way for it, and when the next thing is.
//!
//! It holds a bounded window of deliveries; all others wait in the journal, which it reads on from when there is room.
//! What is to be done is decided in `casewire_data` (window, pace, turn, judge); the mailbox does it.

mod attempt;
mod backlog;
mod ending;
mod health;
mod order;
mod replays;
mod rest;
mod retries;
mod room;
mod share;

use std::{
    cell::Cell,
    collections::VecDeque,
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, WeakAddr};
use casewire_data::{
    Timestamp,
    health::Health,
    order::Lane,
    pace::Pace,
    turn::{Room, room},
    window::Window,
};
use rustc_hash::FxHashMap as HashMap;
use tokio::task::AbortHandle;

use self::{backlog::Intake, order::Order, replays::Replays, retries::Retries, share::Share};
pub use self::{
    ending::{Drain, Stop},
    replays::{DropReplay, Feed},
};
use crate::{
    dispatch::{DispatchConfig, Dispatcher},
    envelope::Envelope,
    plan::Plan,
    shard::{Rest, Shard, Told},
    stats::OwnStats,
    surroundings::Surroundings,
    unwritten::Unwritten,
};

/// Bytes of payload that one mailbox holds while they wait for their turn.
const READY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The actor. Lives on its shard's arbiter; see the module.
pub struct Mailbox {
    plan: Arc<Plan>,
    surroundings: Rc<Surroundings>,
    shard: Addr<Shard>,
    dispatcher: Rc<Dispatcher>,
    pace: Pace,
    health: Health,
    window: Window,
    /// Taken up, not begun: the end of the window.
    ready: VecDeque<Arc<Envelope>>,
    ready_bytes: usize,
    in_flight: HashMap<u64, Flight>,
    unwritten: Unwritten,
    intake: Intake,
    retries: Retries,
    order: Order,
    replays: Replays,
    share: Share,
    stats: OwnStats,
    draining: bool,
    /// The registry has yet to hear that the endpoint is disabled: what it tells until then must not bring it back.
    disabling: bool,
    /// What the shard reads when it looks for mailboxes that have nothing to do.
    rest: Rc<Cell<Option<Rest>>>,
    /// The earliest time at which it asked to be woken, until it is.
    asked_for: Option<Timestamp>,
    /// Its address, while an attempt under way holds it.
    own: Weak<Addr<Self>>,
    /// Messages received from the shard, so that both know when nothing is on its way.
    received: u64,
    /// Survives a panic of this actor: the delivery that it was working on.
    current: Rc<Cell<Option<u64>>>,
    poisoned: Option<u64>,
}

/// An attempt under way.
#[derive(Debug)]
struct Flight {
    /// The delivery has a row of its own in the retry journal.
    parked: bool,
    /// A replay asked for it.
    replayed: bool,
    event_position: u64,
    begun_at: Timestamp,
    /// The case that waits for it.
    lane: Option<Lane>,
    /// Ends it, where no other may begin before it is over.
    task: Option<AbortHandle>,
}

/// One delivery whose turn has come.
struct Turn {
    envelope: Arc<Envelope>,
    attempts: u16,
    /// How many of them its schedule does not count.
    earlier: u16,
    parked: bool,
    /// If a replay asked for it: whether the event was not routed to the endpoint before.
    replayed: Option<bool>,
    /// The case that is to wait for it.
    lane: Option<Lane>,
}

/// What a mailbox begins with.
pub struct Beginning {
    /// How to deliver.
    pub plan: Arc<Plan>,
    /// Every delivery up to this event is settled; `None` if the journal must be asked.
    pub clean: Option<u64>,
    /// Survives a panic of the mailbox.
    pub current: Rc<Cell<Option<u64>>>,
    /// The delivery that made an earlier mailbox panic.
    pub poisoned: Option<u64>,
    /// Where it says that it has nothing to do.
    pub rest: Rc<Cell<Option<Rest>>>,
}

impl Mailbox {
    /// A mailbox that has not started yet, and will have this address.
    pub fn new(
        beginning: Beginning,
        surroundings: Rc<Surroundings>,
        shard: Addr<Shard>,
        address: WeakAddr<Self>,
    ) -> Self {
        let Beginning { plan, clean, current, poisoned, rest } = beginning;
        let dispatcher = Rc::new(new_dispatcher(&plan, &surroundings));
        let condition = surroundings.health.read(plan.endpoint.ordinal);
        Self {
            pace: condition.pace(plan.pace()),
            health: condition.health,
            window: Window::new(clean.unwrap_or(0)),
            ready: VecDeque::new(),
            ready_bytes: 0,
            in_flight: HashMap::default(),
            unwritten: Unwritten::new(move || {
                // Weak, or the mailbox would keep itself alive.
                if let Some(address) = address.upgrade() {
                    address.do_send(Written);
                }
            }),
            intake: Intake::new(clean.is_none()),
            retries: Retries::new(clean.is_none() || !plan.endpoint.ordering.is_none()),
            order: Order::new(plan.endpoint.ordering),
            replays: Replays::default(),
            share: Share::default(),
            stats: surroundings.stats.open(plan.endpoint.ordinal, &surroundings.counts),
            rest,
            asked_for: None,
            own: Weak::new(),
            draining: false,
            disabling: false,
            received: 0,
            plan,
            surroundings,
            shard,
            dispatcher,
            current,
            poisoned,
        }
    }

    fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    fn ordinal(&self) -> u32 {
        self.plan.endpoint.ordinal
    }

    fn is_held(&self) -> bool {
        self.draining || self.disabling || self.plan.is_paused()
    }

    /// Does all that can be done now, and asks to be woken for the rest.
    fn work(&mut self, context: &mut Context<Self>) {
        let clock = Instant::now();
        self.work_at(clock, context);
    }

    /// As [`Mailbox::work`], by a clock that was read just now.
    fn work_at(&mut self, clock: Instant, context: &mut Context<Self>) {
        let now = self.surroundings.clock.at(clock);
        self.join_crowd(now);
        self.make_room();
        self.begin_attempts(clock, context);
        self.settle_order();
        self.read_on(now, context);
        self.read_cases(context);
        self.read_due(now, context);
        self.ask_for_replays();
        self.ask_to_be_woken(now);
        self.join_crowd(now);
        self.note_rest(now);
    }

    fn begin_attempts(&mut self, clock: Instant, context: &mut Context<Self>) {
        let now = self.surroundings.clock.at(clock);
        // Else what it waited for once would wake it again and again while nothing may begin.
        self.share.wait_until(None);
        while !self.is_held() && self.intake.is_begun() && self.order.is_known() {
            let in_order = self.window.floor() < self.plan.endpoint.held_through;
            if in_order && self.retries.is_reading() {
                // What was attempted before the pause goes first.
                break;
            }
            let allowed = if in_order { self.pace.allowed(now).min(1) } else { self.pace.allowed(now) };
            if !self.may_begin_another(allowed as usize) || !self.has_share(now) {
                break;
            }
            let Some(turn) = self.next_turn(in_order, now) else {
                // What waits for the one before it loses nothing of its rate.
                if !self.has_turns() {
                    self.pace.rests(now);
                }
                break;
            };
            if self.surroundings.journal.store().is_erased(&turn.envelope.event) {
                self.cancel(&turn, now);
                continue;
            }
            self.begin(turn, clock, context);
        }
    }

    /// If not, another attempt's end or another event brings it back here, or the journal does.
    fn may_begin_another(&self, allowed: usize) -> bool {
        let look = || room(self.in_flight.len(), self.unwritten.count(), allowed);
        match look() {
            Room::Free => true,
            Room::AfterWriting if self.has_turns() || self.replays.has_turns() => {
                self.unwritten.wait();
                self.surroundings.journal.hurry();
                look() == Room::Free
            }
            Room::AfterWriting | Room::Full => false,
        }
    }

    /// Something live waits for its turn, or will in a moment.
    fn has_turns(&self) -> bool {
        let has_new = !self.ready.is_empty() && self.may_begin_new();
        has_new || self.retries.is_busy() || self.order.has_next()
    }

    /// A replay has its share, unless it would overtake what was held.
    fn next_turn(&mut self, in_order: bool, now: Timestamp) -> Option<Turn> {
        let may_replay = self.replays.has_turns() && !in_order;
        if may_replay && let Some(again) = self.next_replayed(now) {
            return Some(again);
        }
        // All that was live may turn out to wait for its case: then nothing else would bring it back here.
        self.next_live().or_else(|| if may_replay { self.next_replayed(now) } else { None })
    }

    /// Retries come before what is new: they are older, and bounded by what was read.
    fn next_live(&mut self) -> Option<Turn> {
        if self.order.is_kept() {
            return self.next_in_order();
        }
        self.retries.next_turn().or_else(|| self.next_new())
    }

    fn next_new(&mut self) -> Option<Turn> {
        let envelope = self.ready.pop_front()?;
        self.ready_bytes -= envelope.event.content.data.len();
        Some(Turn { envelope, attempts: 0, earlier: 0, parked: false, lane: None, replayed: None })
    }

    /// Its address, which keeps it alive: what is under way ends with a message to it.
    fn own_address(&mut self, context: &Context<Self>) -> Rc<Addr<Self>> {
        self.own.upgrade().unwrap_or_else(|| {
            let own = Rc::new(context.address());
            self.own = Rc::downgrade(&own);
            own
        })
    }
}

fn new_dispatcher(plan: &Plan, surroundings: &Surroundings) -> Dispatcher {
    Dispatcher::new(&DispatchConfig {
        max_in_flight: plan.in_flight_max,
        policy: surroundings.config.egress.clone(),
        tls: plan.tls.clone(),
        user_agent: surroundings.config.user_agent.clone(),
    })
}

impl Actor for Mailbox {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if !self.intake.is_begun() {
            self.resume(context);
        }
    }
}

/// An event for this endpoint, just committed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Arc<Envelope>);

impl Handler<Deliver> for Mailbox {
    type Result = ();

    fn handle(&mut self, Deliver(envelope): Deliver, context: &mut Self::Context) {
        self.received += 1;
        let seq = envelope.event.seq;
        if self.intake.is_begun() && seq <= self.window.last_taken() {
            // Read from the journal already.
            return;
        }
        if self.has_room() && !self.intake.is_behind() && !self.is_held() && !self.pace.is_down() {
            self.take(envelope);
        } else {
            self.intake.missed(seq);
        }
        self.work(context);
    }
}

/// It is time for something.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Wake {
    /// An operator put a delivery into the retry journal, or began a replay.
    pub look_again: bool,
}

impl Handler<Wake> for Mailbox {
    type Result = ();

    fn handle(&mut self, Wake { look_again }: Wake, context: &mut Self::Context) {
        self.received += 1;
        self.asked_for = None;
        // It may be an earlier mailbox of this endpoint that asked to be woken.
        if look_again || !self.retries.is_known() {
            let now = self.now();
            self.retries.note(now);
            if look_again {
                self.pace.probe_now(now);
            }
        }
        if look_again {
            self.replays.look_again();
        }
        self.pass_over_expired();
        self.work(context);
    }
}

/// Settlements that the mailbox waited for are written.
#[derive(Message)]
#[rtype(result = "()")]
struct Written;

impl Handler<Written> for Mailbox {
    type Result = ();

    fn handle(&mut self, _: Written, context: &mut Self::Context) {
        self.work(context);
    }
}

/// The endpoint has changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Replan {
    /// How to deliver from now on.
    pub plan: Arc<Plan>,
    /// Dropped when that is so.
    pub told: Option<Told>,
}

impl Handler<Replan> for Mailbox {
    type Result = ();

    fn handle(&mut self, Replan { plan, told: _told }: Replan, context: &mut Self::Context) {
        self.received += 1;
        let resumes = self.plan.is_paused() && !plan.is_paused();
        let was = &self.plan.endpoint;
        // With other TLS, it is another receiver that proves itself, or the same that may let us in now.
        let moved = was.url != plan.endpoint.url || was.tls != plan.endpoint.tls;
        let is_resized = self.plan.in_flight_max != plan.in_flight_max;
        // A receiver that must answer with the secret has yet to show that it knows the new one.
        let is_rekeyed = self.plan.endpoint.secrets != plan.endpoint.secrets;
        let reordered = self.plan.endpoint.ordering != plan.endpoint.ordering;
        self.plan = plan;
        if reordered {
            self.change_order();
        }
        self.pace.set_in_flight_max(self.plan.in_flight_max);
        self.pace.set_rate_limit(self.plan.endpoint.rate_limit_per_second);
        if moved || is_resized {
            self.dispatcher = Rc::new(new_dispatcher(&self.plan, &self.surroundings));
        }
        if moved || resumes {
            self.forgive();
        } else if is_resized || is_rekeyed {
            self.pace.forgive(self.plan.pace());
        }
        if self.plan.is_paused() {
            self.give_back();
        }
        if resumes {
            self.resume_held();
        }
        self.work(context);
    }
}
