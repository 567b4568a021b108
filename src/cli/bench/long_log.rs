//! A log of many events: what it costs at a start, in memory, and in every later publish and delivery.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    super::Failure,
    Args,
    driven::Driven,
    process,
    report::{Report, figure, median, megabytes, to_f64},
    sink::{self, Receiver, Sink},
    stage::Scratch,
};

/// Events of one measured burst.
const BURST: u64 = 50_000;
/// Time that a burst has to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that a start may take if the last run ended in order, or crashed.
const START_SECONDS_MAX: f64 = 3.0;
const RSS_MB_MAX: f64 = 200.0;
/// How far a median of noisy ratios may be off.
const NOISE: f64 = 0.1;

/// Where bursts are measured: an engine, the receiver of its one endpoint, and the number of its next event.
struct Ground {
    engine: Driven,
    receiver: Receiver,
    next: u64,
}

/// One of the figures of a burst.
type Part = fn(&Burst) -> f64;

/// What a burst came to.
struct Burst {
    published_a_second: f64,
    delivered_a_second: f64,
    cpu_us: f64,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let (young, old) = (Scratch::new(args)?, Scratch::new(args)?);
    let sink = Sink::start()?;
    let mut report = Report {
        scenario: "long-log",
        settings: format!(
            "{} events of {} B payload in the log; {} bursts of {BURST} events to one endpoint, beside an engine \
             whose log is young",
            args.log_events, args.payload_bytes, args.rounds
        ),
        headings: vec!["log", "published/s", "delivered/s", "engine CPU us/event", "RSS MB"],
        ..Report::default()
    };
    let filled = fill(args, old.path(), &mut report)?;
    let (mut rates, mut clean_start) = ([Vec::new(), Vec::new()], 0.0);
    {
        let mut grounds = Vec::new();
        for (dir, next) in [(young.path(), 0), (old.path(), filled)] {
            let (mut engine, seconds) = Driven::start(args, dir)?;
            clean_start = seconds;
            let receiver = sink.healthy()?;
            engine.subscribe(&sink::url(receiver.address()))?;
            grounds.push(Ground { engine, receiver, next });
        }
        for _ in 0..args.rounds {
            for (ground, rates) in grounds.iter_mut().zip(&mut rates) {
                rates.push(ground.burst(&mut report.lost).await?);
            }
        }
        for ((name, ground), bursts) in ["young", "long"].into_iter().zip(grounds).zip(&rates) {
            let of = |part: Part| figure(median(bursts.iter().map(part)));
            report.rows.push(vec![
                json!(name),
                of(|it| it.published_a_second),
                of(|it| it.delivered_a_second),
                of(|it| it.cpu_us),
                figure(megabytes(ground.engine.rss_bytes())),
            ]);
            ground.engine.kill();
        }
    }
    judge_rates(&rates, &mut report);
    judge_starts(args, old.path(), clean_start, &mut report)?;
    report.judged("deliveries lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

/// Fills a log while nobody takes the events; tells how many there are.
fn fill(args: &Args, dir: &Path, report: &mut Report) -> Result<u64, Failure> {
    let (mut engine, _) = Driven::start(args, dir)?;
    let seconds = engine.publish(0..args.log_events, 1)?;
    report.found("events/s while it was filled", figure(to_f64(args.log_events) / seconds));
    report.found("RSS after it was filled, MB", figure(megabytes(engine.rss_bytes())));
    engine.stop()?;
    report.found("disk, MB", figure(megabytes(process::disk(dir).0)));
    Ok(args.log_events)
}

impl Ground {
    async fn burst(&mut self, lost: &mut u64) -> Result<Burst, Failure> {
        let (begun, cpu) = (Instant::now(), self.engine.cpu_us());
        let before = self.receiver.distinct();
        let published = self.engine.publish(self.next..self.next + BURST, 1)?;
        self.next += BURST;
        while self.receiver.distinct() < before + BURST && begun.elapsed() < PATIENCE {
            actix_rt::time::sleep(Duration::from_millis(1)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        *lost += before + BURST - self.receiver.distinct();
        Ok(Burst {
            published_a_second: to_f64(BURST) / published,
            delivered_a_second: to_f64(BURST) / seconds,
            cpu_us: to_f64(self.engine.cpu_us() - cpu) / to_f64(BURST),
        })
    }
}

fn judge_rates([young, old]: &[Vec<Burst>; 2], report: &mut Report) {
    let ratio = |part: Part| median(old.iter().zip(young).map(|(old, young)| part(old) / part(young)));
    let parts: [(&str, Part); 2] = [
        ("events/s published, long log over young", |it| it.published_a_second),
        ("events/s delivered, long log over young", |it| it.delivered_a_second),
    ];
    for (what, part) in parts {
        report.at_least(what, ratio(part), 1.0 - NOISE);
    }
    report.at_most("CPU of an event, long log over young", ratio(|it| it.cpu_us), 1.0 + NOISE);
}

/// The engine on the directory was killed: it starts as after a crash, then as after a loss of power.
fn judge_starts(args: &Args, dir: &Path, clean: f64, report: &mut Report) -> Result<(), Failure> {
    let (engine, crashed) = Driven::start(args, dir)?;
    let rss = megabytes(engine.rss_bytes());
    engine.kill();
    for (what, seconds) in [("start after a clean stop, s", clean), ("start after kill -9, s", crashed)] {
        report.at_most(what, seconds, START_SECONDS_MAX);
    }
    // Without the note on how the last run ended, nothing but the log is believed, as after a loss of power.
    fs::write(dir.join("run"), "doubtful\n").map_err(|error| Failure::failed(error.to_string()))?;
    let (engine, rebuilt) = Driven::start(args, dir)?;
    report.found("start after a loss of power, which reads the whole log, s", figure(rebuilt));
    let highest = rss.max(megabytes(engine.rss_bytes()));
    engine.stop()?;
    report.at_most("RSS after a start, MB", highest, RSS_MB_MAX);
    Ok(())
}
