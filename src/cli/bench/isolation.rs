//! What eight endpoints notice of two others that are sick.

use std::{net::Ipv4Addr, rc::Rc, time::Duration};

use casewire_data::limits::Limits;
use serde_json::json;

use super::{
    super::Failure,
    Args,
    histogram::Histogram,
    load::{Load, Pace},
    report::{Report, figure, median},
    sink::{self, Sink},
    stage::{self, Stage},
};

/// Endpoints that are watched.
const WATCHED: usize = 8;
/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 5;
/// Events offered a second if not said otherwise: well below saturation.
const RATE: u32 = 200;
/// How long the endpoint that hangs takes to answer.
const HANG: Duration = Duration::from_secs(10);

/// One run's figures of the watched endpoints.
struct Run {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let seconds = args.seconds.unwrap_or(SECONDS);
    let rate = args.rate.unwrap_or(RATE);
    let mut report = Report {
        scenario: "isolation",
        settings: format!(
            "{} rounds of {seconds} s each, {} B payload, {} delivering threads; 10 endpoints, of which 8 are watched; \
             sick: one answers after {} s, one refuses connections",
            args.rounds,
            args.payload_bytes,
            args.workers,
            HANG.as_secs()
        ),
        headings: vec!["load", "the other two", "deliveries/s to the eight", "p50 ms", "p99 ms"],
        ..Report::default()
    };
    for pace in [Pace::Offered(rate), Pace::Saturated] {
        compare(args, pace, Duration::from_secs(seconds), &mut report).await?;
    }
    report.found("deliveries lost", json!(report.lost));
    Ok(report)
}

async fn compare(args: &Args, pace: Pace, time: Duration, report: &mut Report) -> Result<(), Failure> {
    let load = match pace {
        Pace::Offered(rate) => format!("{rate} events/s offered"),
        Pace::Saturated => "saturated".to_owned(),
    };
    let (mut healthy, mut sick): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        healthy.push(run(args, pace, time, false, &mut report.lost).await?);
        sick.push(run(args, pace, time, true, &mut report.lost).await?);
    }
    for (name, runs) in [("healthy", &healthy), ("sick", &sick)] {
        let figures = [|run: &Run| run.rate, |run: &Run| run.p50_ms, |run: &Run| run.p99_ms]
            .map(|part| figure(median(runs.iter().map(part))));
        report.rows.push([json!(load), json!(name)].into_iter().chain(figures).collect());
    }
    let ratio = |part: fn(&Run) -> f64| {
        median(sick.iter().zip(&healthy).map(|(sick, healthy)| part(sick) / part(healthy)))
    };
    let rates = ratio(|run| run.rate);
    report.judged(format!("{load}: ratio of deliveries/s"), figure(rates), ">= 0.9", rates >= 0.9);
    let p50 = ratio(|run| run.p50_ms);
    report.judged(format!("{load}: ratio of p50"), figure(p50), "<= 2", p50 <= 2.0);
    let p99 = ratio(|run| run.p99_ms);
    report.judged(format!("{load}: ratio of p99"), figure(p99), "<= 2", p99 <= 2.0);
    Ok(())
}

async fn run(args: &Args, pace: Pace, time: Duration, sick: bool, lost: &mut u64) -> Result<Run, Failure> {
    let sink = Sink::start()?;
    let watched = Rc::new((0..WATCHED).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?);
    let others = if sick {
        vec![sink.listen((Ipv4Addr::LOCALHOST, 0).into(), HANG)?]
    } else {
        vec![sink.healthy()?, sink.healthy()?]
    };
    let mut urls = stage::urls(&watched);
    urls.extend(stage::urls(&others));
    if sick {
        urls.push(sink::url(sink::nobody()?));
    }
    let stage = Stage::set(args, Limits::default(), urls).await?;
    let load = Load::new(stage.publisher(), args.payload_bytes);
    let measured = load.run(pace, time, &watched).await?;
    let mut times = Histogram::default();
    watched.iter().for_each(|receiver| times.merge(&receiver.times()));
    *lost += load.missing(&watched).await;
    stage.strike().await;
    Ok(Run { rate: measured.rate, p50_ms: times.percentile_ms(0.5), p99_ms: times.percentile_ms(0.99) })
}
