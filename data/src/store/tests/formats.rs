//! What an earlier version has written is read by this one.

use std::num::NonZeroU32;

use super::*;
use crate::{
    endpoint::{Endpoint, EndpointStatus},
    event::{Actor, ActorId, Resource},
    pattern::Pattern,
    retry::RetrySchedule,
    secret::Secret,
    seldom::Seldom,
    store::{codec, view::RetryRow},
};

/// Log and registry in `before_dialects` were written by commit 15cf490, the last one in which endpoints had neither
/// params nor a scope, and secrets one form: two endpoints, one deleted, a token; two events, of which the second
/// endpoint has been delivered the first.
#[test]
fn what_was_stored_before_endpoints_had_params_and_scopes_is_read() {
    let dir = fresh_dir();
    copy_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/tests/before_dialects"), dir.path());
    let mut writer = opened(dir.path()).0;
    let endpoints: Vec<_> = writer.documents().endpoints.values().map(|it| (**it).clone()).collect();
    let [full, bare] = &endpoints[..] else { panic!("{endpoints:?}") };
    let expected = Endpoint {
        url: "https://partner.example.com/webhooks".into(),
        description: Some("Partner".to_owned()).into(),
        name: Some("partner".to_owned()).into(),
        events: [Pattern::new("cases.*").unwrap()].into(),
        status: EndpointStatus::Paused,
        secrets: [Secret::generate([7; 32])].into(),
        dialect: "xpath@1".into(),
        params: Seldom::default(),
        scope: Seldom::default(),
        headers: BTreeMap::from([("X-Tenant".to_owned(), "a b".to_owned())]).into(),
        max_in_flight: NonZeroU32::new(4),
        timeout_seconds: NonZeroU32::new(9),
        retry: Some(RetrySchedule::new(vec![5, 60]).unwrap()).into(),
        ..full.clone()
    };
    assert!(*full == expected, "{full:?}");
    assert_eq!((full.ordinal, bare.ordinal, &*bare.dialect), (1, 2, "standard@1"));
    assert_eq!(writer.documents().tombstones.keys().collect::<Vec<_>>(), [&3]);
    assert_eq!(writer.documents().tokens.len(), 1);

    // Read again after it has been written anew.
    commit(&mut writer, Write::Document(Document::Endpoint(Arc::new(full.to_stored()))), NOW);
    drop(writer);
    let (writer, store) = opened(dir.path());
    assert!(*writer.documents().endpoints[&1] == expected);

    let waiting = unread(&store, 1);
    let [complete, plain] = &waiting[..] else { panic!("{waiting:?}") };
    assert_eq!(
        (complete.content.data.as_ref(), plain.content.data.as_ref()),
        (&br#"{"text":"complete"}"#[..], &br#"{"text":"bare"}"#[..],)
    );
    let actor = Actor { kind: "ui".to_owned(), id: Some(ActorId::Integer(7)), name: Some("Ada".to_owned()) };
    assert_eq!(complete.content.actor, Some(actor));
    assert_eq!(complete.content.resource, Some(Resource { kind: "cases".to_owned(), id: "C-1".to_owned() }));
    assert_eq!(
        (complete.content.agency.as_deref(), complete.content.tags["a"].as_str()),
        (Some("north"), "b")
    );
    assert_eq!((complete.content.idempotency_key.as_deref(), &plain.content.actor), (Some("key"), &None));
    assert_eq!(unread_seqs(&store, 2), [plain.seq], "the first one is delivered");
    let attempts = store.trace(complete, 2).unwrap().attempts;
    assert_eq!((attempts.len(), attempts[0].transit), (1, Transit::default()), "attempts said less");
}

/// As they were written then: arrays, without what was added at their ends.
#[test]
fn deliveries_that_waited_before_there_were_replays_and_cases_are_read() {
    let (mut requeued, mut row) = (Vec::new(), Vec::new());
    codec::pack(&(1_u32, 2_u64, 3_u64, NOW, Standing::Dead), &mut requeued);
    let read: Requeued = codec::unpack(&requeued, "a requeued delivery").unwrap();
    let expected = Requeued {
        endpoint: 1,
        seq: 2,
        event_position: 3,
        due: NOW,
        from: Standing::Dead,
        replayed: false,
        lane: None,
    };
    assert_eq!(read, expected);
    codec::pack(&(3_u64, NOW, NOW, vec![7_u64]), &mut row);
    let read: RetryRow = codec::unpack(&row, "a row").unwrap();
    let expected =
        RetryRow { event_position: 3, due: NOW, set_at: NOW, attempts: vec![7], earlier: 0, lane: None };
    assert_eq!(read, expected);
}
