//! The engine's clock: starts at the wall's time and then runs on monotonic time.
//!
//! Retry times are kept on it, so that a wall clock that jumps by a day causes neither a burst nor a stall. Only what
//! others compare with their own clocks, such as a signature's timestamp, is read from the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use casewire_data::Timestamp;

/// See the module. Copies tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// A clock that starts now at the wall's time.
    pub fn start() -> Self {
        Self { started: Instant::now(), started_at: wall() }
    }

    /// The engine's time.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// The engine's time at an instant after its start.
    pub fn at(&self, instant: Instant) -> Timestamp {
        let elapsed = instant.saturating_duration_since(self.started);
        let elapsed = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.started_at.as_micros().saturating_add(elapsed))
    }

    /// When the engine's time will be `at`; now if it was before.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let micros = at.as_micros().saturating_sub(self.started_at.as_micros());
        self.started + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// The wall's time.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
