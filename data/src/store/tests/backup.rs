//! A backup holds its moment whatever happens meanwhile; what is not whole is never restored; nothing half is left.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::{
    error::ErrorKind,
    store::{BackupPoint, back_up, restore},
};

fn small() -> StoreOptions {
    StoreOptions { segment_bytes_max: 2_000, ..options() }
}

/// A store with ten segments; of endpoint 1's deliveries one is settled, one waits for a retry, one is dead.
fn filled(dir: &Path) -> (Writer, Store) {
    let (mut writer, store) = open(dir, small(), NOW).unwrap();
    for step in 0..10 {
        publish(&mut writer, events(10), &[1, 2], NOW.plus_millis(step * 10 * MINUTE_MS));
    }
    let waiting = unread(&store, 1);
    for (index, fate) in [Fate::Delivered, Fate::RetryAt(NOW), Fate::Dead].into_iter().enumerate() {
        commit(&mut writer, settled(&waiting[index], 1, false, index as u64 + 1, fate), NOW);
    }
    commit(&mut writer, Write::Document(Document::Token(token(1, "before".into()))), NOW);
    (writer, store)
}

/// A backup of such a store, and where it lies.
fn backed_up(dir: &Path) -> PathBuf {
    let (mut writer, _store) = filled(&dir.join("data"));
    let to = dir.join("backups").join("one");
    made(writer.backup_point().unwrap(), &to);
    to
}

fn made(point: BackupPoint, to: &Path) {
    let report = point.write(to, NOW, &AtomicBool::new(false)).unwrap();
    assert_eq!(report.path, to);
    let listed = files(to).into_iter().filter(|(path, _)| !path.ends_with("backup.json"));
    let (count, bytes) =
        listed.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes.len() as u64));
    assert_eq!((report.files, report.bytes), (count, bytes));
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Restores, opens, and holds what is there to be what [`filled`] has made.
fn restores_whole(backup: &Path) {
    let dir = fresh_dir();
    let to = dir.path().join("restored");
    let report = restore(backup, &to).unwrap();
    assert_eq!((report.verified.events, report.verified.torn_bytes), (100, 0));
    let (writer, store) = open(&to, small(), NOW).unwrap();
    assert_eq!(stored(&store, 2).len(), 100);
    assert_eq!(unread_seqs(&store, 1), (4..=100).collect::<Vec<_>>());
    let cursor = store.cursor(1);
    assert_eq!((cursor.parked, cursor.dead), (1, 1));
    let tokens: Vec<_> = writer.documents().tokens.values().map(|it| it.description.as_deref()).collect();
    assert_eq!(tokens, [Some("before")]);
}

#[test]
fn what_came_before_the_point_is_in_and_what_came_after_is_not() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(&dir.path().join("data"));
    let point = writer.backup_point().unwrap();
    publish(&mut writer, events(50), &[1, 2], NOW);
    commit(&mut writer, settled(&unread(&store, 1)[0], 1, false, 4, Fate::Delivered), NOW);
    commit(&mut writer, Write::Document(Document::Token(token(2, "after".into()))), NOW);
    let to = dir.path().join("backups/one");
    made(point, &to);
    restores_whole(&to);
}

#[test]
fn what_was_not_synced_yet_is_in() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(&dir.path().join("data"));
    publish(&mut writer, events(2), &[1], NOW);
    commit(&mut writer, settled(&unread(&store, 1)[0], 1, false, 1, Fate::Delivered), NOW);
    assert!(writer.active.durable_to() < writer.active.end(), "a settlement waits for nobody's sync");
    let to = dir.path().join("backups/one");
    made(writer.backup_point().unwrap(), &to);
    assert_eq!(writer.active.durable_to(), writer.active.end());
    restore(&to, &dir.path().join("restored")).unwrap();
    assert_eq!(unread_seqs(&opened(&dir.path().join("restored")).1, 1), [2]);
}

#[test]
fn retention_and_a_rewriting_of_the_registry_take_nothing_from_a_backup_under_way() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(&dir.path().join("data"));
    let point = writer.backup_point().unwrap();
    let registry = files(&dir.path().join("data/registry")).into_keys().next().unwrap();
    let before = segments(&dir.path().join("data")).len();
    writer.enforce_retention(NOW.plus_millis(1_000 * MINUTE_MS)).unwrap();
    assert!(segments(&dir.path().join("data")).len() < before && stored(&store, 2).len() < 100);
    while registry.exists() {
        let document = Document::Token(token(1, "x".repeat(20_000)));
        commit(&mut writer, Write::Document(document), NOW);
    }
    let to = dir.path().join("backups/one");
    made(point, &to);
    restores_whole(&to);
}

#[test]
fn a_backup_after_retention_holds_what_is_left() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(&dir.path().join("data"));
    writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap();
    let to = dir.path().join("backups/one");
    let report = writer.backup_point().unwrap().write(&to, NOW, &AtomicBool::new(false)).unwrap();
    let restored = dir.path().join("restored");
    assert_eq!(restore(&to, &restored).unwrap().verified.events, report.events);
    let (_writer, again) = open(&restored, small(), NOW).unwrap();
    assert_eq!(unread_seqs(&again, 1), unread_seqs(&store, 1));
    assert_eq!(report.events, stored(&store, 2).len() as u64);
}

#[test]
fn a_directory_without_a_server_is_copied_and_stays_as_it_was() {
    let dir = fresh_dir();
    let data = dir.path().join("data");
    let (writer, _) = filled(&data);
    let active = writer.active.clone();
    drop(writer);
    // As a kill would leave it: an entry that never became whole.
    let whole = active.file_offset(active.end()) as usize;
    let torn = [&fs::read(active.path()).unwrap()[..whole], &[7; 10]].concat();
    fs::write(active.path(), torn).unwrap();
    let before = files(&data);
    let to = dir.path().join("copy");
    assert_eq!(back_up(&data, &to, NOW).unwrap().events, 100);
    assert!(before == files(&data));
    restores_whole(&to);

    let _held = filled(&dir.path().join("held"));
    let error = back_up(&dir.path().join("held"), &dir.path().join("other"), NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(!dir.path().join("other").exists());
}

#[test]
fn every_file_that_is_not_as_it_was_written_is_named_and_nothing_is_left_behind() {
    let dir = fresh_dir();
    let backup = backed_up(dir.path());
    let into = dir.path().join("restored");
    let refused = |path: &Path, how: &str| {
        let error = restore(&backup, &into).expect_err(how);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(error.message().contains(name), "{how} {name}: {error}");
        assert!(!into.exists(), "{how} {name}");
        // As a mount point, which cannot be taken away.
        fs::create_dir(&into).unwrap();
        assert_eq!(restore(&backup, &into).unwrap_err().kind(), error.kind());
        assert_eq!(names(&into), [""; 0], "{how} {name}");
        fs::remove_dir(&into).unwrap();
        error
    };
    for (path, bytes) in files(&backup) {
        for bit in [0, bytes.len() * 4, bytes.len() * 8 - 1] {
            flip(&path, bit);
            // A flip in the manifest's first words makes it one of a format that nobody knows.
            assert!([ErrorKind::Damaged, ErrorKind::Newer].contains(&refused(&path, "flipped").kind()));
            fs::write(&path, &bytes).unwrap();
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        refused(&path, "cut");
        fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
        refused(&path, "lengthened");
        fs::remove_file(&path).unwrap();
        refused(&path, "removed");
        fs::write(&path, &bytes).unwrap();
    }
    restores_whole(&backup);
}

#[test]
fn damage_is_found_when_the_backup_is_made() {
    let dir = fresh_dir();
    let data = dir.path().join("data");
    let (mut writer, _store) = filled(&data);
    let segment = segments(&data).remove(3);
    flip(&segment, 8 * 200);
    let to = dir.path().join("backups/one");
    let error = writer.backup_point().unwrap().write(&to, NOW, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.message().contains(segment.to_str().unwrap()), "{error}");
    assert_eq!(names(&dir.path().join("backups")), [""; 0]);
}

#[test]
fn a_backup_that_is_given_up_or_fails_leaves_nothing() {
    let dir = fresh_dir();
    let (mut writer, _store) = filled(&dir.path().join("data"));
    let backups = dir.path().join("backups");
    let mut make = |to: &str, stop: bool| {
        let point = writer.backup_point().unwrap();
        point.write(&backups.join(to), NOW, &AtomicBool::new(stop)).map_err(|error| error.kind())
    };
    assert_eq!(make("one", true).unwrap_err(), ErrorKind::Closed);
    assert_eq!(names(&backups), [""; 0]);
    make("one", false).unwrap();
    let before = files(&backups);
    assert_eq!(make("one", false).unwrap_err(), ErrorKind::Conflict);
    fs::write(backups.join("file"), "").unwrap();
    assert_eq!(make("file/below", false).unwrap_err(), ErrorKind::Storage);
    fs::remove_file(backups.join("file")).unwrap();
    assert!(before == files(&backups));
}

#[test]
fn what_a_kill_leaves_of_a_backup_is_not_restored_and_goes_with_the_next_one() {
    let dir = fresh_dir();
    let backup = backed_up(dir.path());
    let backups = backup.parent().unwrap();
    let left = backups.join(".two.unfinished");
    fs::rename(&backup, &left).unwrap();
    fs::remove_file(left.join("backup.json")).unwrap();
    let into = dir.path().join("restored");
    let error = restore(&left, &into).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("not a whole one") && !into.exists(), "{error}");

    let at_work = fs::File::open(&left).unwrap();
    at_work.lock().unwrap();
    let (mut writer, _store) = opened(&dir.path().join("data"));
    made(writer.backup_point().unwrap(), &backups.join("three"));
    assert_eq!(names(backups), [".two.unfinished", "three"], "somebody works on it");
    drop(at_work);
    made(writer.backup_point().unwrap(), &backups.join("four"));
    assert_eq!(names(backups), ["four", "three"]);
}

#[test]
fn a_restore_into_what_is_not_empty_is_refused_and_changes_nothing() {
    let dir = fresh_dir();
    let backup = backed_up(dir.path());
    let data = dir.path().join("data");
    let before = files(&data);
    assert_eq!(restore(&backup, &data).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(before == files(&data));
}

#[test]
fn a_directory_that_a_kill_left_half_restored_is_not_started_on() {
    let dir = fresh_dir();
    let backup = backed_up(dir.path());
    let into = dir.path().join("restored");
    let refused = |what: &str| {
        let error = open(&into, small(), NOW).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
    };
    restore(&backup, &into).unwrap();
    let (mut log, registry) = (segments(&into), files(&into.join("registry")).into_keys().next().unwrap());
    while let Some(newest) = log.pop() {
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() - 1]).unwrap();
        refused("the newest segment is cut short");
        fs::remove_file(&newest).unwrap();
        refused("the newest segment is missing");
    }
    fs::remove_dir_all(&into).unwrap();
    restore(&backup, &into).unwrap();
    fs::remove_file(registry).unwrap();
    refused("the registry is missing");
}

#[test]
fn a_backup_is_not_taken_for_a_data_directory() {
    let dir = fresh_dir();
    let backup = backed_up(dir.path());
    let before = files(&backup);
    let error = opened_error(&backup);
    assert!(error.contains("casewire restore"), "{error}");
    assert!(before == files(&backup));
}

fn opened_error(dir: &Path) -> String {
    open(dir, options(), NOW).expect_err("it is refused").message().to_owned()
}
