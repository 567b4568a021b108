//! What waits for the writer stays bounded, whatever becomes of those who wait for the answer.

use casewire_data::{
    event::{NewEvent, Tenant},
    store,
};
use futures_util::FutureExt;

use super::*;

fn one_event() -> Publication {
    let event = NewEvent::new("cases.created", "{}").unwrap();
    Publication { tenant: Tenant::default(), events: vec![(event, Ok(Arc::new([1])))] }
}

#[tokio::test]
async fn a_publisher_that_gives_up_frees_no_place_while_its_events_wait() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
    let limits = Limits { queue_events_max: 3, ..Limits::default() };
    let (writer, store) = store::open(dir.path(), limits.store_options(), clock.now()).unwrap();
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
