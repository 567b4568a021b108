//! An endpoint's share of the attempts that all busy endpoints of its arbiter have under way together.
//!
//! Many endpoints with many connections each are no faster than with few: each delivery only meets a colder one. So
//! the more of them are busy, the fewer young attempts each may have. An attempt that takes long counts no more, so
//! that a receiver that is slow is still called as often at once as its own limit allows.

use casewire_data::{
    Timestamp,
    pace::{young_attempts_max, young_until},
};

use super::{Flight, Mailbox};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// The mailbox counts as one that has work.
    busy: bool,
    /// The mailbox counts as one that has replayed deliveries to send.
    replays: bool,
    /// More would be begun, were the attempts under way not so young: when the first of them no longer is.
    waits_until: Option<Timestamp>,
}

impl Share {
    /// When it grows although no attempt ends; absent if nothing waits for that.
    pub(super) fn grows_at(&self) -> Option<Timestamp> {
        self.waits_until
    }

    /// Something waits for attempts to be young no more, or nothing does.
    pub(super) fn wait_until(&mut self, until: Option<Timestamp>) {
        self.waits_until = until;
    }
}

impl Mailbox {
    /// Counts as one of the arbiter's mailboxes that have work, or no more. One that waits for its rate, a rest or a probe
    /// takes nothing from the others meanwhile.
    pub(super) fn join_crowd(&mut self, now: Timestamp) {
        let has_turns = !self.ready.is_empty() || self.replays.has_turns();
        let busy = !self.in_flight.is_empty() || (has_turns && self.pace.waits_until(now).is_none());
        if self.share.busy != busy {
            self.share.busy = busy;
            self.surroundings.crowd.note(busy);
        }
        let replays = self.replays.has_turns();
        if self.share.replays != replays {
            self.share.replays = replays;
            self.surroundings.traffic.note_replay(replays);
        }
    }

    /// The mailbox is no more.
    pub(super) fn leave_crowd(&mut self) {
        if std::mem::take(&mut self.share.busy) {
            self.surroundings.crowd.note(false);
        }
        if std::mem::take(&mut self.share.replays) {
            self.surroundings.traffic.note_replay(false);
        }
    }

    /// Whether the share leaves room for another attempt.
    pub(super) fn has_share(&mut self, now: Timestamp) -> bool {
        self.share.waits_until = None;
        let most = young_attempts_max(self.surroundings.crowd.busy());
        if self.in_flight.len() < most {
            return true;
        }
        let (young, first) = young(self.in_flight.values(), now);
        if young < most {
            return true;
        }
        if self.has_turns() || self.replays.has_turns() {
            self.share.waits_until = first;
        }
        false
    }
}

/// How many attempts are young, and when the first of them is so no more.
pub(super) fn young<'a>(
    flights: impl Iterator<Item = &'a Flight>,
    now: Timestamp,
) -> (usize, Option<Timestamp>) {
    let ends = flights.map(|flight| young_until(flight.begun_at)).filter(|until| *until > now);
    ends.fold((0, None), |(count, first), until| {
        (count + 1, Some(first.map_or(until, |first: Timestamp| first.min(until))))
    })
}
