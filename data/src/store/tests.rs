//! The store's promises at its own door, a module a promise.

mod audit;
mod backup;
mod batch;
mod byte_retention;
mod damage;
mod erasure;
mod exclusive;
mod failing_disk;
mod formats;
mod idempotency;
mod listing;
mod listing_cost;
mod listing_model;
mod packed;
mod power_loss;
mod recovery;
mod registry;
mod replays;
mod retention;
mod tenant_retention;
mod torn_tail;
mod versions;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use super::{
    DeliveryStanding, Document, DueUntil, Fate, Publication, Requeued, Settled, Standing, Store,
    StoreOptions, Trace, Write, Writer, guard::RunMark, open,
};
use crate::{
    Timestamp,
    delivery::{Attempt, Outcome, Transit},
    event::{Event, NewEvent, Tenant},
    id::{EventId, TokenId},
    order::DeliveryOrder,
    token::{Scope, Token},
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ALL: (usize, usize) = (1_000_000, usize::MAX);
const MINUTE_MS: i64 = 60_000;

fn options() -> StoreOptions {
    StoreOptions {
        retention_ms: 60 * MINUTE_MS,
        tenants_retention_ms: BTreeMap::new(),
        retention_bytes: None,
        segment_age_ms_max: 60 * MINUTE_MS / 8,
        segment_bytes_max: 64 * 1024,
    }
}

fn opened(dir: &Path) -> (Writer, Store) {
    open(dir, options(), NOW).unwrap()
}

fn event(text: &str) -> NewEvent {
    NewEvent::new("cases.created", format!("{{\"text\":\"{text}\"}}")).unwrap()
}

fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| event(&n.to_string())).collect()
}

fn publication(events: Vec<NewEvent>, routes: &[u32]) -> Write {
    let routes: Arc<[u32]> = routes.into();
    let events = events.into_iter().map(|event| (event, Ok(routes.clone()))).collect();
    Write::Publish(Publication { tenant: Tenant::default(), events })
}

fn commit(writer: &mut Writer, write: Write, now: Timestamp) {
    writer.commit(vec![write], now, &mut || 7).unwrap().remove(0).unwrap();
    writer.flush_rows().unwrap();
}

fn publish(writer: &mut Writer, events: Vec<NewEvent>, routes: &[u32], now: Timestamp) -> Vec<EventId> {
    let mut written = writer.commit(vec![publication(events, routes)], now, &mut || 7).unwrap();
    writer.flush_rows().unwrap();
    written.remove(0).unwrap().into_iter().map(|published| published.id).collect()
}

fn settled(event: &Event, endpoint: u32, parked: bool, floor: u64, fate: Fate) -> Write {
    let outcome = Outcome::Answered { status: 200, headers: Vec::new(), body: Vec::new() };
    let attempt = Attempt {
        number: 1,
        started_at: NOW,
        duration_us: 5,
        outcome,
        transit: Transit::default(),
        erased: false,
    };
    let (seq, event_position) = (event.seq, event.position);
    Write::Settle(Settled { endpoint, seq, event_position, parked, floor, fate, attempt, lane: None })
}

fn requeued(event: &Event, endpoint: u32, due: Timestamp) -> Write {
    let (seq, event_position) = (event.seq, event.position);
    Write::Requeue(Requeued {
        endpoint,
        seq,
        event_position,
        due,
        from: Standing::Delivered,
        replayed: false,
        lane: None,
    })
}

fn token(number: u128, description: String) -> Token {
    Token {
        id: TokenId::from_u128(number),
        tenant: Tenant::default(),
        scopes: vec![Scope::Admin],
        description: Some(description),
        secret_sha256: [7; 32],
        created_at: NOW,
    }
}

/// Events that wait for an endpoint and were never attempted.
fn unread(store: &Store, endpoint: u32) -> Vec<Arc<Event>> {
    let floor = store.cursor(endpoint).floor;
    let mut backlog = store.backlog(endpoint, floor, None, ALL).unwrap();
    let mut events = std::mem::take(&mut backlog.events);
    while !backlog.at_end {
        backlog = store.backlog(endpoint, floor, Some(backlog.position), ALL).unwrap();
        events.append(&mut backlog.events);
    }
    events
}

fn unread_seqs(store: &Store, endpoint: u32) -> Vec<u64> {
    unread(store, endpoint).iter().map(|event| event.seq).collect()
}

/// Every event in the log, through a reader that all events are routed to.
fn stored(store: &Store, endpoint: u32) -> Vec<Arc<Event>> {
    store.backlog(endpoint, 0, Some(0), ALL).unwrap().events
}

fn fresh_dir() -> TempDir {
    TempDir::new().unwrap()
}

/// What a kill of the process would leave: the files as the operating system has them.
fn copy_of(dir: &Path) -> TempDir {
    let copy = fresh_dir();
    copy_into(dir, copy.path());
    // The mark names the file by its number, which a copy does not keep.
    let mark = RunMark::new(copy.path(), &copy.path().join("retry"));
    mark.set_running().unwrap();
    copy
}

/// What a loss of power may do to the note of how far the journal reaches, as it is not synced.
fn forget_reach(dir: &Path) {
    fs::write(dir.join("lock"), "").unwrap();
}

/// What a loss of power leaves at worst: nothing of the retry journal, and no note of how far the journal reaches.
fn without_retry_journal(dir: &Path) -> TempDir {
    let copy = fresh_dir();
    copy_into(dir, copy.path());
    fs::remove_dir_all(copy.path().join("retry")).unwrap();
    fs::write(copy.path().join("run"), "running\nboot another\nfile 0:0\n").unwrap();
    forget_reach(copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    files(&dir.join("log")).into_keys().collect()
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}
