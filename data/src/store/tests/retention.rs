//! Retention gives the disk back, counts what it gave up, and leaves everything else as it was.

use super::*;

fn small() -> StoreOptions {
    StoreOptions { segment_bytes_max: 2_000, ..options() }
}

/// Ten publications, ten minutes apart; of the first five events endpoint 1 has one delivered, one waiting, one dead.
fn aged(dir: &Path) -> (Writer, Store) {
    let (mut writer, store) = open(dir, small(), NOW).unwrap();
    for step in 0..10 {
        publish(&mut writer, events(10), &[1, 2], NOW.plus_millis(step * 10 * MINUTE_MS));
    }
    let all = unread(&store, 1);
    let later = NOW.plus_millis(500 * MINUTE_MS);
    for (index, fate) in [Fate::Delivered, Fate::RetryAt(later), Fate::Dead].into_iter().enumerate() {
        commit(&mut writer, settled(&all[index], 1, false, index as u64 + 1, fate), NOW);
        let newer = index + 97;
        commit(&mut writer, settled(&all[newer], 1, false, index as u64 + 1, fate), NOW);
    }
    (writer, store)
}

fn kept_is_whole((writer, store): (&Writer, &Store), given_up: u64) {
    let kept = stored(store, 2);
    let first = kept[0].seq;
    assert!(first > 10 && kept.len() as u64 == 101 - first, "from {first}: {}", kept.len());
    assert_eq!(unread_seqs(store, 2), (first..=100).collect::<Vec<_>>());
    assert_eq!(store.cursor(2).expired, first - 1);
    let cursor = store.cursor(1);
    // Of what is gone, one was delivered and one dead already.
    assert_eq!(cursor.expired, first - 3);
    assert_eq!(given_up, 2 * (first - 1) - 2);
    assert_eq!((cursor.unread, cursor.parked, cursor.dead), (101 - first - 3, 1, 1));
    let due = store
        .due(1, DueUntil::Time(Timestamp::from_micros(i64::MAX)), DeliveryOrder::None, 10, |_| false)
        .unwrap()
        .waiting;
    assert_eq!(due.iter().map(|one| one.event.seq).collect::<Vec<_>>(), [99]);
    let standings: Vec<_> =
        kept[kept.len() - 3..].iter().map(|event| store.trace(event, 1).unwrap()).collect();
    assert!(standings.iter().all(|trace| trace.attempts.len() == 1));
    let mut journal = writer.shared.journal.rows(&[], &[]).map(Result::unwrap);
    assert!(
        journal.all(|(key, _)| !matches!(key[0], 4 | 6 | 7 | 8) || key[5..13] >= first.to_be_bytes()[..])
    );
}

#[test]
fn old_segments_go_and_what_is_retained_waits_on() {
    let dir = fresh_dir();
    let (mut writer, store) = aged(dir.path());
    let (count, oldest) = (segments(dir.path()).len(), stored(&store, 2)[0].id);
    let given_up = writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap();
    assert!(segments(dir.path()).len() < count, "the disk has it back");
    kept_is_whole((&writer, &store), given_up);
    assert!(store.event(oldest).unwrap().is_none());
    assert_eq!(writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap(), 0);
    drop((writer, store));
    let (writer, store) = open(dir.path(), small(), NOW).unwrap();
    kept_is_whole((&writer, &store), given_up);
}

#[test]
fn what_was_published_last_goes_too_when_nothing_else_is_ever_written() {
    let dir = fresh_dir();
    let (mut writer, store) = open(dir.path(), options(), NOW).unwrap();
    publish(&mut writer, events(10), &[1], NOW);
    let (mut now, end) = (NOW, NOW.plus_millis(60 * MINUTE_MS + 60 * MINUTE_MS / 8 + 2 * MINUTE_MS));
    while now < end {
        assert!(now > NOW.plus_millis(60 * MINUTE_MS) || stored(&store, 1).len() == 10, "none goes early");
        now = now.plus_millis(MINUTE_MS);
        writer.enforce_retention(now).unwrap();
    }
    assert_eq!(stored(&store, 1), []);
    assert_eq!(store.cursor(1).expired, 10);
    for hour in 1..=4 {
        writer.enforce_retention(now.plus_millis(hour * 60 * MINUTE_MS)).unwrap();
    }
    assert_eq!(segments(dir.path()).len(), 1, "and no empty files are left");
}

#[test]
fn a_crash_between_the_entry_and_the_removal_is_made_good_on_the_next_start() {
    let dir = fresh_dir();
    let (mut writer, store) = aged(dir.path());
    // What a crash leaves that came after the entry, but before any file went: the old files and the new log.
    let old: Vec<_> =
        segments(dir.path()).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let given_up = writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap();
    let undone = |image: &TempDir| {
        for (path, bytes) in &old {
            let place = image.path().join(path.strip_prefix(dir.path()).unwrap());
            if !place.exists() {
                fs::write(place, bytes).unwrap();
            }
        }
    };
    let (killed, lost_power) = (copy_of(dir.path()), without_retry_journal(dir.path()));
    drop((writer, store));
    for image in [killed, lost_power] {
        undone(&image);
        let (mut writer, store) = open(image.path(), small(), NOW).unwrap();
        let first = stored(&store, 2)[0].seq;
        kept_is_whole((&writer, &store), 2 * (first - 1) - 2);
        assert_eq!(writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap(), 0, "counted once");
    }
    assert!(given_up > 0);
}

#[test]
fn a_settlement_that_comes_after_its_event_is_gone_changes_nothing() {
    let dir = fresh_dir();
    let (mut writer, store) = aged(dir.path());
    let all = unread(&store, 2);
    let given_up = writer.enforce_retention(NOW.plus_millis(100 * MINUTE_MS)).unwrap();
    for fate in [Fate::RetryAt(NOW), Fate::Dead, Fate::Delivered] {
        commit(&mut writer, settled(&all[4], 1, false, 5, fate), NOW);
        commit(&mut writer, settled(&all[1], 1, true, 5, fate), NOW);
    }
    let refused = writer.commit(vec![requeued(&all[4], 1, NOW)], NOW, &mut || 7).unwrap();
    assert!(refused[0].is_err());
    kept_is_whole((&writer, &store), given_up);
}

#[test]
fn a_reader_whose_events_went_learns_that_nothing_up_to_the_newest_is_left() {
    let dir = fresh_dir();
    let (mut writer, store) = open(dir.path(), small(), NOW).unwrap();
    publish(&mut writer, events(10), &[1], NOW);
    // An entry that is no event begins a segment, and the one with all events goes.
    let later = NOW.plus_millis(50 * MINUTE_MS);
    let event = stored(&store, 1)[0].clone();
    commit(&mut writer, requeued(&event, 1, later), later);
    writer.enforce_retention(NOW.plus_millis(200 * MINUTE_MS)).unwrap();
    let backlog = store.backlog(1, 3, None, ALL).unwrap();
    assert!(backlog.at_end && backlog.events.is_empty(), "{backlog:?}");
    assert_eq!(backlog.through, 10);
}
