//! What waits for the writer stays bounded, whatever becomes of those who wait for the answer; and what the reading thread
//! does when nobody asks.

use std::path::Path;

use casewire_data::{
    event::{NewEvent, Tenant},
    store,
};
use futures_util::FutureExt;

use super::*;

fn one_event() -> Publication {
    event_of("{}".to_owned())
}

fn event_of(data: String) -> Publication {
    let event = NewEvent::new("cases.created", data).unwrap();
    Publication { tenant: Tenant::default(), events: vec![(event, Ok(Arc::new([1])))] }
}

fn opened(dir: &Path, clock: Clock, limits: &Limits) -> (Writer, Store) {
    store::open(dir, limits.store_options(), clock.now()).unwrap()
}

#[tokio::test]
async fn what_is_published_is_learnt_for_lists_before_anybody_asks_for_one() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
    let limits = Limits::default();
    let (writer, store) = opened(dir.path(), clock, &limits);
    let (journal, threads) = Journal::start(writer, store.clone(), clock, &limits, Box::new(|_| {}));
    for _ in 0..4 {
        journal.publish(event_of(format!("\"{}\"", "x".repeat(200_000)))).await.unwrap();
    }
    while store.blocks_known() == 0 {
        thread::yield_now();
    }
    journal.close(threads);
}

#[tokio::test]
async fn a_publisher_that_gives_up_frees_no_place_while_its_events_wait() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
    let limits = Limits { queue_events_max: 3, ..Limits::default() };
    let (writer, store) = opened(dir.path(), clock, &limits);
    // The writer stands still behind the first commit, as it would behind a slow disk.
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let stand_still: OnCommit = Box::new(move |_| {
        let _ = reached.send(());
        let _ = gate.recv();
    });
    let (journal, threads) = Journal::start(writer, store, clock, &limits, stand_still);
    journal.publish(one_event()).await.unwrap();
    at_gate.recv().unwrap();

    for _ in 0..limits.queue_events_max {
        assert!(journal.publish(one_event()).now_or_never().is_none(), "it waits, and gives up");
    }
    let refused = journal.publish(one_event()).now_or_never();
    assert!(matches!(refused, Some(Err(error)) if error.kind() == ErrorKind::Busy));
    drop(open);
    journal.close(threads);
}
