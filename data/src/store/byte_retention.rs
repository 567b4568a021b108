//! Retention by bytes, tenant by tenant: finds what is too much, and takes contents out of the log's files.
//!
//! It goes by what of each segment is whose. Of the segments that nothing is appended to any more, the newest stay that are
//! within a tenant's limit together. What is in older ones goes: of a limit of contents here, of one of events as the
//! writer raises the tenant's horizon, which is asked for here.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    reader::Store,
    segment::Segment,
    shares::{Shares, beyond},
    sweep::{Sweep, SweepReport, SweepTerms},
};
use crate::{error::Result, event::Tenant};

/// After how many milliseconds a segment is looked at again in which contents waited for a delivery, or in which some of
/// another tenant is too much since.
const AGAIN_MS: i64 = 60_000;

/// A segment that nothing is appended to, its last event, and who has what in it.
struct Sealed {
    segment: Arc<Segment>,
    through: u64,
    shares: Shares,
}

impl Store {
    /// Takes contents out of the log's files that are more bytes than their tenant may keep, and those of events that its
    /// retention has taken; has the writer take events that are more than they may be. Does nothing where bytes matter to
    /// no tenant.
    ///
    /// Blocks for as long as the disk takes. Reads each segment once when it is full, and what is to go from it twice more.
    pub fn keep_within_bytes(&self, terms: &SweepTerms<'_>) -> Result<SweepReport> {
        if terms.tenants_bytes.is_empty() && !terms.payloads.limits_bytes() {
            return Ok(SweepReport::default());
        }
        let sealed = self.sealed(terms)?;
        self.ask_for_horizons(&sealed, terms);
        let mut sweep = Sweep::of_no_erasures();
        let too_much = too_much_content(&sealed, terms);
        for (index, one) in sealed.iter().enumerate() {
            let due = |tenant: &str| {
                too_much.get(tenant).is_some_and(|count| index < *count)
                    || self.shared.horizons.has_taken(tenant, one.through)
            };
            let lately = one.shares.trimmed_at.is_some_and(|at| terms.now.millis_since(at) < AGAIN_MS);
            if lately || !one.shares.with_content().any(|tenant| due(tenant.as_str())) {
                continue;
            }
            sweep.take_out(self, &one.segment, &due, terms)?;
            self.recount(&one.segment, terms)?;
        }
        Ok(sweep.report)
    }

    fn sealed(&self, terms: &SweepTerms<'_>) -> Result<Vec<Sealed>> {
        let segments = self.shared.log.segments();
        let pairs = segments.windows(2).map(|pair| {
            let (segment, through) = (pair[0].clone(), pair[1].header.first_seq - 1);
            let shares = match Shares::known(&self.shared.journal, &segment)? {
                Some(shares) => shares,
                None => {
                    let shares = Shares::count(&segment, terms.tenant_of, terms.stop)?;
                    shares.keep(&self.shared.journal, &segment)?;
                    shares
                }
            };
            Ok(Sealed { segment, through, shares })
        });
        pairs.collect()
    }

    fn ask_for_horizons(&self, sealed: &[Sealed], terms: &SweepTerms<'_>) {
        let mut asked = BTreeMap::new();
        for (tenant, limit) in terms.tenants_bytes {
            let horizon = self.shared.horizons.of(tenant.as_str());
            let left = sealed.iter().map(|one| match one.through <= horizon {
                true => 0,
                false => one.shares.of(tenant.as_str()).bytes,
            });
            if let Some(last) = beyond(*limit, left).checked_sub(1) {
                asked.insert(tenant.clone(), sealed[last].through);
            }
        }
        self.shared.horizons.ask(asked);
    }

    /// Counts anew what a segment holds after it was rewritten.
    fn recount(&self, old: &Segment, terms: &SweepTerms<'_>) -> Result<()> {
        let segments = self.shared.log.segments();
        // Retention may have taken it meanwhile.
        let Some(segment) = segments.iter().find(|it| it.header.start == old.header.start) else {
            return Ok(());
        };
        let mut shares = Shares::count(segment, terms.tenant_of, terms.stop)?;
        shares.trimmed_at = Some(terms.now);
        shares.keep(&self.shared.journal, segment)
    }
}

/// In how many of the oldest segments contents are to go, tenant by tenant.
fn too_much_content<'a>(sealed: &'a [Sealed], terms: &SweepTerms<'_>) -> BTreeMap<&'a str, usize> {
    let mut tenants: Vec<&Tenant> = sealed.iter().flat_map(|one| one.shares.with_content()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let limited = tenants.into_iter().filter_map(|tenant| {
        let (tenant, limit) = (tenant.as_str(), terms.payloads.bytes_of(tenant.as_str())?);
        Some((tenant, beyond(limit, sealed.iter().map(|one| one.shares.of(tenant).content_bytes))))
    });
    limited.filter(|(_, count)| *count > 0).collect()
}
