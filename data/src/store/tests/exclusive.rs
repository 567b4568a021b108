//! One process at a time holds a data directory.

use super::*;
use crate::error::ErrorKind;

#[test]
fn a_second_open_is_refused_and_changes_no_byte() {
    let dir = fresh_dir();
    let (mut writer, _store) = opened(dir.path());
    publish(&mut writer, events(5), &[1], NOW);
    let before = files(dir.path());
    assert_eq!(open(dir.path(), options(), NOW).unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(super::super::verify(dir.path()).unwrap_err().kind(), ErrorKind::Locked);
    assert!(before == files(dir.path()));

    let lock = writer.close().unwrap();
    assert_eq!(open(dir.path(), options(), NOW).unwrap_err().kind(), ErrorKind::Locked);
    drop(lock);
    assert_eq!(stored(&opened(dir.path()).1, 1).len(), 5);
}
