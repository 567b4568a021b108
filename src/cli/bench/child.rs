//! The backlog's engine, in a process of its own: publishes what it is told to, then delivers until its input ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use casewire_data::{
    event::NewEvent,
    limits::{BATCH_EVENTS_MAX, Limits},
};
use tokio::sync::oneshot;

use super::{
    super::{Failure, Outcome, output},
    Args,
    load::Load,
    sink,
    stage::{self, EVENT_TYPE},
};
use crate::engine::Engine;

/// An attempt each so many seconds, to begin with: the first few events must not be given up while the rest is
/// published.
const RETRY_SECONDS: u64 = 5;
/// Longer than anybody lets it publish.
const FOREVER: Duration = Duration::from_secs(86_400);

/// Runs on `--dir` itself. Tells `ready` once it delivers, then `published` (unless it does so until its input ends),
/// then `stopped` with the seconds that took.
pub(super) async fn run(args: &Args) -> Outcome {
    let dir =
        args.dir.as_ref().ok_or_else(|| Failure::Usage("the backlog's engine needs --dir".to_owned()))?;
    let engine = stage::start(args, dir, Limits::default())?;
    output::announce("ready");
    let Input { arrived, end } = Input::read();
    match &args.child_url {
        Some(url) if args.child_live => {
            stage::subscribe(&engine, url.clone(), Vec::new()).await?;
            let load = Load::new(engine.publisher(), args.payload_bytes);
            tokio::select! {
                () = load.saturate(Instant::now() + FOREVER, || arrived.load(Ordering::Relaxed)) => {}
                _ = end => {}
            }
            load.failed()?;
        }
        Some(url) => {
            fill(&engine, url, args).await?;
            let _ = end.await;
        }
        None => drop(end.await),
    }
    let begun = Instant::now();
    engine.shutdown(Duration::from_secs(5)).await;
    output::announce(&format!("stopped {}", begun.elapsed().as_secs_f64()));
    Ok(())
}

async fn fill(engine: &Engine, url: &str, args: &Args) -> Outcome {
    stage::subscribe(engine, url.to_owned(), vec![RETRY_SECONDS; 64]).await?;
    let begun = Instant::now();
    let mut number = 0;
    while number < args.events {
        let until = args.events.min(number + BATCH_EVENTS_MAX as u64);
        let event = |number| NewEvent::new(EVENT_TYPE, sink::payload(number, 0, args.payload_bytes));
        let events = (number..until).map(event).collect::<Result<Vec<_>, _>>()?;
        engine.publisher().publish_batch(events).await?;
        number = until;
    }
    output::announce(&format!("published {}", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// What the parent says: a line with the number of events that have arrived, now and then, and that is enough, by
/// closing it.
struct Input {
    arrived: Arc<AtomicU64>,
    end: oneshot::Receiver<()>,
}

impl Input {
    fn read() -> Self {
        let arrived = Arc::new(AtomicU64::new(0));
        let (ended, end) = oneshot::channel();
        let told = arrived.clone();
        thread::spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                told.store(line.parse().unwrap_or(0), Ordering::Relaxed);
            }
            let _ = ended.send(());
        });
        Self { arrived, end }
    }
}
