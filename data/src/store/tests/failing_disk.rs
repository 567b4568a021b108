//! After the first failure of the disk nothing is acknowledged any more, and nothing acknowledged before is lost.

use std::{os::unix::fs::symlink, process::Command};

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

// Starting a program lends it, for a moment, the directory locks of the tests that run beside this one.
#[test]
#[ignore = "mounts a tmpfs: run it alone and as root, with `-- --ignored a_full_disk`"]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let mount = fresh_dir();
    let mounted = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .arg(mount.path())
            .output()
            .is_ok_and(|done| done.status.success())
    };
    if !mounted("mount", &["-t", "tmpfs", "-o", "size=3m", "tmpfs"]) {
        eprintln!("skipped: mounting a small tmpfs needs privileges that this run does not have");
        return;
    }
    let dir = mount.path().join("data");
    let (mut writer, store) = opened(&dir);
    let mut acknowledged = Vec::new();
    let large = "x".repeat(50_000);
    while acknowledged.len() < 1_000 {
        match writer.commit(vec![publication(vec![event(&large)], &[1])], NOW, &mut || 7) {
            Ok(written) => acknowledged.push(written[0].as_ref().unwrap()[0].id),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Storage);
                break;
            }
        }
    }
    every_door_is_shut(&mut writer);
    drop((writer, store));
    let freed = fresh_dir();
    copy_into(&dir, freed.path());
    assert!(mounted("umount", &[]));

    let (_writer, store) = opened(freed.path());
    let found: Vec<_> = stored(&store, 1).iter().map(|event| event.id).collect();
    assert!(!acknowledged.is_empty() && found.starts_with(&acknowledged));
}
