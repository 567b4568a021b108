//! Events for an engine: so many a second whatever becomes of them, or as many as arrive.

use std::{
    borrow::Cow,
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use casewire_data::{ErrorKind, event::NewEvent};
use futures_util::future::join_all;

use super::{
    super::Failure,
    crowd, process,
    sink::{self, Receiver, Sink},
    stage::EVENT_TYPE,
};
use crate::publisher::Publisher;

/// Publishers of a saturated engine, each of which waits for its event to be durable.
pub(super) const PUBLISHERS: usize = 64;
/// Events on their way to a saturated engine's receivers: fewer than a mailbox holds, so that it is the usual path
/// that is measured, not the catching-up.
const UNDER_WAY_MAX: u64 = 512;
/// How often the offered events that are due are published.
const TICK: Duration = Duration::from_millis(2);
/// How long a saturating publisher waits when enough is under way.
const PAUSE: Duration = Duration::from_micros(500);
/// How long a run goes on before it is measured.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// How events are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many events a second.
    Offered(u32),
    /// As many as the watched receivers take.
    Saturated,
}

/// Publishes numbered events.
pub(super) struct Load {
    publisher: Publisher,
    payload_bytes: u32,
    /// Event types in turn; 0 for the one of all benchmarks.
    types: u64,
    numbers: Cell<u64>,
    waiting: Cell<u64>,
    refused: Cell<u64>,
    failure: Cell<Option<Failure>>,
}

/// What the watched receivers saw in a measured time.
pub(super) struct Measured {
    /// Deliveries a second.
    pub(super) rate: f64,
    /// CPU of everything but the receivers, of each delivery, in microseconds.
    pub(super) cpu_us: f64,
    /// CPU of the receivers, of each delivery, in microseconds.
    pub(super) sink_cpu_us: f64,
}

/// A moment of a run.
pub(super) struct Mark {
    at: Instant,
    delivered: u64,
    cpu_us: u64,
    sink_cpu_us: u64,
}

impl Mark {
    /// Now.
    pub(super) fn set(receivers: &[Receiver]) -> Self {
        let delivered = receivers.iter().map(Receiver::received).sum();
        Self { at: Instant::now(), delivered, cpu_us: process::cpu_us(), sink_cpu_us: Sink::cpu_us() }
    }

    /// What has happened since.
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    pub(super) fn measure(&self, receivers: &[Receiver]) -> Measured {
        let now = Self::set(receivers);
        let delivered = (now.delivered - self.delivered) as f64;
        let sink_cpu_us = (now.sink_cpu_us - self.sink_cpu_us) as f64;
        let cpu_us = (now.cpu_us - self.cpu_us) as f64;
        Measured {
            rate: delivered / (now.at - self.at).as_secs_f64(),
            cpu_us: (cpu_us - sink_cpu_us) / delivered,
            sink_cpu_us: sink_cpu_us / delivered,
        }
    }
}

impl Load {
    /// A load of payloads of so many bytes.
    pub(super) fn new(publisher: Publisher, payload_bytes: u32) -> Rc<Self> {
        Self::of_types(publisher, payload_bytes, 0)
    }

    /// A load of so many event types in turn.
    pub(super) fn of_types(publisher: Publisher, payload_bytes: u32, types: u64) -> Rc<Self> {
        Rc::new(Self {
            publisher,
            payload_bytes,
            types,
            numbers: Cell::new(0),
            waiting: Cell::new(0),
            refused: Cell::new(0),
            failure: Cell::new(None),
        })
    }

    /// Events that were accepted.
    pub(super) fn published(&self) -> u64 {
        self.numbers.get() - self.waiting.get() - self.refused.get()
    }

    /// Events that found the engine's queue full.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Publishes for a time after the warm-up, and measures that time.
    pub(super) async fn run(
        self: &Rc<Self>,
        pace: Pace,
        time: Duration,
        receivers: &Rc<Vec<Receiver>>,
    ) -> Result<Measured, Failure> {
        let until = Instant::now() + WARM_UP + time;
        let (load, watched) = (self.clone(), receivers.clone());
        let publishing = actix_rt::spawn(async move {
            load.publish_at(pace, until, &watched).await;
        });
        actix_rt::time::sleep(WARM_UP).await;
        receivers.iter().for_each(Receiver::note_times);
        let mark = Mark::set(receivers);
        actix_rt::time::sleep(time).await;
        let measured = mark.measure(receivers);
        let _ = publishing.await;
        self.failed().map(|()| measured)
    }

    /// Whether publishing failed, other than by a full queue.
    pub(super) fn failed(&self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Publishes at a pace until a time.
    pub(super) async fn publish_at(self: &Rc<Self>, pace: Pace, until: Instant, receivers: &[Receiver]) {
        // The slowest receiver sets the pace.
        let arrived = || receivers.iter().map(Receiver::distinct).min().unwrap_or(u64::MAX);
        match pace {
            Pace::Offered(rate) => self.offer(rate, || Instant::now() < until).await,
            Pace::Saturated => self.saturate(until, arrived).await,
        }
    }

    /// Publishes so many events a second as long as it is to go on, whether or not those before were accepted yet.
    pub(super) async fn offer(self: &Rc<Self>, rate: u32, goes_on: impl Fn() -> bool) {
        let begun = Instant::now();
        let mut sent: u64 = 0;
        while goes_on() {
            let due =
                u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX) * u64::from(rate) / 1_000_000;
            while sent < due {
                sent += 1;
                let load = self.clone();
                // None waits for another, so a slow engine can't slow the load down and look fast.
                actix_rt::spawn(async move { load.publish(sink::now_us()).await });
            }
            actix_rt::time::sleep(TICK).await;
        }
        while self.waiting.get() > 0 {
            actix_rt::time::sleep(TICK).await;
        }
    }

    /// Publishes until a time as fast as events arrive, of which `arrived` tells the number so far.
    pub(super) async fn saturate(self: &Rc<Self>, until: Instant, arrived: impl Fn() -> u64) {
        let publisher = || async {
            while Instant::now() < until {
                if self.numbers.get() >= arrived().saturating_add(UNDER_WAY_MAX) {
                    actix_rt::time::sleep(PAUSE).await;
                } else {
                    self.publish(sink::now_us()).await;
                }
            }
        };
        join_all((0..PUBLISHERS).map(|_| publisher())).await;
    }

    /// Publishes one event, to be counted from a time.
    async fn publish(&self, at_us: u64) {
        let number = self.numbers.replace(self.numbers.get() + 1);
        self.waiting.set(self.waiting.get() + 1);
        let event_type = match self.types {
            0 => Cow::Borrowed(EVENT_TYPE),
            types => Cow::Owned(crowd::event_type(number % types)),
        };
        let accepted = match NewEvent::new(&event_type, sink::payload(number, at_us, self.payload_bytes)) {
            Ok(event) => self.publisher.publish_event(event).await.map(drop),
            Err(error) => Err(error),
        };
        self.waiting.set(self.waiting.get() - 1);
        if let Err(error) = accepted {
            self.refused.set(self.refused.get() + 1);
            if error.kind() != ErrorKind::Busy {
                self.failure.set(Some(error.into()));
            }
        }
    }

    /// Waits until all that was accepted has arrived, and tells how many deliveries have not.
    pub(super) async fn missing(&self, receivers: &[Receiver]) -> u64 {
        sink::missing(receivers, self.published()).await
    }
}
