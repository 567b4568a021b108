//! How long it takes until a published event is durable, beside a bare append and sync of the same bytes.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use casewire_data::{event::NewEvent, limits::Limits};
use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::Failure,
    Args,
    append::{self, Appended},
    histogram::Histogram,
    load::PUBLISHERS,
    report::{Report, figure, median, ratio},
    sink,
    stage::{EVENT_TYPE, Scratch, Stage},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 3;
/// The p50 of one publisher over that of a bare append, at most.
const P50_MAX: f64 = 1.3;
/// The events a second of many publishers over those of a bare group commit, at least.
const RATE_MIN: f64 = 0.5;

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let seconds = args.seconds.unwrap_or(SECONDS);
    let bytes = logged_bytes(args).await?;
    let mut report = Report {
        scenario: "publish",
        settings: format!(
            "{} rounds of {seconds} s each, {} B payload, {bytes} B logged for each event, no endpoint",
            args.rounds, args.payload_bytes
        ),
        headings: vec!["publishers", "", "events/s", "p50 ms", "p99 ms"],
        ..Report::default()
    };
    for publishers in [1, PUBLISHERS] {
        compare(args, publishers, bytes, Duration::from_secs(seconds), &mut report).await?;
    }
    Ok(report)
}

async fn compare(
    args: &Args,
    publishers: usize,
    bytes: usize,
    time: Duration,
    report: &mut Report,
) -> Result<(), Failure> {
    let (mut engine, mut bare): (Vec<Appended>, Vec<Appended>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let stage = Stage::set(args, Limits::default(), []).await?;
        engine.push(publish(&stage, args, publishers, time).await?);
        stage.strike().await;
        let scratch = Scratch::new(args)?;
        bare.push(match publishers {
            1 => append::alone(scratch.path(), bytes, time)?,
            _ => append::in_groups(scratch.path(), bytes, publishers, time).await?,
        });
    }
    for (name, runs) in [("engine", &engine), ("bare append and sync", &bare)] {
        let figures: [fn(&Appended) -> f64; 3] =
            [|run| run.rate, |run| run.times.percentile_ms(0.5), |run| run.times.percentile_ms(0.99)];
        let figures = figures.map(|part| figure(median(runs.iter().map(part))));
        report.rows.push([json!(publishers), json!(name)].into_iter().chain(figures).collect());
    }
    let rates = ratio(&engine, &bare, |run| run.rate);
    let p50 = ratio(&engine, &bare, |run| run.times.percentile_ms(0.5));
    let p99 = ratio(&engine, &bare, |run| run.times.percentile_ms(0.99));
    let what = |part: &str| format!("{publishers} publishers: ratio of {part}");
    if publishers == 1 {
        report.at_most(what("p50"), p50, P50_MAX);
        report.found(what("events/s"), figure(rates));
    } else {
        report.at_least(what("events/s"), rates, RATE_MIN);
        report.found(what("p50"), figure(p50));
    }
    report.found(what("p99"), figure(p99));
    Ok(())
}

async fn publish(stage: &Stage, args: &Args, publishers: usize, time: Duration) -> Result<Appended, Failure> {
    let publisher = stage.publisher();
    let (begun, times) = (Instant::now(), RefCell::new(Histogram::default()));
    let count = Cell::new(0_u32);
    let one = || async {
        while begun.elapsed() < time {
            let data = sink::payload(u64::from(count.get()), 0, args.payload_bytes);
            let before = Instant::now();
            publisher.publish_event(NewEvent::new(EVENT_TYPE, data)?).await?;
            times.borrow_mut().add(append::micros(before));
            count.set(count.get() + 1);
        }
        Ok(())
    };
    let done: Vec<Result<(), casewire_data::Error>> = join_all((0..publishers).map(|_| one())).await;
    let rate = f64::from(count.get()) / begun.elapsed().as_secs_f64();
    done.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(Appended { times: times.into_inner(), rate })
}

/// What the log grows by for one event.
pub(super) async fn logged_bytes(args: &Args) -> Result<usize, Failure> {
    const EVENTS: u64 = 100;
    let stage = Stage::set(args, Limits::default(), []).await?;
    let log = stage.dir().join("log");
    // The file reaches beyond its entries, with zeros.
    let length = || -> u64 {
        let segments = std::fs::read_dir(&log).into_iter().flatten().flatten();
        let contents = segments.filter_map(|segment| std::fs::read(segment.path()).ok());
        contents
            .map(|bytes| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
            .sum()
    };
    let before = length();
    for number in 0..EVENTS {
        let event = NewEvent::new(EVENT_TYPE, sink::payload(number, 0, args.payload_bytes))?;
        stage.publisher().publish_event(event).await?;
    }
    let bytes = (length() - before) / EVENTS;
    stage.strike().await;
    Ok(usize::try_from(bytes).unwrap_or(0))
}
