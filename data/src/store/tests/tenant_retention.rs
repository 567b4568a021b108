//! Where a tenant keeps its events for less time than others, they are gone for good once that is over; those of others
//! stay.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::{
    error::ErrorKind,
    limits::PayloadRetention,
    store::{EventFilter, Sweep, SweepTerms, verify},
};

const CANARY: &str = "canary-of-the-north";

fn north() -> Tenant {
    Tenant::new("north").unwrap()
}

fn short_in_the_north() -> StoreOptions {
    let tenants_retention_ms = [(north(), 20 * MINUTE_MS)].into();
    StoreOptions { segment_bytes_max: 2_000, tenants_retention_ms, ..options() }
}

fn at(minute: i64) -> Timestamp {
    NOW.plus_millis(minute * MINUTE_MS)
}

fn publish_north(writer: &mut Writer, text: &str, now: Timestamp) -> EventId {
    let routes: Arc<[u32]> = [1].into();
    let events = vec![(event(text), Ok(routes))];
    let write = Write::Publish(Publication { tenant: north(), events });
    writer.commit(vec![write], now, &mut || 7).unwrap().remove(0).unwrap()[0].id
}

/// Every five minutes ten events of the north for endpoint 1 and ten of others for endpoint 2. Of the north's first, one
/// is delivered, one waits again, one is dead; so are the newest.
fn aged(dir: &Path) -> (Writer, Store) {
    let (mut writer, store) = open(dir, short_in_the_north(), NOW).unwrap();
    for step in 0..10 {
        for n in 0..10 {
            publish_north(&mut writer, &format!("{CANARY}{n}"), at(step * 5));
            publish(&mut writer, vec![event("theirs")], &[2], at(step * 5));
        }
    }
    let all = unread(&store, 1);
    let mut floor = 0;
    for index in [0, 1, 2, 97, 98, 99] {
        let fate = [Fate::Delivered, Fate::RetryAt(at(500)), Fate::Dead][index % 3];
        floor = if index < 3 { all[index].seq } else { floor };
        commit(&mut writer, settled(&all[index], 1, false, floor, fate), NOW);
    }
    (writer, store)
}

/// Until nothing is due any more: each time reads one segment at the most.
fn enforce(writer: &mut Writer, now: Timestamp) -> u64 {
    let mut given_up = 0;
    loop {
        let before = writer.shared.horizons.of("north");
        given_up += writer.enforce_retention(now).unwrap();
        if writer.shared.horizons.of("north") == before {
            return given_up;
        }
    }
}

fn listed(store: &Store, tenant: Tenant) -> Vec<u64> {
    let slice = store.list_events(&EventFilter::of(tenant), u64::MAX, 1_000).unwrap();
    slice.found.iter().rev().map(|event| event.seq).collect()
}

/// The north's events have odd numbers. Tells how many of them are gone.
fn the_rest_is_whole(store: &Store) -> u64 {
    let kept = listed(store, north());
    let first = kept[0];
    assert_eq!(kept, (first..=200).step_by(2).collect::<Vec<_>>());
    let gone = (first - 1) / 2;
    assert!((20..80).contains(&gone), "{gone}");
    let cursor = store.cursor(1);
    // Of what is gone one was delivered, and one dead.
    assert_eq!((cursor.unread, cursor.parked, cursor.dead), (100 - gone - 3, 1, 1));
    assert_eq!((cursor.expired, cursor.delivered), (gone - 2, 2));
    let unread: Vec<_> = unread_seqs(store, 1);
    assert_eq!(unread, (first..195).step_by(2).collect::<Vec<_>>());
    let due = store.due(1, DueUntil::Time(at(100_000)), DeliveryOrder::None, 10, |_| false).unwrap();
    assert_eq!(due.waiting.iter().map(|one| one.event.seq).collect::<Vec<_>>(), [195]);
    assert_eq!(due.next, None);
    assert_eq!(listed(store, Tenant::default()), (2..=200).step_by(2).collect::<Vec<_>>());
    assert_eq!(unread_seqs(store, 2).len(), 100);
    assert_eq!(store.cursor(2).expired, 0);
    gone
}

#[test]
fn what_is_over_is_gone_for_its_tenant_alone_and_over_every_restart() {
    let dir = fresh_dir();
    let (mut writer, store) = aged(dir.path());
    let oldest = stored(&store, 1)[0].clone();
    let count = segments(dir.path()).len();
    let given_up = enforce(&mut writer, at(50));
    let gone = the_rest_is_whole(&store);
    assert_eq!(given_up, gone - 2, "neither the one delivered nor the dead one");
    assert!(store.event(oldest.id).unwrap().is_none());
    assert!(store.is_erased(&oldest), "no attempt begins with it");
    assert_eq!(segments(dir.path()).len(), count, "others have events there");
    assert_eq!(enforce(&mut writer, NOW), 0, "a clock put back brings nothing back");
    let (killed, lost_power) = (copy_of(dir.path()), without_retry_journal(dir.path()));
    drop((writer, store));
    for image in [dir.path(), killed.path(), lost_power.path()] {
        verify(image).unwrap();
        // Not even if the tenant keeps its events for longer from now on.
        let (mut writer, store) =
            open(image, StoreOptions { segment_bytes_max: 2_000, ..options() }, NOW).unwrap();
        assert_eq!(the_rest_is_whole(&store), gone);
        assert_eq!(writer.enforce_retention(at(50)).unwrap(), 0);
        writer.close().unwrap();
    }
}

#[test]
fn when_the_files_go_too_nothing_is_counted_twice_and_a_rebuild_agrees() {
    let dir = fresh_dir();
    let (mut writer, store) = aged(dir.path());
    enforce(&mut writer, at(50));
    let (gone, expired) = (the_rest_is_whole(&store), store.cursor(1).expired);
    // The first 20 minutes go as a whole: of the north nothing is left there to give up.
    let of_others = writer.enforce_retention(at(80)).unwrap();
    let left = listed(&store, Tenant::default());
    assert!(left[0] > 2 && left[0] <= gone * 2, "{left:?}");
    assert_eq!(of_others, 100 - left.len() as u64 + store.cursor(1).expired - expired);
    let cursors = [1, 2].map(|endpoint| store.cursor(endpoint));
    let lost_power = without_retry_journal(dir.path());
    drop((writer, store));
    let (_writer, store) = open(lost_power.path(), short_in_the_north(), NOW).unwrap();
    for (before, endpoint) in cursors.into_iter().zip([1, 2]) {
        let cursor = store.cursor(endpoint);
        assert_eq!((cursor.unread, cursor.parked, cursor.dead), (before.unread, before.parked, before.dead));
    }
}

#[test]
fn what_comes_too_late_changes_nothing() {
    let dir = fresh_dir();
    let (mut writer, store) = aged(dir.path());
    let all = stored(&store, 1);
    let backlog = unread(&store, 1);
    enforce(&mut writer, at(50));
    for fate in [Fate::RetryAt(NOW), Fate::Dead, Fate::Delivered] {
        // One that was never attempted, the one that waited, and a replay of the one that was delivered.
        commit(&mut writer, settled(&backlog[0], 1, false, 3, fate), NOW);
        commit(&mut writer, settled(&all[1], 1, true, 3, fate), NOW);
        let Write::Settle(again) = settled(&all[0], 1, false, 3, fate) else { unreachable!() };
        commit(&mut writer, Write::SettleReplayed { settled: Box::new(again), missing: false }, NOW);
    }
    let refused = writer.commit(vec![requeued(&all[4], 1, NOW)], NOW, &mut || 7).unwrap();
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    the_rest_is_whole(&store);
}

#[test]
fn contents_are_in_no_file_once_they_were_swept() {
    let dir = fresh_dir();
    let (mut writer, store) = open(dir.path(), short_in_the_north(), NOW).unwrap();
    publish_north(&mut writer, CANARY, NOW);
    publish(&mut writer, vec![event("theirs")], &[2], NOW);
    publish_north(&mut writer, "newer", at(30));
    let holds = || {
        files(dir.path()).values().any(|bytes| bytes.windows(CANARY.len()).any(|it| it == CANARY.as_bytes()))
    };
    assert!(holds());
    enforce(&mut writer, at(60));
    let payloads =
        PayloadRetention { tenants_ms: [(north(), 20 * MINUTE_MS)].into(), ..PayloadRetention::default() };
    let (stop, tenant_of) = (AtomicBool::new(false), |_| Some(north()));
    let terms = SweepTerms {
        now: at(60),
        payloads: &payloads,
        tenants_bytes: &BTreeMap::new(),
        tenant_of: &tenant_of,
        stop: &stop,
    };
    let mut sweep = Sweep::new(&store);
    sweep.go(&store, &terms).unwrap();
    assert_eq!(sweep.report.events, 1);
    assert!(!holds());
    assert_eq!(&unread(&store, 2)[0].content.data[..], br#"{"text":"theirs"}"#);
}
