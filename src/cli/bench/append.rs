//! What is possible: bytes appended to a file and synced, alone, in company and now and then.

use std::{
    cell::{Cell, RefCell},
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

/// A thread that writes all that waits, syncs once, and then answers: a group commit and nothing else.
pub(super) struct Group {
    appends: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
    writer: thread::JoinHandle<io::Result<()>>,
}

/// Appends to a [`Group`]. Clones share its file.
#[derive(Clone)]
pub(super) struct Appender(mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>);

impl Group {
    /// Begins a file.
    pub(super) fn start(dir: &Path) -> Result<Self, Failure> {
        let mut file = create(dir).map_err(no_file)?;
        let (appends, waiting) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        let writer = thread::spawn(move || {
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
        Ok(Self { appends, writer })
    }

    /// To append with, from any thread.
    pub(super) fn appender(&self) -> Appender {
        Appender(self.appends.clone())
    }

    /// Ends the thread, once no appender is left; tells what went wrong.
    pub(super) fn end(self) -> Result<(), Failure> {
        drop(self.appends);
        let ended =
            self.writer.join().unwrap_or_else(|_| Err(io::Error::other("the appending thread panicked")));
        ended.map_err(no_file)
    }
}

impl Appender {
    /// Tells whether a record is durable, when it is; false if the thread has ended, which says why.
    pub(super) async fn append(&self, record: Vec<u8>) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send((record, answer)).is_ok() && answered.await.is_ok()
    }
}

/// So many publishers at once, in one [`Group`].
pub(super) async fn in_groups(
    dir: &Path,
    bytes: usize,
    publishers: usize,
    time: Duration,
) -> Result<Appended, Failure> {
    let group = Group::start(dir)?;
    let appender = group.appender();
    let (begun, times) = (Instant::now(), RefCell::new(Histogram::default()));
    let count = Cell::new(0_u32);
    let publisher = || async {
        while begun.elapsed() < time {
            let before = Instant::now();
            if !appender.append(vec![b'x'; bytes]).await {
                return;
            }
            times.borrow_mut().add(micros(before));
            count.set(count.get() + 1);
        }
    };
    join_all((0..publishers).map(|_| publisher())).await;
    let rate = f64::from(count.get()) / begun.elapsed().as_secs_f64();
    drop(appender);
    group.end()?;
    Ok(Appended { times: times.into_inner(), rate })
}

/// So many a second, each when its time has come, and synced. Blocks.
pub(super) fn at_rate(dir: &Path, bytes: usize, rate: u32, time: Duration) -> Result<Histogram, Failure> {
    let mut file = create(dir).map_err(no_file)?;
    let record = vec![b'x'; bytes];
    let (begun, mut times) = (Instant::now(), Histogram::default());
    for due in (1..).map(|number| begun + Duration::from_secs(1) * number / rate) {
        if due > begun + time {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = Instant::now();
        file.write_all(&record).and_then(|()| file.sync_data()).map_err(no_file)?;
        times.add(micros(before));
    }
    Ok(times)
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
