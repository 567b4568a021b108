//! Retention: gives the disk back, segment by segment, once every event in one is old enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    codec::Kind,
    keys::{self, Table},
    record::{EventBody, Expired},
    segment::Segment,
    writer::Writer,
};
use crate::{Timestamp, error::Result};

/// Drops what is old enough; tells how many deliveries were given up with it.
pub fn enforce(writer: &mut Writer, now: Timestamp) -> Result<u64> {
    let horizon = now.plus_millis(-writer.options.retention_ms);
    let mut given_up = 0;
    while let Some((oldest, next)) = oldest_two(writer) {
        // No event in a segment is newer than the next one's beginning.
        if next.header.created_at >= horizon {
            break;
        }
        given_up += drop_segment(writer, &oldest, &next)?;
    }
    writer.registry.forget_deleted_before(horizon);
    let days = keys::idempotency_day(keys::day(now) - 1);
    writer.shared.journal.remove_below(keys::IDEMPOTENCY, &days)?;
    Ok(given_up)
}

fn oldest_two(writer: &Writer) -> Option<(Arc<Segment>, Arc<Segment>)> {
    let segments = writer.shared.log.segments();
    Some((segments.first()?.clone(), segments.get(1)?.clone()))
}

fn drop_segment(writer: &mut Writer, oldest: &Segment, next: &Segment) -> Result<u64> {
    let through = next.header.first_seq - 1;
    let expired = what_expires(writer, oldest, next, through)?;
    let given_up = expired.iter().map(|one| one.unread + one.parked).sum();
    writer.log_expiry(&expired)?;
    writer.shared.view().ledger.expired_through = through;
    // From here on the view on disk knows that the segment is gone, so a crash in between loses nothing.
    writer.checkpoint()?;
    writer.shared.log.drop_oldest()?;
    forget_rows(writer, through)?;
    Ok(given_up)
}

/// What still waits in the segment, endpoint by endpoint. Costs a scan only if anything lags that far behind.
fn what_expires(writer: &Writer, oldest: &Segment, next: &Segment, through: u64) -> Result<Vec<Expired>> {
    let shared = &writer.shared;
    let (lagging, set_aside): (BTreeSet<u32>, Vec<u32>) = {
        let view = shared.view();
        let lagging = view.ledger.cursors().filter(|(_, cursor)| cursor.unread > 0 && cursor.floor < through);
        let set_aside = view.ledger.cursors().filter(|(_, cursor)| cursor.parked + cursor.dead > 0);
        (lagging.map(|(endpoint, _)| endpoint).collect(), set_aside.map(|(endpoint, _)| endpoint).collect())
    };
    let mut expired: BTreeMap<u32, Expired> = BTreeMap::new();
    let mut entry = |endpoint: u32, count: fn(&mut Expired) -> &mut u64| {
        let empty = Expired { endpoint, through, unread: 0, parked: 0, dead: 0 };
        *count(expired.entry(endpoint).or_insert(empty)) += 1;
    };
    for endpoint in set_aside {
        let below = |table| keys::row(table, endpoint, through + 1);
        for (table, count) in [
            (Table::Retry, (|one| &mut one.parked) as fn(&mut Expired) -> &mut u64),
            (Table::Dead, |one| &mut one.dead),
        ] {
            for row in shared.journal.rows(&keys::table(table, endpoint), &keys::table(table, endpoint)) {
                if row?.0 >= below(table) {
                    break;
                }
                entry(endpoint, count);
            }
        }
    }
    if !lagging.is_empty() {
        let mut scan = shared.log.scan(oldest.header.start);
        while let Some((position, kind)) = scan.next_entry()? {
            if position >= next.header.start {
                break;
            }
            if kind != Kind::Event {
                continue;
            }
            let body = EventBody::split(scan.body())?;
            let (seq, _) = body.key()?;
            let view = shared.view();
            for endpoint in body.routes().filter(|endpoint| lagging.contains(endpoint)) {
                if view.ledger.is_unread(endpoint, seq) {
                    entry(endpoint, |one| &mut one.unread);
                }
            }
        }
    }
    Ok(expired.into_values().collect())
}

/// Takes away the rows that speak of events which are gone.
fn forget_rows(writer: &Writer, through: u64) -> Result<()> {
    let shared = &writer.shared;
    let journal = &shared.journal;
    let endpoints: Vec<u32> = {
        let mut view = shared.view();
        view.marks.retain(|mark| mark.seq > through);
        view.fresh.values_mut().for_each(|settled| settled.retain(|(seq, _)| *seq > through));
        view.ledger.cursors().map(|(endpoint, _)| endpoint).collect()
    };
    journal.remove_below(keys::MARKS, &keys::mark(through + 1))?;
    for endpoint in endpoints {
        for table in [Table::Retry, Table::Dead, Table::Chunk, Table::History] {
            journal.remove_below(&keys::table(table, endpoint), &keys::row(table, endpoint, through + 1))?;
        }
        let mut gone = super::retry_journal::PendingRows::default();
        let prefix = keys::table(Table::Due, endpoint);
        for row in journal.rows(&prefix, &prefix) {
            let (key, _) = row?;
            if keys::parse_due(&key).is_some_and(|(_, seq)| seq <= through) {
                gone.delete(key);
            }
        }
        if !gone.is_empty() {
            journal.apply(&mut gone)?;
        }
    }
    Ok(())
}
