//! Many endpoints that nothing is sent to: what they cost in memory, and how soon an engine that has them starts.

use std::time::Duration;

use serde_json::json;

use super::{
    super::Failure,
    Args, crowd,
    driven::Driven,
    report::{Report, figure, median, megabytes, to_f64},
    sink::{self, Sink},
    stage::Scratch,
};

/// Endpoints among them that take what is published.
const USED: u64 = 10;
/// Events that each of those is sent in a round.
const EVENTS: u64 = 1_000;
/// How long an engine is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);
const RSS_MB_MAX: f64 = 150.0;
const START_SECONDS_MAX: f64 = 3.0;

/// One start, and what came of it.
struct Start {
    seconds: f64,
    idle_mb: f64,
    used_mb: f64,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let scratch = Scratch::new(args)?;
    let sink = Sink::start()?;
    let receivers = (0..USED).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?;
    let (mut engine, _) = Driven::start(args, scratch.path())?;
    let created = engine.crowd(args.endpoints.saturating_sub(USED))?;
    for receiver in &receivers {
        engine.subscribe(&sink::url(receiver.address()))?;
    }
    let mut report = Report {
        scenario: "idle",
        settings: format!(
            "{} endpoints with {} patterns, of which {USED} take {} event types; {} starts of each kind",
            args.endpoints,
            crowd::PATTERNS,
            crowd::TYPES,
            args.rounds
        ),
        headings: vec!["start", "start to ready s", "RSS idle MB", "RSS after deliveries MB"],
        ..Report::default()
    };
    let mut published = crowd::TYPES;
    engine.publish(0..published, crowd::TYPES)?;
    sink::missing(&receivers, published).await;
    report.found("endpoints created a second", figure(to_f64(args.endpoints) / created));
    report.found("RSS where they were created, MB", figure(megabytes(engine.rss_bytes())));

    let mut starts: [Vec<Start>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (after, starts) in starts.iter_mut().enumerate() {
            if after == 0 {
                engine.stop()?;
            } else {
                engine.kill();
            }
            let (next, seconds) = Driven::start(args, scratch.path())?;
            engine = next;
            actix_rt::time::sleep(IDLE).await;
            let idle_mb = megabytes(engine.rss_bytes());
            engine.publish(published..published + EVENTS, crowd::TYPES)?;
            published += EVENTS;
            sink::missing(&receivers, published).await;
            starts.push(Start { seconds, idle_mb, used_mb: megabytes(engine.rss_bytes()) });
        }
    }
    report.lost = sink::missing(&receivers, published).await;
    engine.stop()?;
    for (name, starts) in ["after a clean stop", "after kill -9"].into_iter().zip(&starts) {
        judge(name, starts, &mut report);
    }
    report.judged("deliveries lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

fn judge(name: &str, starts: &[Start], report: &mut Report) {
    let of = |part: fn(&Start) -> f64| median(starts.iter().map(part));
    let (seconds, idle_mb, used_mb) = (of(|it| it.seconds), of(|it| it.idle_mb), of(|it| it.used_mb));
    report.rows.push(vec![json!(name), figure(seconds), figure(idle_mb), figure(used_mb)]);
    report.at_most(format!("start {name}, s"), seconds, START_SECONDS_MAX);
    report.at_most(format!("RSS {name}, MB"), idle_mb.max(used_mb), RSS_MB_MAX);
}
