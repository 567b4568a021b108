//! An engine in a process of its own, so that its start, its memory and its CPU can be told, driven by lines of text.
//!
//! It says `ready` once it has made an event durable, obeys a line at a time, answers each with `done` and the seconds
//! that it took, and shuts down when its input ends.

use std::{
    io::{self, BufRead},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use casewire_data::{
    event::NewEvent,
    limits::{BATCH_EVENTS_MAX, Limits},
};
use tokio::sync::mpsc;

use super::{
    super::{Failure, Outcome, output},
    Args, crowd,
    engine_process::EngineProcess,
    sink, stage,
};
use crate::engine::Engine;

/// The handle on the process.
pub(super) struct Driven(EngineProcess);

/// What the process is told to do.
#[derive(Debug)]
enum Order {
    /// Create so many endpoints that nothing is sent to.
    Crowd(u64),
    /// Create an endpoint that takes every event of a benchmark.
    Subscribe(String),
    /// Publish the events from a number to another, of so many types in turn.
    Publish { from: u64, to: u64, types: u64 },
}

impl Driven {
    /// Starts an engine on a directory, and tells how many seconds went by until it was ready.
    pub(super) fn start(args: &Args, dir: &Path) -> Result<(Self, f64), Failure> {
        let begun = Instant::now();
        let process = EngineProcess::start(args, ("driven-engine", dir), [""; 0], &[])?;
        Ok((Self(process), begun.elapsed().as_secs_f64()))
    }

    /// Has it create endpoints that nothing is sent to; tells the seconds that took.
    pub(super) fn crowd(&mut self, endpoints: u64) -> Result<f64, Failure> {
        self.tell(&format!("crowd {endpoints}"))
    }

    /// Has it create an endpoint that takes every event of a benchmark.
    pub(super) fn subscribe(&mut self, url: &str) -> Result<f64, Failure> {
        self.tell(&format!("subscribe {url}"))
    }

    /// Has it publish numbered events, of so many types in turn; tells the seconds that took.
    pub(super) fn publish(&mut self, numbers: std::ops::Range<u64>, types: u64) -> Result<f64, Failure> {
        self.tell(&format!("publish {} {} {types}", numbers.start, numbers.end))
    }

    /// Its memory that is in RAM, in bytes.
    pub(super) fn rss_bytes(&self) -> u64 {
        self.0.rss_bytes()
    }

    /// Its CPU time, in microseconds.
    pub(super) fn cpu_us(&self) -> u64 {
        self.0.cpu_us()
    }

    /// Lets it shut down; tells how many seconds that took.
    pub(super) fn stop(self) -> Result<f64, Failure> {
        self.0.stop()
    }

    /// Ends it as a crash would.
    pub(super) fn kill(self) {}

    fn tell(&mut self, order: &str) -> Result<f64, Failure> {
        self.0.tell(order)?;
        self.0.wait_for("done")
    }
}

/// The process itself; runs on `--dir`.
pub(super) async fn run(args: &Args) -> Outcome {
    let dir = args.dir.as_ref().ok_or_else(|| Failure::Usage("a driven engine needs --dir".to_owned()))?;
    let engine = stage::start(args, dir, Limits::default())?;
    engine.publisher().publish_json("ready.event", "{}").await?;
    output::announce("ready");
    let mut orders = orders();
    while let Some(line) = orders.recv().await {
        let begun = Instant::now();
        let order = parse(&line).ok_or_else(|| Failure::Usage(format!("there is no order `{line}`")))?;
        obey(&engine, order, args.payload_bytes).await?;
        output::announce(&format!("done {}", begun.elapsed().as_secs_f64()));
    }
    let begun = Instant::now();
    engine.shutdown(Duration::from_secs(5)).await;
    output::announce(&format!("stopped {}", begun.elapsed().as_secs_f64()));
    Ok(())
}

fn orders() -> mpsc::UnboundedReceiver<String> {
    let (line, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for order in io::stdin().lock().lines().map_while(Result::ok) {
            if line.send(order).is_err() {
                return;
            }
        }
    });
    lines
}

fn parse(line: &str) -> Option<Order> {
    let mut words = line.split(' ');
    let order = words.next()?;
    let rest: Vec<&str> = words.collect();
    let number = |at: usize| rest.get(at)?.parse().ok();
    match order {
        "crowd" => Some(Order::Crowd(number(0)?)),
        "subscribe" => Some(Order::Subscribe((*rest.first()?).to_owned())),
        "publish" => Some(Order::Publish { from: number(0)?, to: number(1)?, types: number(2)? }),
        _ => None,
    }
}

async fn obey(engine: &Engine, order: Order, payload_bytes: u32) -> Outcome {
    match order {
        Order::Crowd(endpoints) => crowd::gather(engine, endpoints).await,
        Order::Subscribe(url) => stage::subscribe(engine, url, Vec::new()).await,
        Order::Publish { from, to, types } => {
            let mut number = from;
            while number < to {
                let until = to.min(number + BATCH_EVENTS_MAX as u64);
                let event = |number| {
                    let payload = sink::payload(number, sink::now_us(), payload_bytes);
                    NewEvent::new(&crowd::event_type(number % types), payload)
                };
                let events = (number..until).map(event).collect::<Result<Vec<_>, _>>()?;
                engine.publisher().publish_batch(events).await?;
                number = until;
            }
            Ok(())
        }
    }
}
