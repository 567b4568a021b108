//! What is possible: bytes appended to a file and synced, alone and in company.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Write},
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{super::Failure, histogram::Histogram};

/// How long each append took until it was durable.
pub(super) struct Appended {
    /// Times of all.
    pub(super) times: Histogram,
    /// Appends a second.
    pub(super) rate: f64,
}

/// One after the other, each synced.
pub(super) fn alone(dir: &Path, bytes: usize, time: Duration) -> Result<Appended, Failure> {
    let mut file = create(dir).map_err(no_file)?;
    let record = vec![b'x'; bytes];
    let (begun, mut times) = (Instant::now(), Histogram::default());
    let mut count: u32 = 0;
    while begun.elapsed() < time {
        let before = Instant::now();
        file.write_all(&record).and_then(|()| file.sync_data()).map_err(no_file)?;
        times.add(micros(before));
        count += 1;
    }
    Ok(Appended { times, rate: f64::from(count) / begun.elapsed().as_secs_f64() })
}

/// So many at once: one thread writes all that waits, syncs once, and then answers.
pub(super) async fn in_groups(
    dir: &Path,
    bytes: usize,
    publishers: usize,
    time: Duration,
) -> Result<Appended, Failure> {
    let mut file = create(dir).map_err(no_file)?;
    let (appends, waiting) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
    let writer = thread::spawn(move || -> io::Result<()> {
        while let Ok(first) = waiting.recv() {
            let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
            let written = group.iter().flat_map(|(record, _)| record).copied().collect::<Vec<u8>>();
            file.write_all(&written)?;
            file.sync_data()?;
            for (_, answer) in group {
                let _ = answer.send(());
            }
        }
        Ok(())
    });
    let (begun, times) = (Instant::now(), RefCell::new(Histogram::default()));
    let count = std::cell::Cell::new(0_u32);
    let publisher = || async {
        while begun.elapsed() < time {
            let before = Instant::now();
            let (answer, answered) = oneshot::channel();
            if appends.send((vec![b'x'; bytes], answer)).is_err() || answered.await.is_err() {
                return;
            }
            times.borrow_mut().add(micros(before));
            count.set(count.get() + 1);
        }
    };
    join_all((0..publishers).map(|_| publisher())).await;
    let rate = f64::from(count.get()) / begun.elapsed().as_secs_f64();
    drop(appends);
    let ended = writer.join().unwrap_or_else(|_| Err(io::Error::other("the appending thread panicked")));
    ended.map_err(no_file)?;
    Ok(Appended { times: times.into_inner(), rate })
}

/// Microseconds since a time.
pub(super) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn create(dir: &Path) -> io::Result<File> {
    File::create(dir.join("bare-append"))
}

fn no_file(error: io::Error) -> Failure {
    Failure::failed(format!("cannot append to a file: {error}"))
}
