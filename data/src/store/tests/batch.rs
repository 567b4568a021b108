//! A publication is there as a whole or not at all, and its numbers go on from where they were.

use super::*;

#[test]
fn what_is_published_is_there_after_a_crash_and_what_is_settled_is_not_sent_again() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let ids = publish(&mut writer, events(100), &[3, 9], NOW);
    let all = unread(&store, 3);
    commit(&mut writer, settled(&all[0], 3, false, 1, Fate::Delivered), NOW);
    commit(&mut writer, settled(&all[4], 3, false, 1, Fate::Delivered), NOW);
    assert_eq!(store.cursor(3).unread, 98);
    drop((writer, store));

    let (_writer, store) = opened(dir.path());
    let seqs = unread_seqs(&store, 3);
    assert_eq!(seqs.len(), 98);
    assert!(!seqs.contains(&1) && !seqs.contains(&5));
    assert_eq!(unread(&store, 9).len(), 100);
    let (found, routes) = store.event(ids[42]).unwrap().unwrap();
    assert_eq!((found.content.data.as_ref(), routes), (&b"{\"text\":\"42\"}"[..], vec![3, 9]));
    let (fifth, _) = store.event(ids[4]).unwrap().unwrap();
    assert_eq!(store.trace(&fifth, 3).unwrap().standing, DeliveryStanding::Delivered);
    assert_eq!(store.trace(&fifth, 9).unwrap().standing, DeliveryStanding::Unread);
}

#[test]
fn numbers_and_ids_go_on_after_starts_in_which_nothing_was_published() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let before = publish(&mut writer, events(3), &[1], NOW);
    writer.close().unwrap();
    opened(dir.path()).0.close().unwrap();
    drop(opened(dir.path()));

    let (mut writer, store) = opened(dir.path());
    let past = NOW.plus_millis(-MINUTE_MS);
    let after = publish(&mut writer, events(1), &[1], past);
    assert_eq!(unread_seqs(&store, 1), [1, 2, 3, 4]);
    assert!(after[0] > before[2], "ids increase even if the clock went back over a restart");
}

#[test]
fn what_is_said_to_be_in_the_file_survives_a_kill_before_the_sync_is_over() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(2), &[1], NOW);
    let batch =
        vec![settled(&unread(&store, 1)[0], 1, false, 1, Fate::Delivered), publication(events(1), &[1])];
    let mut killed = None;
    let mut in_file = || killed = Some(copy_of(dir.path()));
    writer.commit_noting(batch, NOW, &mut || 7, &mut in_file).unwrap();
    let (_writer, store) = opened(killed.expect("it is said").path());
    assert_eq!(unread_seqs(&store, 1), [2, 3]);
}

#[test]
fn a_first_attempt_that_is_settled_twice_counts_once() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(3), &[1], NOW);
    let second = unread(&store, 1)[1].clone();
    for fate in [Fate::Delivered, Fate::Delivered, Fate::RetryAt(NOW), Fate::Dead] {
        commit(&mut writer, settled(&second, 1, false, 0, fate), NOW);
    }
    let cursor = store.cursor(1);
    assert_eq!((cursor.unread, cursor.parked, cursor.dead, cursor.delivered), (2, 0, 0, 1));
}

#[test]
fn what_is_requeued_is_due_before_rows_are_flushed_and_wherever_it_stood() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(3), &[1], NOW);
    let all = unread(&store, 1);
    commit(&mut writer, settled(&all[0], 1, false, 1, Fate::Delivered), NOW);
    commit(&mut writer, settled(&all[1], 1, false, 2, Fate::RetryAt(NOW.plus_millis(MINUTE_MS))), NOW);
    commit(&mut writer, settled(&all[2], 1, false, 3, Fate::Dead), NOW);
    let requeues = all.iter().map(|event| requeued(event, 1, NOW)).collect();
    assert!(writer.commit(requeues, NOW, &mut || 7).unwrap().iter().all(Result::is_ok));

    let due = store.due(1, DueUntil::Time(NOW), DeliveryOrder::None, 10, |_| false).unwrap().waiting;
    assert_eq!(
        due.iter().map(|one| (one.event.seq, one.attempts)).collect::<Vec<_>>(),
        [(1, 1), (2, 1), (3, 1)]
    );
    let cursor = store.cursor(1);
    assert_eq!((cursor.parked, cursor.dead), (3, 0));
    let both = vec![settled(&all[0], 1, true, 3, Fate::Dead), requeued(&all[0], 1, NOW)];
    assert!(writer.commit(both, NOW, &mut || 7).unwrap()[1].is_err(), "the look that it rests on is stale");
}

#[test]
fn what_is_due_is_read_a_few_megabytes_at_a_time() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let large = || event(&"x".repeat(1_000_000));
    publish(&mut writer, (0..10).map(|_| large()).collect(), &[1], NOW);
    for event in stored(&store, 1) {
        commit(&mut writer, settled(&event, 1, false, event.seq, Fate::RetryAt(NOW)), NOW);
    }
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let due =
            store.due(1, DueUntil::Time(NOW), DeliveryOrder::None, 256, |seq| seen.contains(&seq)).unwrap();
        assert!((1..=5).contains(&due.waiting.len()), "{} at once", due.waiting.len());
        seen.extend(due.waiting.iter().map(|one| one.event.seq));
        assert_eq!(due.next, (seen.len() < 10).then_some(NOW));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}
