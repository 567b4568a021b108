//! Deliveries of a replay that wait in the mailbox. They give way to live ones, and are asked for when there is room.
//!
//! When one of them has its turn is decided in `casewire_data::turn`; here is looked up what that goes by.

use std::{collections::VecDeque, sync::Arc};

use actix::{Context, Handler, Message};
use casewire_data::{
    Timestamp,
    order::{DeliveryOrder, Lane},
    replay::LOW_MARK,
    store::Fate,
    turn::{Beside, Replayed, Turns},
};

use super::{Mailbox, Turn, share::young};
use crate::{envelope::Envelope, replay::Again, shard::Told};

/// What is known of the endpoint's replay.
#[derive(Debug, Default)]
pub struct Replays {
    /// In publish order, and the case of each where that matters.
    waiting: VecDeque<(Option<Lane>, Again)>,
    turns: Turns,
    /// One of these that failed, and is to be attempted again: where the order of the endpoint is kept, later ones wait.
    failed: Option<u64>,
    /// It was asked for more, which has not come yet.
    asking: bool,
    /// Nothing has ended since it was last asked for more, so that there is nothing new to ask for.
    answered: bool,
}

impl Replays {
    pub(super) fn has_turns(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.asking || self.has_turns()
    }

    fn holds(&self, seq: u64) -> bool {
        self.waiting.iter().any(|(_, again)| again.event.seq == seq)
    }

    /// An attempt begins. One that was asked for otherwise is made, and its replay passes over it.
    pub(super) fn begun(&mut self, seq: u64, parked: bool, replayed: bool, now: Timestamp) {
        if parked && !replayed && self.holds(seq) {
            self.waiting.retain(|(_, again)| again.event.seq != seq);
            self.look_again();
        }
        self.turns.begins(replayed, now);
    }

    /// An attempt has ended.
    pub(super) fn settled(&mut self, seq: u64, replayed: bool, fate: Fate) {
        if replayed {
            self.turns.replayed_ends();
            self.answered = false;
        }
        let failed = matches!(fate, Fate::RetryAt(_)).then_some(seq);
        if replayed || self.failed == Some(seq) {
            self.failed = failed;
        }
    }

    /// Whatever it was asked for before, it is to be asked again.
    pub(super) fn look_again(&mut self) {
        self.answered = false;
    }

    /// Forgets what waits: the replay still knows of it.
    pub(super) fn give_back(&mut self) {
        self.waiting.clear();
        self.look_again();
    }
}

impl Mailbox {
    /// The next replayed delivery, if it is its turn. Where the order of cases is kept it is the first whose case has
    /// nothing under way.
    pub(super) fn next_replayed(&mut self, now: Timestamp) -> Option<Turn> {
        if !self.replays.has_turns() || self.waits_for_failed() || !self.may_replay(now) {
            return None;
        }
        loop {
            let mut waiting = self.replays.waiting.iter();
            let next = waiting.position(|(lane, again)| self.order.may_lend(*lane, again.event.seq))?;
            let (lane, Again { event, attempts, missing }) = self.replays.waiting.remove(next)?;
            if self.in_flight.contains_key(&event.seq) || self.retries.holds(event.seq) {
                // Somebody else has it made already.
                self.replays.look_again();
                continue;
            }
            self.order.lend(lane, event.seq);
            let (envelope, replayed) = (Arc::new(Envelope::new(event)), Some(missing));
            return Some(Turn { envelope, attempts, earlier: attempts, parked: true, lane, replayed });
        }
    }

    /// Cases know themselves which of them have failed.
    fn waits_for_failed(&self) -> bool {
        self.order.is_of_endpoint() && self.replays.failed.is_some() && !self.retries.is_clear()
    }

    fn may_replay(&mut self, now: Timestamp) -> bool {
        let mut answer = self.replays.turns.replayed(&self.beside_replay(now), now);
        if answer == Replayed::WaitsForWriting {
            self.unwritten.wait();
            // It may have been just now.
            answer = self.replays.turns.replayed(&self.beside_replay(now), now);
        }
        if let Replayed::WaitsUntil(until) = answer {
            self.share.wait_until(Some(until));
        }
        answer == Replayed::Begins
    }

    fn beside_replay(&self, now: Timestamp) -> Beside {
        let traffic = &self.surroundings.traffic;
        Beside {
            live_waits: self.live_waits(now),
            is_down: self.pace.is_down(),
            is_one_by_one: self.order.is_of_endpoint(),
            in_flight: self.in_flight.len(),
            unwritten: self.unwritten.count(),
            allowed: self.pace.allowed(now) as usize,
            young: young(self.in_flight.values().filter(|flight| flight.replayed), now),
            live_at: traffic.live_at(),
            replays: traffic.replays(),
        }
    }

    /// Something live may begin, or will once it is read. What waits for its time or its case is nothing to wait for.
    fn live_waits(&self, now: Timestamp) -> bool {
        let may_read = self.intake.is_behind() && self.takes_new();
        self.has_turns() || may_read || self.retries.is_due(now)
    }

    /// Asks for more if there is room, and if a replay is under way at all.
    pub(super) fn ask_for_replays(&mut self) {
        let replays = &self.replays;
        if replays.asking || replays.answered || replays.waiting.len() > LOW_MARK || self.is_held() {
            return;
        }
        let (line, ordinal) = (&self.surroundings.replays, self.ordinal());
        if !line.is_open(ordinal) {
            return;
        }
        let under_way = self.in_flight.iter().filter(|(_, flight)| flight.replayed).map(|(seq, _)| *seq);
        let holds = self.replays.waiting.iter().map(|(_, again)| again.event.seq).chain(under_way).collect();
        (self.replays.asking, self.replays.answered) = (true, true);
        line.ask(ordinal, holds);
    }

    /// An earlier mailbox of this endpoint may have asked for some of them as well.
    fn take_replayed(&mut self, deliveries: Vec<Again>) {
        let by_case = self.plan.endpoint.ordering == DeliveryOrder::Resource;
        for again in deliveries {
            if !self.replays.holds(again.event.seq) && !self.in_flight.contains_key(&again.event.seq) {
                let resource = again.event.content.resource.as_ref().filter(|_| by_case);
                self.replays.waiting.push_back((resource.map(Lane::of), again));
            }
        }
    }
}

/// Deliveries to be made once more, as many as there are for now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Feed(pub Vec<Again>);

impl Handler<Feed> for Mailbox {
    type Result = ();

    fn handle(&mut self, Feed(deliveries): Feed, context: &mut Context<Self>) {
        self.received += 1;
        self.replays.asking = false;
        if self.is_held() {
            // It asks again once it is not.
            self.replays.look_again();
        } else {
            self.take_replayed(deliveries);
        }
        self.work(context);
    }
}

/// The replay is called off: what waits is not sent.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DropReplay(
    /// Dropped when that is so.
    pub Told,
);

impl Handler<DropReplay> for Mailbox {
    type Result = ();

    fn handle(&mut self, DropReplay(_told): DropReplay, context: &mut Context<Self>) {
        self.received += 1;
        self.replays.asking = false;
        self.replays.give_back();
        self.work(context);
    }
}
