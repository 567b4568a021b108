//! An older directory is brought up to this build's format; a newer one is refused, named as such, and left alone.

use super::*;
use crate::{
    error::{Error, ErrorKind},
    store::{
        back_up,
        codec::{HEADER_BYTES, VERSION},
        format::{self, FORMAT},
        guard::Reach,
        manifest::{self, Manifest},
        restore, stats, verify,
    },
};

fn newer<T: std::fmt::Debug>(refused: Result<T, Error>, told: &str) {
    let error = refused.expect_err("it is newer");
    assert_eq!(error.kind(), ErrorKind::Newer, "{error}");
    assert!(error.message().contains(told), "{error}");
}

/// A directory from before directories had a format.
fn first() -> TempDir {
    let dir = fresh_dir();
    copy_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/tests/before_dialects"), dir.path());
    assert_eq!(format::read(dir.path()).unwrap(), 0);
    dir
}

#[test]
fn a_directory_of_a_newer_version_is_refused_and_not_touched() {
    let dir = fresh_dir();
    let mut writer = opened(dir.path()).0;
    publish(&mut writer, events(3), &[1], NOW);
    drop(writer);
    format::fake(dir.path(), FORMAT + 1, "9.1.0");
    let before = files(dir.path());
    let told = format!("has format {}, written by casewire 9.1.0", FORMAT + 1);
    newer(open(dir.path(), options(), NOW), &told);
    newer(verify(dir.path()), &told);
    newer(stats(dir.path()), &told);
    let copy = fresh_dir();
    newer(back_up(dir.path(), &copy.path().join("one"), NOW), &told);
    assert_eq!(files(copy.path()).len(), 0);
    assert!(before == files(dir.path()));
}

#[test]
fn a_directory_of_an_older_version_is_brought_up_to_this_one() {
    let dir = first();
    drop(opened(dir.path()));
    assert_eq!(format::read(dir.path()).unwrap(), FORMAT);
    let (writer, store) = opened(dir.path());
    assert_eq!((writer.documents().endpoints.len(), stored(&store, 1).len()), (2, 2));
}

#[test]
fn a_backup_of_an_older_directory_is_brought_up_when_it_is_restored_and_started() {
    let (dir, place) = (first(), fresh_dir());
    let (backup, into) = (place.path().join("backup"), place.path().join("restored"));
    back_up(dir.path(), &backup, NOW).unwrap();
    restore(&backup, &into).unwrap();
    assert_eq!(format::read(&into).unwrap(), 0);
    assert_eq!(stored(&opened(&into).1, 1).len(), 2);
    assert_eq!(format::read(&into).unwrap(), FORMAT);
}

#[test]
fn a_new_directory_says_its_format_and_a_damaged_word_of_it_is_named() {
    let dir = fresh_dir();
    drop(opened(dir.path()));
    let path = dir.path().join("format");
    let bytes = fs::read(&path).unwrap();
    for bit in 0..bytes.len() * 8 {
        flip(&path, bit);
        let error = open(dir.path(), options(), NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "bit {bit}: {error}");
        fs::write(&path, &bytes).unwrap();
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(open(dir.path(), options(), NOW).unwrap_err().kind(), ErrorKind::Damaged);
    }
}

#[test]
fn a_backup_by_a_newer_version_is_refused() {
    let (dir, place) = (fresh_dir(), fresh_dir());
    let into = place.path().join("restored");
    manifest::fake_newer(dir.path(), "9.1.0");
    newer(restore(dir.path(), &into), "written by casewire 9.1.0");
    // One whose layout is known, but not what is in its files.
    Manifest::new(NOW, FORMAT + 1, 0, Reach::default(), Vec::new()).write(dir.path()).unwrap();
    newer(restore(dir.path(), &into), &format!("has format {}", FORMAT + 1));
    assert!(!into.exists());
}

/// Changes a byte of a header and makes its checksum, which covers all before it, right again.
fn forge(header: &mut [u8], at: usize, value: u8, covered: &[u8]) {
    header[at] = value;
    let checksum_at = header.len() - 4;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(covered), &header[..checksum_at]);
    header[checksum_at..].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn a_segment_or_an_entry_of_a_newer_version_is_neither_damage_nor_a_torn_tail() {
    const ENTRY_AT: usize = 64;
    let dir = fresh_dir();
    let mut writer = opened(dir.path()).0;
    publish(&mut writer, events(1), &[1], NOW);
    writer.close().unwrap();
    let path = segments(dir.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    let position = 0_u64.to_le_bytes();
    let header = ENTRY_AT..ENTRY_AT + HEADER_BYTES - 4;
    // The version and the kind of the first entry, and the format of the segment.
    for (range, at, value, covered) in [
        (header.clone(), 6, VERSION + 1, &position[..]),
        (header, 4, 200, &position),
        (0..ENTRY_AT, 8, 3, &[]),
    ] {
        let mut forged = bytes.clone();
        forge(&mut forged[range], at, value, covered);
        fs::write(&path, &forged).unwrap();
        newer(open(dir.path(), options(), NOW), "newer casewire");
        assert!(fs::read(&path).unwrap() == forged);
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(stored(&opened(dir.path()).1, 1).len(), 1);
}
