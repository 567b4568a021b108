//! A tenant that may keep only so many bytes loses its oldest, of its events or of their contents; nobody else loses any.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::{
    limits::PayloadRetention,
    store::{
        EventFilter, SweepReport, SweepTerms, back_up, keys, restore, segment::Segment, shares::Shares,
        verify,
    },
};

/// The north's endpoint, and that of all others.
const NORTHERN: u32 = 1;
const SOUTHERN: u32 = 2;
const SEGMENT_BYTES: u64 = 4_000;

/// What tenants may keep.
#[derive(Clone, Default)]
struct Terms {
    payloads: PayloadRetention,
    tenants_bytes: BTreeMap<Tenant, u64>,
}

impl Terms {
    fn events_of_the_north(bytes: u64) -> Self {
        Self { tenants_bytes: [(north(), bytes)].into(), ..Self::default() }
    }

    /// As the engine's threads do it, until nothing more is due.
    fn keep(&self, writer: &mut Writer, store: &Store, now: Timestamp) -> (u64, SweepReport) {
        let stop = AtomicBool::new(false);
        let (payloads, tenants_bytes, tenant_of) = (&self.payloads, &self.tenants_bytes, &owner);
        let terms = SweepTerms { now, payloads, tenants_bytes, tenant_of, stop: &stop };
        let (mut given_up, mut all) = (0, SweepReport::default());
        loop {
            let report = store.keep_within_bytes(&terms).unwrap();
            all.events += report.events;
            all.segments += report.segments;
            let before = store.shared.horizons.of("north");
            given_up += writer.enforce_retention(now).unwrap();
            let is_over = store.shared.horizons.of("north") == before && report.segments == 0;
            if is_over && !writer.retention_is_behind() {
                return (given_up, all);
            }
        }
    }
}

fn north() -> Tenant {
    Tenant::new("north").unwrap()
}

fn owner(endpoint: u32) -> Option<Tenant> {
    Some(if endpoint == NORTHERN { north() } else { Tenant::default() })
}

fn small() -> StoreOptions {
    StoreOptions { segment_bytes_max: SEGMENT_BYTES, ..options() }
}

fn minutes(count: i64) -> Timestamp {
    NOW.plus_millis(count * MINUTE_MS)
}

/// Odd numbers are the north's.
fn filled(dir: &Path, pairs: usize, payload_bytes: usize) -> (Writer, Store) {
    let (mut writer, store) = open(dir, small(), NOW).unwrap();
    fill(&mut writer, pairs, payload_bytes);
    (writer, store)
}

fn fill(writer: &mut Writer, pairs: usize, payload_bytes: usize) {
    for _ in 0..pairs {
        for (tenant, endpoint) in [(north(), NORTHERN), (Tenant::default(), SOUTHERN)] {
            let routes: Arc<[u32]> = [endpoint].into();
            let events = vec![(event(&"x".repeat(payload_bytes)), Ok(routes))];
            commit(writer, Write::Publish(Publication { tenant, events }), NOW);
        }
    }
}

/// Delivered, with an answer that says something.
fn deliver(writer: &mut Writer, event: &Event, endpoint: u32, parked: bool) {
    let Write::Settle(mut settled) = settled(event, endpoint, parked, 0, Fate::Delivered) else {
        unreachable!()
    };
    settled.attempt.outcome =
        Outcome::Answered { status: 200, headers: vec![("a".into(), "b".into())], body: b"taken".into() };
    commit(writer, Write::Settle(settled), NOW);
}

fn listed(store: &Store, tenant: Tenant) -> Vec<u64> {
    let slice = store.list_events(&EventFilter::of(tenant), u64::MAX, 1_000).unwrap();
    slice.found.iter().rev().map(|event| event.seq).collect()
}

/// Segments that nothing is appended to any more, with the first event of the next one.
fn sealed(store: &Store) -> Vec<(Arc<Segment>, u64)> {
    let segments = store.shared.log.segments();
    segments.windows(2).map(|pair| (pair[0].clone(), pair[1].header.first_seq)).collect()
}

fn count(segment: &Arc<Segment>) -> Shares {
    Shares::count(segment, &owner, &AtomicBool::new(false)).unwrap()
}

/// From where on the north's events stay: the newest full segments that are within the limit together, and the last one.
fn first_kept(store: &Store, limit: u64) -> u64 {
    let segments = sealed(store);
    let bytes: Vec<u64> = segments.iter().map(|(segment, _)| count(segment).of("north").bytes).collect();
    let gone = (0..=bytes.len()).find(|gone| bytes[*gone..].iter().sum::<u64>() <= limit).unwrap();
    gone.checked_sub(1).map_or(1, |last| segments[last].1)
}

#[test]
fn the_oldest_events_of_a_tenant_go_and_those_of_others_stay_over_every_restart() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 100, 100);
    for event in &unread(&store, NORTHERN)[..3] {
        deliver(&mut writer, event, NORTHERN, false);
    }
    let terms = Terms::events_of_the_north(6_000);
    let first = first_kept(&store, 6_000);
    let files = segments(dir.path()).len();
    let (given_up, _) = terms.keep(&mut writer, &store, NOW);
    let kept: Vec<u64> = (first..=200).filter(|seq| seq % 2 == 1).collect();
    assert!((10..90).contains(&kept.len()), "{}", kept.len());
    let gone = 100 - kept.len() as u64;
    assert_eq!(given_up, gone - 3, "what was delivered does not expire");
    assert_eq!(segments(dir.path()).len(), files, "others have events there");
    let look = |store: &Store| {
        assert_eq!(listed(store, north()), kept);
        assert_eq!(unread_seqs(store, NORTHERN), kept);
        let cursor = store.cursor(NORTHERN);
        assert_eq!((cursor.unread, cursor.expired, cursor.delivered), (kept.len() as u64, gone - 3, 3));
        assert_eq!(listed(store, Tenant::default()), (2..=200).step_by(2).collect::<Vec<_>>());
        assert_eq!((unread_seqs(store, SOUTHERN).len(), store.cursor(SOUTHERN).expired), (100, 0));
    };
    look(&store);
    let (killed, lost_power) = (copy_of(dir.path()), without_retry_journal(dir.path()));
    writer.close().unwrap();
    drop(store);
    let place = fresh_dir();
    let (backup, restored) = (place.path().join("backup"), place.path().join("restored"));
    back_up(dir.path(), &backup, NOW).unwrap();
    restore(&backup, &restored).unwrap();
    for image in [dir.path(), killed.path(), lost_power.path(), &restored] {
        verify(image).unwrap();
        let (mut writer, store) = open(image, small(), NOW).unwrap();
        look(&store);
        let (given_up, _) = terms.keep(&mut writer, &store, minutes(2));
        assert_eq!(given_up, 0, "what is within the limit stays");
        look(&store);
        let more = Terms::events_of_the_north(1 << 40);
        more.keep(&mut writer, &store, minutes(4));
        look(&store);
    }
}

#[test]
fn a_limit_below_one_file_leaves_what_is_in_the_newest() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 40, 100);
    // A new file, with room for what keeping within the limit writes itself.
    assert!(writer.seal(NOW).unwrap());
    fill(&mut writer, 3, 100);
    Terms::events_of_the_north(1).keep(&mut writer, &store, NOW);
    assert_eq!(sealed(&store).last().unwrap().1, 81);
    assert_eq!(listed(&store, north()), [81, 83, 85]);
    assert_eq!(listed(&store, Tenant::default()).len(), 43);
}

#[test]
fn where_nobody_has_events_left_the_file_goes() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 1, 1_000);
    let mut terms = Terms::events_of_the_north(20_000);
    terms.tenants_bytes.insert(Tenant::default(), 10_000);
    for _ in 0..100 {
        for (tenant, endpoint) in [(north(), NORTHERN), (Tenant::default(), SOUTHERN)] {
            let routes: Arc<[u32]> = [endpoint].into();
            let events = vec![(event(&"x".repeat(1_000)), Ok(routes))];
            commit(&mut writer, Write::Publish(Publication { tenant, events }), NOW);
        }
        terms.keep(&mut writer, &store, NOW);
    }
    let (northern, southern) = (listed(&store, north()).len(), listed(&store, Tenant::default()).len());
    assert!((15..22).contains(&northern) && (6..12).contains(&southern), "{northern} {southern}");
    // The north's 20,000 and as many of others beside them, in files of some 4,000; and the newest.
    let files = segments(dir.path()).len();
    assert!(files <= 11 && store.extent().disk_bytes <= 11 * 8_192, "{files}: {}", store.extent().disk_bytes);
    let rows = store.shared.journal.rows(keys::SHARES, keys::SHARES).count();
    assert!(rows < 3 * files, "{rows}: what was counted of a file goes with it");
}

/// The north keeps contents as it likes, all others 30,000 bytes each.
fn few_contents() -> Terms {
    let tenants_bytes = [(north(), 1 << 40)].into();
    let payloads = PayloadRetention { default_bytes: Some(30_000), tenants_bytes, ..Default::default() };
    Terms { payloads, ..Terms::default() }
}

#[test]
fn the_oldest_contents_go_and_give_their_disk_back_but_those_that_wait_stay() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 20, 8_000);
    let of_others = unread(&store, SOUTHERN);
    for event in &of_others[1..] {
        deliver(&mut writer, event, SOUTHERN, false);
    }
    writer.seal(NOW).unwrap();
    let terms = few_contents();
    let before = store.extent().disk_bytes;
    let (_, report) = terms.keep(&mut writer, &store, NOW);
    let is_erased =
        |store: &Store, event: &Event| store.event(event.id).unwrap().unwrap().0.erased_at.is_some();
    let erased = |store: &Store| of_others.iter().map(|event| is_erased(store, event)).collect::<Vec<_>>();
    // Of 8,020 bytes each, three are within the limit.
    let mut expected = [true; 20];
    expected[0] = false;
    expected[17..].fill(false);
    assert_eq!((erased(&store), report.events), (expected.to_vec(), 16));
    assert!(store.extent().disk_bytes + 16 * 4_096 <= before, "{} of {before}", store.extent().disk_bytes);
    assert!(
        stored(&store, NORTHERN).iter().all(|event| !is_erased(&store, event)),
        "its own limit is larger"
    );
    assert_eq!(listed(&store, Tenant::default()).len(), 20, "the records stay");
    let (_, again) = terms.keep(&mut writer, &store, minutes(2));
    assert_eq!(again.segments, 0, "what waits stays");

    deliver(&mut writer, &of_others[0], SOUTHERN, false);
    expected[0] = true;
    terms.keep(&mut writer, &store, minutes(4));
    assert_eq!(erased(&store), expected);
    let images = [copy_of(dir.path()), without_retry_journal(dir.path())];
    drop((writer, store));
    for image in &images {
        let (mut writer, store) = open(image.path(), small(), NOW).unwrap();
        let (_, again) = terms.keep(&mut writer, &store, minutes(6));
        assert_eq!((again.segments, erased(&store)), (0, expected.to_vec()));
    }
}

#[test]
fn contents_of_events_that_a_limit_took_are_in_no_file() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 1, 8_000);
    let routes: Arc<[u32]> = [NORTHERN].into();
    let events = vec![(event("canary-of-the-north"), Ok(routes))];
    commit(&mut writer, Write::Publish(Publication { tenant: north(), events }), NOW);
    writer.seal(NOW).unwrap();
    let holds = || {
        let canary = b"canary-of-the-north";
        files(&dir.path().join("log")).values().any(|it| it.windows(canary.len()).any(|part| part == canary))
    };
    assert!(holds());
    let (given_up, _) = Terms::events_of_the_north(1).keep(&mut writer, &store, NOW);
    assert_eq!(given_up, 2);
    assert!(!holds());
}

#[test]
fn what_is_counted_adds_up_and_is_counted_anew_when_a_file_was_rewritten() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 20, 8_000);
    for event in &unread(&store, SOUTHERN) {
        deliver(&mut writer, event, SOUTHERN, false);
    }
    writer.seal(NOW).unwrap();
    let before: Vec<Shares> = sealed(&store).iter().map(|(segment, _)| count(segment)).collect();
    for ((segment, _), shares) in sealed(&store).iter().zip(&before) {
        let [northern, southern] = ["north", "default"].map(|tenant| shares.of(tenant));
        assert_eq!(northern.bytes + southern.bytes, segment.entry_bytes(), "every entry is somebody's");
        assert!(northern.content_bytes >= northern.events * 8_000);
    }
    few_contents().keep(&mut writer, &store, NOW);
    for ((segment, _), before) in sealed(&store).iter().zip(before) {
        let shares = Shares::known(&store.shared.journal, segment).unwrap().unwrap();
        let mut counted = count(segment);
        counted.trimmed_at = shares.trimmed_at;
        assert_eq!(shares, counted);
        assert_eq!(shares.of("north"), before.of("north"));
        let (before, now) = (before.of("default"), shares.of("default"));
        assert_eq!(before.bytes - now.bytes, before.content_bytes - now.content_bytes);
        assert!(now.content_bytes == 0 || now == before);
    }
    // A kill after a file was rewritten, before it was counted: nothing that is not so is left of it.
    let (segment, _) = &sealed(&store)[0];
    Shares::forget(&store.shared.journal, segment).unwrap();
    assert_eq!(Shares::known(&store.shared.journal, segment).unwrap(), None);
    let (_, report) = few_contents().keep(&mut writer, &store, NOW);
    assert_eq!(report.segments, 0);
    assert_eq!(Shares::known(&store.shared.journal, segment).unwrap(), Some(count(segment)));
}

#[test]
fn nothing_is_counted_where_bytes_matter_to_nobody() {
    let dir = fresh_dir();
    let (mut writer, store) = filled(dir.path(), 20, 1_000);
    Terms::default().keep(&mut writer, &store, NOW);
    assert_eq!(store.shared.journal.rows(keys::SHARES, keys::SHARES).count(), 0);
}
