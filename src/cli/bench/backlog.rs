//! Events pile up for a receiver that is down; the engine is restarted, the receiver is up: do they all arrive, and as
//! fast as events do that are published meanwhile?

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    super::Failure,
    Args,
    engine_process::EngineProcess,
    load::{Mark, WARM_UP},
    process,
    report::{Report, figure, median, megabytes, ratio},
    sink::{self, Receiver, Sink},
    stage::Scratch,
};

/// Seconds of the live run if not said otherwise.
const SECONDS: u64 = 5;
/// How often the engine is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often a live engine is told what has arrived: far more often than what is under way takes.
const TELL_EVERY: Duration = Duration::from_millis(1);
/// How long nothing may arrive before the rest counts as lost: longer than any retry of the run waits.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// Megabytes of memory, at most, at any time.
const RSS_MB_MAX: f64 = 200.0;
/// Seconds from the start of the process to the first delivery, at most.
const FIRST_SECONDS_MAX: f64 = 3.0;
/// The rate of catching up over that of live events, at least.
const CATCH_UP_MIN: f64 = 0.8;

/// What one phase took, and the memory of the engine.
#[derive(Clone, Copy, Default)]
struct Phase {
    seconds: f64,
    events: u64,
    rss: u64,
    rss_highest: u64,
}

/// One round's figures.
struct Run {
    live: Phase,
    published: Phase,
    most_arrived: Phase,
    all_arrived: Phase,
    ready_seconds: f64,
    first_seconds: f64,
    stop_seconds: [f64; 2],
    disk: u64,
    twice: u64,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let mut runs = Vec::new();
    for _ in 0..args.rounds {
        runs.push(run(args).await?);
    }
    let mut report = Report {
        scenario: "backlog",
        settings: format!(
            "{} rounds of {} events, {} B payload, one endpoint that refuses connections until the restart; \
             live: saturated, the same endpoint and engine, in a process of its own as well",
            args.rounds, args.events, args.payload_bytes
        ),
        headings: vec!["phase", "seconds", "events/s", "RSS MB", "highest RSS MB"],
        ..Report::default()
    };
    report.rows = vec![
        row("live", &runs, |run| run.live),
        row("published", &runs, |run| run.published),
        row("99 % arrived", &runs, |run| run.most_arrived),
        row("all arrived", &runs, |run| run.all_arrived),
    ];
    let part = |part: fn(&Run) -> f64| figure(median(runs.iter().map(part)));
    report.found("start to ready, s", part(|run| run.ready_seconds));
    report.found("shutdown, s", json!([part(|run| run.stop_seconds[0]), part(|run| run.stop_seconds[1])]));
    report.found("disk before the restart, MB", part(|run| megabytes(run.disk)));
    report.found("arrived twice", json!(runs.iter().map(|run| run.twice).sum::<u64>()));
    judge(&runs, &mut report);
    report.lost = runs.iter().map(|run| args.events - run.all_arrived.events).sum();
    report.judged("events lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

fn judge(runs: &[Run], report: &mut Report) {
    let highest = runs.iter().flat_map(|run| [run.published, run.all_arrived]).map(|phase| phase.rss_highest);
    report.at_most("highest RSS, MB", megabytes(highest.max().unwrap_or(0)), RSS_MB_MAX);
    let first = median(runs.iter().map(|run| run.first_seconds));
    report.at_most("start to first delivery, s", first, FIRST_SECONDS_MAX);
    let (caught_up, live): (Vec<_>, Vec<_>) = runs.iter().map(|run| (run.most_arrived, run.live)).unzip();
    report.at_least("catching up: ratio of events/s", ratio(&caught_up, &live, Phase::rate), CATCH_UP_MIN);
}

async fn run(args: &Args) -> Result<Run, Failure> {
    let live = live(args).await?;
    let scratch = Scratch::new(args)?;
    let address = sink::nobody()?;
    let mut engine = start(args, &scratch, &["--child-url", &sink::url(address)])?;
    let seconds = engine.wait_for("published")?;
    let rss = engine.rss_bytes();
    let published = Phase { seconds, events: args.events, rss, rss_highest: rss };
    let stopped = engine.stop()?;
    let (disk, _) = process::disk(scratch.path());

    let sink = Sink::start()?;
    let receiver = sink.listen(address, Duration::ZERO)?;
    let begun = Instant::now();
    let engine = start(args, &scratch, &[])?;
    let ready_seconds = begun.elapsed().as_secs_f64();
    let (first_seconds, most_arrived, all_arrived) = catch_up(args, &engine, &receiver, begun).await;
    Ok(Run {
        live,
        published,
        most_arrived,
        all_arrived,
        ready_seconds,
        first_seconds,
        stop_seconds: [stopped, engine.stop()?],
        disk,
        twice: receiver.received() - receiver.distinct(),
    })
}

/// How fast events arrive that are published meanwhile.
async fn live(args: &Args) -> Result<Phase, Failure> {
    let time = Duration::from_secs(args.seconds.unwrap_or(SECONDS));
    let scratch = Scratch::new(args)?;
    let sink = Sink::start()?;
    let receivers = [sink.healthy()?];
    let url = sink::url(receivers[0].address());
    let mut engine = start(args, &scratch, &["--child-live", "--child-url", &url])?;
    keep_told(&mut engine, &receivers[0], WARM_UP).await?;
    let (mark, before) = (Mark::set(&receivers), receivers[0].distinct());
    keep_told(&mut engine, &receivers[0], time).await?;
    let (rate, events) = (mark.measure(&receivers).rate, receivers[0].distinct() - before);
    let rss = engine.rss_bytes();
    engine.stop()?;
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    Ok(Phase { seconds: events as f64 / rate, events, rss, rss_highest: rss })
}

/// Starts the engine: it publishes all events to `--child-url`, or as fast as they arrive there if it is `--child-live`,
/// or only delivers what it has.
fn start(args: &Args, scratch: &Scratch, work: &[&str]) -> Result<EngineProcess, Failure> {
    let events = args.events.to_string();
    let more = ["--events", &events].into_iter().chain(work.iter().copied());
    EngineProcess::start(args, ("backlog-engine", scratch.path()), more, &[])
}

async fn keep_told(engine: &mut EngineProcess, receiver: &Receiver, time: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        engine.tell(receiver.distinct())?;
        actix_rt::time::sleep(TELL_EVERY).await;
    }
    Ok(())
}

/// Watches the events arrive. Tells the seconds from `begun` to the first, and from there to most and to all of them.
async fn catch_up(
    args: &Args,
    engine: &EngineProcess,
    receiver: &Receiver,
    begun: Instant,
) -> (f64, Phase, Phase) {
    let most = args.events / 100 * 99;
    let (mut first, mut most_there) = (None, None);
    let (mut arrived, mut last_arrival, mut rss_highest) = (0, Instant::now(), 0);
    while arrived < args.events && last_arrival.elapsed() < SILENCE_MAX {
        actix_rt::time::sleep(LOOK_EVERY).await;
        let now = receiver.distinct();
        if now > arrived {
            first = first.or_else(|| Some(begun.elapsed().as_secs_f64()));
            (arrived, last_arrival) = (now, Instant::now());
        }
        if arrived >= most {
            most_there = most_there.or_else(|| Some(begun.elapsed().as_secs_f64()));
        }
        rss_highest = rss_highest.max(engine.rss_bytes());
    }
    let (rss, first) = (engine.rss_bytes(), first.unwrap_or(f64::NAN));
    let phase = |until: f64, events| Phase { seconds: until - first, events, rss, rss_highest };
    let all_there = begun.elapsed().as_secs_f64();
    (first, phase(most_there.unwrap_or(f64::NAN), most), phase(all_there, arrived))
}

impl Phase {
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

fn row(name: &str, runs: &[Run], phase: fn(&Run) -> Phase) -> Vec<Value> {
    let parts: [fn(&Phase) -> f64; 4] = [
        |phase| phase.seconds,
        Phase::rate,
        |phase| megabytes(phase.rss),
        |phase| megabytes(phase.rss_highest),
    ];
    let figures = parts.map(|part| figure(median(runs.iter().map(phase).map(|phase| part(&phase)))));
    std::iter::once(json!(name)).chain(figures).collect()
}
