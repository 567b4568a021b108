//! The audit tells of every change, for good, and shows it when somebody has changed what it tells.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::{
    audit::{Act, Action, AuditEntry, AuditQuery, Principal, PrincipalFilter},
    error::{Error, ErrorKind},
    store::{
        AuditReport, back_up,
        codec::{self, Kind, Place},
        log::Log,
        restore, verify, verify_audit, verify_audit_against,
    },
};

fn act(tenant: &str, action: Action, subject: &str) -> Act {
    Act::new(&Tenant::new(tenant).unwrap(), Principal::Host, action, subject)
}

/// A token that is created, and what the audit says of it.
fn created(number: u128, text: &str) -> Write {
    let id = TokenId::from_u128(number);
    let change = Write::Document(Document::Token(token(number, text.to_owned())));
    Write::Audited(Box::new(act("default", Action::TokenCreate, &id.to_string())), Some(Box::new(change)))
}

fn looked_at(subject: &str) -> Write {
    Write::Audited(Box::new(act("default", Action::SecretReveal, subject)), None)
}

fn newest(store: &Store, limit: usize) -> Vec<AuditEntry> {
    store.audit(&AuditQuery::newest(Tenant::default(), limit)).unwrap()
}

fn subjects(store: &Store) -> Vec<String> {
    newest(store, usize::MAX).into_iter().map(|entry| entry.act.subject).collect()
}

/// The one file of the audit.
fn file(dir: &Path) -> PathBuf {
    files(&dir.join("audit")).into_keys().next().unwrap()
}

#[test]
fn every_entry_outlasts_retention_the_rewriting_of_the_registry_and_restarts() {
    let dir = fresh_dir();
    let small = StoreOptions { segment_bytes_max: 500, ..options() };
    let (mut writer, store) = open(dir.path(), small, NOW).unwrap();
    let old = files(&dir.path().join("registry")).into_keys().next().unwrap();
    let mut count = 0;
    while old.exists() {
        commit(&mut writer, created(1, &"x".repeat(20_000)), NOW);
        count += 1;
    }
    publish(&mut writer, events(9), &[1], NOW);
    let late = NOW.plus_millis(1_000 * MINUTE_MS);
    publish(&mut writer, events(9), &[1], late);
    writer.enforce_retention(late.plus_millis(1_000 * MINUTE_MS)).unwrap();
    let before = newest(&store, usize::MAX);
    assert_eq!(before.len(), count);
    drop((writer, store));
    for image in [copy_of(dir.path()), without_retry_journal(dir.path())] {
        let (mut writer, store) = opened(image.path());
        assert_eq!(newest(&store, usize::MAX), before);
        // The clock was put back meanwhile.
        commit(&mut writer, looked_at("more"), NOW.plus_millis(-1_000));
        let more = newest(&store, 1).remove(0);
        assert_eq!((more.number, more.at), (before[0].number + 1, before[0].at));
        assert!(more.id > before[0].id);
        drop((writer, store));
        assert_eq!(verify(image.path()).unwrap().audit_entries, more.number);
    }
}

#[test]
fn nothing_is_told_of_a_change_that_is_refused() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(1), &[1], NOW);
    let event = unread(&store, 1).remove(0);
    let retry = |event| {
        let change = requeued(event, 1, NOW);
        Write::Audited(Box::new(act("default", Action::DeliveryRetry, "delivery")), Some(Box::new(change)))
    };
    let writes = vec![settled(&event, 1, false, 1, Fate::Dead), retry(&event)];
    let answers = writer.commit(writes, NOW, &mut || 7).unwrap();
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(subjects(&store), [""; 0]);
    commit(&mut writer, retry(&event), NOW);
    assert_eq!(subjects(&store), ["delivery"]);
}

#[test]
fn cut_at_any_byte_it_opens_with_whole_entries_only_and_goes_on_from_there() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let mut ends = Vec::new();
    for number in 0..4 {
        commit(&mut writer, looked_at(&number.to_string()), NOW);
        ends.push(fs::metadata(file(dir.path())).unwrap().len());
    }
    drop(writer);
    forget_reach(dir.path());
    let whole = fs::read(file(dir.path())).unwrap();
    for length in ends[0]..=ends[3] {
        fs::write(file(dir.path()), &whole[..length as usize]).unwrap();
        let kept = ends.iter().filter(|end| **end <= length).count();
        let report = verify_audit(dir.path()).unwrap();
        assert_eq!(report.entries, kept as u64, "cut to {length}");
        // Zeros at the end may be what a file has ahead of its entries.
        let tail = &whole[ends[kept - 1] as usize..length as usize];
        let written = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        assert_eq!(report.torn_bytes, written);
        if length % 17 == 0 {
            let image = without_retry_journal(dir.path());
            let (mut writer, store) = opened(image.path());
            commit(&mut writer, looked_at("after"), NOW);
            assert_eq!(subjects(&store).len(), kept + 1, "cut to {length}");
            drop((writer, store));
            assert_eq!(verify_audit(image.path()).unwrap().entries, kept as u64 + 1);
        }
    }
}

#[test]
fn after_a_kill_an_audit_that_is_shorter_or_gone_is_damage() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    for number in 0..3 {
        commit(&mut writer, looked_at(&number.to_string()), NOW);
    }
    drop(writer);
    let whole = fs::read(file(dir.path())).unwrap();
    let damaged = |image: &Path, what: &str| {
        let error = open(image, options(), NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
        assert!(verify_audit(image).is_err(), "{what}");
    };
    for cut in [0, 64, 65, whole.len() / 2, whole.len() - 1] {
        let image = copy_of(dir.path());
        fs::write(file(image.path()), &whole[..cut]).unwrap();
        damaged(image.path(), &format!("cut to {cut}"));
    }
    let image = copy_of(dir.path());
    fs::remove_dir_all(image.path().join("audit")).unwrap();
    damaged(image.path(), "gone");
}

#[test]
fn a_chain_that_holds_but_is_another_lacks_the_hash_that_was_noted() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    commit(&mut writer, looked_at("1"), NOW);
    let older = copy_of(dir.path());
    (2..=4).for_each(|number| commit(&mut writer, looked_at(&number.to_string()), NOW));
    let hashes: Vec<_> = newest(&store, usize::MAX).iter().rev().map(|entry| entry.sha256).collect();
    drop((writer, store));
    for (place, hash) in hashes.iter().enumerate() {
        let report = verify_audit_against(dir.path(), *hash).unwrap();
        assert_eq!((report.entries, report.noted_entry), (4, Some(place as u64 + 1)));
    }
    let anew = fresh_dir();
    let (mut writer, _) = opened(anew.path());
    (1..=5).for_each(|number| commit(&mut writer, looked_at(&number.to_string()), NOW.plus_millis(1)));
    drop(writer);
    for other in [older.path(), anew.path()] {
        assert!(verify_audit(other).is_ok(), "each is whole by itself");
        let error = verify_audit_against(other, hashes[3]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
}

#[test]
fn a_backup_holds_all_of_it_and_what_is_restored_goes_on_from_there() {
    let dir = fresh_dir();
    let data = dir.path().join("data");
    let (mut writer, store) = opened(&data);
    (1..=3).for_each(|number| commit(&mut writer, created(number, "some"), NOW));
    let (point, to) = (writer.backup_point().unwrap(), dir.path().join("one"));
    commit(&mut writer, looked_at("after the point"), NOW);
    point.write(&to, NOW, &AtomicBool::new(false)).unwrap();
    let before = newest(&store, usize::MAX);
    drop((writer, store));
    let copy = dir.path().join("copy");
    back_up(&data, &copy, NOW).unwrap();
    for (backup, kept) in [(&to, &before[1..]), (&copy, &before[..])] {
        assert_eq!(verify_audit(backup).unwrap().entries, kept.len() as u64, "a backup is verified too");
        let into = dir.path().join("restored");
        assert_eq!(restore(backup, &into).unwrap().verified.audit_entries, kept.len() as u64);
        assert_eq!(verify_audit(&into).unwrap(), verify_audit(backup).unwrap());
        let (mut writer, store) = opened(&into);
        assert_eq!(newest(&store, usize::MAX), kept);
        commit(&mut writer, looked_at("more"), NOW);
        drop((writer, store));
        assert_eq!(verify_audit(&into).unwrap().entries, kept.len() as u64 + 1);
        fs::remove_dir_all(into).unwrap();
    }
}

#[test]
fn an_acknowledged_entry_that_is_cut_off_what_was_restored_or_of_a_backup_is_missed() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(&dir.path().join("data"));
    commit(&mut writer, looked_at("one"), NOW);
    let one = fs::metadata(file(&dir.path().join("data"))).unwrap().len();
    commit(&mut writer, looked_at("two"), NOW);
    let (backup, into) = (dir.path().join("backup"), dir.path().join("restored"));
    writer.backup_point().unwrap().write(&backup, NOW, &AtomicBool::new(false)).unwrap();
    restore(&backup, &into).unwrap();
    for place in [&into, &backup] {
        let cut = fs::OpenOptions::new().write(true).open(file(place)).unwrap();
        cut.set_len(one).unwrap();
        let error = verify_audit(place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.message().contains("entry 2 of the audit"), "{error}");
        fs::remove_dir_all(place.join("audit")).unwrap();
        assert!(verify_audit(place).unwrap_err().message().contains("entry 1 of the audit"));
    }
    assert_eq!(open(&into, options(), NOW).unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(restore(&backup, &dir.path().join("again")).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn a_directory_or_a_backup_from_before_there_was_an_audit_begins_one() {
    let dir = fresh_dir();
    let data = dir.path().join("data");
    drop(opened(&data));
    fs::remove_dir_all(data.join("audit")).unwrap();
    forget_reach(&data);
    assert_eq!(verify_audit(&data).unwrap(), AuditReport::default());
    let (backup, into) = (dir.path().join("backup"), dir.path().join("restored"));
    back_up(&data, &backup, NOW).unwrap();
    assert!(!backup.join("audit").exists());
    restore(&backup, &into).unwrap();
    for place in [&data, &into] {
        let (mut writer, _) = opened(place);
        commit(&mut writer, looked_at("first"), NOW);
        drop(writer);
        assert_eq!(verify_audit(place).unwrap().entries, 1);
    }
}

#[test]
fn it_can_be_verified_while_it_is_written() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    assert_eq!(verify_audit(dir.path()).unwrap().entries, 0);
    for number in 1..=3 {
        commit(&mut writer, looked_at("x"), NOW);
        let report = verify_audit(dir.path()).unwrap();
        assert_eq!((report.entries, report.torn_bytes), (number, 0));
        let newest = newest(&store, 1).remove(0);
        assert_eq!(report.newest_sha256, Some(crate::signature::hex(&newest.sha256)));
    }
}

/// The entries of a file written anew, every checksum right, as somebody may who knows how.
fn forged(dir: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Error {
    let image = without_retry_journal(dir);
    let log = Log::open_existing(&image.path().join("audit")).unwrap();
    log.commit_to(u64::MAX);
    let (mut scan, mut bodies) = (log.scan(0), Vec::new());
    let end = log.find_end(0).unwrap().position;
    while scan.position() < end {
        scan.next_entry().unwrap();
        bodies.push(scan.body().to_vec());
    }
    change(&mut bodies);
    let mut bytes = fs::read(file(image.path())).unwrap();
    bytes.truncate(64);
    for body in &bodies {
        let place = Place { position: bytes.len() as u64 - 64, durable_to: 0 };
        codec::put_entry(&mut bytes, place, Kind::Audit, 0, |out| out.extend_from_slice(body));
    }
    fs::write(file(image.path()), bytes).unwrap();
    verify(image.path()).expect_err("the journal's own check finds it too");
    verify_audit(image.path()).unwrap_err()
}

#[test]
fn who_changes_takes_out_or_puts_in_an_entry_is_found_at_the_first_that_is_not_as_it_was() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    for subject in ["one", "two", "three", "four"] {
        commit(&mut writer, looked_at(subject), NOW);
    }
    drop(writer);
    let replace = |body: &mut Vec<u8>, with: &[u8; 3]| {
        let at = body.windows(3).position(|it| it == b"two").unwrap();
        body[at..at + 3].copy_from_slice(with);
    };
    let first_broken = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let error = forged(dir.path(), |bodies| change(bodies));
        assert_eq!(error.kind(), ErrorKind::Damaged);
        error.message().split(" of the audit").next().unwrap().to_owned()
    };
    assert_eq!(first_broken(&|bodies| replace(&mut bodies[1], b"own")), "entry 2");
    assert_eq!(first_broken(&|bodies| bodies[2][0] ^= 1), "entry 3");
    assert_eq!(first_broken(&|bodies| drop(bodies.remove(1))), "entry 2");
    assert_eq!(first_broken(&|bodies| drop(bodies.remove(0))), "entry 1");
    assert_eq!(first_broken(&|bodies| bodies.swap(1, 2)), "entry 2");
    assert_eq!(first_broken(&|bodies| bodies.insert(1, bodies[0].clone())), "entry 2");
}

#[test]
fn a_flipped_bit_anywhere_is_found_in_the_entry_where_it_is() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let mut ends = Vec::new();
    for number in 0..3 {
        commit(&mut writer, looked_at(&number.to_string()), NOW);
        ends.push(fs::metadata(file(dir.path())).unwrap().len() as usize);
    }
    drop(writer);
    let path = file(dir.path());
    for bit in (64 * 8..ends[2] * 8).step_by(7) {
        flip(&path, bit);
        let entry = ends.iter().filter(|end| **end <= bit / 8).count() + 1;
        let error = verify_audit(dir.path()).unwrap_err();
        assert!(error.message().starts_with(&format!("entry {entry} of the audit")), "bit {bit}: {error}");
        flip(&path, bit);
    }
}

#[test]
fn an_entry_is_stored_and_hashed_as_it_always_was() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let by = Principal::Token { id: TokenId::from_u128(1), name: Some("ada".to_owned()) };
    let tenant = Tenant::default();
    let act = Act::new(&tenant, by, Action::EndpointUpdate, "wh_1").changing(vec!["url"]).because("why");
    commit(&mut writer, Write::Audited(Box::new(act.clone()), None), NOW);
    let entry = newest(&store, 1).remove(0);
    assert_eq!((entry.number, entry.at, &entry.act), (1, NOW, &act));
    assert_eq!(crate::signature::hex(&entry.sha256), FIRST_HASH, "what was noted elsewhere must stay true");
}

const FIRST_HASH: &str = "9e608e70cb26dafd40ec19c57b482c4b6e6eb843512b59d1bf9548a155e3f863";

fn any_act() -> impl Strategy<Value = (usize, usize, usize, i64)> {
    (0..2_usize, 0..3_usize, 0..3_usize, 0..50_i64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_list_is_what_a_look_at_every_entry_finds(
        acts in prop::collection::vec(any_act(), 1..60),
        tenant in 0..2_usize,
        actor in prop::option::of(0..3_usize),
        action in prop::option::of(0..3_usize),
        since in prop::option::of(0..400_i64),
        until in prop::option::of(0..400_i64),
        limit in 1..9_usize,
    ) {
        let dir = fresh_dir();
        let (mut writer, store) = opened(dir.path());
        let tenants = ["default", "north"].map(|name| Tenant::new(name).unwrap());
        let token = |number| Principal::Token { id: TokenId::from_u128(number), name: None };
        let principals = [Principal::Engine, token(1), token(2)];
        let actions = [Action::TokenCreate, Action::EndpointDelete, Action::SecretReveal];
        let mut now = NOW;
        for (tenant, by, action, step) in acts {
            now = now.plus_millis(step);
            // Long ones, so that there are marks between them.
            let subject = "x".repeat(10_000);
            let act = Act::new(&tenants[tenant], principals[by].clone(), actions[action], subject);
            commit(&mut writer, Write::Audited(Box::new(act), None), now);
        }
        let filters =
            [PrincipalFilter::Engine, PrincipalFilter::Token(TokenId::from_u128(1)), PrincipalFilter::Host];
        let query = AuditQuery {
            tenant: tenants[tenant].clone(),
            since: since.map(|millis| NOW.plus_millis(millis)),
            until: until.map(|millis| NOW.plus_millis(millis)),
            actor: actor.map(|index| filters[index]),
            action: action.map(|index| actions[index]),
            before: None,
            limit,
        };
        let mut every: Vec<_> = tenants
            .iter()
            .flat_map(|tenant| store.audit(&AuditQuery::newest(tenant.clone(), usize::MAX)).unwrap())
            .collect();
        every.sort_by_key(|entry| std::cmp::Reverse(entry.number));
        let expected: Vec<_> = every.into_iter().filter(|entry| query.takes(entry)).collect();
        let (mut found, mut page) = (Vec::new(), query);
        loop {
            let entries = store.audit(&page).unwrap();
            prop_assert!(entries.len() <= limit);
            page.before = entries.last().map(|entry| entry.id);
            if entries.is_empty() {
                break;
            }
            found.extend(entries);
        }
        prop_assert_eq!(found, expected);
    }
}
