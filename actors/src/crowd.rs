//! The mailboxes of one arbiter that have work, counted: the more there are, the fewer attempts each has under way.
//!
//! Many endpoints with many connections each are no faster than with few; they only keep more sockets warm, and each
//! delivery costs half as much again. What an endpoint's share is, is decided in [`casewire_data::pace`].

use std::cell::Cell;

/// See the module. Lives on its arbiter.
#[derive(Debug, Default)]
pub struct Crowd(Cell<u32>);

impl Crowd {
    /// A mailbox has work from now on, or has none any more. Called once for each change.
    pub fn note(&self, has_work: bool) {
        let busy = self.0.get();
        self.0.set(if has_work { busy + 1 } else { busy.saturating_sub(1) });
    }

    /// How many mailboxes have work.
    pub fn busy(&self) -> u32 {
        self.0.get()
    }
}
