//! What isn't used costs nothing: ten endpoints at full load, alone and beside a crowd of idle ones.

use std::{path::Path, rc::Rc, time::Duration};

use casewire_data::{event::Tenant, limits::Limits};
use serde_json::json;

use super::{
    super::Failure,
    Args, crowd,
    load::{Load, Measured, Pace},
    report::{Report, figure, median},
    sink::{Receiver, Sink},
    stage::{self, Scratch},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 5;
/// Endpoints that each event goes to.
const FAN_OUT: u64 = 10;
/// How far a median of noisy ratios may be off.
const NOISE: f64 = 0.1;

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let time = Duration::from_secs(args.seconds.unwrap_or(SECONDS));
    let (alone, crowded) = (Scratch::new(args)?, Scratch::new(args)?);
    let engine = stage::start(args, crowded.path(), Limits::default())?;
    crowd::gather(&engine, args.endpoints.saturating_sub(FAN_OUT)).await?;
    engine.shutdown(Duration::ZERO).await;

    let mut report = Report {
        scenario: "scale",
        settings: format!(
            "{} rounds of {} s each, {} B payload, fan-out {FAN_OUT}, saturated; beside {} idle endpoints with {} \
             patterns, {} event types in turn",
            args.rounds,
            time.as_secs(),
            args.payload_bytes,
            args.endpoints,
            crowd::PATTERNS,
            crowd::TYPES
        ),
        headings: vec!["run", "deliveries/s", "engine CPU us/delivery"],
        ..Report::default()
    };
    let (mut lone, mut beside): (Vec<Measured>, Vec<Measured>) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        // Whichever comes second finds a warmer machine: they take turns at that too.
        let run_alone = async |lone: &mut Vec<Measured>, lost: &mut u64| {
            run(args, alone.path(), 1, time, lost).await.map(|measured| lone.push(measured))
        };
        if round % 2 == 0 {
            run_alone(&mut lone, &mut report.lost).await?;
        }
        beside.push(run(args, crowded.path(), crowd::TYPES, time, &mut report.lost).await?);
        if round % 2 == 1 {
            run_alone(&mut lone, &mut report.lost).await?;
        }
    }
    for (name, measured) in [("alone", &lone), ("beside the crowd", &beside)] {
        let (rate, cpu) = (measured.iter().map(|one| one.rate), measured.iter().map(|one| one.cpu_us));
        report.rows.push(vec![json!(name), figure(median(rate)), figure(median(cpu))]);
    }
    let ratio = |part: fn(&Measured) -> f64| {
        median(beside.iter().zip(&lone).map(|(beside, alone)| part(beside) / part(alone)))
    };
    let rates = ratio(|one| one.rate);
    report.at_least("deliveries/s, ratio", rates, 1.0 - NOISE);
    report.at_most("CPU of a delivery, ratio", ratio(|one| one.cpu_us), 1.0 + NOISE);
    report.judged("deliveries lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

/// A run on a directory that may hold a crowd already; its own endpoints come and go with it.
async fn run(
    args: &Args,
    dir: &Path,
    types: u64,
    time: Duration,
    lost: &mut u64,
) -> Result<Measured, Failure> {
    let sink = Sink::start()?;
    let receivers: Rc<Vec<Receiver>> =
        Rc::new((0..FAN_OUT).map(|_| sink.healthy()).collect::<Result<_, _>>()?);
    let engine = stage::start(args, dir, Limits::default())?;
    for url in stage::urls(&receivers) {
        stage::subscribe(&engine, url, Vec::new()).await?;
    }
    let load = Load::of_types(engine.publisher(), args.payload_bytes, types);
    let measured = load.run(Pace::Saturated, time, &receivers).await?;
    *lost += load.missing(&receivers).await;
    let tenant = engine.tenant(Tenant::default());
    // The newest come first.
    for own in tenant.endpoints().await?.iter().take(receivers.len()) {
        tenant.delete_endpoint(own.endpoint.id).await?;
    }
    engine.shutdown(Duration::ZERO).await;
    Ok(measured)
}
