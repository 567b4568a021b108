//! Torn or damaged: what may be cut off the log's end, and what must not.
//!
//! A loss of power leaves any of the sectors written since the last sync, in any pattern; a crash of the process
//! leaves less than all of an append. Neither was acknowledged, so it may go. But a sector that the disk lost long
//! after it was synced looks just the same. The entries behind it tell the two apart: each carries the position up to
//! which the log was known to be synced when it was written (`durable_to` in its header). If one of them says that the
//! place was synced, it was whole before that entry existed, and has been lost since: damage. If the place is torn, no
//! such entry can be there, because no sync that covered the place ever returned.
//!
//! What this cannot see is damage to the last batch of all, with nothing behind it. Unless the whole machine went
//! down, the retry journal tells how far the log was written.

use super::{
    codec::{self, HEADER_BYTES, Kind, VERSION},
    segment::Segment,
};
use crate::error::Result;

/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: u64 = 512;
/// Zeros with nothing behind them that are more than what an entry may end with.
const ZEROS_MIN: u64 = 8;
/// Bytes that the search reads at a time.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Whether what should stand at `position` was never written to its end and may be cut off with all behind it.
pub fn may_be_cut(segment: &Segment, position: u64) -> Result<bool> {
    // A packed file has its name only since it was synced as a whole.
    Ok(!segment.is_packed() && looks_torn(segment, position)? && !was_synced(segment, position)?)
}

/// Whether the file stops within the entry or has nothing but zeros from well within it on, or a whole sector's share
/// of it is zero. An entry that was once whole has none of these.
fn looks_torn(segment: &Segment, position: u64) -> Result<bool> {
    let mut head = [0; HEADER_BYTES];
    if segment.read(position, &mut head)? < HEADER_BYTES {
        return Ok(true);
    }
    let (body_bytes, zeros_min) = match codec::read_header(position, &head) {
        // An event ends with its payload, which is JSON and never ends with a zero.
        Ok(header) if header.kind == Kind::Event => (header.body_bytes, 1),
        Ok(header) => (header.body_bytes, ZEROS_MIN),
        // Without a length to believe, look at the header's own sectors only.
        Err(_) => (0, 1),
    };
    let mut bytes = vec![0; HEADER_BYTES + body_bytes];
    let entry_end = position + bytes.len() as u64;
    let zeros_at_end = entry_end.saturating_sub(segment.written_to(position)?);
    if segment.read(position, &mut bytes)? < bytes.len() || zeros_at_end >= zeros_min {
        return Ok(true);
    }
    let first_sector_share = (SECTOR_BYTES - segment.file_offset(position) % SECTOR_BYTES) as usize;
    let (first, rest) = bytes.split_at(first_sector_share.min(bytes.len()));
    let unwritten = |share: &[u8]| !share.is_empty() && share.iter().all(|byte| *byte == 0);
    Ok(unwritten(first) || rest.chunks(SECTOR_BYTES as usize).any(unwritten))
}

/// Whether a whole entry behind `position` proves that the place was synced. Entries begin at any byte, and a broken
/// one does not tell where the next begins, so every byte is tried; only ever done when something looks torn.
fn was_synced(segment: &Segment, position: u64) -> Result<bool> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut from = position + 1;
    while from + HEADER_BYTES as u64 <= segment.end() {
        let read = segment.read(from, &mut window)?;
        for (at, head) in window[..read].windows(HEADER_BYTES).enumerate() {
            if proves_synced(segment, from + at as u64, head, position)? {
                return Ok(true);
            }
        }
        from += (read - HEADER_BYTES + 1) as u64;
    }
    Ok(false)
}

fn proves_synced(segment: &Segment, at: u64, head: &[u8], position: u64) -> Result<bool> {
    // Spares nearly every byte the checksum.
    if head[4] > Kind::Cancelled as u8 || head[6] != VERSION || head[7] != 0 {
        return Ok(false);
    }
    let Ok(header) = codec::read_header(at, head) else { return Ok(false) };
    if header.durable_to <= position || header.durable_to > at {
        return Ok(false);
    }
    let mut bytes = vec![0; HEADER_BYTES + header.body_bytes];
    let read = segment.read(at, &mut bytes)?;
    Ok(read == bytes.len() && codec::body_matches(at, &header, &bytes[HEADER_BYTES..]))
}
