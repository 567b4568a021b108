//! How long an event takes from its publishing to its receiver, now and then one, beside the sync that it waits for.

use std::{rc::Rc, time::Duration};

use casewire_data::limits::Limits;
use serde_json::json;

use super::{
    super::Failure,
    Args, append,
    histogram::Histogram,
    load::{Load, Pace},
    publish::logged_bytes,
    report::{Report, figure, median},
    sink::Sink,
    stage::{self, Scratch, Stage},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 5;
/// Events a second if not said otherwise.
const RATE: u32 = 50;
/// Milliseconds that half of the events may take longer than half of the syncs.
const P50_OVER_MS: f64 = 1.0;
/// Milliseconds that 99 % of the events may take longer than twice what 99 % of the syncs do.
const P99_OVER_MS: f64 = 5.0;

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let time = Duration::from_secs(args.seconds.unwrap_or(SECONDS));
    let rate = args.rate.unwrap_or(RATE);
    let bytes = logged_bytes(args).await?;
    let mut report = Report {
        scenario: "latency",
        settings: format!(
            "{} rounds of {} s each, {rate} events/s to one endpoint, {} B payload, {bytes} B logged for each event",
            args.rounds,
            time.as_secs(),
            args.payload_bytes
        ),
        headings: vec!["", "p50 ms", "p99 ms", "highest ms"],
        ..Report::default()
    };
    let (mut engine, mut bare): (Vec<Histogram>, Vec<Histogram>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        engine.push(received(args, rate, time, &mut report.lost).await?);
        let scratch = Scratch::new(args)?;
        bare.push(append::at_rate(scratch.path(), bytes, rate, time)?);
    }
    for (name, runs) in [("published to received", &engine), ("bare append and sync", &bare)] {
        let figures = [0.5, 0.99, 1.0].map(|fraction| figure(median(percentiles(runs, fraction))));
        report.rows.push(std::iter::once(json!(name)).chain(figures).collect());
    }
    let over = |fraction, times: f64| {
        let each = percentiles(&engine, fraction).zip(percentiles(&bare, fraction));
        median(each.map(|(engine, bare)| engine - times * bare))
    };
    report.at_most("p50 beyond the bare one, ms", over(0.5, 1.0), P50_OVER_MS);
    report.at_most("p99 beyond twice the bare one, ms", over(0.99, 2.0), P99_OVER_MS);
    report.judged("deliveries lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

fn percentiles(runs: &[Histogram], fraction: f64) -> impl Iterator<Item = f64> {
    runs.iter().map(move |times| times.percentile_ms(fraction))
}

/// From just before an event is handed to the engine until its receiver has read all of it, on one clock.
async fn received(args: &Args, rate: u32, time: Duration, lost: &mut u64) -> Result<Histogram, Failure> {
    let sink = Sink::start()?;
    let receivers = Rc::new(vec![sink.healthy()?]);
    let stage = Stage::set(args, Limits::default(), stage::urls(&receivers)).await?;
    let load = Load::new(stage.publisher(), args.payload_bytes);
    load.run(Pace::Offered(rate), time, &receivers).await?;
    *lost += load.missing(&receivers).await;
    stage.strike().await;
    Ok(receivers[0].times())
}
