//! The same key within 24 h is one event.

use super::*;
use crate::{
    error::{Error, ErrorKind},
    limits::IDEMPOTENCY_MILLIS,
};

fn keyed(key: &str, text: &str) -> NewEvent {
    NewEvent { idempotency_key: Some(key.to_owned()), ..event(text) }
}

#[test]
fn a_repeat_is_answered_with_the_first_event_over_batches_and_every_kind_of_restart() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let first = publish(&mut writer, vec![keyed("k", "a"), keyed("k", "a"), keyed("l", "a")], &[1], NOW);
    assert_eq!(first[0], first[1]);
    assert_ne!(first[0], first[2]);
    let twice = vec![publication(vec![keyed("m", "b")], &[1]), publication(vec![keyed("m", "b")], &[1])];
    let written = writer.commit(twice, NOW, &mut || 7).unwrap();
    let ids: Vec<_> = written.iter().map(|one| one.as_ref().unwrap()[0].id).collect();
    assert_eq!(ids[0], ids[1]);
    drop(writer);

    let rebuilt = without_retry_journal(dir.path());
    for dir in [&dir, &rebuilt] {
        let (mut writer, store) = opened(dir.path());
        assert_eq!(publish(&mut writer, vec![keyed("k", "a")], &[1, 2], NOW), first[..1]);
        assert_eq!(stored(&store, 1).len(), 3);
    }
}

#[test]
fn another_event_under_the_same_key_refuses_the_whole_publication() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    publish(&mut writer, vec![keyed("k", "a")], &[1], NOW);
    for events in [vec![event("new"), keyed("k", "b")], vec![keyed("n", "a"), keyed("n", "b")]] {
        let written = writer.commit(vec![publication(events, &[1])], NOW, &mut || 7).unwrap();
        assert_eq!(written[0].as_ref().unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(stored(&store, 1).len(), 1);
    let other = Publication {
        tenant: Tenant::new("other").unwrap(),
        events: vec![(keyed("k", "b"), Ok([1].into()))],
    };
    assert!(writer.commit(vec![Write::Publish(other)], NOW, &mut || 7).unwrap()[0].is_ok());
}

#[test]
fn a_repeat_is_answered_even_if_the_event_would_be_refused_by_now_and_what_is_refused_stores_nothing() {
    let dir = fresh_dir();
    let (mut writer, store) = opened(dir.path());
    let first = publish(&mut writer, vec![keyed("k", "a")], &[1, 2], NOW);
    let mut refused = |events: Vec<NewEvent>| {
        let why = Error::field("actor.kind", "is missing");
        let events = events.into_iter().map(|event| (event, Err(why.clone()))).collect();
        let publication = Publication { tenant: Tenant::default(), events };
        writer.commit(vec![Write::Publish(publication)], NOW, &mut || 7).unwrap().remove(0)
    };
    let again = refused(vec![keyed("k", "a")]).unwrap();
    assert_eq!((again[0].id, again[0].deliveries, &again[0].fresh), (first[0], 2, &None));
    for events in [vec![event("new")], vec![keyed("k", "a"), keyed("l", "a")]] {
        assert_eq!(refused(events).unwrap_err().field_errors()[0].field, "actor.kind");
    }
    assert_eq!(stored(&store, 1).len(), 1);
}

#[test]
fn a_key_is_free_again_after_a_day_and_not_before() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let first = publish(&mut writer, vec![keyed("k", "a")], &[1], NOW);
    let late = NOW.plus_millis(IDEMPOTENCY_MILLIS - 1);
    writer.enforce_retention(late).unwrap();
    assert_eq!(publish(&mut writer, vec![keyed("k", "a")], &[1], late), first);
    let free = NOW.plus_millis(IDEMPOTENCY_MILLIS);
    let second = publish(&mut writer, vec![keyed("k", "b")], &[1], free);
    assert_ne!(second, first);
    assert_eq!(publish(&mut writer, vec![keyed("k", "b")], &[1], free), second);
}

#[test]
fn who_publishes_again_elsewhere_in_the_trace_repeats_the_event() {
    let dir = fresh_dir();
    let (mut writer, _) = opened(dir.path());
    let tagged = |parent: &str, tag: &str| {
        let tags = [("traceparent", parent), ("tracestate", parent), ("tag", tag)];
        let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        NewEvent { tags, ..keyed("k", "a") }
    };
    let first = publish(&mut writer, vec![tagged("one", "x")], &[1], NOW);
    assert_eq!(publish(&mut writer, vec![tagged("two", "x")], &[1], NOW), first);
    let other = writer.commit(vec![publication(vec![tagged("one", "y")], &[1])], NOW, &mut || 7).unwrap();
    assert!(matches!(&other[0], Err(error) if error.kind() == ErrorKind::Conflict), "{other:?}");
}
