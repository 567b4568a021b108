//! How everything on disk is spelled: log entries, and the values of the retry journal.
//!
//! A log entry is a header of 24 bytes and a body:
//!
//! ```text
//! length u32 | kind u8 | flags u8 | version u8 | 0 u8 | durable to u64 | header checksum u32 | body checksum u32 | body
//! ```
//!
//! Integers are little-endian. Both checksums are CRC-32C and cover the entry's own position in the log, so that
//! bytes which are whole but stand in the wrong place are damage too. The length has a checksum of its own, because
//! everything behind a wrong length would be misread.

use std::io;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind, Result},
    signature::hex,
};

/// Bytes of an entry's header.
pub const HEADER_BYTES: usize = 24;
/// The version of the format that this build writes, in entries and in values.
pub const VERSION: u8 = 1;
/// The largest body that is ever written; a length above it is damage.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why an entry that is whole cannot be read.
pub const NEWER: &str = "it was written by a newer casewire; use that one, or a newer one";

/// Set in `flags`: the next entry belongs to the same group, which counts only as a whole.
pub const FLAG_CONTINUES: u8 = 1;

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An event with its routes.
    Event = 1,
    /// An attempt and what followed from it.
    Settled = 2,
    /// A delivery set aside with a due time of its own.
    Parked = 3,
    /// A delivery that is to be attempted again by an operator's wish.
    Requeued = 4,
    /// A segment that retention takes, with the deliveries given up.
    Expired = 5,
    /// A document of the registry.
    Document = 6,
    /// A step of an erasure.
    Erasure = 9,
    /// A delivery that is not to be made any more.
    Cancelled = 10,
    /// Retention takes one tenant's events of a segment, with the deliveries given up.
    TenantExpired = 11,
    /// An entry of the audit.
    Audit = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        let stored = [Self::Event, Self::Settled, Self::Parked, Self::Requeued, Self::Expired];
        let rarer = [Self::Document, Self::Audit, Self::Erasure, Self::Cancelled, Self::TenantExpired];
        stored.into_iter().chain(rarer).find(|kind| *kind as u8 == byte)
    }
}

/// A header that has proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the body.
    pub body_bytes: usize,
    /// What the body holds.
    pub kind: Kind,
    /// [`FLAG_CONTINUES`] or nothing.
    pub flags: u8,
    /// The log was known to be synced up to here when the entry was written; see the module `torn`.
    pub durable_to: u64,
    body_checksum: u32,
}

/// Where an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where its header will stand.
    pub position: u64,
    /// As in [`Header::durable_to`].
    pub durable_to: u64,
}

/// Appends an entry that will stand at `place`; `write` appends the body.
pub fn put_entry(out: &mut Vec<u8>, place: Place, kind: Kind, flags: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    write(out);
    let (head, body) = out[start..].split_at_mut(HEADER_BYTES);
    assert!(body.len() <= BODY_BYTES_MAX, "limits keep every entry below the largest body");
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..8].copy_from_slice(&[kind as u8, flags, VERSION, 0]);
    head[8..16].copy_from_slice(&place.durable_to.to_le_bytes());
    let header_checksum = checksum(place.position, &head[..16]).to_le_bytes();
    head[16..20].copy_from_slice(&header_checksum);
    head[20..24].copy_from_slice(&checksum(place.position, body).to_le_bytes());
}

/// The header of an entry whose body is another one of the same length.
pub fn with_body(position: u64, head: &[u8; HEADER_BYTES], body: &[u8]) -> [u8; HEADER_BYTES] {
    let mut head = *head;
    head[20..24].copy_from_slice(&checksum(position, body).to_le_bytes());
    head
}

/// Reads the header that stands at `position`; says what is wrong with it otherwise.
pub fn read_header(position: u64, head: &[u8]) -> std::result::Result<Header, &'static str> {
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if checksum(position, &head[..16]) != word(16) {
        return Err("its header's checksum does not match");
    }
    if head[6] != VERSION {
        return Err(NEWER);
    }
    let body_bytes = word(0) as usize;
    if body_bytes > BODY_BYTES_MAX {
        return Err("its length is above every limit");
    }
    let kind = Kind::from_byte(head[4]).ok_or(NEWER)?;
    let durable_to = u64::from(word(8)) | u64::from(word(12)) << 32;
    Ok(Header { body_bytes, kind, flags: head[5], durable_to, body_checksum: word(20) })
}

/// Whether `body` is what the header that stands at `position` was written for.
pub fn body_matches(position: u64, header: &Header, body: &[u8]) -> bool {
    checksum(position, body) == header.body_checksum
}

fn checksum(position: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&position.to_le_bytes()), bytes)
}

/// MessagePack, fields in order without names: compact, for entries whose version byte tells their shape.
pub fn pack<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    rmp_serde::encode::write(&mut Packed(out), value).expect("plain data always packs into memory");
}

/// MessagePack with field names: for documents that gain fields over the years.
pub fn pack_named<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    rmp_serde::encode::write_named(&mut Packed(out), value).expect("plain data always packs into memory");
}

/// Where MessagePack is written to, a byte or a few at a time, fifty times a delivery: without a call for each byte.
struct Packed<'a>(&'a mut Vec<u8>);

impl io::Write for Packed<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match bytes {
            [byte] => self.0.push(*byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads MessagePack of either form; `what` names the thing if it is damaged.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| {
        Error::new(
            ErrorKind::Damaged,
            format!("{what} cannot be read ({error}); run `casewire journal verify`"),
        )
    })
}

/// A value of the retry journal: version, MessagePack, CRC-32C over key and all before it.
pub fn seal<T: Serialize>(key: &[u8], value: &T) -> Vec<u8> {
    let mut out = vec![VERSION];
    pack(value, &mut out);
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), &out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// Opens a sealed value, or says that the row under `key` is damaged.
pub fn open_sealed<T: DeserializeOwned>(key: &[u8], sealed: &[u8]) -> Result<T> {
    let damaged = |why: &str| {
        Error::new(ErrorKind::Damaged, format!("a row of the retry journal (key {}) {why}", hex(key)))
    };
    let (rest, stored) = sealed.split_last_chunk::<4>().ok_or_else(|| damaged("is cut short"))?;
    if crc32c::crc32c_append(crc32c::crc32c(key), rest) != u32::from_le_bytes(*stored) {
        return Err(damaged("does not match its checksum"));
    }
    match rest.split_first() {
        Some((&VERSION, body)) => unpack(body, "a row of the retry journal"),
        _ => Err(damaged("has a format version that this build does not know")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_only_at_its_own_position_and_with_every_bit_in_place() {
        let mut bytes = Vec::new();
        let place = Place { position: 77, durable_to: 5 };
        put_entry(&mut bytes, place, Kind::Parked, FLAG_CONTINUES, |out| out.extend_from_slice(b"body"));
        let whole = |bytes: &[u8], position: u64| {
            read_header(position, &bytes[..HEADER_BYTES]).is_ok_and(|header| {
                header.body_bytes == 4 && body_matches(position, &header, &bytes[HEADER_BYTES..])
            })
        };
        assert!(whole(&bytes, 77));
        assert!(!whole(&bytes, 78));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!whole(&flipped, 77), "bit {bit}");
        }
    }

    #[test]
    fn a_sealed_value_opens_only_under_its_key_and_with_every_bit_in_place() {
        let sealed = seal(b"key", &(7_u64, "x".to_owned()));
        assert_eq!(open_sealed::<(u64, String)>(b"key", &sealed).unwrap(), (7, "x".to_owned()));
        assert!(open_sealed::<(u64, String)>(b"kex", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open_sealed::<(u64, String)>(b"key", &flipped).is_err(), "bit {bit}");
        }
    }
}
