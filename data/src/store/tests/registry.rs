//! What the registry acknowledged is there after a crash at any step, its rewriting included.

use super::*;
use crate::{
    address::EgressPolicy,
    catalogue::TypeDraft,
    dialect::Dialects,
    endpoint::{Endpoint, EndpointContext, EndpointDraft, EndpointIdentity},
    event::EventType,
    id::{EndpointId, SourceId},
    source::{InboundSource, SourceDraft, SourceIdentity},
    store::Tombstone,
};

fn source(number: u128) -> InboundSource {
    let draft = SourceDraft {
        name: format!("source-{number}"),
        dialect: "github@1".to_owned(),
        secret: Some("s".to_owned()),
        ..SourceDraft::default()
    };
    let (id, tenant) = (SourceId::from_u128(number), Tenant::default());
    draft.into_source(SourceIdentity { id, tenant, random: [7; 32] }, &Dialects::builtin(), NOW).unwrap()
}

/// Has what is there looked at after a restart, and after the registry was rewritten and the next restart.
fn rewritten_and_reopened(dir: &Path, mut writer: Writer, look: impl Fn(&Writer, &str)) {
    let old = files(&dir.join("registry")).into_keys().next().unwrap();
    for when in ["reopened", "rewritten"] {
        while when == "rewritten" && old.exists() {
            let document = Document::Token(token(1, "x".repeat(20_000)));
            commit(&mut writer, Write::Document(document), NOW);
        }
        drop(writer);
        (writer, _) = opened(dir);
        look(&writer, when);
    }
}

#[test]
fn sources_outlast_the_rewriting_of_the_registry_and_deleted_ones_stay_so() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    for number in [1, 2] {
        commit(&mut writer, Write::Document(Document::Source(Box::new(source(number)))), NOW);
    }
    commit(&mut writer, Write::Document(Document::SourceDeleted(SourceId::from_u128(1))), NOW);
    rewritten_and_reopened(dir.path(), writer, |writer, when| {
        let sources: Vec<_> = writer.documents().sources.values().map(|source| (**source).clone()).collect();
        assert_eq!(sources, [source(2)], "{when}");
    });
}

#[test]
fn event_types_outlast_the_rewriting_of_the_registry_and_deleted_ones_stay_so() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let registered = |name: &str| {
        let draft = TypeDraft { schema: Some(r#"{"type":"object"}"#.to_owned()), ..TypeDraft::default() };
        let key = (Tenant::default(), EventType::new(name).unwrap());
        draft.into_registered(key, None, &[], false, NOW).unwrap()
    };
    for name in ["a.b", "c.d"] {
        commit(&mut writer, Write::Document(Document::EventType(Box::new(registered(name)))), NOW);
    }
    let deleted = Document::EventTypeDeleted(Tenant::default(), EventType::new("a.b").unwrap());
    commit(&mut writer, Write::Document(deleted), NOW);
    rewritten_and_reopened(dir.path(), writer, |writer, when| {
        let types: Vec<_> = writer.documents().event_types.values().map(|it| (**it).clone()).collect();
        assert_eq!(types, [registered("c.d")], "{when}");
    });
}

#[test]
fn a_registry_that_only_grows_is_not_written_again() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let old = files(&dir.path().join("registry")).into_keys().next().unwrap();
    for number in 0..200 {
        let document = Document::Token(token(number, "x".repeat(20_000)));
        commit(&mut writer, Write::Document(document), NOW);
    }
    assert!(old.exists());
    drop(writer);
    assert_eq!(opened(dir.path()).0.documents().tokens.len(), 200);
}

#[test]
fn a_rewrite_that_a_crash_ends_at_any_step_loses_no_document() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let folder = dir.path().join("registry");
    let old = files(&folder).into_keys().next().unwrap();
    let linked = dir.path().join("old");
    fs::hard_link(&old, &linked).unwrap();
    let mut number = 0;
    // The link keeps what the rewrite removes.
    while old.exists() {
        let document = Document::Token(token(number % 5, format!("{number}{}", "x".repeat(20_000))));
        commit(&mut writer, Write::Document(document), NOW);
        number += 1;
    }
    let right = writer.documents().tokens.clone();
    drop(writer);
    let new = files(&folder).into_keys().next().unwrap();
    let new_bytes = fs::read(&new).unwrap();
    let cuts = [0, 10, 63, 64, 65, 90, 20_000, 50_000, new_bytes.len() - 1, new_bytes.len()];
    for (with_old, cut) in cuts.into_iter().map(|cut| (true, cut)).chain([(false, new_bytes.len())]) {
        let image = without_retry_journal(dir.path());
        let place = |path: &Path| image.path().join("registry").join(path.file_name().unwrap());
        if with_old {
            fs::copy(&linked, place(&old)).unwrap();
        }
        // Of a header that was not synced, nothing may be there.
        let begun = if cut < 64 { vec![0; cut] } else { new_bytes[..cut].to_vec() };
        fs::write(place(&new), begun).unwrap();
        for _ in 0..2 {
            let (mut writer, _) = opened(image.path());
            assert!(right.iter().all(|(id, token)| writer.documents().tokens[id] == *token), "cut to {cut}");
            let more = token(99, "after".into());
            commit(&mut writer, Write::Document(Document::Token(more)), NOW);
        }
    }
}

fn deleted(ordinal: u32) -> Write {
    let id = EndpointId::from_u128(ordinal.into());
    Write::Document(Document::EndpointDeleted(Tombstone {
        id,
        ordinal,
        tenant: Tenant::default(),
        deleted_at: NOW,
    }))
}

#[test]
fn what_waited_for_a_deleted_endpoint_is_cancelled_on_every_way_back() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, events(3), &[4], NOW);
    let all = unread(&store, 4);
    commit(&mut writer, settled(&all[0], 4, false, 1, Fate::Delivered), NOW);
    commit(&mut writer, settled(&all[1], 4, false, 2, Fate::RetryAt(NOW)), NOW);
    commit(&mut writer, deleted(4), NOW);
    drop((writer, store));
    let rebuilt = without_retry_journal(dir.path());
    for dir in [dir, rebuilt] {
        let (_writer, store) = opened(dir.path());
        assert!(store.endpoints_with_work().is_empty() && store.cursor(4).waiting() == 0);
        let standings: Vec<_> = all.iter().map(|event| store.trace(event, 4).unwrap().standing).collect();
        let expected =
            [DeliveryStanding::Delivered, DeliveryStanding::Cancelled, DeliveryStanding::Cancelled];
        assert_eq!(standings, expected);
    }
}

#[test]
fn an_ordinal_is_never_used_again_and_a_tombstone_stays_while_an_event_may_name_it() {
    let dir = fresh_dir();
    let small = StoreOptions { segment_bytes_max: 500, ..options() };
    let (mut writer, store) = open(dir.path(), small, NOW).unwrap();
    publish(&mut writer, events(3), &[4, 5], NOW);
    commit(&mut writer, deleted(4), NOW.plus_millis(1));
    commit(&mut writer, deleted(5), NOW.plus_millis(1));
    let late = NOW.plus_millis(1_000 * MINUTE_MS);
    writer.enforce_retention(late).unwrap();
    assert_eq!(writer.documents().tombstones.len(), 2, "the newest segment still names them");
    publish(&mut writer, events(3), &[1], late);
    writer.enforce_retention(late.plus_millis(1_000 * MINUTE_MS)).unwrap();
    assert_eq!(writer.documents().next_ordinal(), 6);
    assert_eq!(writer.documents().tombstones.len(), 1);
    assert_eq!(store.endpoints_with_work(), [1]);
}

#[test]
fn endpoints_that_come_and_go_do_not_pile_up() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let first = files(&dir.path().join("registry")).into_keys().next().unwrap();
    for number in 0..3_000 {
        commit(&mut writer, Write::Document(Document::Endpoint(Arc::new(ephemeral(number)))), NOW);
        commit(&mut writer, deleted(number), NOW);
    }
    let bytes: usize = files(&dir.path().join("registry")).values().map(Vec::len).sum();
    assert!(!first.exists(), "{bytes} bytes, never written anew");
}

fn ephemeral(number: u32) -> Endpoint {
    let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
    let context =
        EndpointContext { dialects: &dialects, default_dialect: "standard@1", egress: &egress, now: NOW };
    let id = EndpointId::from_u128(number.into());
    let identity = EndpointIdentity { id, ordinal: number, tenant: Tenant::default(), random: [0; 32] };
    let (url, events) = (format!("https://a.example/{}", "x".repeat(1_500)), vec!["*".to_owned()]);
    EndpointDraft { url, events, ..EndpointDraft::default() }.into_endpoint(identity, &context).unwrap()
}
