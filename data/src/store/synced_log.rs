//! A log of its own beside that of events, for what is rare and never lost: every append is synced when it returns.
//! The registry and the audit are such logs.

use std::{path::Path, sync::Arc};

use super::{
    codec::{self, Kind, Place},
    cut_short,
    log::{Log, Scan},
    segment::{Segment, SegmentHeader},
};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
};

/// Bytes that one write hands to the operating system, about.
const WRITE_BYTES: usize = 1024 * 1024;

/// What is known of such a log before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it holds, for messages: `registry`.
    pub name: &'static str,
    /// A run has left it there, so that to find none is damage.
    pub was_there: bool,
    /// Where it ended, at the least.
    pub reach: u64,
}

/// See the module.
#[derive(Debug)]
pub struct SyncedLog {
    log: Arc<Log>,
    active: Arc<Segment>,
}

impl SyncedLog {
    /// Opens the folder, creating it if there never was one, and cuts a torn tail off.
    pub fn open(dir: &Path, known: Known, now: Timestamp) -> Result<Self> {
        let Known { name, was_there, reach } = known;
        let log = Log::open(dir)?;
        if log.segments().is_empty() {
            if was_there {
                let what = format!("the {name} in {} is gone; restore it from a backup", dir.display());
                return Err(Error::new(ErrorKind::Damaged, what));
            }
            log.begin_segment(header(0, now))?;
        }
        let end = log.find_end(0)?;
        if end.position < reach {
            return Err(cut_short(dir, end.position, reach));
        }
        if end.torn_bytes > 0 {
            tracing::warn!(bytes = end.torn_bytes, log = name, "cut a torn, never acknowledged tail off");
        }
        if end.tail_bytes > 0 {
            log.trim(end.position)?;
        }
        log.commit_to(end.position);
        let active = log.segments().last().expect("one was begun if there was none").clone();
        Ok(Self { log: Arc::new(log), active })
    }

    /// The log itself, for readers.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// All that is in it.
    pub fn scan(&self) -> Scan {
        self.log.scan(0)
    }

    /// Its files.
    pub fn segments(&self) -> Arc<[Arc<Segment>]> {
        self.log.segments()
    }

    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.active.end()
    }

    /// Bytes of the entries in its newest segment.
    pub fn entry_bytes(&self) -> u64 {
        self.active.entry_bytes()
    }

    /// Appends an entry for each item, synced; `write` appends one's body.
    pub fn append<T>(
        &mut self,
        kind: Kind,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut Vec<u8>),
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for item in items {
            let position = self.active.end() + bytes.len() as u64;
            let place = Place { position, durable_to: self.active.durable_to() };
            codec::put_entry(&mut bytes, place, kind, 0, |out| write(item, out));
            if bytes.len() >= WRITE_BYTES {
                self.active.append(&bytes)?;
                bytes.clear();
            }
        }
        self.active.append(&bytes)?;
        self.active.sync()?;
        self.log.commit_to(self.active.end());
        Ok(())
    }

    /// Begins a new segment, for all that still counts.
    pub fn begin_segment(&mut self, now: Timestamp) -> Result<()> {
        self.active = self.log.begin_segment(header(self.active.end(), now))?;
        Ok(())
    }

    /// Drops every segment but the newest.
    pub fn drop_older(&mut self) -> Result<()> {
        while self.log.segments().len() > 1 {
            self.log.drop_oldest()?;
        }
        Ok(())
    }
}

fn header(start: u64, created_at: Timestamp) -> SegmentHeader {
    SegmentHeader { start, first_seq: 0, last_id: 0, created_at }
}
