//! The sync that "acknowledged" rests on, and whoever wants to know how long it takes: the store reads no clock.

use std::fmt;

use super::{guard::Reach, writer::Writer};
use crate::error::Result;

/// Is told around each sync of the log.
pub trait SyncWatch: fmt::Debug + Send {
    /// The disk is asked to hold what was appended.
    fn begins(&mut self);
    /// It does. Not called for a sync that failed.
    fn ended(&mut self);
}

impl Writer {
    /// Has syncs watched from now on, those of checkpoints too.
    pub fn watch_syncs(&mut self, watch: Box<dyn SyncWatch>) {
        self.sync_watch = Some(watch);
    }

    /// Has the disk hold the log, and notes that it does.
    pub(super) fn sync(&mut self) -> Result<()> {
        if let Some(watch) = &mut self.sync_watch {
            watch.begins();
        }
        self.active.sync()?;
        if let Some(watch) = &mut self.sync_watch {
            watch.ended();
        }
        self.note_reach();
        Ok(())
    }

    /// Notes how far log, registry and audit are on disk.
    pub(super) fn note_reach(&self) {
        let (log, registry) = (self.active.durable_to(), self.registry.end());
        self.lock.note(Reach { log, registry, audit: Some(self.audit.end()) });
    }
}
