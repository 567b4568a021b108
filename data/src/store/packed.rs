//! Packed bytes: what a sealed segment's file holds once contents went out of it, with all longer runs of zeros left
//! out. Where something stands in the log stays as it was.
//!
//! ```text
//! header, 64 bytes | block, … | table: where each block begins in the file, and where the last one ends; u64 each
//! block: checksum u32 | part, …        part: stored bytes n u16 | zeros behind them n u16 | the stored bytes
//! ```
//!
//! Integers are little-endian. A block stands for 4 KiB of the log, the last one for what is left, and is packed by
//! itself. Its checksum, CRC-32C, also covers where it stands in the log, so that a table which leads to another block is
//! found out by whoever follows it. A table whose end was cut off does not fit the length of its file.
//!
//! A read costs a look at the table and one at the blocks that it touches. Nothing of the table is kept in memory, which
//! so does not grow with the log.

use std::io;

/// Bytes of the log that are packed as one, and the most that a read of a few bytes unpacks.
const BLOCK_BYTES: usize = 4 * 1024;
/// Zeros from which on they are left out: a part of its own costs four bytes.
const ZEROS_MIN: usize = 16;
/// Bytes of a block's checksum.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of a part besides those that it stores.
const PART_BYTES: usize = 4;
/// Nothing is left out of a block, at worst.
const PACKED_BYTES_MAX: u64 = (CHECKSUM_BYTES + PART_BYTES + BLOCK_BYTES) as u64;
/// Bytes of packed blocks that a long read holds at a time.
const GROUP_BYTES: u64 = 64 * 1024;
/// Bytes of a place in the table.
const PLACE_BYTES: u64 = 8;

/// Why packed bytes cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// The disk failed.
    Disk(io::Error),
    /// They are not as they were written; found at this position of the log.
    Damaged(u64),
}

/// Packs bytes that come one after another. What is to be written comes in the same way.
#[derive(Debug)]
pub struct Packer {
    /// Where the block that is being filled stands in the log.
    position: u64,
    /// Where it will begin in the file.
    place: u64,
    block: Vec<u8>,
    table: Vec<u8>,
}

impl Packer {
    /// Packs what stands in the log from `position` on into a file, from a byte of it on.
    pub fn new(position: u64, place: u64) -> Self {
        Self { position, place, block: Vec::with_capacity(BLOCK_BYTES), table: Vec::new() }
    }

    /// Takes bytes in; appends what of them is packed.
    pub fn put(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            if self.block.len() == BLOCK_BYTES {
                self.end_block(out);
            }
            bytes = later;
        }
    }

    /// Appends what is left, and the table.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if !self.block.is_empty() {
            self.end_block(out);
        }
        self.table.extend_from_slice(&self.place.to_le_bytes());
        out.append(&mut self.table);
    }

    fn end_block(&mut self, out: &mut Vec<u8>) {
        let before = out.len();
        pack_block(self.position, &self.block, out);
        self.table.extend_from_slice(&self.place.to_le_bytes());
        self.place += (out.len() - before) as u64;
        self.position += self.block.len() as u64;
        self.block.clear();
    }
}

/// Where in a file packed bytes lie.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// Where the first of them stands in the log.
    position: u64,
    /// How many there are, unpacked.
    bytes: u64,
    /// Where the blocks begin in the file.
    place: u64,
    /// Where the table does.
    table: u64,
}

impl Packed {
    /// Finds the `bytes` that were packed from `position` and `place` on; `read_at` reads the file. It is damaged if its
    /// length is not the one that it had.
    pub fn open(
        (position, bytes): (u64, u64),
        (place, file_bytes): (u64, u64),
        read_at: impl Fn(&mut [u8], u64) -> io::Result<()>,
    ) -> Result<Self, Fault> {
        let damaged = || Fault::Damaged(position);
        let blocks = bytes.div_ceil(BLOCK_BYTES as u64);
        let table_bytes = blocks.checked_add(1).and_then(|places| places.checked_mul(PLACE_BYTES));
        let table = table_bytes.and_then(|it| file_bytes.checked_sub(it)).ok_or_else(damaged)?;
        let at = |index: u64| {
            let mut found = [0; PLACE_BYTES as usize];
            read_at(&mut found, table + index * PLACE_BYTES).map_err(Fault::Disk)?;
            Ok(u64::from_le_bytes(found))
        };
        if at(0)? != place || at(blocks)? != table {
            return Err(damaged());
        }
        Ok(Self { position, bytes, place, table })
    }

    /// Fills a buffer with what stands at a position of the log, all of which must be among the bytes that were packed.
    pub fn read(
        &self,
        position: u64,
        buffer: &mut [u8],
        read_at: impl Fn(&mut [u8], u64) -> io::Result<()>,
    ) -> Result<(), Fault> {
        if buffer.is_empty() {
            return Ok(());
        }
        let from = position - self.position;
        let to = from + buffer.len() as u64;
        assert!(to <= self.bytes, "whoever reads knows how much there is");
        let blocks = from / BLOCK_BYTES as u64..to.div_ceil(BLOCK_BYTES as u64);
        let places = self.places(blocks.clone(), &read_at)?;
        let (mut out, mut skip) = (buffer, (from % BLOCK_BYTES as u64) as usize);
        let (mut index, mut group) = (0, Vec::new());
        while index + 1 < places.len() {
            let begin = places[index];
            let fits = |end: &&u64| **end - begin <= GROUP_BYTES;
            let count = places[index + 1..].iter().take_while(fits).count();
            group.resize((places[index + count] - begin) as usize, 0);
            read_at(&mut group, begin).map_err(Fault::Disk)?;
            for pair in places[index..=index + count].windows(2) {
                let at = (blocks.start + index as u64) * BLOCK_BYTES as u64;
                let length = (self.bytes - at).min(BLOCK_BYTES as u64) as usize;
                let (now, later) = out.split_at_mut(out.len().min(length - skip));
                let packed = &group[(pair[0] - begin) as usize..(pair[1] - begin) as usize];
                if !unpack_block((self.position + at, length), packed, skip, now) {
                    return Err(Fault::Damaged(self.position + at));
                }
                (out, skip, index) = (later, 0, index + 1);
            }
        }
        Ok(())
    }

    /// Where some blocks begin, and where the last of them ends. No more than can be read at once lies between any two.
    fn places(
        &self,
        blocks: std::ops::Range<u64>,
        read_at: impl Fn(&mut [u8], u64) -> io::Result<()>,
    ) -> Result<Vec<u64>, Fault> {
        let mut found = vec![0; ((blocks.end - blocks.start + 1) * PLACE_BYTES) as usize];
        read_at(&mut found, self.table + blocks.start * PLACE_BYTES).map_err(Fault::Disk)?;
        let place = |it: &[u8]| it.try_into().map_or(0, u64::from_le_bytes);
        let places: Vec<u64> = found.chunks_exact(PLACE_BYTES as usize).map(place).collect();
        let is_block = |pair: &[u64]| pair[0] < pair[1] && pair[1] - pair[0] <= PACKED_BYTES_MAX;
        let within = places[0] >= self.place && places[places.len() - 1] <= self.table;
        if within && places.windows(2).all(is_block) {
            return Ok(places);
        }
        Err(Fault::Damaged(self.position + blocks.start * BLOCK_BYTES as u64))
    }
}

fn pack_block(position: u64, block: &[u8], out: &mut Vec<u8>) {
    let checksum_at = out.len();
    out.extend_from_slice(&[0; CHECKSUM_BYTES]);
    let parts_at = out.len();
    let mut rest = block;
    while !rest.is_empty() {
        let (stored, zeros) = next_part(rest);
        // No block is longer than what 16 bits can tell.
        out.extend_from_slice(&(stored as u16).to_le_bytes());
        out.extend_from_slice(&(zeros as u16).to_le_bytes());
        out.extend_from_slice(&rest[..stored]);
        rest = &rest[stored + zeros..];
    }
    let checksum = checksum(position, &out[parts_at..]);
    out[checksum_at..parts_at].copy_from_slice(&checksum.to_le_bytes());
}

/// How many bytes come before the next zeros that are worth leaving out, and how many zeros those are.
fn next_part(bytes: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while at < bytes.len() {
        let zeros = bytes[at..].iter().take_while(|byte| **byte == 0).count();
        // At the end they cost nothing more.
        if zeros >= ZEROS_MIN || at + zeros == bytes.len() {
            return (at, zeros);
        }
        at += zeros.max(1);
    }
    (at, 0)
}

/// Fills `out` with what a block holds behind its first `skip` bytes; `false` if it is not as it was packed. The block
/// stands at `position` and is `length` bytes long.
fn unpack_block((position, length): (u64, usize), packed: &[u8], skip: usize, out: &mut [u8]) -> bool {
    let Some((sum, mut parts)) = packed.split_first_chunk::<CHECKSUM_BYTES>() else { return false };
    if checksum(position, parts) != u32::from_le_bytes(*sum) {
        return false;
    }
    out.fill(0);
    let (mut at, end) = (0, skip + out.len());
    while let Some((&[a, b, c, d], rest)) = parts.split_first_chunk::<PART_BYTES>() {
        let (count, zeros) =
            (usize::from(u16::from_le_bytes([a, b])), usize::from(u16::from_le_bytes([c, d])));
        let Some((stored, rest)) = rest.split_at_checked(count) else { return false };
        let (from, to) = (at.max(skip), (at + count).min(end));
        if from < to {
            out[from - skip..to - skip].copy_from_slice(&stored[from - at..to - at]);
        }
        (at, parts) = (at + count + zeros, rest);
    }
    parts.is_empty() && at == length
}

fn checksum(position: u64, parts: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&position.to_le_bytes()), parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POSITION: u64 = 1_000_003;
    const PLACE: u64 = 64;

    /// A file, with something else before the blocks.
    fn file(bytes: &[u8], pieces: usize) -> Vec<u8> {
        let mut out = vec![0xAA; PLACE as usize];
        let mut packer = Packer::new(POSITION, PLACE);
        bytes.chunks(pieces).for_each(|piece| packer.put(piece, &mut out));
        packer.finish(&mut out);
        out
    }

    fn reading(file: &[u8]) -> impl Fn(&mut [u8], u64) -> io::Result<()> {
        |buffer, at| {
            let found = file.get(at as usize..at as usize + buffer.len());
            buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
    }

    fn open(file: &[u8], bytes: usize) -> Result<Packed, Fault> {
        Packed::open((POSITION, bytes as u64), (PLACE, file.len() as u64), reading(file))
    }

    /// What can be read of a file; `None` if it is found to be damaged.
    fn whole(file: &[u8], bytes: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0xEE; bytes];
        let read = open(file, bytes).and_then(|packed| packed.read(POSITION, &mut buffer, reading(file)));
        match read {
            Ok(()) => Some(buffer),
            Err(Fault::Damaged(at)) => {
                assert!((POSITION..=POSITION + bytes as u64).contains(&at));
                None
            }
            Err(Fault::Disk(error)) => panic!("it reads where nothing is: {error}"),
        }
    }

    /// Bytes as contents leave them: runs of letters and runs of zeros, of any length.
    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let run = (0_usize..3, 1_usize..70, any::<u8>()).prop_map(|(scale, count, byte)| {
            let count = count * [1, 20, 300][scale];
            if byte < 100 { vec![0; count] } else { (0..count).map(|n| byte ^ n as u8).collect() }
        });
        prop::collection::vec(run, 0..24).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn any_range_of_any_bytes_reads_back(
            bytes in runs(),
            pieces in 1_usize..9_000,
            ranges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
        ) {
            let file = file(&bytes, pieces);
            prop_assert_eq!(whole(&file, bytes.len()), Some(bytes.clone()));
            let packed = open(&file, bytes.len()).unwrap();
            for (one, other) in ranges {
                let [one, other] = [one, other].map(|it| it.index(bytes.len() + 1));
                let (from, to) = (one.min(other), one.max(other));
                let mut buffer = vec![0xEE; to - from];
                packed.read(POSITION + from as u64, &mut buffer, reading(&file)).unwrap();
                prop_assert_eq!(&buffer[..], &bytes[from..to]);
            }
        }

        #[test]
        fn a_flipped_bit_is_damage_wherever_it_is(bytes in runs(), bits in prop::collection::vec(any::<prop::sample::Index>(), 32)) {
            let file = file(&bytes, 1_000);
            for bit in bits.into_iter().map(|it| it.index((file.len() - PLACE as usize) * 8)) {
                let mut flipped = file.clone();
                flipped[PLACE as usize + bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(whole(&flipped, bytes.len()), None, "bit {}", bit);
            }
        }

        #[test]
        fn a_file_that_is_cut_or_goes_on_is_damage(bytes in runs(), by in 1_usize..300, more in any::<u8>()) {
            let file = file(&bytes, 1_000);
            prop_assert!(whole(&file[..file.len().saturating_sub(by)], bytes.len()).is_none());
            prop_assert!(whole(&[&file[..], &vec![more; by]].concat(), bytes.len()).is_none());
        }
    }

    #[test]
    fn zeros_cut_off_at_the_end_are_missed() {
        let bytes = vec![0; 40 * BLOCK_BYTES];
        let file = file(&bytes, 1_000);
        for by in 1..file.len() {
            assert!(whole(&file[..file.len() - by], bytes.len()).is_none(), "without {by} bytes");
        }
    }

    #[test]
    fn blocks_that_changed_places_are_damage() {
        let bytes: Vec<u8> = (0..2 * BLOCK_BYTES).map(|at| (at / BLOCK_BYTES) as u8 + 1).collect();
        let mut file = file(&bytes, 1_000);
        let (first, second) = file[PLACE as usize..].split_at_mut(PACKED_BYTES_MAX as usize);
        first.swap_with_slice(&mut second[..PACKED_BYTES_MAX as usize]);
        assert_eq!(whole(&file, bytes.len()), None);
    }

    #[test]
    fn zeros_take_next_to_nothing_and_what_has_none_little_more_than_before() {
        let zeros = file(&vec![0; 1_000 * BLOCK_BYTES], BLOCK_BYTES);
        assert!(zeros.len() < 17_000, "{}", zeros.len());
        let letters = file(&vec![7; 1_000 * BLOCK_BYTES], BLOCK_BYTES);
        assert!(letters.len() < 1_005 * BLOCK_BYTES, "{}", letters.len());
    }
}
