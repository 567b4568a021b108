//! How many deliveries a second at full load and what CPU each takes, beside a bare client's.

use std::{rc::Rc, time::Duration};

use casewire_data::limits::Limits;
use serde_json::json;

use super::{
    super::Failure,
    Args,
    load::{Load, Measured, Pace},
    raw,
    report::{Report, figure, median, ratio},
    sink::{Receiver, Sink},
    stage::{self, Stage},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 5;
/// Endpoints of an event if not said otherwise.
const FAN_OUTS: [u64; 3] = [1, 10, 100];
/// The engine's CPU of a delivery over the bare client's, at most, by fan-out: what one event costs is shared.
const CPU_MAX: [(u64, f64); 3] = [(1, 3.0), (10, 2.2), (100, 2.0)];
/// What is gone for once that is reached.
const CPU_GOAL: (u64, f64) = (100, 1.5);
/// The engine's deliveries a second over the bare client's, at least.
const RATE_MIN: f64 = 0.5;
/// The fan-outs of which that is wanted: one delivery an event is limited by the disk, which the client does not use.
const RATE_JUDGED: [u64; 2] = [10, 100];

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
        compare(args, fan_out, Duration::from_secs(seconds), &mut report).await?;
    }
    report.judged("deliveries lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

async fn compare(args: &Args, fan_out: u64, time: Duration, report: &mut Report) -> Result<(), Failure> {
    let (mut engine, mut bare): (Vec<Measured>, Vec<Measured>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let (measured, missing) = of_engine(args, fan_out, time).await?;
        engine.push(measured);
        report.lost += missing;
        bare.push(raw::run(time, &receivers(&Sink::start()?, fan_out)?, args.payload_bytes).await?);
    }
    let rate = |of: &[Measured]| median(of.iter().map(|one| one.rate));
    let cpu = |of: &[Measured]| median(of.iter().map(|one| one.cpu_us));
    let rates = ratio(&engine, &bare, |one| one.rate);
    let cpus = ratio(&engine, &bare, |one| one.cpu_us);
    let sink_cpu = median(engine.iter().map(|one| one.sink_cpu_us));
    let figures = [rate(&engine), rate(&bare), rates, cpu(&engine), cpu(&bare), cpus, sink_cpu];
    report.rows.push(std::iter::once(json!(fan_out)).chain(figures.map(figure)).collect());
    judge(fan_out, rates, cpus, report);
    Ok(())
}

fn judge(fan_out: u64, rates: f64, cpus: f64, report: &mut Report) {
    let what = format!("fan-out {fan_out}: ratio of CPU");
    match CPU_MAX.into_iter().find(|(of, _)| *of == fan_out) {
        Some((_, most)) => report.at_most(what, cpus, most),
        None => report.found(what, figure(cpus)),
    }
    if fan_out == CPU_GOAL.0 {
        report.at_most(format!("fan-out {fan_out}: ratio of CPU, the further goal"), cpus, CPU_GOAL.1);
    }
    let what = format!("fan-out {fan_out}: ratio of deliveries/s");
    if RATE_JUDGED.contains(&fan_out) {
        report.at_least(what, rates, RATE_MIN);
    } else {
        report.found(what, figure(rates));
    }
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
