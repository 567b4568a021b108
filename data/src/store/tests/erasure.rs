//! What is erased is seen by nobody from the answer on, and is in no file once it was swept; all else stays.

use std::{os::unix::fs::MetadataExt, sync::atomic::AtomicBool};

use super::*;
use crate::{
    delivery::Transit,
    event::Resource,
    limits::PayloadRetention,
    store::{
        Cancelled, EventFilter, Sweep, SweepReport, SweepTerms, back_up, keys, restore, rewriting, verify,
    },
};

const CANARY: &str = "canary-of-seven";
pub const NEVER: PayloadRetention = PayloadRetention {
    default_ms: None,
    tenants_ms: BTreeMap::new(),
    default_bytes: None,
    tenants_bytes: BTreeMap::new(),
};
const NO_BYTES: BTreeMap<Tenant, u64> = BTreeMap::new();

pub fn person(id: &str) -> Resource {
    Resource { kind: "people".to_owned(), id: id.to_owned() }
}

/// An event about a person, with a payload that says so in many words.
fn about(id: &str, said: &str) -> NewEvent {
    let mut event = NewEvent::new("people.changed", format!("\"{}\"", said.repeat(1_000))).unwrap();
    event.resource = Some(person(id));
    event.tags.insert("note".to_owned(), said.to_owned());
    event.idempotency_key = Some(format!("{said}{id}"));
    event
}

/// Answers of receivers repeat what they were told.
fn answered(event: &Event, endpoint: u32, fate: Fate) -> Write {
    let said = event.content.tags["note"].clone();
    let headers = vec![("x-said".to_owned(), said.clone())];
    let outcome = Outcome::Answered { status: 200, headers, body: said.into_bytes() };
    let transit = Transit::default();
    let attempt = Attempt { number: 1, started_at: NOW, duration_us: 5, outcome, transit, erased: false };
    let (seq, event_position, floor) = (event.seq, event.position, event.seq);
    Write::Settle(Settled { endpoint, seq, event_position, parked: false, floor, fate, attempt, lane: None })
}

/// Events about 7 and 8 in turn: the first two delivered, then one retrying, one dead, the others unread.
fn told(dir: &Path) -> (Writer, Store) {
    let (mut writer, store) = opened(dir);
    for step in 0..6 {
        let (id, said) = if step % 2 == 0 { ("7", CANARY) } else { ("8", "of-eight") };
        let mut event = about(id, said);
        event.idempotency_key = Some(format!("{said}{step}"));
        publish(&mut writer, vec![event], &[1], NOW.plus_millis(step));
    }
    let all = unread(&store, 1);
    for (event, fate) in all.iter().zip([Fate::Delivered, Fate::Delivered, Fate::RetryAt(NOW), Fate::Dead]) {
        commit(&mut writer, answered(event, 1, fate), NOW);
    }
    writer.checkpoint().unwrap();
    store.flush_retry_journal().unwrap();
    (writer, store)
}

pub fn erase(writer: &mut Writer, id: &str) {
    commit(writer, Write::Erase(Tenant::default(), person(id)), NOW.plus_millis(MINUTE_MS));
}

/// As the engine's thread does it: a sweep, the newest segment sealed if it must be, the rest of the sweep.
pub fn sweep(writer: &mut Writer, store: &Store, payloads: &PayloadRetention, now: Timestamp) -> SweepReport {
    let (mut sweep, stop) = (Sweep::new(store), AtomicBool::new(false));
    let tenant_of = |_| Some(Tenant::default());
    let terms = SweepTerms { now, payloads, tenants_bytes: &NO_BYTES, tenant_of: &tenant_of, stop: &stop };
    if sweep.go(store, &terms).unwrap() {
        assert!(writer.seal(now).unwrap());
        assert!(!sweep.go(store, &terms).unwrap());
    }
    if let Some(position) = sweep.done_before() {
        commit(writer, Write::ErasedBefore(position), now);
    }
    sweep.report
}

fn holds(dir: &Path, text: &str) -> Vec<PathBuf> {
    let found = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files(dir).into_iter().filter(|(_, bytes)| found(bytes)).map(|(path, _)| path).collect()
}

pub fn disk_bytes(dir: &Path) -> u64 {
    segments(dir).iter().map(|path| fs::metadata(path).unwrap().blocks() * 512).sum()
}

/// Of seven nothing is seen but the record; of eight all.
fn seven_is_erased(store: &Store) {
    let all = stored(store, 1);
    assert_eq!(all.len(), 6);
    for event in &all {
        let seven = event.content.resource == Some(person("7"));
        let (found, _) = store.event(event.id).unwrap().unwrap();
        let listed = store.list_events(&EventFilter::of(Tenant::default()), u64::MAX, 10).unwrap().found;
        let listed = listed.into_iter().find(|it| it.id == event.id).unwrap();
        for seen in [&**event, &found, &listed] {
            assert_eq!(seen.erased_at.is_some(), seven, "{seen:?}");
            assert_eq!(seen.content.tags.is_empty(), seven);
        }
        assert_eq!(found.content.data.is_empty(), seven);
        let attempts = store.trace(event, 1).unwrap().attempts;
        let bare = |attempt: &Attempt| matches!(&attempt.outcome, Outcome::Answered { status: 200, headers, body } if headers.is_empty() && body.is_empty());
        assert!(attempts.iter().all(|attempt| bare(attempt) == seven && attempt.erased == seven));
        assert_eq!(attempts.len(), usize::from(event.seq <= 4));
    }
    let due = store
        .due(1, DueUntil::Time(Timestamp::from_micros(i64::MAX)), DeliveryOrder::None, 10, |_| false)
        .unwrap()
        .waiting;
    assert!(due.iter().all(|waiting| waiting.event.erased_at.is_some()), "{due:?}");
}

#[test]
fn nobody_sees_what_is_erased_and_after_the_sweep_no_file_has_it() {
    let dir = fresh_dir();
    let (mut writer, store) = told(dir.path());
    assert!(!holds(dir.path(), CANARY).is_empty());
    erase(&mut writer, "7");
    seven_is_erased(&store);
    let before = disk_bytes(dir.path());
    let report = sweep(&mut writer, &store, &NEVER, NOW.plus_millis(MINUTE_MS));
    assert_eq!(report.by_erasure, [(Tenant::default(), person("7"), 3)]);
    assert_eq!((report.events, report.segments), (3, 2));
    assert_eq!(holds(dir.path(), CANARY), Vec::<PathBuf>::new());
    assert!(!holds(dir.path(), "of-eight").is_empty());
    assert!(disk_bytes(dir.path()) + 20_000 < before, "{} of {before}", disk_bytes(dir.path()));
    seven_is_erased(&store);

    publish(&mut writer, vec![about("7", "later")], &[1], NOW.plus_millis(2 * MINUTE_MS));
    let later = stored(&store, 1).pop().unwrap();
    assert_eq!((later.erased_at, later.content.tags["note"].as_str()), (None, "later"));
    writer.close().unwrap();
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.events, report.erased), (7, 3));
}

#[test]
fn an_erasure_outlives_a_kill_and_a_loss_of_power_at_every_step() {
    let dir = fresh_dir();
    let (mut writer, store) = told(dir.path());
    erase(&mut writer, "7");
    let images = || [copy_of(dir.path()), without_retry_journal(dir.path())];
    let marked = images();
    let half_written = images();
    for image in &half_written {
        let segment = segments(image.path()).remove(0);
        let bytes = fs::read(&segment).unwrap();
        fs::write(segment.with_extension("unfinished"), &bytes[..bytes.len() / 2]).unwrap();
    }
    let (mut going, stop) = (Sweep::new(&store), AtomicBool::new(false));
    let tenant_of = |_| Some(Tenant::default());
    let terms = SweepTerms {
        now: NOW,
        payloads: &NEVER,
        tenants_bytes: &NO_BYTES,
        tenant_of: &tenant_of,
        stop: &stop,
    };
    assert!(going.go(&store, &terms).unwrap() && writer.seal(NOW).unwrap());
    let sealed = images();
    assert!(!going.go(&store, &terms).unwrap());
    let swept = images();
    commit(&mut writer, Write::ErasedBefore(going.done_before().unwrap()), NOW);
    let done = images();
    drop((writer, store));
    for image in [marked, half_written, sealed, swept, done].iter().flatten() {
        let (mut writer, store) = opened(image.path());
        seven_is_erased(&store);
        sweep(&mut writer, &store, &NEVER, NOW);
        assert_eq!(holds(image.path(), CANARY), Vec::<PathBuf>::new());
        assert!(Sweep::new(&store).done_before().is_none(), "nothing is left to do");
        assert_eq!(unread_seqs(&store, 1), [5, 6]);
        drop((writer, store));
        assert_eq!(verify(image.path()).unwrap().erased, 3);
    }
}

#[test]
fn a_delivery_that_waited_is_cancelled_and_keeps_its_attempts() {
    let dir = fresh_dir();
    let (mut writer, store) = told(dir.path());
    let all = stored(&store, 1);
    erase(&mut writer, "7");
    for (seq, parked, floor) in [(3, true, 4), (5, false, 5)] {
        commit(&mut writer, Write::Cancel(Cancelled { endpoint: 1, seq, parked, floor }), NOW);
    }
    let look = |store: &Store| {
        let cursor = store.cursor(1);
        assert_eq!((cursor.unread, cursor.parked, cursor.dead, cursor.delivered), (1, 0, 1, 2));
        assert_eq!(unread_seqs(store, 1), [6]);
        for (event, standing, attempts) in [
            (&all[2], DeliveryStanding::Cancelled, 1),
            (&all[3], DeliveryStanding::Dead, 1),
            (&all[4], DeliveryStanding::Cancelled, 0),
        ] {
            let trace = store.trace(event, 1).unwrap();
            assert_eq!((trace.standing, trace.attempts.len()), (standing, attempts), "{}", event.seq);
        }
    };
    look(&store);
    sweep(&mut writer, &store, &NEVER, NOW);
    let images = [copy_of(dir.path()), without_retry_journal(dir.path())];
    drop((writer, store));
    images.iter().for_each(|image| look(&opened(image.path()).1));
}

#[test]
fn the_idempotency_key_of_an_erased_event_still_tells_its_repeat() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let first = publish(&mut writer, vec![about("7", CANARY)], &[1], NOW);
    erase(&mut writer, "7");
    sweep(&mut writer, &store, &NEVER, NOW);
    let image = without_retry_journal(dir.path());
    drop((writer, store));
    let (mut writer, store) = opened(image.path());
    assert_eq!(publish(&mut writer, vec![about("7", CANARY)], &[1], NOW), first);
    assert_eq!(stored(&store, 1).len(), 1);
}

#[test]
fn a_sweep_that_is_stopped_leaves_the_files_as_they_were() {
    let dir = fresh_dir();
    let (mut writer, store) = told(dir.path());
    writer.seal(NOW).unwrap();
    let (before, segment) = (files(&dir.path().join("log")), store.shared.log.segments()[0].clone());
    let stopped = rewriting::rewrite(&store.shared.log, &segment, &[(0, NOW)], &AtomicBool::new(true));
    assert!(stopped.is_err());
    assert!(before == files(&dir.path().join("log")));
}

#[test]
fn a_backup_of_erased_entries_is_restored_whole() {
    let (dir, place) = (fresh_dir(), fresh_dir());
    let (mut writer, store) = told(dir.path());
    erase(&mut writer, "7");
    sweep(&mut writer, &store, &NEVER, NOW);
    writer.close().unwrap();
    drop(store);
    let (backup, into) = (place.path().join("backup"), place.path().join("restored"));
    back_up(dir.path(), &backup, NOW).unwrap();
    assert_eq!(restore(&backup, &into).unwrap().verified.erased, 3);
    assert_eq!(holds(place.path(), CANARY), Vec::<PathBuf>::new());
    seven_is_erased(&opened(&into).1);
}

/// Two tenants, one segment each ten minutes apart; of the first all are delivered but the last.
#[test]
fn old_payloads_of_a_tenant_go_segment_by_segment_once_and_those_that_wait_stay() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let north = Tenant::new("north").unwrap();
    for step in 0..3 {
        let at = NOW.plus_millis(step * 10 * MINUTE_MS);
        publish(&mut writer, vec![about("1", "south"), about("2", "south")], &[1], at);
        let events = vec![(about("3", "north"), Ok([2].into()))];
        commit(&mut writer, Write::Publish(Publication { tenant: north.clone(), events }), at);
        writer.seal(at.plus_millis(MINUTE_MS)).unwrap();
    }
    let [first, second] = [0, 1].map(|index| unread(&store, 1)[index].clone());
    commit(&mut writer, answered(&first, 1, Fate::Delivered), NOW);
    let of_the_south = PayloadRetention {
        default_ms: Some(15 * MINUTE_MS),
        tenants_ms: [(north, 10_000 * MINUTE_MS)].into(),
        ..PayloadRetention::default()
    };
    let mut after = |minutes: i64| {
        sweep(&mut writer, &store, &of_the_south, NOW.plus_millis(minutes * MINUTE_MS)).segments
    };
    assert_eq!(after(15), 0, "not old enough");
    assert_eq!((after(17), after(18)), (1, 0), "once");
    let erased = |store: &Store, id: &Event| store.event(id.id).unwrap().unwrap().0.erased_at.is_some();
    assert!(erased(&store, &first) && !erased(&store, &second), "the second waits");
    assert!(!erased(&store, &stored(&store, 2)[0]), "of another tenant");
    commit(&mut writer, answered(&second, 1, Fate::Delivered), NOW);
    let mut after = |minutes: i64| {
        sweep(&mut writer, &store, &of_the_south, NOW.plus_millis(minutes * MINUTE_MS)).segments
    };
    assert_eq!(after(20), 1, "what had waited goes with the next look");
    assert!(erased(&store, &second));
    drop((writer, store));
    let (mut writer, store) = opened(dir.path());
    let again = sweep(&mut writer, &store, &of_the_south, NOW.plus_millis(21 * MINUTE_MS));
    assert_eq!(again.segments, 0, "a start begins nothing anew");
    assert_eq!(store.shared.journal.rows(keys::SWEPT, keys::SWEPT).count(), 1);
}

#[test]
fn a_log_that_takes_more_of_the_disk_than_it_may_loses_its_oldest_events() {
    let dir = fresh_dir();
    let small = StoreOptions { segment_bytes_max: 32 * 1024, retention_bytes: Some(256 * 1024), ..options() };
    let (mut writer, store) = open(dir.path(), small, NOW).unwrap();
    for number in 0..60 {
        publish(&mut writer, vec![about(&number.to_string(), "ten-kilobytes")], &[1], NOW);
        writer.enforce_retention(NOW).unwrap();
    }
    let kept = stored(&store, 1);
    assert_eq!(kept.last().map(|event| event.seq), Some(60));
    assert!((10..25).contains(&kept.len()), "{}", kept.len());
    assert!(store.extent().disk_bytes <= 256 * 1024, "{}", store.extent().disk_bytes);
    assert_eq!(store.cursor(1).expired, 60 - kept.len() as u64);
}
