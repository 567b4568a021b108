//! What of the log is whose: counted once for each segment that nothing is appended to any more, and again after it was
//! rewritten. A thread that sweeps does so, and only where bytes matter to some tenant.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use serde::{Deserialize, Serialize};

use super::{
    codec::{HEADER_BYTES, Kind},
    keys,
    log::Scan,
    record::{self, EventBody},
    remains,
    retry_journal::{PendingRows, RetryJournal},
    rewriting::go_on,
    segment::Segment,
};
use crate::{Timestamp, error::Result, event::Tenant};

/// Takes as much room as any time of an erasure.
const LATEST: Timestamp = Timestamp::from_micros(i64::MAX);

/// What a tenant has in a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Events.
    pub events: u64,
    /// Bytes of its events, and of what is noted there of deliveries. Not the zeros that stand for what was erased.
    pub bytes: u64,
    /// Those of them that an erasure would take.
    pub content_bytes: u64,
}

/// Who has what in a segment. In the retry journal a row a tenant, since its values must stay small, and one besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    by_tenant: BTreeMap<Tenant, Share>,
    /// When contents were last taken out of it because there were too many bytes. What is left of them waits.
    pub trimmed_at: Option<Timestamp>,
}

/// The row besides, which stands before the others.
#[derive(Serialize, Deserialize)]
struct Head {
    tenants: usize,
    trimmed_at: Option<Timestamp>,
}

impl Shares {
    /// Counts what a segment holds. Reads all of it.
    pub fn count(
        segment: &Arc<Segment>,
        tenant_of: &dyn Fn(u32) -> Option<Tenant>,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let mut shares = Self::default();
        let mut scan = Scan::new(Arc::new([segment.clone()]), segment.header.start, segment.end());
        while let Some((_, kind)) = scan.next_entry()? {
            go_on(stop)?;
            let body = scan.body();
            match kind {
                Kind::Event => {
                    let owner = EventBody::split(body)?.brief()?.tenant;
                    let share = shares.of_owner(owner)?;
                    share.events += 1;
                    share.add(kind, body)?;
                }
                Kind::Settled | Kind::Parked | Kind::Requeued | Kind::Cancelled => {
                    if let Some(owner) = tenant_of(record::endpoint(body)?) {
                        shares.of_owner(owner.as_str())?.add(kind, body)?;
                    }
                }
                _ => {}
            }
        }
        Ok(shares)
    }

    /// What was counted of a segment; `None` if that is still to be done.
    pub fn known(journal: &RetryJournal, segment: &Segment) -> Result<Option<Self>> {
        let key = keys::shares(segment.header.start);
        let Some(Head { tenants, trimmed_at }) = journal.get(&key, None)? else { return Ok(None) };
        let mut shares = Self { trimmed_at, ..Self::default() };
        for row in journal.rows(&key, &key).skip(1) {
            let (key, sealed) = row?;
            if let Some(tenant) = keys::shares_tenant(&key) {
                *shares.of_owner(tenant)? = journal.open_row(&key, &sealed)?;
            }
        }
        Ok((shares.by_tenant.len() == tenants).then_some(shares))
    }

    /// Keeps them until the segment is rewritten, or gone.
    pub fn keep(&self, journal: &RetryJournal, segment: &Segment) -> Result<()> {
        let (mut rows, start) = (PendingRows::default(), segment.header.start);
        rows.put(keys::shares(start), &Head { tenants: self.by_tenant.len(), trimmed_at: self.trimmed_at });
        for (tenant, share) in &self.by_tenant {
            rows.put(keys::share(start, tenant.as_str()), share);
        }
        journal.apply(&mut rows)
    }

    /// Forgets what was counted of a segment. To be done before its file changes, or a crash in between would leave what is
    /// not so any more.
    pub fn forget(journal: &RetryJournal, segment: &Segment) -> Result<()> {
        let (key, mut rows) = (keys::shares(segment.header.start), PendingRows::default());
        for row in journal.rows(&key, &key) {
            rows.delete(row?.0);
        }
        if rows.is_empty() {
            return Ok(());
        }
        journal.apply(&mut rows)?;
        journal.flush()
    }

    fn of_owner(&mut self, tenant: &str) -> Result<&mut Share> {
        if !self.by_tenant.contains_key(tenant) {
            self.by_tenant.insert(Tenant::new(tenant)?, Share::default());
        }
        Ok(self.by_tenant.get_mut(tenant).expect("it was put there"))
    }

    /// What a tenant has.
    pub fn of(&self, tenant: &str) -> Share {
        self.by_tenant.get(tenant).copied().unwrap_or_default()
    }

    /// Tenants with events there.
    pub fn owners(&self) -> impl Iterator<Item = &Tenant> {
        self.by_tenant.iter().filter(|(_, share)| share.events > 0).map(|(tenant, _)| tenant)
    }

    /// Tenants of which there is content.
    pub fn with_content(&self) -> impl Iterator<Item = &Tenant> {
        self.by_tenant.iter().filter(|(_, share)| share.content_bytes > 0).map(|(tenant, _)| tenant)
    }
}

impl Share {
    fn add(&mut self, kind: Kind, body: &[u8]) -> Result<()> {
        let (kept, least) = (without_zeros(body), remains::of(kind, body, LATEST)?);
        self.bytes += (HEADER_BYTES + kept) as u64;
        self.content_bytes += least.map_or(0, |least| kept.saturating_sub(least.len())) as u64;
        Ok(())
    }
}

/// How many of the oldest go so that the others, as many as can, are within a limit together. `bytes` are oldest first.
pub fn beyond(limit: u64, bytes: impl DoubleEndedIterator<Item = u64> + ExactSizeIterator) -> usize {
    let (mut sum, mut left) = (0_u64, bytes.len());
    for one in bytes.rev() {
        sum = sum.saturating_add(one);
        if sum > limit {
            return left;
        }
        left -= 1;
    }
    0
}

fn without_zeros(body: &[u8]) -> usize {
    body.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stays_is_within_the_limit_and_one_more_would_not_be(
            bytes in proptest::collection::vec(0..50_u64, 0..20),
            limit in 0..400_u64,
        ) {
            let gone = beyond(limit, bytes.iter().copied());
            prop_assert!(bytes[gone..].iter().sum::<u64>() <= limit);
            prop_assert!(gone == 0 || bytes[gone - 1..].iter().sum::<u64>() > limit);
        }
    }
}
