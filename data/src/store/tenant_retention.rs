//! Retention of tenants that keep their events for less time than others, or may keep only so many bytes of them: a horizon
//! for each, which goes up segment by segment, while the segments stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    codec::Kind,
    keys::{self, Table},
    log::Scan,
    record::{EventBody, Lost, TenantExpired},
    retention::{count_rows, forget_indices, given_up, lost_by},
    retry_journal::RetryJournal,
    segment::Segment,
    writer::Writer,
};
use crate::{Timestamp, error::Result, event::Tenant};

/// Raises the horizons that are due; tells how many deliveries were given up. All publishing waits for it, so it reads
/// one segment at the most, and leaves what is behind that to the next time, which is to come soon then.
pub fn enforce(writer: &mut Writer, now: Timestamp) -> Result<u64> {
    let mut lost = 0;
    writer.retention_is_behind = false;
    for (tenant, due_through) in due(writer, now) {
        for pair in writer.shared.log.segments().windows(2) {
            let (segment, through) = (&pair[0], pair[1].header.first_seq - 1);
            if through > due_through {
                break;
            }
            let expired_through = writer.shared.view().ledger.expired_through;
            if through <= expired_through.max(writer.shared.horizons.of(tenant.as_str())) {
                continue;
            }
            // The rows that are counted, and go, must not be pending.
            writer.flush_rows()?;
            let concerned = concerned(writer, &tenant, through)?;
            let expired = TenantExpired {
                lost: if concerned.is_empty() {
                    Vec::new()
                } else {
                    what_expires(writer, &tenant, segment, through, &concerned)?
                },
                tenant: tenant.clone(),
                through,
            };
            lost += given_up(writer, &expired.lost);
            writer.log_tenant_expiry(&expired)?;
            forget_rows(&writer.shared.journal, &expired)?;
            if !concerned.is_empty() {
                writer.retention_is_behind = true;
                return Ok(lost);
            }
        }
    }
    Ok(lost)
}

/// Up to which event those of tenants are to go, by their age or by their bytes.
fn due(writer: &Writer, now: Timestamp) -> BTreeMap<Tenant, u64> {
    let mut due = writer.shared.horizons.asked();
    let segments = writer.shared.log.segments();
    for (tenant, period) in &writer.options.tenants_retention_ms {
        let before = now.plus_millis(-period);
        // No event in a segment is newer than the next one's beginning.
        let is_old = |next: &&Arc<Segment>| next.header.created_at < before;
        if let Some(next) = segments.iter().skip(1).take_while(is_old).last() {
            let through = due.entry(tenant.clone()).or_default();
            *through = (*through).max(next.header.first_seq - 1);
        }
    }
    due
}

/// Endpoints, not known to be of another tenant, for which something may wait up to an event, or is a dead letter.
fn concerned(writer: &Writer, tenant: &Tenant, through: u64) -> Result<BTreeSet<u32>> {
    let documents = writer.documents();
    let is_foreign = |endpoint: &u32| {
        let there = documents.endpoints.get(endpoint).map(|it| &it.tenant);
        let whose = there.or_else(|| documents.tombstones.get(endpoint).map(|it| &it.tenant));
        whose.is_some_and(|whose| whose != tenant)
    };
    let (mut concerned, mut with_rows) = (BTreeSet::new(), Vec::new());
    {
        let view = writer.shared.view();
        for (endpoint, cursor) in view.ledger.cursors().filter(|(endpoint, _)| !is_foreign(endpoint)) {
            if cursor.unread > 0 && cursor.floor < through {
                concerned.insert(endpoint);
            } else if cursor.parked + cursor.dead > 0 {
                with_rows.push(endpoint);
            }
        }
    }
    for endpoint in with_rows {
        for table in [Table::Retry, Table::Dead] {
            if count_rows(&writer.shared.journal, table, endpoint, through)? > 0 {
                concerned.insert(endpoint);
            }
        }
    }
    Ok(concerned)
}

/// What still waits of a tenant's events in a segment, endpoint by endpoint. Earlier ones have lost theirs before.
fn what_expires(
    writer: &Writer,
    tenant: &Tenant,
    segment: &Arc<Segment>,
    through: u64,
    concerned: &BTreeSet<u32>,
) -> Result<Vec<Lost>> {
    let (mut lost, mut routed) = (BTreeMap::new(), BTreeSet::new());
    let mut scan = Scan::new(Arc::new([segment.clone()]), segment.header.start, segment.end());
    while let Some((_, kind)) = scan.next_entry()? {
        if kind != Kind::Event {
            continue;
        }
        let body = EventBody::split(scan.body())?;
        let brief = body.brief()?;
        if brief.tenant != tenant.as_str() {
            continue;
        }
        let view = writer.shared.view();
        for endpoint in body.routes().filter(|endpoint| concerned.contains(endpoint)) {
            routed.insert(endpoint);
            if view.ledger.is_unread(endpoint, brief.seq) {
                lost_by(&mut lost, endpoint).unread += 1;
            }
        }
    }
    routed.extend(late_endpoints(writer, tenant, concerned));
    for endpoint in routed {
        let parked = count_rows(&writer.shared.journal, Table::Retry, endpoint, through)?;
        let dead = count_rows(&writer.shared.journal, Table::Dead, endpoint, through)?;
        if parked + dead > 0 {
            let one = lost_by(&mut lost, endpoint);
            (one.parked, one.dead) = (parked, dead);
        }
    }
    Ok(lost.into_values().collect())
}

/// Endpoints known to be the tenant's: a replay may have sent them events that were never routed to them.
fn late_endpoints(writer: &Writer, tenant: &Tenant, concerned: &BTreeSet<u32>) -> Vec<u32> {
    let documents = writer.documents();
    let is_theirs = |endpoint: &&u32| {
        let there = documents.endpoints.get(endpoint).map(|it| &it.tenant);
        there.or_else(|| documents.tombstones.get(endpoint).map(|it| &it.tenant)) == Some(tenant)
    };
    concerned.iter().filter(is_theirs).copied().collect()
}

/// Takes away the rows of deliveries that were given up. Called twice it does nothing more, as on recovery.
///
/// Where the attempts of other deliveries stand is forgotten when the segment goes.
pub fn forget_rows(journal: &RetryJournal, expired: &TenantExpired) -> Result<()> {
    for Lost { endpoint, .. } in &expired.lost {
        forget_indices(journal, *endpoint, expired.through)?;
        for table in [Table::Retry, Table::Dead] {
            let below = keys::row(table, *endpoint, expired.through + 1);
            journal.remove_below(&keys::table(table, *endpoint), &below)?;
        }
    }
    Ok(())
}
