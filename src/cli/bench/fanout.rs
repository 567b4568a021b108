//! How many deliveries a second at full load and what CPU each takes, beside a bare client's.

use std::{rc::Rc, time::Duration};

use casewire_data::limits::Limits;
use serde_json::{Value, json};

use super::{
    super::Failure,
    Args,
    load::{Load, Measured, Pace},
    raw,
    report::{Report, figure, median},
    sink::{Receiver, Sink},
    stage::{self, Stage},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 5;
/// Endpoints of an event if not said otherwise.
const FAN_OUTS: [u64; 3] = [1, 10, 100];

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let seconds = args.seconds.unwrap_or(SECONDS);
    let fan_outs = if args.fan_out.is_empty() { FAN_OUTS.to_vec() } else { args.fan_out.clone() };
    let mut report = Report {
        scenario: "fanout",
        settings: format!(
            "{} rounds of {seconds} s each, {} B payload, {} delivering threads, saturated",
            args.rounds, args.payload_bytes, args.workers
        ),
        headings: vec![
            "fan-out",
            "engine deliveries/s",
            "bare client deliveries/s",
            "ratio",
            "engine CPU us/delivery",
            "bare client CPU us/delivery",
            "ratio of CPU",
            "receiver CPU us/delivery",
        ],
        ..Report::default()
    };
    for fan_out in fan_outs {
        let row = compare(args, fan_out, Duration::from_secs(seconds), &mut report.lost).await?;
        report.rows.push(row);
    }
    report.found("deliveries lost", json!(report.lost));
    Ok(report)
}

async fn compare(args: &Args, fan_out: u64, time: Duration, lost: &mut u64) -> Result<Vec<Value>, Failure> {
    let (mut engine, mut bare): (Vec<Measured>, Vec<Measured>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let (measured, missing) = of_engine(args, fan_out, time).await?;
        engine.push(measured);
        *lost += missing;
        bare.push(raw::run(time, &receivers(&Sink::start()?, fan_out)?, args.payload_bytes).await?);
    }
    let rate = |of: &[Measured]| median(of.iter().map(|one| one.rate));
    let cpu = |of: &[Measured]| median(of.iter().map(|one| one.cpu_us));
    let rates = median(engine.iter().zip(&bare).map(|(engine, bare)| engine.rate / bare.rate));
    let cpus = median(engine.iter().zip(&bare).map(|(engine, bare)| engine.cpu_us / bare.cpu_us));
    let sink_cpu = median(engine.iter().map(|one| one.sink_cpu_us));
    let figures = [rate(&engine), rate(&bare), rates, cpu(&engine), cpu(&bare), cpus, sink_cpu];
    Ok(std::iter::once(json!(fan_out)).chain(figures.map(figure)).collect())
}

async fn of_engine(args: &Args, fan_out: u64, time: Duration) -> Result<(Measured, u64), Failure> {
    let sink = Sink::start()?;
    let receivers = receivers(&sink, fan_out)?;
    let stage = Stage::set(args, Limits::default(), stage::urls(&receivers)).await?;
    let load = Load::new(stage.publisher(), args.payload_bytes);
    let measured = load.run(Pace::Saturated, time, &receivers).await?;
    let missing = load.missing(&receivers).await;
    stage.strike().await;
    Ok((measured, missing))
}

fn receivers(sink: &Sink, count: u64) -> Result<Rc<Vec<Receiver>>, Failure> {
    (0..count).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>().map(Rc::new)
}
