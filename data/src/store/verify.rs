//! `casewire journal verify` and `stats`: looks at a data directory that no process uses, and changes nothing.

use std::{collections::BTreeMap, fmt, os::unix::fs::MetadataExt, path::Path};

use serde::Serialize;

use super::{
    Paths,
    audit_chain::Head,
    codec::Kind,
    cut_short, format,
    guard::{DirectoryLock, Reach},
    log::Log,
    manifest,
    record::{EventBody, Fate, Settled},
    segment::storage,
};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
    signature::hex,
};

/// What a walk over every entry found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Segments of the log.
    pub segments: u64,
    /// Entries whose checksums hold.
    pub entries: u64,
    /// Events among them.
    pub events: u64,
    /// Those of them whose content was erased.
    pub erased: u64,
    /// Documents of the registry whose checksums hold.
    pub documents: u64,
    /// Entries of the audit whose checksums and hashes hold.
    pub audit_entries: u64,
    /// Bytes at the end of the log that never became whole; the next start cuts them off.
    pub torn_bytes: u64,
}

/// What a walk along the chain of the audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Entries, each of which holds on to the one before it.
    pub entries: u64,
    /// When the newest was written, RFC 3339.
    pub newest_at: Option<String>,
    /// The newest one's hash, in hex. Noted elsewhere, it proves later that nothing up to it was changed since.
    pub newest_sha256: Option<String>,
    /// The place of the entry whose hash was asked for, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noted_entry: Option<u64>,
    /// Bytes at the end that never became whole; the next start cuts them off.
    pub torn_bytes: u64,
}

/// What is in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatsReport {
    /// Bytes of the disk that the log takes.
    pub log_bytes: u64,
    /// The same of the retry journal.
    pub retry_journal_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Events in the log.
    pub events: u64,
    /// Deliveries that the events matched.
    pub deliveries: u64,
    /// Attempts, by what they came to: `delivered`, `retry`, `dead`.
    pub attempts: BTreeMap<&'static str, u64>,
    /// When the oldest event was published, RFC 3339.
    pub oldest_event_at: Option<String>,
    /// When the newest event was published, RFC 3339.
    pub newest_event_at: Option<String>,
}

/// Checks every entry of log, registry and audit. Damage is an error that names the place.
pub fn verify(dir: &Path) -> Result<VerifyReport> {
    let (lock, _) = existing(dir)?;
    check(&Paths::of(dir), lock.reach()).map(|(report, _)| report)
}

/// Checks every entry of log, registry and audit, which must reach as far as is known, and tells how far they do.
pub(super) fn check(paths: &Paths, reach: Reach) -> Result<(VerifyReport, Reach)> {
    let mut report = VerifyReport::default();
    let registry = walk(&paths.registry, reach.registry, |_, _, _| {
        report.documents += 1;
        Ok(())
    })?;
    let (audit, audit_end) = walk_audit(&paths.audit, reach.audit, |_| ())?;
    report.audit_entries = audit.entries;
    let log = walk(&paths.log, reach.log, |_, kind, body| {
        report.entries += 1;
        if kind == Kind::Event {
            let erased = EventBody::split(body)?.event(0)?.erased_at.is_some();
            report.erased += u64::from(erased);
            report.events += 1;
        }
        Ok(())
    })?;
    report.torn_bytes = registry.torn_bytes + audit.torn_bytes + log.torn_bytes;
    report.segments = log.segments;
    Ok((report, Reach { log: log.end, registry: registry.end, audit: audit_end }))
}

/// Follows the chain of the audit from its first entry to its last. The error names the first entry that is broken.
///
/// Takes a backup too. Only reads, and may do so beside the process that uses the directory: what that one is just writing looks torn.
pub fn verify_audit(dir: &Path) -> Result<AuditReport> {
    follow_audit(dir, |_| ())
}

/// The same, and holds the chain against the hash that its newest entry had when it was noted elsewhere. `Damaged` if no
/// entry has it: all of it was written anew, or is an older copy, which no hash within it can tell.
pub fn verify_audit_against(dir: &Path, noted: [u8; 32]) -> Result<AuditReport> {
    let mut noted_entry = None;
    let report = follow_audit(dir, |head| {
        if head.sha256 == noted {
            noted_entry = Some(head.number);
        }
    })?;
    if noted_entry.is_none() {
        let message = format!(
            "none of the {} entries of the audit in {} has the hash {}: since that was noted, entries were changed, or an \
             older copy was put in their place; restore it from a backup",
            report.entries,
            dir.display(),
            hex(&noted)
        );
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    Ok(AuditReport { noted_entry, ..report })
}

fn follow_audit(dir: &Path, visit: impl FnMut(&Head)) -> Result<AuditReport> {
    check_is_there(dir)?;
    // Noted before the log is looked at, which can only have grown since.
    let reach = match manifest::of_backup(dir)? {
        Some(manifest) => manifest.reach(),
        None => Reach::noted_in(dir),
    };
    walk_audit(&Paths::of(dir).audit, reach.audit, visit).map(|(report, _)| report)
}

/// The second answer is where it ends; absent of a directory that a version without an audit left.
fn walk_audit(
    dir: &Path,
    noted: Option<u64>,
    mut visit: impl FnMut(&Head),
) -> Result<(AuditReport, Option<u64>)> {
    let missing = |number: u64, error: Error| {
        let message =
            format!("entry {number} of the audit is missing, and all after it: {}", error.message());
        Err(Error::new(error.kind(), message))
    };
    if !dir.is_dir() {
        return match noted {
            None => Ok((AuditReport::default(), None)),
            Some(reach) => missing(1, cut_short(dir, 0, reach)),
        };
    }
    let log = Log::open_existing(dir)?;
    let end = log.find_end(0);
    // What comes before the damage may be broken too, by somebody who knows how to write a checksum.
    log.commit_to(end.as_ref().map_or(u64::MAX, |end| end.position));
    let mut head = Head::default();
    let mut scan = log.scan(0);
    loop {
        let next = scan.next_entry();
        let followed = next.and_then(|next| next.map(|_| head.follow(scan.body())).transpose());
        let at_entry = |error: Error| {
            let place = format!("entry {} of the audit in {} is broken", head.number + 1, dir.display());
            Error::new(error.kind(), format!("{place}: {}", error.message()))
        };
        if followed.map_err(at_entry)?.is_none() {
            break;
        }
        visit(&head);
    }
    let end = end?;
    match noted {
        Some(reach) if end.position < reach => {
            return missing(head.number + 1, cut_short(dir, end.position, reach));
        }
        _ => {}
    }
    let newest = (head.number > 0).then_some(head);
    let report = AuditReport {
        entries: head.number,
        newest_at: newest.map(|head| head.at.to_string()),
        newest_sha256: newest.map(|head| hex(&head.sha256)),
        noted_entry: None,
        torn_bytes: end.torn_bytes,
    };
    Ok((report, Some(end.position)))
}

/// Counts what is in the journal.
pub fn stats(dir: &Path) -> Result<StatsReport> {
    let _existing = existing(dir)?;
    let paths = Paths::of(dir);
    let mut report =
        StatsReport { retry_journal_bytes: bytes_below(&paths.retry)?, ..StatsReport::default() };
    let mut times: Option<(Timestamp, Timestamp)> = None;
    let walked = walk(&paths.log, 0, |_, kind, body| {
        match kind {
            Kind::Event => {
                let body = EventBody::split(body)?;
                let at = body.event(0)?.published_at;
                report.events += 1;
                report.deliveries += body.routes().count() as u64;
                times = Some(times.map_or((at, at), |(oldest, _)| (oldest, at)));
            }
            Kind::Settled => {
                let settled: Settled = super::codec::unpack(body, "an attempt in the log")?;
                let fate = match settled.fate {
                    Fate::Delivered => "delivered",
                    Fate::RetryAt(_) => "retry",
                    Fate::Dead => "dead",
                };
                *report.attempts.entry(fate).or_default() += 1;
            }
            _ => {}
        }
        Ok(())
    })?;
    report.segments = walked.segments;
    report.log_bytes = bytes_below(&paths.log)?;
    report.oldest_event_at = times.map(|(oldest, _)| oldest.to_string());
    report.newest_event_at = times.map(|(_, newest)| newest.to_string());
    Ok(report)
}

struct Walked {
    segments: u64,
    end: u64,
    torn_bytes: u64,
}

fn walk(dir: &Path, reach: u64, mut entry: impl FnMut(u64, Kind, &[u8]) -> Result<()>) -> Result<Walked> {
    let log = Log::open_existing(dir)?;
    let segments = log.segments();
    let first = segments.first().map_or(0, |segment| segment.header.start);
    let end = log.find_end(first)?;
    if end.position < reach {
        return Err(cut_short(dir, end.position, reach));
    }
    log.commit_to(end.position);
    let mut scan = log.scan(first);
    while let Some((position, kind)) = scan.next_entry()? {
        entry(position, kind, scan.body())?;
    }
    Ok(Walked { segments: segments.len() as u64, end: end.position, torn_bytes: end.torn_bytes })
}

/// Takes a directory that is one, and tells its format.
pub(super) fn existing(dir: &Path) -> Result<(DirectoryLock, u32)> {
    check_is_there(dir)?;
    let lock = DirectoryLock::take(dir)?;
    let data_format = format::read(dir)?;
    Ok((lock, data_format))
}

fn check_is_there(dir: &Path) -> Result<()> {
    if dir.join("log").is_dir() {
        return Ok(());
    }
    let message = format!("{} is not a data directory: it holds no log", dir.display());
    Err(Error::new(ErrorKind::NotFound, message))
}

/// Bytes of the disk that the files below a folder take; less than their length where they reach ahead of their entries.
fn bytes_below(dir: &Path) -> Result<u64> {
    // The unit of `st_blocks`.
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(|error| storage("list", dir, &error))?.flatten() {
        let path = entry.path();
        let metadata = entry.metadata().map_err(|error| storage("stat", &path, &error))?;
        bytes += if metadata.is_dir() { bytes_below(&path)? } else { metadata.blocks() * BLOCK_BYTES };
    }
    Ok(bytes)
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "every checksum holds")?;
        writeln!(f, "segments   {}", self.segments)?;
        writeln!(f, "entries    {}", self.entries)?;
        writeln!(f, "events     {}", self.events)?;
        if self.erased > 0 {
            writeln!(f, "erased     {} of them", self.erased)?;
        }
        writeln!(f, "documents  {}", self.documents)?;
        write!(f, "audit      {}", self.audit_entries)?;
        if self.torn_bytes > 0 {
            write!(
                f,
                "\n{} bytes at the end were never acknowledged; the next start cuts them off",
                self.torn_bytes
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every hash holds\nentries  {}", self.entries)?;
        if let (Some(at), Some(sha256)) = (&self.newest_at, &self.newest_sha256) {
            write!(f, "\nnewest   {at}\nSHA-256  {sha256}")?;
        }
        if let Some(number) = self.noted_entry {
            write!(f, "\nnoted    entry {number}; nothing up to it was changed since")?;
        }
        if self.torn_bytes > 0 {
            write!(f, "\n{} bytes at the end are not written out yet, or never were", self.torn_bytes)?;
        }
        Ok(())
    }
}

impl fmt::Display for StatsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "log            {} bytes in {} segments", self.log_bytes, self.segments)?;
        writeln!(f, "retry journal  {} bytes", self.retry_journal_bytes)?;
        write!(f, "events         {}", self.events)?;
        if let (Some(oldest), Some(newest)) = (&self.oldest_event_at, &self.newest_event_at) {
            write!(f, ", from {oldest} to {newest}")?;
        }
        write!(f, "\ndeliveries     {}", self.deliveries)?;
        for (fate, count) in &self.attempts {
            write!(f, "\nattempts       {count} {fate}")?;
        }
        Ok(())
    }
}
