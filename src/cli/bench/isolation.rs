//! What healthy endpoints notice of one that is sick.

use std::{
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use casewire_data::limits::Limits;
use serde_json::json;

use super::{
    super::Failure,
    Args,
    black_hole::BlackHole,
    histogram::Histogram,
    load::{Load, Pace},
    report::{Report, figure, median, ratio},
    sink::{self, Receiver, Sink},
    stage::{self, Stage},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 5;
/// Deliveries a second of the events that are offered, if not said otherwise: well below saturation.
const DELIVERIES: usize = 2_000;
/// How long the endpoint that hangs takes to answer.
const HANG: Duration = Duration::from_secs(10);
/// Deliveries a second to the others over those of the healthy run, at least.
const RATE_MIN: f64 = 0.9;
/// The others' p99 over that of the healthy run, at most.
const P99_MAX: f64 = 2.0;

/// What is wrong with one endpoint.
#[derive(Clone, Copy)]
enum Sickness {
    /// It takes [`HANG`] for each answer.
    Hangs,
    /// Its connections are refused.
    Refuses,
    /// Nothing answers at all.
    BlackHole,
}

/// A sickness, and of how many endpoints one has it.
const CASES: [(Sickness, usize); 3] =
    [(Sickness::Hangs, 10), (Sickness::BlackHole, 100), (Sickness::Refuses, 10)];

/// One endpoint, and what must live as long as it is delivered to.
enum Patient {
    Receiver(Receiver),
    BlackHole(BlackHole),
    Nobody(SocketAddr),
}

/// One run's figures of the watched endpoints.
struct Run {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let seconds = args.seconds.unwrap_or(SECONDS);
    let mut report = Report {
        scenario: "isolation",
        settings: format!(
            "{} rounds of {seconds} s each, {} B payload, {} delivering threads; all endpoints but one are watched, \
             which is as healthy as they are, or sick",
            args.rounds, args.payload_bytes, args.workers,
        ),
        headings: vec!["load", "endpoints", "one of them", "deliveries/s to the others", "p50 ms", "p99 ms"],
        ..Report::default()
    };
    for (sickness, endpoints) in CASES {
        let rate = u32::try_from(DELIVERIES / endpoints).unwrap_or(u32::MAX);
        for pace in [Pace::Offered(args.rate.unwrap_or(rate)), Pace::Saturated] {
            compare(args, pace, sickness, endpoints, Duration::from_secs(seconds), &mut report).await?;
        }
    }
    report.judged("deliveries to the others lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

async fn compare(
    args: &Args,
    pace: Pace,
    sickness: Sickness,
    endpoints: usize,
    time: Duration,
    report: &mut Report,
) -> Result<(), Failure> {
    let load = match pace {
        Pace::Offered(rate) => format!("{rate} events/s offered"),
        Pace::Saturated => "saturated".to_owned(),
    };
    let (mut healthy, mut sick): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        healthy.push(run(args, pace, endpoints, None, time, &mut report.lost).await?);
        sick.push(run(args, pace, endpoints, Some(sickness), time, &mut report.lost).await?);
    }
    for (name, runs) in [("is healthy", &healthy), (sickness.name(), &sick)] {
        let figures = [|run: &Run| run.rate, |run: &Run| run.p50_ms, |run: &Run| run.p99_ms]
            .map(|part| figure(median(runs.iter().map(part))));
        report.rows.push([json!(load), json!(endpoints), json!(name)].into_iter().chain(figures).collect());
    }
    let what = |part: &str| format!("{load}, 1 of {endpoints} {}: ratio of {part}", sickness.name());
    report.at_least(what("deliveries/s"), ratio(&sick, &healthy, |run| run.rate), RATE_MIN);
    report.found(what("p50"), figure(ratio(&sick, &healthy, |run| run.p50_ms)));
    report.at_most(what("p99"), ratio(&sick, &healthy, |run| run.p99_ms), P99_MAX);
    Ok(())
}

async fn run(
    args: &Args,
    pace: Pace,
    endpoints: usize,
    sickness: Option<Sickness>,
    time: Duration,
    lost: &mut u64,
) -> Result<Run, Failure> {
    let sink = Sink::start()?;
    let watched = Rc::new((1..endpoints).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?);
    let patient = Patient::new(&sink, sickness).await?;
    let urls = stage::urls(&watched).into_iter().chain([sink::url(patient.address())]);
    let stage = Stage::set(args, Limits::default(), urls).await?;
    let load = Load::new(stage.publisher(), args.payload_bytes);
    let measured = load.run(pace, time, &watched).await?;
    let mut times = Histogram::default();
    watched.iter().for_each(|receiver| times.merge(&receiver.times()));
    *lost += load.missing(&watched).await;
    stage.strike().await;
    Ok(Run { rate: measured.rate, p50_ms: times.percentile_ms(0.5), p99_ms: times.percentile_ms(0.99) })
}

impl Sickness {
    fn name(self) -> &'static str {
        match self {
            Self::Hangs => "sleeps 10 s",
            Self::Refuses => "refuses",
            Self::BlackHole => "is a black hole",
        }
    }
}

impl Patient {
    async fn new(sink: &Sink, sickness: Option<Sickness>) -> Result<Self, Failure> {
        Ok(match sickness {
            None => Self::Receiver(sink.healthy()?),
            Some(Sickness::Hangs) => Self::Receiver(sink.listen((Ipv4Addr::LOCALHOST, 0).into(), HANG)?),
            Some(Sickness::Refuses) => Self::Nobody(sink::nobody()?),
            Some(Sickness::BlackHole) => Self::BlackHole(BlackHole::open().await?),
        })
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Receiver(receiver) => receiver.address(),
            Self::BlackHole(hole) => hole.address(),
            Self::Nobody(address) => *address,
        }
    }
}
