//! The disk has back what contents held, and a packed segment is as whole, and as quick to name damage, as any other.

use super::{
    erasure::{NEVER, disk_bytes, erase, person, sweep},
    *,
};
use crate::{
    error::{Error, ErrorKind},
    limits::PayloadRetention,
    store::{back_up, codec, log::Scan, restore, stats, verify},
};

const EVENTS: usize = 3_000;

/// An event about a person, with a payload of so many bytes, of which no two are alike.
fn about(id: &str, number: usize, bytes: usize) -> NewEvent {
    let text: String = (0..).map(|n| format!("{:x}", n * 7 + number * 131)).take(bytes).collect();
    let mut event = NewEvent::new("people.changed", format!("\"{}\"", &text[..bytes - 2])).unwrap();
    event.resource = Some(person(id));
    event
}

fn answered(event: &Event) -> Write {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let outcome = Outcome::Answered { status: 200, headers, body: b"{\"ok\":true}".to_vec() };
    let attempt =
        Attempt { number: 1, started_at: NOW, duration_us: 5, outcome, transit: Transit::default() };
    let (seq, event_position, floor) = (event.seq, event.position, event.seq);
    Write::Settle(Settled {
        endpoint: 1,
        seq,
        event_position,
        parked: false,
        floor,
        fate: Fate::Delivered,
        attempt,
        lane: None,
    })
}

/// Events of a KiB in small files, each delivered and answered; the newest file has nothing in it.
fn delivered(dir: &Path) -> (Writer, Store) {
    let small = StoreOptions { segment_bytes_max: 256 * 1024, ..options() };
    let (mut writer, store) = open(dir, small, NOW).unwrap();
    for first in (0..EVENTS).step_by(250) {
        publish(
            &mut writer,
            (first..first + 250).map(|number| about("7", number, 1_024)).collect(),
            &[1],
            NOW,
        );
        let settlements = unread(&store, 1).iter().map(|event| answered(event)).collect();
        writer.commit(settlements, NOW, &mut || 7).unwrap();
    }
    writer.flush_rows().unwrap();
    writer.seal(NOW).unwrap();
    (writer, store)
}

fn gives_most_of_the_disk_back(take: impl Fn(&mut Writer, &Store)) {
    let dir = fresh_dir();
    let (mut writer, store) = delivered(dir.path());
    let (before, count) = (disk_bytes(dir.path()), segments(dir.path()).len());
    take(&mut writer, &store);
    assert_eq!(segments(dir.path()).len(), count, "no file went as a whole");
    let after = disk_bytes(dir.path());
    assert!(after * 100 < before * 25, "{after} of {before}");
    assert_eq!(store.extent().disk_bytes, after);
    let kept = store.backlog(1, 0, Some(0), ALL).unwrap().events;
    assert!(kept.len() == EVENTS && kept.iter().all(|event| event.erased_at.is_some()));
    writer.close().unwrap();
    drop(store);
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.events, report.erased), (EVENTS as u64, EVENTS as u64));
    let stats = stats(dir.path()).unwrap();
    assert_eq!((stats.events, stats.attempts["delivered"]), (EVENTS as u64, EVENTS as u64));
    assert!(stats.log_bytes <= after + 4_096, "{stats}");
}

#[test]
fn payloads_that_are_too_old_give_most_of_the_disk_back() {
    gives_most_of_the_disk_back(|writer, store| {
        let periods = PayloadRetention { default_ms: Some(15 * MINUTE_MS), tenants_ms: BTreeMap::new() };
        assert!(sweep(writer, store, &periods, NOW.plus_millis(16 * MINUTE_MS)).segments > 5);
    });
}

#[test]
fn an_erasure_gives_most_of_the_disk_back() {
    gives_most_of_the_disk_back(|writer, store| {
        erase(writer, "7");
        assert_eq!(sweep(writer, store, &NEVER, NOW).events, EVENTS as u64);
    });
}

/// Events about 7 and 8 in turn, in files of four; what is about 7 was erased.
fn packed(dir: &Path) -> (Writer, Store) {
    let small = StoreOptions { segment_bytes_max: 2_000, ..options() };
    let (mut writer, store) = open(dir, small, NOW).unwrap();
    for number in 0..16 {
        publish(&mut writer, vec![about(["7", "8"][number % 2], number, 500)], &[1], NOW);
    }
    commit(&mut writer, answered(&unread(&store, 1)[0]), NOW);
    erase(&mut writer, "7");
    sweep(&mut writer, &store, &NEVER, NOW);
    (writer, store)
}

fn is_packed(path: &Path) -> bool {
    fs::read(path).unwrap()[8] == 2
}

/// Every entry with its position.
fn entries(store: &Store) -> Vec<(u64, codec::Kind, Vec<u8>)> {
    let log = &store.shared.log;
    let mut scan = Scan::new(log.segments(), 0, log.committed());
    let mut found = Vec::new();
    while let Some((position, kind)) = scan.next_entry().unwrap() {
        found.push((position, kind, scan.body().to_vec()));
    }
    found
}

#[test]
fn no_position_moves_and_what_was_not_erased_reads_as_before_however_often_it_is_packed() {
    let dir = fresh_dir();
    let (mut writer, store) = packed(dir.path());
    let (first, places) = (entries(&store), stored(&store, 1));
    let once = disk_lengths(dir.path());
    erase(&mut writer, "8");
    assert_eq!(sweep(&mut writer, &store, &NEVER, NOW).events, 8);
    assert!(disk_lengths(dir.path()) < once, "packed again");
    let second = entries(&store);
    for ((before, after), place) in
        first.iter().zip(&second).zip(places.iter().map(|it| it.position).chain([u64::MAX; 9]))
    {
        assert_eq!((before.0, before.1, before.2.len()), (after.0, after.1, after.2.len()));
        assert_eq!(store.shared.log.entry(after.0).unwrap(), (after.1, after.2.clone()), "one by one");
        assert!(place == u64::MAX || store.event_at(place).unwrap().0.erased_at.is_some());
    }
    drop((writer, store));
    assert!(entries(&opened(dir.path()).1).starts_with(&second), "after a start too");
}

/// Bytes of all packed files.
fn disk_lengths(dir: &Path) -> u64 {
    let packed = segments(dir).into_iter().filter(|path| is_packed(path));
    packed.map(|path| fs::metadata(path).unwrap().len()).sum()
}

#[test]
fn only_packed_files_have_the_later_format_which_earlier_builds_refuse() {
    let dir = fresh_dir();
    drop(packed(dir.path()));
    let formats: Vec<u8> = segments(dir.path()).iter().map(|path| fs::read(path).unwrap()[8]).collect();
    let later = formats.iter().filter(|format| **format == 2).count();
    assert!(later >= 4 && formats.last() == Some(&1), "{formats:?}");
    let others = ["registry", "audit"].map(|folder| files(&dir.path().join(folder)));
    assert!(others.iter().flatten().all(|(_, bytes)| bytes[8] == 1));
}

fn names_the_file(refused: Result<impl std::fmt::Debug, Error>, path: &Path, how: &str) {
    let error = refused.expect_err(how);
    assert_eq!(error.kind(), ErrorKind::Damaged, "{how}: {error}");
    assert!(error.message().contains(path.file_name().unwrap().to_str().unwrap()), "{how}: {error}");
}

#[test]
fn a_flipped_bit_in_a_packed_file_is_damage_that_names_it() {
    let dir = fresh_dir();
    packed(dir.path()).0.close().unwrap();
    for path in segments(dir.path()).into_iter().filter(|path| is_packed(path)) {
        let bytes = fs::read(&path).unwrap();
        for bit in (0..bytes.len() * 8).step_by(19) {
            flip(&path, bit);
            names_the_file(verify(dir.path()), &path, &format!("bit {bit}"));
            fs::write(&path, &bytes).unwrap();
        }
    }
    verify(dir.path()).unwrap();
}

#[test]
fn a_packed_file_that_is_cut_or_goes_on_is_damage_and_never_a_torn_tail() {
    let dir = fresh_dir();
    packed(dir.path()).0.close().unwrap();
    let path = segments(dir.path()).into_iter().rfind(|path| is_packed(path)).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(3) {
        fs::write(&path, &bytes[..length]).unwrap();
        names_the_file(verify(dir.path()), &path, &format!("cut to {length}"));
    }
    fs::write(&path, [&bytes[..], &[0; 8]].concat()).unwrap();
    names_the_file(verify(dir.path()), &path, "lengthened");
    // Nor if it is the newest one that is left, and nobody knows how far the log went.
    let image = only_packed_files(dir.path());
    for length in [bytes.len() - 1, bytes.len() - 8, bytes.len() / 2, 100] {
        let path = image.path().join(path.strip_prefix(dir.path()).unwrap());
        fs::write(&path, &bytes[..length]).unwrap();
        names_the_file(open(image.path(), options(), NOW), &path, &format!("the newest, cut to {length}"));
    }
}

/// What is left of a directory if damage takes the newest file, and with it all that tells of it.
fn only_packed_files(dir: &Path) -> TempDir {
    let image = without_retry_journal(dir);
    segments(image.path())
        .iter()
        .filter(|path| !is_packed(path))
        .for_each(|path| fs::remove_file(path).unwrap());
    image
}

#[test]
fn a_start_on_packed_files_alone_appends_to_a_new_one() {
    let dir = fresh_dir();
    drop(packed(dir.path()));
    let image = only_packed_files(dir.path());
    let before = files(&image.path().join("log"));
    let known = {
        let (mut writer, store) = opened(image.path());
        let known = stored(&store, 1).len();
        publish(&mut writer, events(1), &[1], NOW);
        known
    };
    let (_writer, store) = opened(image.path());
    let seqs: Vec<u64> = stored(&store, 1).iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=known as u64 + 1).collect::<Vec<_>>());
    let after = files(&image.path().join("log"));
    assert!(after.len() == before.len() + 1 && before.iter().all(|(path, bytes)| after[path] == *bytes));
}

#[test]
fn a_backup_copies_packed_files_as_they_are() {
    let (dir, place) = (fresh_dir(), fresh_dir());
    let (mut writer, store) = packed(dir.path());
    let (running, stopped) = (place.path().join("running"), place.path().join("stopped"));
    let point = writer.backup_point().unwrap();
    // It goes on from the files of its moment.
    erase(&mut writer, "8");
    let told = entries(&store);
    point.write(&running, NOW, &false.into()).unwrap();
    sweep(&mut writer, &store, &NEVER, NOW);
    writer.close().unwrap();
    drop(store);
    back_up(dir.path(), &stopped, NOW).unwrap();
    for (backup, erased) in [(&running, 8), (&stopped, 16)] {
        let into = backup.with_extension("restored");
        assert_eq!(restore(backup, &into).unwrap().verified.erased, erased);
        assert!(files(&into.join("log")).into_values().eq(files(&backup.join("log")).into_values()));
        assert!(segments(&into).iter().any(|path| is_packed(path)));
        let (_writer, store) = opened(&into);
        assert!(erased == 16 || told.starts_with(&entries(&store)[..10]));
        assert_eq!(stored(&store, 1).len(), 16);
    }
    assert!(files(&stopped.join("log")).into_values().eq(files(&dir.path().join("log")).into_values()));
}
