//! Retention: gives the disk back, segment by segment, once every event in one is old enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    codec::Kind,
    keys::{self, Table},
    record::{EventBody, Expired, Lost},
    retry_journal::{PendingRows, RetryJournal},
    segment::Segment,
    shares::Shares,
    tenant_retention,
    view::RetryRow,
    writer::Writer,
};
use crate::{Timestamp, error::Result};

/// Drops what is old enough; tells how many deliveries were given up with it.
pub fn enforce(writer: &mut Writer, now: Timestamp) -> Result<u64> {
    let horizon = now.plus_millis(-writer.options.retention_ms);
    let mut given_up = 0;
    while let Some((oldest, next)) = oldest_two(writer) {
        // No event in a segment is newer than the next one's beginning.
        if next.header.created_at >= horizon
            && !is_too_large(writer)
            && !is_over_for_all(writer, &oldest, &next)?
        {
            break;
        }
        given_up += drop_segment(writer, &oldest, &next)?;
    }
    given_up += tenant_retention::enforce(writer, now)?;
    forget_deleted(writer, horizon);
    forget_sweeps(writer)?;
    let days = keys::idempotency_day(keys::day(now) - 1);
    writer.shared.journal.remove_below(keys::IDEMPOTENCY, &days)?;
    Ok(given_up)
}

/// Forgets how segments were swept that are gone, what in them was whose, and what was erased in them.
fn forget_sweeps(writer: &Writer) -> Result<()> {
    let Some(oldest) = writer.shared.log.segments().first().cloned() else { return Ok(()) };
    writer.shared.erasures.forget(writer.shared.view().ledger.expired_through);
    writer.shared.journal.remove_below(keys::SHARES, &keys::shares(oldest.header.start))?;
    writer.shared.journal.remove_below(keys::SWEPT, &keys::swept(oldest.header.start)).map(drop)
}

/// Forgets deleted endpoints that no event in the log can name any more. The newest segment is never dropped, so an
/// event may be older than retention.
fn forget_deleted(writer: &mut Writer, horizon: Timestamp) {
    let oldest = writer.shared.log.segments().first().map_or(horizon, |oldest| oldest.header.created_at);
    let forgotten = writer.registry.forget_deleted_before(horizon.min(oldest));
    let mut view = writer.shared.view();
    forgotten.into_iter().for_each(|endpoint| view.remove_cursor(endpoint));
}

/// Whether the log takes more of the disk than it may.
fn is_too_large(writer: &Writer) -> bool {
    let bytes = || writer.shared.log.segments().iter().map(|segment| segment.disk_bytes()).sum::<u64>();
    writer.options.retention_bytes.is_some_and(|most| bytes() > most)
}

/// Whether the retention of each tenant that has events in the oldest segment has taken them: then its file is of no use
/// to anybody. Not seen where nobody counts what is whose.
fn is_over_for_all(writer: &Writer, oldest: &Segment, next: &Segment) -> Result<bool> {
    let (horizons, through) = (&writer.shared.horizons, next.header.first_seq - 1);
    if !horizons.may_have_taken(through) {
        return Ok(false);
    }
    let shares = Shares::known(&writer.shared.journal, oldest)?;
    Ok(shares
        .is_some_and(|shares| shares.owners().all(|tenant| horizons.has_taken(tenant.as_str(), through))))
}

fn oldest_two(writer: &Writer) -> Option<(Arc<Segment>, Arc<Segment>)> {
    let segments = writer.shared.log.segments();
    Some((segments.first()?.clone(), segments.get(1)?.clone()))
}

/// Drops the oldest segment in steps, after each of which a crash loses nothing and the next start goes on: the entry
/// in the log comes first, and all else follows from it, now or on replay.
fn drop_segment(writer: &mut Writer, oldest: &Segment, next: &Segment) -> Result<u64> {
    let through = next.header.first_seq - 1;
    // A segment without events has nothing to give up, and an entry about it would only fill the next one.
    let expires = through > writer.shared.view().ledger.expired_through;
    let given_up = if expires { expire(writer, oldest, next)? } else { 0 };
    writer.checkpoint()?;
    drop_known_expired(writer)?;
    Ok(given_up)
}

/// Drops the oldest segment. The view on disk must know by then, as the entry that tells may go with a later one.
pub fn drop_known_expired(writer: &Writer) -> Result<()> {
    writer.shared.journal.flush()?;
    writer.shared.log.drop_oldest()
}

fn expire(writer: &mut Writer, oldest: &Segment, next: &Segment) -> Result<u64> {
    // The count below reads rows in sled, and the rows that go must not be pending.
    writer.flush_rows()?;
    let expired = what_expires(writer, oldest, next)?;
    let given_up = given_up(writer, &expired.lost);
    writer.log_expiry(&expired)?;
    writer.shared.view().forget(expired.through);
    forget_rows(&writer.shared.journal, expired.through)?;
    Ok(given_up)
}

/// How many deliveries are lost to endpoints that are still there, which are told.
pub fn given_up(writer: &mut Writer, lost: &[Lost]) -> u64 {
    let waited = lost.iter().filter(|lost| lost.unread + lost.parked > 0);
    writer.expired.extend(waited.map(|lost| lost.endpoint));
    let view = writer.shared.view();
    let open = lost.iter().filter(|lost| !view.ledger.is_closed(lost.endpoint));
    open.map(|lost| lost.unread + lost.parked).sum()
}

/// What still waits in the segment, endpoint by endpoint. Costs a scan only if anything lags that far behind.
fn what_expires(writer: &Writer, oldest: &Segment, next: &Segment) -> Result<Expired> {
    let through = next.header.first_seq - 1;
    let mut lost: BTreeMap<u32, Lost> = BTreeMap::new();
    let (lagging, set_aside): (BTreeSet<u32>, Vec<u32>) = {
        let view = writer.shared.view();
        let lagging = view.ledger.cursors().filter(|(_, cursor)| cursor.unread > 0 && cursor.floor < through);
        let set_aside = view.ledger.cursors().filter(|(_, cursor)| cursor.parked + cursor.dead > 0);
        (lagging.map(|(endpoint, _)| endpoint).collect(), set_aside.map(|(endpoint, _)| endpoint).collect())
    };
    for endpoint in set_aside {
        let parked = count_rows(&writer.shared.journal, Table::Retry, endpoint, through)?;
        let dead = count_rows(&writer.shared.journal, Table::Dead, endpoint, through)?;
        if parked + dead > 0 {
            let one = lost_by(&mut lost, endpoint);
            (one.parked, one.dead) = (parked, dead);
        }
    }
    if !lagging.is_empty() {
        let mut scan = writer.shared.log.scan(oldest.header.start);
        while let Some((position, kind)) = scan.next_entry()? {
            if position >= next.header.start {
                break;
            }
            if kind != Kind::Event {
                continue;
            }
            let body = EventBody::split(scan.body())?;
            let (seq, _) = body.key()?;
            let view = writer.shared.view();
            body.routes()
                .filter(|endpoint| lagging.contains(endpoint) && view.ledger.is_unread(*endpoint, seq))
                .for_each(|endpoint| lost_by(&mut lost, endpoint).unread += 1);
        }
    }
    Ok(Expired { through, lost: lost.into_values().collect() })
}

pub fn lost_by(lost: &mut BTreeMap<u32, Lost>, endpoint: u32) -> &mut Lost {
    lost.entry(endpoint).or_insert(Lost { endpoint, ..Lost::default() })
}

pub fn count_rows(journal: &RetryJournal, table: Table, endpoint: u32, through: u64) -> Result<u64> {
    let (prefix, below) = (keys::table(table, endpoint), keys::row(table, endpoint, through + 1));
    let mut count = 0;
    for row in journal.rows(&prefix, &prefix) {
        if row?.0 >= below {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// Takes away the rows that speak of events up to `through`. Called twice it does nothing more, so a replay may meet
/// rows that are gone already. No such row may be pending, or it would come back.
///
/// Costs by the endpoints that have rows, not by those that there are: all publishing waits for it.
pub fn forget_rows(journal: &RetryJournal, through: u64) -> Result<()> {
    journal.remove_below(keys::MARKS, &keys::mark(through + 1))?;
    journal.remove_below(keys::LATE, &keys::late(through + 1, 0))?;
    for endpoint in journal.endpoints(Table::Retry)? {
        forget_indices(journal, endpoint, through)?;
    }
    for table in [Table::Retry, Table::Dead, Table::Chunk, Table::History] {
        for endpoint in journal.endpoints(table)? {
            let (prefix, below) = (keys::table(table, endpoint), keys::row(table, endpoint, through + 1));
            journal.remove_below(&prefix, &below)?;
        }
    }
    Ok(())
}

/// The indices by due time and by case are in other orders, so what goes is found through the rows that they point to.
pub fn forget_indices(journal: &RetryJournal, endpoint: u32, through: u64) -> Result<()> {
    let (prefix, below) =
        (keys::table(Table::Retry, endpoint), keys::row(Table::Retry, endpoint, through + 1));
    let mut gone = PendingRows::default();
    for row in journal.rows(&prefix, &prefix) {
        let (key, value) = row?;
        if key >= below {
            break;
        }
        let retry: RetryRow = journal.open_row(&key, &value)?;
        if let Some(seq) = keys::row_seq(&key) {
            gone.delete(keys::due(endpoint, retry.due, seq));
            if let Some(lane) = retry.lane {
                gone.delete(keys::lane_from(endpoint, lane, seq));
            }
        }
    }
    if gone.is_empty() { Ok(()) } else { journal.apply(&mut gone) }
}
