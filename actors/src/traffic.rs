//! What goes on in the whole engine, as far as replays must know of it: all of it shares a machine, and a replay to one
//! endpoint is felt by live deliveries to all others.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use casewire_data::Timestamp;

/// Live attempts closer together than this, in microseconds, are one. So the number below changes seldom, and to look at
/// it costs each arbiter next to nothing.
const RESOLUTION_US: i64 = 100_000;
/// No live attempt has begun yet.
const NEVER: i64 = i64::MIN;

/// See the module. Shared by all arbiters.
#[derive(Debug)]
pub struct Traffic {
    live_at_us: AtomicI64,
    replays: AtomicU32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { live_at_us: AtomicI64::new(NEVER), replays: AtomicU32::new(0) }
    }
}

impl Traffic {
    /// A live attempt begins.
    pub fn live(&self, now: Timestamp) {
        let (now, last) = (now.as_micros(), self.live_at_us.load(Ordering::Relaxed));
        if now.saturating_sub(last) >= RESOLUTION_US {
            self.live_at_us.store(now, Ordering::Relaxed);
        }
    }

    /// When the last live attempt began, or up to a tenth of a second before; absent if there was none yet.
    pub fn live_at(&self) -> Option<Timestamp> {
        let last = self.live_at_us.load(Ordering::Relaxed);
        (last != NEVER).then(|| Timestamp::from_micros(last))
    }

    /// A mailbox has replayed deliveries to send from now on, or has none any more. Called once for each change.
    pub fn note_replay(&self, has_some: bool) {
        if has_some {
            self.replays.fetch_add(1, Ordering::Relaxed);
        } else {
            self.replays.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many mailboxes have replayed deliveries to send.
    pub fn replays(&self) -> u32 {
        self.replays.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_live_attempt_is_known_to_a_tenth_of_a_second() {
        let (traffic, at) = (Traffic::default(), Timestamp::from_millis);
        assert_eq!(traffic.live_at(), None);
        for (now, known) in [(0, 0), (99, 0), (100, 100), (5_000, 5_000)] {
            traffic.live(at(now));
            assert_eq!(traffic.live_at(), Some(at(known)));
        }
    }
}
