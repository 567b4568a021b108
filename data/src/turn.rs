//! Whose turn it is at an endpoint: a live delivery's, or that of one which a replay sends again.
//!
//! Live ones come first, and yet a replay goes on however many there are. Both share the endpoint's requests in flight;
//! and all that the engine does is done by the same machine, so that replayed deliveries keep a distance from each other
//! as long as anything live goes on anywhere.

use crate::Timestamp;

#[cfg(test)]
mod tests;

/// Replayed deliveries of an endpoint that are young at once (see `pace`): the thread that begins a live one has so many
/// others to see to first. A receiver that takes its time gets more.
const YOUNG_MAX: usize = 4;
/// For how long after a live delivery more of them are expected, in milliseconds.
const LIVE_MILLIS: i64 = 5_000;
/// Milliseconds between two replayed deliveries as long as more live ones are expected: what they cost the machine is then
/// little beside what is live, which would wait for it. Replays that go on at the same time share this pace.
const SPACING_MILLIS: i64 = 1;
/// While live deliveries wait, so many of them begin for each replayed one.
const LIVE_FOR_EACH: u32 = 3;

/// Whether one more request may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Free,
    /// It may when what was answered is written.
    AfterWriting,
    /// It may when one that is in flight has ended.
    Full,
}

/// The room that is left of the requests that are `allowed` at once. What was answered but is not written yet counts as
/// in flight: a crash would repeat it.
pub fn room(in_flight: usize, unwritten: usize, allowed: usize) -> Room {
    if in_flight + unwritten < allowed {
        Room::Free
    } else if in_flight < allowed {
        Room::AfterWriting
    } else {
        Room::Full
    }
}

/// What replayed deliveries of an endpoint find beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Live ones of this endpoint may begin, or will once they are read.
    pub live_waits: bool,
    /// The endpoint is down, and what is sent probes it.
    pub is_down: bool,
    /// The endpoint is to have one request at a time, whatever it is.
    pub is_one_by_one: bool,
    /// Its requests in flight.
    pub in_flight: usize,
    /// Its settlements that are not written yet.
    pub unwritten: usize,
    /// How many requests it may have in flight.
    pub allowed: usize,
    /// How many replayed ones are young, and when the first of them is so no more.
    pub young: (usize, Option<Timestamp>),
    /// When the last live attempt of any endpoint began, if there was one.
    pub live_at: Option<Timestamp>,
    /// Endpoints that have replayed deliveries to send, this one among them.
    pub replays: u32,
}

/// What becomes of a replayed delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is its turn.
    Begins,
    /// Not before this time.
    WaitsUntil(Timestamp),
    /// Not before something that was answered is written.
    WaitsForWriting,
    /// Not before another attempt of the endpoint begins or ends.
    Waits,
}

/// The turns that one endpoint's deliveries have had, as far as they say whose is next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    replayed_in_flight: usize,
    replayed_at: Option<Timestamp>,
    /// Live ones that began since the last replayed one.
    live_since: u32,
}

impl Turns {
    /// An attempt begins.
    pub fn begins(&mut self, is_replayed: bool, now: Timestamp) {
        if is_replayed {
            self.replayed_in_flight += 1;
            (self.replayed_at, self.live_since) = (Some(now), 0);
        } else {
            self.live_since = self.live_since.saturating_add(1);
        }
    }

    /// An attempt that a replay asked for is over.
    pub fn replayed_ends(&mut self) {
        self.replayed_in_flight = self.replayed_in_flight.saturating_sub(1);
    }

    /// Whether the next turn is that of a replayed delivery, if there is one. To be asked before each live one; it then
    /// is a live one's turn, if it may begin.
    ///
    /// While live ones wait, replayed ones have a quarter of the requests in flight, and every fourth turn. Otherwise
    /// they have all but a quarter, so that a live one which comes finds a place; what is not written yet would take that
    /// place, too.
    pub fn replayed(&self, beside: &Beside, now: Timestamp) -> Replayed {
        let Beside { live_waits, in_flight, unwritten, allowed, .. } = *beside;
        if beside.is_down {
            let probes = !live_waits && in_flight == 0;
            return if probes { Replayed::Begins } else { Replayed::Waits };
        }
        if beside.is_one_by_one && in_flight > 0 {
            return Replayed::Waits;
        }
        let quarter = (allowed / 4).max(1);
        if live_waits {
            if self.live_since < LIVE_FOR_EACH || self.replayed_in_flight >= quarter {
                return Replayed::Waits;
            }
        } else {
            let places = allowed.saturating_sub(quarter).max(1);
            match room(self.replayed_in_flight, unwritten, places) {
                Room::Free => {}
                Room::AfterWriting => return Replayed::WaitsForWriting,
                Room::Full => return Replayed::Waits,
            }
        }
        if let Some(until) = self.keeps_distance_until(beside, now) {
            return Replayed::WaitsUntil(until);
        }
        match beside.young {
            (count, first) if count >= YOUNG_MAX => first.map_or(Replayed::Waits, Replayed::WaitsUntil),
            _ => Replayed::Begins,
        }
    }

    fn keeps_distance_until(&self, beside: &Beside, now: Timestamp) -> Option<Timestamp> {
        let is_beside_live = beside.live_at.is_some_and(|at| now < at.plus_millis(LIVE_MILLIS));
        let spacing = SPACING_MILLIS * i64::from(beside.replays.max(1));
        self.replayed_at.map(|at| at.plus_millis(spacing)).filter(|until| is_beside_live && now < *until)
    }
}
