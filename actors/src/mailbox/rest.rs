//! What a mailbox that can do no more tells its shard: when it will have something to do, or that it has nothing.

use casewire_data::Timestamp;

use super::Mailbox;
use crate::shard::{Rest, WakeAt};

impl Mailbox {
    /// Asks to be woken for what is to be done later, unless it has asked for that or earlier.
    pub(super) fn ask_to_be_woken(&mut self, now: Timestamp) {
        if self.is_held() {
            return;
        }
        // While something is under way there is no probe, and its end does what is to be done next.
        let may_probe = (self.intake.is_behind() || self.replays.has_turns())
            && self.in_flight.is_empty()
            && self.ready.is_empty();
        let probe = self.pace.probe_at().filter(|_| may_probe && !self.intake.is_reading());
        let times = [self.retries.next_due(), self.pace.rests_until(now), self.share.grows_at(), probe];
        if let Some(at) = times.into_iter().flatten().min()
            && self.asked_for.is_none_or(|asked| at < asked)
        {
            let at = at.max(now.plus_millis(1));
            self.asked_for = Some(at);
            let at = self.surroundings.clock.instant(at);
            self.shard.do_send(WakeAt { ordinal: self.ordinal(), at });
        }
    }

    /// Says that it has nothing to do, or that it has.
    pub(super) fn note_rest(&self, now: Timestamp) {
        let nothing_waits = self.ready.is_empty() && !self.retries.is_busy() && !self.replays.is_busy();
        let nothing_under_way = self.in_flight.is_empty() && nothing_waits;
        let nothing_to_read = !self.intake.is_reading() && (!self.intake.is_behind() || self.is_held());
        let rest = (nothing_under_way && nothing_to_read).then(|| Rest {
            received: self.received,
            // A held one may have retries, for which it has not asked to be woken.
            clean: if self.intake.is_behind() || self.is_held() { None } else { Some(self.window.floor()) },
            since: self.rest.get().map_or(now, |rest| rest.since),
        });
        self.rest.set(rest);
    }
}
