//! The retry journal's keys: one tree, a byte that names the table, then big-endian numbers, so that key order is
//! the order in which rows are wanted.
//!
//! ```text
//! 00 name                    where the view stands in the log
//! 01 seq                     mark: where an event stands in the log, one for every 256 KiB
//! 03 endpoint                cursor
//! 04 endpoint seq            retry: a delivery that waits for another attempt
//! 05 endpoint due seq        the same, in the order in which they are due
//! 06 endpoint seq            dead letter
//! 07 endpoint last first  where the attempts of deliveries settled at the first attempt stand in the log
//! 08 endpoint seq            the same for one delivery that took several attempts
//! 09 day hash                idempotency key
//! 0a endpoint lane seq       those of table 04 whose case is known, case by case
//! 0b seq endpoint            a route that the event itself does not have: it was replayed to an endpoint that missed it
//! 0c position                an erasure that is not done, by where the log asks for it
//! 0d start                   how a segment was swept for old payloads
//! 0e start tenant            what of a segment is a tenant's, and without one, how many tenants have some
//! ```

use crate::{Timestamp, order::Lane};

/// The view's place in the log.
pub const VIEW: &[u8] = b"\0view";
/// The place up to which rows (not cursors) are in.
pub const ROWS: &[u8] = b"\0rows";

/// Bytes of a hashed idempotency key.
pub const HASH_BYTES: usize = 16;
const DAY_MILLIS: i64 = 86_400_000;

/// A table of rows by endpoint and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Waiting for another attempt.
    Retry = 4,
    /// Waiting, by due time.
    Due = 5,
    /// Dead letters.
    Dead = 6,
    /// Attempts of many deliveries.
    Chunk = 7,
    /// Attempts of one delivery.
    History = 8,
    /// Waiting, by case.
    Lane = 10,
}

/// Key of a mark.
pub fn mark(seq: u64) -> Vec<u8> {
    join(&[&[1], &seq.to_be_bytes()])
}

/// All marks.
pub const MARKS: &[u8] = &[1];

/// Key of a cursor.
pub fn cursor(endpoint: u32) -> Vec<u8> {
    join(&[&[3], &endpoint.to_be_bytes()])
}

/// All cursors.
pub const CURSORS: &[u8] = &[3];

/// The endpoint that a cursor's key names.
pub fn cursor_endpoint(key: &[u8]) -> Option<u32> {
    key.get(1..5)?.try_into().ok().map(u32::from_be_bytes)
}

/// Key of a row by endpoint and event; for [`Table::Chunk`], `seq` is the last event in it.
pub fn row(table: Table, endpoint: u32, seq: u64) -> Vec<u8> {
    join(&[&[table as u8], &endpoint.to_be_bytes(), &seq.to_be_bytes()])
}

/// Key of a chunk of attempts.
pub fn chunk(endpoint: u32, last_seq: u64, first_seq: u64) -> Vec<u8> {
    join(&[&row(Table::Chunk, endpoint, last_seq), &first_seq.to_be_bytes()])
}

/// The first event in a chunk, by its key.
pub fn chunk_first(key: &[u8]) -> Option<u64> {
    key.get(13..21)?.try_into().ok().map(u64::from_be_bytes)
}

/// Key in the order of due times.
pub fn due(endpoint: u32, due: Timestamp, seq: u64) -> Vec<u8> {
    join(&[&due_from(endpoint, due), &seq.to_be_bytes()])
}

/// Where the due times of an endpoint begin that are at or after a time.
pub fn due_from(endpoint: u32, due: Timestamp) -> Vec<u8> {
    let sortable = due.as_micros().cast_unsigned() ^ (1 << 63);
    join(&[&table(Table::Due, endpoint), &sortable.to_be_bytes()])
}

/// The due time and the event that a key of [`Table::Due`] names.
pub fn parse_due(key: &[u8]) -> Option<(Timestamp, u64)> {
    let due = u64::from_be_bytes(key.get(5..13)?.try_into().ok()?) ^ (1 << 63);
    Some((Timestamp::from_micros(due.cast_signed()), row_seq(key.get(8..)?)?))
}

/// Where the waiting deliveries of a case begin that are at or after an event.
pub fn lane_from(endpoint: u32, lane: Lane, seq: u64) -> Vec<u8> {
    join(&[&self::lane(endpoint, lane), &seq.to_be_bytes()])
}

/// All waiting deliveries of a case.
pub fn lane(endpoint: u32, Lane(lane): Lane) -> Vec<u8> {
    join(&[&table(Table::Lane, endpoint), &lane.to_be_bytes()])
}

/// The event that a key of [`Table::Lane`] names.
pub fn lane_seq(key: &[u8]) -> Option<u64> {
    row_seq(key.get(8..)?)
}

/// The endpoint that a key of a row names.
pub fn row_endpoint(key: &[u8]) -> Option<u32> {
    key.get(1..5)?.try_into().ok().map(u32::from_be_bytes)
}

/// The event that a key of a row names.
pub fn row_seq(key: &[u8]) -> Option<u64> {
    key.get(5..13)?.try_into().ok().map(u64::from_be_bytes)
}

/// All rows of an endpoint in a table.
pub fn table(table: Table, endpoint: u32) -> Vec<u8> {
    join(&[&[table as u8], &endpoint.to_be_bytes()])
}

/// Key of an idempotency key seen at a time.
pub fn idempotency(at: Timestamp, hash: &[u8; HASH_BYTES]) -> Vec<u8> {
    join(&[&idempotency_day(day(at)), hash])
}

/// All idempotency keys seen on a day.
pub fn idempotency_day(day: i64) -> Vec<u8> {
    join(&[&[9], &(day as u32).to_be_bytes()])
}

/// All idempotency keys.
pub const IDEMPOTENCY: &[u8] = &[9];

/// Key of an erasure that is not done.
pub fn erasure(position: u64) -> Vec<u8> {
    join(&[ERASURES, &position.to_be_bytes()])
}

/// All erasures that are not done.
pub const ERASURES: &[u8] = &[12];

/// Where the log asks for the erasure that a key names.
pub fn erasure_position(key: &[u8]) -> Option<u64> {
    key.get(1..9)?.try_into().ok().map(u64::from_be_bytes)
}

/// Key of how a segment was swept.
pub fn swept(start: u64) -> Vec<u8> {
    join(&[SWEPT, &start.to_be_bytes()])
}

/// How all segments were swept.
pub const SWEPT: &[u8] = &[13];

/// Key of what of a segment is whose.
pub fn shares(start: u64) -> Vec<u8> {
    join(&[SHARES, &start.to_be_bytes()])
}

/// Key of what of a segment is a tenant's.
pub fn share(start: u64, tenant: &str) -> Vec<u8> {
    join(&[&shares(start), tenant.as_bytes()])
}

/// The tenant that a key of what is whose names.
pub fn shares_tenant(key: &[u8]) -> Option<&str> {
    key.get(9..).and_then(|name| std::str::from_utf8(name).ok())
}

/// What of all segments is whose.
pub const SHARES: &[u8] = &[14];

/// Key of a route that an event got later.
pub fn late(seq: u64, endpoint: u32) -> Vec<u8> {
    join(&[LATE, &seq.to_be_bytes(), &endpoint.to_be_bytes()])
}

/// The event and the endpoint that a key of a later route names.
pub fn parse_late(key: &[u8]) -> Option<(u64, u32)> {
    let (seq, endpoint) = (key.get(1..9)?.try_into().ok()?, key.get(9..13)?.try_into().ok()?);
    Some((u64::from_be_bytes(seq), u32::from_be_bytes(endpoint)))
}

/// All later routes.
pub const LATE: &[u8] = &[11];

/// The day that a time lies in, counted from the epoch.
pub fn day(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY_MILLIS)
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_sort_like_times_and_read_back() {
        let at = Timestamp::from_micros;
        let keys =
            [due(7, at(-5), 9), due(7, at(0), 1), due(7, at(0), 2), due(7, at(8_000), 0), due(8, at(-9), 0)];
        assert!(keys.is_sorted());
        assert_eq!(parse_due(&keys[2]), Some((at(0), 2)));
        assert_eq!(row_seq(&row(Table::Dead, 3, 12)), Some(12));
        assert_eq!(row_endpoint(&row(Table::Dead, 3, 12)), Some(3));
        assert!(keys[0].starts_with(&table(Table::Due, 7)));
        let waits = lane_from(7, Lane(3), 9);
        assert!(waits.starts_with(&lane(7, Lane(3))) && waits.starts_with(&table(Table::Lane, 7)));
        assert_eq!(lane_seq(&waits), Some(9));
        assert_eq!(parse_late(&late(300, 7)), Some((300, 7)));
    }
}
