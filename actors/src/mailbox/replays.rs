//! Deliveries of a replay that wait in the mailbox. They give way to live ones, and are asked for when there is room.

use std::{collections::VecDeque, sync::Arc};

use actix::{Context, Handler, Message};
use casewire_data::{
    Timestamp,
    replay::{LOW_MARK, YOUNG_MAX, may_begin, rests_until},
};

use super::{Mailbox, Turn, share::young};
use crate::{envelope::Envelope, replay::Again, shard::Told};

/// What is known of the endpoint's replay.
#[derive(Debug, Default)]
pub struct Replays {
    turns: VecDeque<Again>,
    in_flight: usize,
    /// When the last of these began, and the last other one.
    begun_at: Option<Timestamp>,
    live_at: Option<Timestamp>,
    /// Other deliveries begun since the last of these.
    others_since: u32,
    /// It was asked for more, which has not come yet.
    asking: bool,
    /// Nothing has ended since it was last asked for more, so that there is nothing new to ask for.
    answered: bool,
}

impl Replays {
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.in_flight > 0
    }

    pub(super) fn is_busy(&self) -> bool {
        self.asking || self.has_turns()
    }

    fn holds(&self, seq: u64) -> bool {
        self.turns.iter().any(|again| again.event.seq == seq)
    }

    /// An attempt begins. One that was asked for otherwise is made, and its replay passes over it.
    pub(super) fn begun(&mut self, seq: u64, parked: bool, replayed: bool, now: Timestamp) {
        if parked && !replayed && self.holds(seq) {
            self.turns.retain(|again| again.event.seq != seq);
            self.look_again();
        }
        if replayed {
            (self.in_flight, self.others_since) = (self.in_flight + 1, 0);
            self.begun_at = Some(now);
        } else {
            self.live_at = Some(now);
            self.others_since = self.others_since.saturating_add(1);
        }
    }

    /// An attempt of one of these has ended.
    pub(super) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answered = false;
    }

    /// Whatever it was asked for before, it is to be asked again.
    pub(super) fn look_again(&mut self) {
        self.answered = false;
    }

    /// Forgets what waits: the replay still knows of it.
    pub(super) fn give_back(&mut self) {
        self.turns.clear();
        self.look_again();
    }
}

impl Mailbox {
    /// The next replayed delivery, unless live ones come first. An endpoint that is down gets one as a probe, when it is
    /// time and nothing else is there to probe it with.
    pub(super) fn next_replayed(&mut self, now: Timestamp) -> Option<Turn> {
        while let Some(first) = self.replays.turns.front() {
            let seq = first.event.seq;
            if !self.in_flight.contains_key(&seq) && !self.retries.holds(seq) {
                break;
            }
            // Somebody else has it made already.
            self.replays.turns.pop_front();
            self.replays.look_again();
        }
        if !self.replays.has_turns() || !self.may_replay(now) {
            return None;
        }
        let Again { event, attempts, missing } = self.replays.turns.pop_front()?;
        let envelope = Arc::new(Envelope::new(event));
        Some(Turn {
            envelope,
            attempts,
            earlier: attempts,
            parked: true,
            lane: None,
            replayed: Some(missing),
        })
    }

    fn may_replay(&mut self, now: Timestamp) -> bool {
        let live_waits = self.live_waits(now);
        if self.pace.is_down() {
            return !live_waits && self.in_flight.is_empty();
        }
        if !self.has_place(live_waits, now) {
            if live_waits {
                return false;
            }
            self.unwritten.wait();
            if !self.has_place(live_waits, now) {
                return false;
            }
        }
        self.leaves_thread_to_live(now)
    }

    /// What is not written yet takes the place of a live one, too, which comes later.
    fn has_place(&self, live_waits: bool, now: Timestamp) -> bool {
        let unwritten = if live_waits { 0 } else { self.unwritten.count() };
        let (in_flight, allowed) = (self.replays.in_flight + unwritten, self.pace.allowed(now) as usize);
        may_begin(live_waits, self.replays.others_since, in_flight, allowed)
    }

    /// Something live may begin, or will once it is read. What waits for its time or its case is nothing to wait for.
    fn live_waits(&self, now: Timestamp) -> bool {
        let may_read = self.intake.is_behind() && self.takes_new();
        self.has_turns() || may_read || self.retries.is_due(now)
    }

    /// A live delivery waits for what its thread does for those before it, so only few replayed ones are young.
    fn leaves_thread_to_live(&mut self, now: Timestamp) -> bool {
        let rests_until = rests_until(self.replays.begun_at, self.replays.live_at, now);
        if rests_until.is_some() {
            self.share.wait_until(rests_until);
            return false;
        }
        let (count, first) = young(self.in_flight.values().filter(|flight| flight.replayed), now);
        if count >= YOUNG_MAX {
            self.share.wait_until(first);
        }
        count < YOUNG_MAX
    }

    /// Asks for more if there is room, and if a replay is under way at all.
    pub(super) fn ask_for_replays(&mut self) {
        let replays = &self.replays;
        if replays.asking || replays.answered || replays.turns.len() > LOW_MARK || self.is_held() {
            return;
        }
        let (line, ordinal) = (&self.surroundings.replays, self.ordinal());
        if !line.is_open(ordinal) {
            return;
        }
        let under_way = self.in_flight.iter().filter(|(_, flight)| flight.replayed).map(|(seq, _)| *seq);
        let holds = self.replays.turns.iter().map(|again| again.event.seq).chain(under_way).collect();
        (self.replays.asking, self.replays.answered) = (true, true);
        line.ask(ordinal, holds);
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
            // An earlier mailbox of this endpoint may have asked for some of them as well.
            for again in deliveries {
                if !self.replays.holds(again.event.seq) && !self.in_flight.contains_key(&again.event.seq) {
                    self.replays.turns.push_back(again);
                }
            }
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
