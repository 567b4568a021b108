//! Any bit that flips is found: named if the truth lies there, or mended from the truth if a view does.

use super::*;
use crate::{
    audit::{Act, Action, Principal},
    error::{Error, ErrorKind},
    store::verify,
};

fn sample(dir: &Path) -> Vec<Arc<Event>> {
    let small = StoreOptions { segment_bytes_max: 2_000, ..options() };
    let (mut writer, store) = open(dir, small, NOW).unwrap();
    for number in 0..4 {
        publish(&mut writer, events(8), &[1, 2], NOW);
        let change = Write::Document(Document::Token(token(number, "for a test".into())));
        let act = Act::new(&Tenant::default(), Principal::Host, Action::TokenCreate, "token");
        commit(&mut writer, Write::Audited(Box::new(act), Some(Box::new(change))), NOW);
    }
    let all = unread(&store, 1);
    for (index, event) in all.iter().enumerate().take(20) {
        let fate = [Fate::Delivered, Fate::RetryAt(NOW), Fate::Dead][index % 3];
        commit(&mut writer, settled(event, 1, false, event.seq, fate), NOW);
    }
    writer.checkpoint().unwrap();
    store.flush_retry_journal().unwrap();
    writer.close().unwrap();
    all
}

#[test]
fn a_flipped_bit_in_log_registry_or_audit_is_damage_that_names_the_file() {
    let dir = fresh_dir();
    sample(dir.path());
    verify(dir.path()).unwrap();
    for (path, bytes) in files(dir.path()) {
        if path.extension().is_none_or(|extension| extension != "segment") {
            continue;
        }
        for bit in (0..bytes.len() * 8).step_by(5) {
            flip(&path, bit);
            let error = verify(dir.path()).expect_err(&format!("bit {bit} of {}", path.display()));
            assert_eq!(error.kind(), ErrorKind::Damaged);
            let named = error.message().contains(path.file_name().unwrap().to_str().unwrap());
            assert!(named, "bit {bit} of {}: {error}", path.display());
            fs::write(&path, &bytes).unwrap();
        }
    }
}

#[test]
fn a_lost_file_of_log_registry_or_audit_is_damage_and_never_an_empty_store() {
    let dir = fresh_dir();
    sample(dir.path());
    let paths =
        files(dir.path()).into_keys().filter(|path| path.extension().is_some_and(|it| it == "segment"));
    for path in paths {
        let image = copy_of(dir.path());
        fs::remove_file(image.path().join(path.strip_prefix(dir.path()).unwrap())).unwrap();
        let error = open(image.path(), options(), NOW).expect_err(&path.display().to_string());
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
    for folder in ["log", "registry", "audit"] {
        let image = copy_of(dir.path());
        fs::remove_dir_all(image.path().join(folder)).unwrap();
        assert_eq!(open(image.path(), options(), NOW).unwrap_err().kind(), ErrorKind::Damaged);
    }
}

type Seen = (Vec<u64>, Vec<(u64, u16)>, Vec<Trace>);

fn look(store: &Store, events: &[Arc<Event>]) -> Result<Seen, Error> {
    let due = store
        .due(1, DueUntil::Time(NOW), DeliveryOrder::None, 1_000, |_| false)?
        .waiting
        .iter()
        .map(|one| (one.event.seq, one.attempts))
        .collect();
    let traces = events.iter().map(|event| store.trace(event, 1)).collect::<Result<_, _>>()?;
    Ok((unread_seqs(store, 1), due, traces))
}

#[test]
fn a_flipped_bit_in_the_retry_journal_is_mended_from_the_log() {
    let dir = fresh_dir();
    let all = sample(dir.path());
    let template = copy_of(dir.path());
    let right = {
        let image = copy_of(template.path());
        let (_writer, store) = opened(image.path());
        look(&store, &all).unwrap()
    };
    for (path, bytes) in files(&template.path().join("retry")) {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for bit in (3..used * 8).step_by((used * 8 / 60).max(1)) {
            let image = copy_of(template.path());
            let place = path.strip_prefix(template.path()).unwrap();
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Written in place, so that the mark still believes in the file.
            fs::write(image.path().join(place), flipped).unwrap();
            let (mut writer, store) = opened(image.path());
            match look(&store, &all) {
                Ok(seen) => assert!(seen == right, "bit {bit} of {}", place.display()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                    let _ = writer.checkpoint();
                    drop((writer, store));
                    let (_writer, store) = opened(image.path());
                    assert!(look(&store, &all).unwrap() == right, "after bit {bit} of {}", place.display());
                }
            }
        }
    }
}
