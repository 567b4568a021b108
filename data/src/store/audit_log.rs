//! The audit on disk: a log of its own, which nothing is ever taken out of. Retention of events does not touch it, nor
//! does the rewriting of the registry.

use std::{
    path::Path,
    sync::{Arc, RwLock, RwLockReadGuard},
};

use super::{
    audit_chain::{self, Head},
    codec::Kind,
    log::Log,
    reader::Store,
    segment::Segment,
    synced_log::{Known, SyncedLog},
};
use crate::{
    Timestamp,
    audit::{Act, AuditEntry, AuditQuery},
    error::Result,
    id::{AuditId, UlidSequence},
};

/// Bytes of entries between two marks: what is read for a page, at the least.
const MARK_BYTES: u64 = 64 * 1024;

/// The writing side.
#[derive(Debug)]
pub struct AuditLog {
    log: SyncedLog,
    head: Head,
    ids: UlidSequence,
    trail: Arc<Trail>,
}

/// The reading side: the log, and where in it to begin. Lists go backwards, and a log is read forwards.
#[derive(Debug)]
pub struct Trail {
    log: Arc<Log>,
    marks: RwLock<Vec<Mark>>,
}

/// Where an entry stands. Positions, ids and times rise from mark to mark.
#[derive(Clone, Copy, Debug)]
struct Mark {
    position: u64,
    id: AuditId,
    at: Timestamp,
}

impl AuditLog {
    /// Opens the folder. Every checksum is looked at; the chain of hashes is for [`verify_audit`](super::verify_audit).
    pub fn open(dir: &Path, now: Timestamp, noted: Option<u64>) -> Result<Self> {
        let known = Known { name: "audit", was_there: noted.is_some(), reach: noted.unwrap_or(0) };
        let log = SyncedLog::open(dir, known, now)?;
        let trail = Arc::new(Trail { log: log.log().clone(), marks: RwLock::default() });
        let mut head = Head::default();
        let mut scan = log.scan();
        while let Some((position, kind)) = scan.next_entry()? {
            debug_assert_eq!(kind, Kind::Audit, "the audit holds its entries only");
            let entry = audit_chain::read(scan.body())?;
            head = Head::of(&entry);
            trail.mark(position, entry.id, entry.at);
        }
        Ok(Self { log, head, ids: UlidSequence::after(head.id), trail })
    }

    /// Its files.
    pub fn segments(&self) -> Arc<[Arc<Segment>]> {
        self.log.segments()
    }

    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.log.end()
    }

    /// The reading side.
    pub fn trail(&self) -> &Arc<Trail> {
        &self.trail
    }

    /// The id of the next entry.
    pub fn next_id(&mut self, now: Timestamp, random: u128) -> AuditId {
        AuditId::from_u128(self.ids.next(now, random))
    }

    /// Writes entries, synced.
    pub fn append(&mut self, acts: Vec<(AuditId, Act)>, now: Timestamp) -> Result<()> {
        let Some((first, _)) = acts.first().cloned() else { return Ok(()) };
        let (position, at) = (self.log.end(), now.max(self.head.at));
        let head = &mut self.head;
        self.log.append(Kind::Audit, acts, |(id, act), out| head.extend(id, &act, now, out))?;
        self.trail.mark(position, first, at);
        Ok(())
    }
}

impl Trail {
    fn mark(&self, position: u64, id: AuditId, at: Timestamp) {
        let mut marks = self.marks.write().expect("nothing panics while it holds this lock");
        if marks.last().is_none_or(|last| position >= last.position + MARK_BYTES) {
            marks.push(Mark { position, id, at });
        }
    }

    fn marks(&self) -> RwLockReadGuard<'_, Vec<Mark>> {
        self.marks.read().expect("nothing panics while it holds this lock")
    }

    /// The entries that a query wants, the newest first.
    fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        let marks = self.marks().clone();
        let (mut found, mut to) = (Vec::new(), u64::MAX);
        for mark in marks.iter().rev() {
            let is_later = query.before.is_some_and(|before| mark.id >= before)
                || query.until.is_some_and(|until| mark.at >= until);
            if !is_later {
                self.collect(*mark, to, query, &mut found)?;
            }
            if found.len() >= query.limit || query.since.is_some_and(|since| mark.at < since) {
                break;
            }
            to = mark.position;
        }
        found.truncate(query.limit);
        Ok(found)
    }

    /// Adds what is wanted between a mark and a position, the newest first.
    fn collect(&self, from: Mark, to: u64, query: &AuditQuery, found: &mut Vec<AuditEntry>) -> Result<()> {
        let already = found.len();
        let mut scan = self.log.scan(from.position);
        while let Some((position, _)) = scan.next_entry()? {
            if position >= to {
                break;
            }
            let entry = audit_chain::read(scan.body())?;
            if query.takes(&entry) {
                found.push(entry);
            }
        }
        found[already..].reverse();
        Ok(())
    }
}

impl Store {
    /// The entries of the audit that a query wants, the newest first.
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        self.shared.audit.list(query)
    }
}
