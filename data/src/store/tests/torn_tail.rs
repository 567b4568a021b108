//! A tail that was never acknowledged is cut off in whole groups; what was synced is never taken for one.

use super::*;
use crate::{error::ErrorKind, store::verify};

/// Publications of three events each, every one synced, in a file that ends with the last; where in it each ends.
fn batches(dir: &Path, count: usize) -> (PathBuf, Vec<u64>) {
    let (mut writer, _) = opened(dir);
    let mut ends = Vec::new();
    for _ in 0..count {
        publish(&mut writer, (0..3).map(|n| event(&format!("{n}{}", "x".repeat(600)))).collect(), &[1], NOW);
        ends.push(writer.active.file_offset(writer.active.end()));
    }
    let path = segments(dir).remove(0);
    set_len(&path, *ends.last().unwrap());
    (path, ends)
}

/// Cuts a file, or has it reach further, with zeros.
fn set_len(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// Bytes without the zeros at their end.
fn written(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

#[test]
fn cut_at_any_byte_it_opens_with_whole_publications_only() {
    let dir = fresh_dir();
    let (path, ends) = batches(dir.path(), 4);
    forget_reach(dir.path());
    let last = *ends.last().unwrap();
    let (name, bytes) = (path.file_name().unwrap(), fs::read(&path).unwrap());
    for length in (ends[0]..=last).rev() {
        set_len(&path, length);
        let whole = ends.iter().rposition(|end| *end <= length).unwrap();
        let torn_bytes = written(&bytes[ends[whole] as usize..length as usize]);
        assert_eq!(verify(dir.path()).unwrap().torn_bytes, torn_bytes, "cut to {length}");
        // Written up to there, into a file that reached further before.
        set_len(&path, last + 100);
        assert_eq!(verify(dir.path()).unwrap().torn_bytes, torn_bytes, "written to {length}");
        if length % 2 == 0 {
            set_len(&path, length);
        }
        if length % 401 == 0 {
            let image = without_retry_journal(dir.path());
            let (mut writer, store) = opened(image.path());
            assert_eq!(stored(&store, 1).len(), 3 * (whole + 1), "cut to {length}");
            publish(&mut writer, events(1), &[1], NOW);
            drop((writer, store));
            verify(image.path()).unwrap();
            assert_eq!(stored(&opened(image.path()).1, 1).len(), 3 * (whole + 1) + 1);
            assert!(image.path().join("log").join(name).exists());
        }
    }
}

#[test]
fn a_cut_that_only_damage_can_make_is_named_while_the_machine_has_run_on() {
    let dir = fresh_dir();
    let (path, ends) = batches(dir.path(), 2);
    opened(dir.path()).0.close().unwrap();
    set_len(&path, ends[0]);
    let error = open(dir.path(), options(), NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(fs::metadata(&path).unwrap().len(), ends[0], "nothing was cut or written over");
}

#[test]
fn after_a_kill_no_byte_of_what_was_acknowledged_can_go_unnoticed() {
    let dir = fresh_dir();
    let (log, _) = batches(dir.path(), 2);
    let registry = {
        let (mut writer, _) = opened(dir.path());
        for number in 0..3 {
            commit(&mut writer, Write::Document(Document::Token(token(number, "t".into()))), NOW);
        }
        files(&dir.path().join("registry")).into_keys().next().unwrap()
    };
    for path in [log, registry] {
        let whole = fs::read(&path).unwrap();
        for cut in [0, 5, 63, 64, 65, whole.len() / 2, whole.len() - 1] {
            let image = copy_of(dir.path());
            fs::write(image.path().join(path.strip_prefix(dir.path()).unwrap()), &whole[..cut]).unwrap();
            for error in [verify(image.path()).unwrap_err(), open(image.path(), options(), NOW).unwrap_err()]
            {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{} cut to {cut}: {error}", path.display());
            }
        }
    }
}

#[test]
fn a_lost_sector_is_damage_if_a_later_sync_proves_that_it_was_there_and_a_torn_tail_if_not() {
    let dir = fresh_dir();
    let (path, ends) = batches(dir.path(), 4);
    forget_reach(dir.path());
    let whole = fs::read(&path).unwrap();
    for sector in 1..whole.len() / 512 {
        let mut bytes = whole.clone();
        bytes[sector * 512..(sector + 1) * 512].fill(0);
        fs::write(&path, &bytes).unwrap();
        // The place of the sector's first byte decides: it lies in the last batch, or before it.
        let in_last_batch = (sector * 512) as u64 >= ends[2];
        match verify(dir.path()) {
            Ok(report) => {
                assert!(in_last_batch, "sector {sector} was synced, but went silently");
                assert_eq!(report.events, 9);
            }
            Err(error) => {
                assert!(!in_last_batch, "sector {sector}: {error}");
                assert_eq!(error.kind(), ErrorKind::Damaged);
                assert!(error.message().contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
            }
        }
    }
}

#[test]
fn what_a_file_has_ahead_of_its_entries_is_no_damage_and_goes_at_the_next_start_or_a_clean_stop() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    publish(&mut writer, events(3), &[1], NOW);
    let (path, end) = (segments(dir.path()).remove(0), writer.active.file_offset(writer.active.end()));
    let length = || fs::metadata(&path).unwrap().len();
    assert!(length() > end + 4_096, "the next appends do not lengthen the file");
    drop(writer);
    assert_eq!(verify(dir.path()).unwrap().torn_bytes, 0);
    let (mut writer, store) = opened(dir.path());
    assert_eq!(length(), end);
    assert_eq!(stored(&store, 1).len(), 3);
    publish(&mut writer, events(1), &[1], NOW);
    let end = writer.active.file_offset(writer.active.end());
    assert!(length() > end);
    writer.close().unwrap();
    assert_eq!(length(), end);
    assert_eq!(verify(dir.path()).unwrap().events, 4);
}

#[test]
fn a_segment_that_was_never_finished_is_not_in_the_way_later() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    publish(&mut writer, events(3), &[1], NOW);
    let end = writer.active.end();
    drop(writer);
    let stillborn = dir.path().join("log").join(format!("{end:016x}.segment"));
    for content in [Vec::new(), vec![0; 10], vec![0; 64]] {
        fs::write(&stillborn, content).unwrap();
        let (_writer, store) = opened(dir.path());
        assert_eq!(stored(&store, 1).len(), 3);
        assert!(!stillborn.exists());
    }
}
