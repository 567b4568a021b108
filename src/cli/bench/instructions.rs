//! Instructions of one publish and of one delivery: a figure that is nearly the same each time, on whatever machine.
//!
//! The engine runs under valgrind's callgrind in a process of its own, the receivers in this one. It is run with some
//! events and with twice as many: what the second run has more is theirs, and start and stop cancel out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use self::{callgrind::Counts, place::place};
use super::{
    super::Failure,
    Args,
    load::PUBLISHERS,
    report::{Report, figure, median},
    sink::{Receiver, Sink},
    stage,
};

mod callgrind;
pub(super) mod engine;
mod place;

/// Endpoints of an event if not said otherwise.
const FAN_OUTS: [u64; 2] = [1, 10];
/// Deliveries of the shorter run, at the least: so many that the start, which is not quite the same each time, is little
/// beside them.
const DELIVERIES_MIN: u64 = 4_096;
/// Events of the shorter run where nothing is delivered.
const EVENTS_WITHOUT_DELIVERY: u64 = 16_384;
/// Places that are shown.
const PLACES_MAX: usize = 14;
/// How often it is looked whether the deliveries have arrived.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long nothing may arrive: valgrind makes an engine some fifty times slower.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let version = callgrind::version()?;
    let mut report = Report {
        scenario: "instructions",
        settings: format!(
            "{version}, {} rounds, {} B payload, {} delivering threads, {PUBLISHERS} events published at a time; user \
             space alone, the kernel's instructions are not counted; valgrind's processor has no SHA instructions, so \
             SHA-256 runs in software; checkpoints come by the clock, so more of them than usual",
            args.rounds, args.payload_bytes, args.workers
        ),
        headings: vec![
            "fan-out",
            "instructions/event",
            "spread %",
            "instructions/delivery",
            "SHA-256 of it",
            "without SHA-256",
        ],
        ..Report::default()
    };
    let fan_outs = if args.fan_out.is_empty() { &FAN_OUTS[..] } else { &args.fan_out };
    let mut places = Vec::new();
    for fan_out in std::iter::once(0).chain(fan_outs.iter().copied()) {
        let mut runs = Vec::new();
        for _ in 0..args.rounds {
            runs.push(Run::new(args, fan_out).await?);
        }
        report.rows.push(row(fan_out, &runs));
        places.push((fan_out, runs));
    }
    for (fan_out, runs) in &places {
        tell_places(*fan_out, runs, &mut report);
    }
    Ok(report)
}

/// Instructions of one event with all its deliveries, by place.
struct Run(BTreeMap<String, f64>);

impl Run {
    async fn new(args: &Args, fan_out: u64) -> Result<Self, Failure> {
        let events = if fan_out == 0 { EVENTS_WITHOUT_DELIVERY } else { DELIVERIES_MIN.div_ceil(fan_out) };
        let windows = events.div_ceil(PUBLISHERS as u64);
        let once = count(args, fan_out, windows).await?;
        let twice = count(args, fan_out, 2 * windows).await?;
        Ok(Self::between(&once, &twice, windows * PUBLISHERS as u64))
    }

    /// What is more in the longer run, of each event that it has more.
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    fn between(once: &Counts, twice: &Counts, events: u64) -> Self {
        let mut places = BTreeMap::new();
        for (counts, sign) in [(once, -1.0), (twice, 1.0)] {
            for (function, count) in counts {
                *places.entry(place(function)).or_default() += sign * *count as f64 / events as f64;
            }
        }
        Self(places)
    }

    fn all(&self) -> f64 {
        self.0.values().sum()
    }

    fn of(&self, place: &str) -> f64 {
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// Runs an engine with so many windows of events, each of which arrives before the next is published.
async fn count(args: &Args, fan_out: u64, windows: u64) -> Result<Counts, Failure> {
    let sink = Sink::start()?;
    let receivers = (0..fan_out).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?;
    let mut engine = callgrind::Counted::start(args, &stage::urls(&receivers))?;
    for window in 1..=windows {
        engine.publish(PUBLISHERS as u64)?;
        arrive(&receivers, window * PUBLISHERS as u64).await?;
    }
    engine.stop()
}

async fn arrive(receivers: &[Receiver], events: u64) -> Result<(), Failure> {
    let arrived = || receivers.iter().map(Receiver::distinct).sum::<u64>();
    let (mut before, mut last) = (arrived(), Instant::now());
    while before < events * receivers.len() as u64 {
        actix_rt::time::sleep(LOOK_EVERY).await;
        let now = arrived();
        if now > before {
            (before, last) = (now, Instant::now());
        } else if last.elapsed() > SILENCE_MAX {
            return Err(Failure::failed(
                "deliveries under valgrind stopped; run it again with fewer --workers",
            ));
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
fn row(fan_out: u64, runs: &[Run]) -> Vec<serde_json::Value> {
    let event = median(runs.iter().map(Run::all));
    let sha = median(runs.iter().map(|run| run.of(place::SHA_256)));
    let (least, most) = runs
        .iter()
        .map(Run::all)
        .fold((f64::MAX, 0.0_f64), |(least, most), all| (least.min(all), most.max(all)));
    let each = fan_out as f64;
    let delivery = |value: f64| if fan_out == 0 { serde_json::Value::Null } else { figure(value / each) };
    vec![
        json!(fan_out),
        figure(event),
        figure((most - least) / event * 100.0),
        delivery(event),
        delivery(sha),
        delivery(event - sha),
    ]
}

/// Where the instructions of an event are, or of one of its deliveries.
#[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
fn tell_places(fan_out: u64, runs: &[Run], report: &mut Report) {
    let mut names: Vec<&String> = runs.iter().flat_map(|run| run.0.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let each = fan_out.max(1) as f64;
    let mut places: Vec<(f64, &String)> =
        names.into_iter().map(|name| (median(runs.iter().map(|run| run.of(name))) / each, name)).collect();
    places.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let of = if fan_out == 0 { "publish".to_owned() } else { format!("delivery at fan-out {fan_out}") };
    let (shown, rest) = places.split_at(PLACES_MAX.min(places.len()));
    for (count, place) in shown {
        report.found(format!("{of}, {place}"), figure(*count));
    }
    report.found(format!("{of}, all the rest"), figure(rest.iter().map(|(count, _)| count).sum()));
}
