//! The log record of an event with ten routes: encoded, appended and taken into the view, and read and decoded again.
//!
//! Through the store's public face. Where there is a file system in memory it lies there, so that it is the work that
//! is measured and not a disk; what a disk's sync costs, `casewire bench publish` tells.

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use casewire_data::{
    Timestamp,
    event::{NewEvent, Tenant},
    id::EventId,
    limits::Limits,
    route::Routes,
    store::{self, Publication, Store, Write, Writer},
};
use criterion::{Criterion, Throughput};
use tempfile::TempDir;

/// Endpoints that each event goes to.
const ROUTES: u32 = 10;
/// Events of a commit, each a publication of its own, as a busy engine has them.
const BATCH: usize = 64;
const NOW: Timestamp = Timestamp::from_millis(1_777_453_800_000);

struct Stage {
    writer: Writer,
    store: Store,
    random: u128,
    _dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let options = Limits::default().store_options();
        let (writer, store) = store::open(dir.path(), options, NOW).unwrap();
        Self { writer, store, random: 0, _dir: dir }
    }

    /// Commits a batch; gives the id of its first event.
    fn commit(&mut self, writes: Vec<Write>) -> EventId {
        let random = &mut self.random;
        let mut next = || {
            *random += 1;
            *random
        };
        let written = self.writer.commit(writes, NOW, &mut next).unwrap();
        self.writer.flush_rows().unwrap();
        written[0].as_ref().unwrap()[0].id
    }
}

fn batch() -> Vec<Write> {
    let routes: Routes = (1..=ROUTES).collect();
    let data = format!(r#"{{"padding":"{}"}}"#, "x".repeat(1_010));
    let event = NewEvent::new("cases.created", data).unwrap();
    let write = || {
        let events = vec![(event.clone(), Ok(routes.clone()))];
        Write::Publish(Publication { tenant: Tenant::default(), events })
    };
    (0..BATCH).map(|_| write()).collect()
}

/// Written and read.
pub fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(format!("append {BATCH} events of 1 KB to {ROUTES} each"), |bencher| {
        // A store for each sample: what they wrote is removed with it.
        bencher.iter_custom(|commits| {
            let mut stage = Stage::new();
            let mut taken = Duration::ZERO;
            for _ in 0..commits {
                let writes = batch();
                let begun = Instant::now();
                black_box(stage.commit(writes));
                taken += begun.elapsed();
            }
            taken
        });
    });
    let mut stage = Stage::new();
    let id = stage.commit(batch());
    group.throughput(Throughput::Elements(1));
    group.bench_function("find and read one of them by its id", |bencher| {
        bencher.iter(|| stage.store.event(black_box(id)).unwrap().unwrap());
    });
    group.bench_function(format!("read {BATCH} of them as a backlog"), |bencher| {
        bencher.iter(|| stage.store.backlog(1, black_box(0), None, (BATCH, usize::MAX)).unwrap());
    });
}
