//! What waits for the writer: bounded by events and bytes, and refused beyond.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use casewire_data::{Error, ErrorKind, Result};

use super::{Settlement, closed};

/// What waits for the writer, counted so that it stays bounded.
pub struct Queue {
    pub(super) events: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
    pub(super) settlements: Mutex<Vec<Settlement>>,
    /// The writer blocks without a time-out: whoever leaves a settlement must wake it.
    pub(super) asleep: AtomicBool,
    pub(super) closed: AtomicBool,
    /// Publications that found no room.
    pub(super) refused: AtomicU64,
}

/// What waits before the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Events that wait.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Publications that were refused since the engine started, as there was no room.
    pub refused: u64,
}

/// A place in the queue, given back when dropped.
pub struct Room {
    queue: Arc<Queue>,
    events: usize,
    bytes: usize,
}

impl Queue {
    pub fn enter(queue: &Arc<Self>, events: usize, bytes: usize) -> Result<Room> {
        if queue.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        let room = Room { queue: queue.clone(), events, bytes };
        let events_before = queue.events.fetch_add(events, Ordering::Relaxed);
        let bytes_before = queue.bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_full = events_before + events > queue.events_max || bytes_before + bytes > queue.bytes_max;
        // A batch larger than the whole queue still passes, alone; or "busy" would never end for it.
        if is_full && events_before > 0 {
            queue.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(
                ErrorKind::Busy,
                "the queue of events that wait for the disk is full; publish again shortly",
            ));
        }
        Ok(room)
    }

    pub fn depth(&self) -> Depth {
        Depth {
            events: self.events.load(Ordering::Relaxed) as u64,
            bytes: self.bytes.load(Ordering::Relaxed) as u64,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    pub fn settlements(&self) -> MutexGuard<'_, Vec<Settlement>> {
        self.settlements.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.queue.events.fetch_sub(self.events, Ordering::Relaxed);
        self.queue.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
