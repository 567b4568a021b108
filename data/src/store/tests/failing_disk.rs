//! After the first failure of the disk nothing is acknowledged any more, and nothing acknowledged before is lost.

use std::os::unix::fs::symlink;

use super::*;
use crate::error::ErrorKind;

fn every_door_is_shut(writer: &mut Writer) {
    let refused = writer.commit(vec![publication(events(1), &[1])], NOW, &mut || 7).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Storage);
    assert!(writer.flush_rows().is_err() && writer.checkpoint().is_err());
    assert!(writer.enforce_retention(NOW).is_err());
}

#[test]
fn a_segment_that_cannot_be_written_shuts_the_store_until_a_restart() {
    let dir = fresh_dir();
    let small = StoreOptions { segment_bytes_max: 1_000, ..options() };
    let (mut writer, store) = open(dir.path(), small, NOW).unwrap();
    publish(&mut writer, events(20), &[1], NOW);
    let next = dir.path().join("log").join(format!("{:016x}.segment", writer.active.end()));
    symlink("/dev/full", &next).unwrap();
    every_door_is_shut(&mut writer);
    fs::remove_file(&next).unwrap();
    every_door_is_shut(&mut writer);
    assert_eq!(stored(&store, 1).len(), 20, "reading goes on");
    assert!(writer.close().is_err());
    drop(store);

    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(1), &[1], NOW);
    assert_eq!(stored(&store, 1).len(), 21);
}
