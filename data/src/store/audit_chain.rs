//! How an entry of the audit is stored, and how each holds on to the one before it.
//!
//! ```text
//! SHA-256, 32 bytes | content, MessagePack
//! ```
//!
//! The hash is over the hash of the entry before it and the content, so that nothing in the middle can be changed, taken
//! out or put in without a change to all that follows. Whoever notes the newest hash elsewhere can tell even that.

use serde::{Deserialize, Serialize};

use super::codec;
use crate::{
    Timestamp,
    audit::{Act, AuditEntry},
    error::{Error, ErrorKind, Result},
    id::AuditId,
    signature::sha256,
};

const HASH_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
struct Content<A> {
    number: u64,
    id: AuditId,
    at: Timestamp,
    act: A,
}

/// The newest entry of a chain; all zeros before there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its place, from 1.
    pub number: u64,
    /// Its id, as a number.
    pub id: u128,
    /// Its time.
    pub at: Timestamp,
    /// Its hash.
    pub sha256: [u8; HASH_BYTES],
}

impl Head {
    /// The head that an entry is.
    pub fn of(entry: &AuditEntry) -> Self {
        Self { number: entry.number, id: entry.id.as_u128(), at: entry.at, sha256: entry.sha256 }
    }

    /// Appends the body of the next entry, which is the head then.
    pub fn extend(&mut self, id: AuditId, act: &Act, now: Timestamp, out: &mut Vec<u8>) {
        let (number, at) = (self.number + 1, now.max(self.at));
        let mut content = Vec::new();
        codec::pack_named(&Content { number, id, at, act }, &mut content);
        let sha256 = self.hash_of_next(&content);
        out.extend_from_slice(&sha256);
        out.extend_from_slice(&content);
        *self = Self { number, id: id.as_u128(), at, sha256 };
    }

    /// Holds what is stored against the chain, and takes it for the head. The error says what is wrong.
    pub fn follow(&mut self, body: &[u8]) -> Result<()> {
        let entry = read(body)?;
        let named = format!("it ({}, {}, {})", entry.id, entry.at, entry.act.action);
        let broken = |why: &str| Err(Error::new(ErrorKind::Damaged, format!("{named} {why}")));
        if self.hash_of_next(&body[HASH_BYTES..]) != entry.sha256 {
            return broken(
                "or one before it was changed: its hash is not that of its content and of the entry before it",
            );
        }
        if entry.number != self.number + 1 || entry.id.as_u128() <= self.id || entry.at < self.at {
            return broken(&format!("calls itself number {}, out of order", entry.number));
        }
        *self = Self::of(&entry);
        Ok(())
    }

    fn hash_of_next(&self, content: &[u8]) -> [u8; HASH_BYTES] {
        sha256(&[&self.sha256, content].concat())
    }
}

/// Reads an entry; whether it follows the one before it is not asked.
pub fn read(body: &[u8]) -> Result<AuditEntry> {
    let Some((sha256, content)) = body.split_first_chunk::<HASH_BYTES>() else {
        return Err(Error::new(ErrorKind::Damaged, "an entry of the audit has no content"));
    };
    let Content { number, id, at, act } = codec::unpack(content, "an entry of the audit")?;
    Ok(AuditEntry { id, number, at, act, sha256: *sha256 })
}
