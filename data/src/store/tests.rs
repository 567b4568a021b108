//! The store's promises, at its own door.

use std::{path::Path, sync::Arc};

use tempfile::TempDir;

use super::{DeliveryStanding, Fate, Publication, Settled, Store, StoreOptions, Write, Writer, open};
use crate::{
    Timestamp,
    delivery::{Attempt, Outcome},
    event::{NewEvent, Tenant},
    id::EventId,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn options() -> StoreOptions {
    StoreOptions { retention_ms: 3_600_000, segment_bytes_max: 64 * 1024 }
}

fn opened(dir: &Path) -> (Writer, Store) {
    open(dir, options(), NOW).unwrap()
}

fn event(text: &str) -> NewEvent {
    NewEvent::new("cases.created", format!("{{\"text\":\"{text}\"}}")).unwrap()
}

fn publish(writer: &mut Writer, events: Vec<NewEvent>, routes: &[u32], now: Timestamp) -> Vec<EventId> {
    let routes: Arc<[u32]> = routes.into();
    let events = events.into_iter().map(|event| (event, routes.clone())).collect();
    let write = Write::Publish(Publication { tenant: Tenant::default(), events });
    let mut written = writer.commit(vec![write], now, &mut || 7).unwrap();
    writer.flush_rows().unwrap();
    written.remove(0).unwrap().into_iter().map(|published| published.id).collect()
}

fn settle(writer: &mut Writer, endpoint: u32, seq: u64, parked: bool, floor: u64, fate: Fate) {
    let outcome = Outcome::Answered { status: 200, headers: Vec::new(), body: Vec::new().into() };
    let attempt = Attempt { number: 1, started_at: NOW, duration_us: 5, outcome };
    let settled = Settled { endpoint, seq, event_position: 0, parked, floor, fate, attempt };
    writer.commit(vec![Write::Settle(settled)], NOW, &mut || 7).unwrap();
    writer.flush_rows().unwrap();
}

fn waiting(store: &Store, endpoint: u32) -> Vec<u64> {
    let cursor = store.cursor(endpoint);
    let backlog = store.backlog(endpoint, cursor.floor, None, (1_000_000, usize::MAX)).unwrap();
    backlog.events.iter().map(|event| event.seq).collect()
}

#[test]
fn what_is_published_is_there_after_a_crash_and_what_is_settled_is_not_sent_again() {
    let dir = TempDir::new().unwrap();
    let (mut writer, store) = opened(dir.path());
    let ids = publish(&mut writer, (0..100).map(|n| event(&n.to_string())).collect(), &[3, 9], NOW);
    settle(&mut writer, 3, 1, false, 1, Fate::Delivered);
    settle(&mut writer, 3, 5, false, 1, Fate::Delivered);
    assert_eq!(store.cursor(3).unread, 98);
    drop((writer, store));

    let (writer, store) = opened(dir.path());
    let seqs = waiting(&store, 3);
    assert_eq!(seqs.len(), 98);
    assert!(!seqs.contains(&1) && !seqs.contains(&5));
    assert_eq!(waiting(&store, 9).len(), 100);
    let (found, routes) = store.event(ids[42]).unwrap().unwrap();
    assert_eq!((found.content.data.as_ref(), routes), (&b"{\"text\":\"42\"}"[..], vec![3, 9]));
    let (fifth, _) = store.event(ids[4]).unwrap().unwrap();
    assert_eq!(store.trace(&fifth, 3).unwrap().standing, DeliveryStanding::Delivered);
    assert_eq!(store.trace(&fifth, 9).unwrap().standing, DeliveryStanding::Unread);
    drop(writer);
}
