//! The sweep: takes contents out of the log's files, segment by segment, on a thread of its own.
//!
//! What goes is what was asked for ([`Erasure`]), and payloads older than their tenant's period; see the module
//! `byte_retention` for those that are too many. The newest segment is
//! still appended to, so what is to go from it waits until it is sealed. Payloads go by segments too: each is read and
//! rewritten once when all its payloads of a tenant are old enough, and again only for those that waited for a delivery
//! then.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, atomic::AtomicBool},
};

use serde::{Deserialize, Serialize};

use super::{
    codec::{self, Kind},
    keys::{self, Table},
    log::Scan,
    reader::Store,
    record::{Erasure, EventBody, Settled},
    remains,
    retry_journal::PendingRows,
    rewriting::{self, Marked, go_on},
    segment::Segment,
    shares::Shares,
    view::RetryRow,
};
use crate::{
    Timestamp,
    error::Result,
    event::{Resource, Tenant},
    limits::PayloadRetention,
};

/// A payload that waited when its segment was swept is looked for again after this part of its period.
const AGAIN_PARTS: i64 = 8;

/// What a sweep goes by.
pub struct SweepTerms<'a> {
    /// The time.
    pub now: Timestamp,
    /// How long payloads are kept, and how many bytes of them.
    pub payloads: &'a PayloadRetention,
    /// How many bytes of some tenants' events are kept, with all that is noted of them.
    pub tenants_bytes: &'a BTreeMap<Tenant, u64>,
    /// Whose endpoint it is.
    pub tenant_of: &'a dyn Fn(u32) -> Option<Tenant>,
    /// Ends the sweep early, with `Closed`.
    pub stop: &'a AtomicBool,
}

/// What a sweep has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Events whose content was taken out of a file.
    pub events: u64,
    /// Segments that were rewritten.
    pub segments: u64,
    /// Events that each erasure was about, those that had no content left too.
    pub by_erasure: Vec<(Tenant, Resource, u64)>,
}

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    /// The erasures that it carries out.
    erasures: Vec<(u64, Erasure)>,
    /// The events that they are about, as far as it has come.
    seqs: HashSet<u64>,
    /// Where to go on.
    position: u64,
    /// What it has done.
    pub report: SweepReport,
}

/// How a segment was swept for payloads that are too old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Swept {
    at: Timestamp,
    /// By which periods.
    periods: u64,
    /// Some waited for a delivery.
    kept: bool,
}

/// What in a segment is to go.
#[derive(Default)]
struct Found {
    marked: Vec<Marked>,
    events: u64,
    kept: bool,
}

impl Sweep {
    /// A sweep of the whole log. All that was written before the last answer of the writer must be in it.
    pub fn new(store: &Store) -> Self {
        let erasures = store.shared.erasures.pending();
        let by_erasure = erasures.iter().map(|(_, it)| (it.tenant.clone(), it.resource.clone(), 0)).collect();
        let report = SweepReport { by_erasure, ..SweepReport::default() };
        Self { erasures, seqs: HashSet::new(), position: 0, report }
    }

    /// One that goes by what is due alone.
    pub(super) fn of_no_erasures() -> Self {
        Self { erasures: Vec::new(), seqs: HashSet::new(), position: 0, report: SweepReport::default() }
    }

    /// Before which position of the log all erasures were asked for that it carries out; absent if there are none.
    pub fn done_before(&self) -> Option<u64> {
        self.erasures.last().map(|(asked, _)| asked + 1)
    }

    /// Goes through the log, up to the segment that is still appended to. Tells whether that one has something to go too:
    /// have it sealed, and call this again.
    ///
    /// Blocks for as long as the disk takes.
    pub fn go(&mut self, store: &Store, terms: &SweepTerms<'_>) -> Result<bool> {
        let segments = store.shared.log.segments();
        let from = self.position;
        for pair in segments.windows(2).filter(|pair| pair[0].header.start >= from) {
            let (segment, next) = (&pair[0], &pair[1]);
            let swept = store.is_to_be_swept(segment, next, terms)?;
            if swept || !self.erasures.is_empty() {
                let due = |tenant: &str| swept && terms.is_due(next, tenant);
                let kept = self.take_out(store, segment, &due, terms)?;
                if swept {
                    store.note_sweep(segment, terms, kept)?;
                }
            }
            self.position = next.header.start;
        }
        let Some(active) = segments.last().filter(|_| !self.erasures.is_empty()) else { return Ok(false) };
        let counted = self.report.by_erasure.clone();
        let found = self.find(store, active, &|_| false, terms)?;
        if !found.marked.is_empty() {
            // Counted when it is done.
            self.report.by_erasure = counted;
        }
        Ok(!found.marked.is_empty())
    }

    /// Takes out of a segment what its erasures are about, and contents of tenants that are `due`. Tells whether some of
    /// those waited for a delivery, and stay.
    pub(super) fn take_out(
        &mut self,
        store: &Store,
        segment: &Arc<Segment>,
        due: &dyn Fn(&str) -> bool,
        terms: &SweepTerms<'_>,
    ) -> Result<bool> {
        let found = self.find(store, segment, due, terms)?;
        if !found.marked.is_empty() {
            Shares::forget(&store.shared.journal, segment)?;
            if rewriting::rewrite(&store.shared.log, segment, &found.marked, terms.stop)? {
                self.report.events += found.events;
                self.report.segments += 1;
            }
        }
        Ok(found.kept)
    }

    fn find(
        &mut self,
        store: &Store,
        segment: &Arc<Segment>,
        due: &dyn Fn(&str) -> bool,
        terms: &SweepTerms<'_>,
    ) -> Result<Found> {
        let mut found = Found::default();
        let end = segment.end().min(store.shared.log.committed());
        let mut scan = Scan::new(Arc::new([segment.clone()]), segment.header.start, end);
        while let Some((position, kind)) = scan.next_entry()? {
            go_on(terms.stop)?;
            match kind {
                Kind::Event => {
                    let body = EventBody::split(scan.body())?;
                    if let Some(at) = self.takes(store, &body, due, terms.now, &mut found.kept)?
                        && !body.is_erased()
                    {
                        found.events += 1;
                        found.marked.push((position, at));
                    }
                }
                Kind::Settled => {
                    let mut settled: Settled = codec::unpack(scan.body(), "an attempt in the log")?;
                    let is_due = || (terms.tenant_of)(settled.endpoint).is_some_and(|it| due(it.as_str()));
                    if (self.seqs.contains(&settled.seq) || is_due()) && remains::strip(&mut settled.attempt)
                    {
                        found.marked.push((position, terms.now));
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// As of when an event's content is to go.
    fn takes(
        &mut self,
        store: &Store,
        body: &EventBody<'_>,
        due: &dyn Fn(&str) -> bool,
        now: Timestamp,
        kept: &mut bool,
    ) -> Result<Option<Timestamp>> {
        let brief = body.brief()?;
        for (index, (_, erasure)) in self.erasures.iter().enumerate() {
            let Resource { kind, id } = &erasure.resource;
            let about = brief.resource == Some((kind, id)) && erasure.tenant.as_str() == brief.tenant;
            if about && brief.seq <= erasure.through {
                self.seqs.insert(brief.seq);
                self.report.by_erasure[index].2 += 1;
                return Ok(Some(erasure.at));
            }
        }
        if !due(brief.tenant) {
            return Ok(None);
        }
        let waits = store.waits(brief.seq, body.routes())?;
        *kept |= waits;
        Ok((!waits).then_some(now))
    }
}

impl SweepTerms<'_> {
    /// Whether all payloads of a tenant are old enough in the segment before `next`: none is newer than its beginning.
    fn is_due(&self, next: &Segment, tenant: &str) -> bool {
        self.payloads.of(tenant).is_some_and(|period| self.is_over(next, period))
    }

    fn is_over(&self, next: &Segment, period_ms: i64) -> bool {
        next.header.created_at.plus_millis(period_ms) < self.now
    }
}

impl Store {
    fn is_to_be_swept(&self, segment: &Segment, next: &Segment, terms: &SweepTerms<'_>) -> Result<bool> {
        let periods: BTreeSet<i64> = terms.payloads.periods().filter(|it| terms.is_over(next, *it)).collect();
        if periods.is_empty() {
            return Ok(false);
        }
        let row = keys::swept(segment.header.start);
        let Some(swept) = self.shared.journal.get::<Swept>(&row, None)? else { return Ok(true) };
        let fell_due_since = |period: &i64| next.header.created_at.plus_millis(*period) >= swept.at;
        let is_late = |period: &i64| terms.now.millis_since(swept.at) > period / AGAIN_PARTS;
        Ok(swept.periods != terms.payloads.digest()
            || periods.iter().any(fell_due_since)
            || (swept.kept && periods.iter().any(is_late)))
    }

    fn note_sweep(&self, segment: &Segment, terms: &SweepTerms<'_>, kept: bool) -> Result<()> {
        let (mut rows, journal) = (PendingRows::default(), &self.shared.journal);
        let swept = Swept { at: terms.now, periods: terms.payloads.digest(), kept };
        rows.put(keys::swept(segment.header.start), &swept);
        journal.apply(&mut rows)
    }

    /// Whether an event still waits for one of its endpoints.
    fn waits(&self, seq: u64, routes: impl Iterator<Item = u32>) -> Result<bool> {
        let late = self.late(seq..seq + 1)?;
        let view = self.shared.view();
        for endpoint in routes.chain(late.into_iter().map(|place| place.ordinal)) {
            if view.ledger.is_closed(endpoint) {
                continue;
            }
            let row = keys::row(Table::Retry, endpoint, seq);
            if view.ledger.is_unread(endpoint, seq)
                || (view.ledger.kept(endpoint).is_some_and(|cursor| cursor.parked > 0)
                    && self.shared.journal.get::<RetryRow>(&row, Some(&view.rows))?.is_some())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
