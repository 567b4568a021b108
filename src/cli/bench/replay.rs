//! What live deliveries notice of a replay that is under way, to their own endpoint and to another.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use casewire_data::{
    ErrorKind,
    endpoint::EndpointPatch,
    event::{NewEvent, Tenant},
    id::EndpointId,
    limits::{BATCH_EVENTS_MAX, Limits},
    pattern::Pattern,
    replay::{ReplayQuery, ReplayState, ReplayStatus},
};
use serde_json::json;

use super::{
    super::Failure,
    Args,
    histogram::Histogram,
    load::{Load, WARM_UP},
    report::{Report, figure, median, ratio, to_f64},
    sink::{Receiver, Sink},
    stage::{self, Stage},
};
use crate::{
    engine::Engine,
    tenant::{ReplayReport, TenantHandle},
};

/// Seconds of a run if not said otherwise. The last one with a replay lasts as long as the replay; those before it call it
/// off.
const SECONDS: u64 = 10;
/// Live events a second if not said otherwise: well below saturation.
const RATE: u32 = 500;
/// What is compared.
const CASES: [Case; 3] = [
    Case { whose: "to the only endpoint", others: 0, is_idle: false },
    Case { whose: "to one of 10", others: 9, is_idle: false },
    Case { whose: "to an idle endpoint", others: 9, is_idle: true },
];
/// The type of the events that are replayed.
const OLD: &str = "bench.old";
/// Live p99 over that without a replay, at most.
const P99_MAX: f64 = 2.0;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Time that a replay, or what it is to replay, has to arrive.
const PATIENCE: Duration = Duration::from_secs(600);

/// An endpoint that is replayed to.
#[derive(Clone, Copy)]
struct Case {
    whose: &'static str,
    /// Other endpoints that live events go to.
    others: usize,
    /// None of them goes to the one that is replayed to.
    is_idle: bool,
}

/// Live times of one run.
struct Run {
    own: Histogram,
    others: Histogram,
}

/// An engine with all that is to be replayed in its log, and live events for it.
struct Scene {
    stage: Stage,
    load: Rc<Load>,
    /// The first is that of the endpoint that is replayed to.
    receivers: Vec<Receiver>,
    endpoint: EndpointId,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let (seconds, rate) = (args.seconds.unwrap_or(SECONDS), args.rate.unwrap_or(RATE));
    let mut report = Report {
        scenario: "replay",
        settings: format!(
            "{} rounds of {seconds} s without and beside a replay of {} deliveries, the last to its end; {rate} live events/s, {} B payload, {} delivering threads",
            args.rounds, args.replayed, args.payload_bytes, args.workers,
        ),
        headings: vec!["live deliveries", "of", "p50 ms", "p99 ms", "highest ms"],
        ..Report::default()
    };
    for case in CASES {
        compare(args, case, rate, Duration::from_secs(seconds), &mut report).await?;
    }
    report.judged("deliveries lost, live or replayed", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

async fn compare(
    args: &Args,
    case: Case,
    rate: u32,
    time: Duration,
    report: &mut Report,
) -> Result<(), Failure> {
    let sink = Sink::start()?;
    let scene = Scene::set(args, &sink, case).await?;
    let (mut without, mut during) = (Vec::new(), Vec::new());
    let mut seconds = 0.0;
    for round in 1..=args.rounds {
        let quiet = async {
            actix_rt::time::sleep(time).await;
            Ok(())
        };
        without.push(scene.beside(rate, quiet).await?.0);
        let (is_last, begun) = (round == args.rounds, Instant::now());
        let (run, replay) = scene.beside(rate, scene.replay((!is_last).then_some(time))).await?;
        during.push(run);
        if is_last {
            seconds = (begun.elapsed() - WARM_UP).as_secs_f64();
            report.lost += args.replayed.saturating_sub(replay.delivered);
        }
    }
    let live_receivers = if case.is_idle { &scene.receivers[1..] } else { &scene.receivers[..] };
    report.lost += scene.load.missing(live_receivers).await;
    scene.stage.strike().await;

    let Case { whose, others, is_idle } = case;
    if !is_idle {
        compared(report, whose, [&without, &during], |run| &run.own);
    }
    if others > 0 {
        let others = format!("to the others, replayed {whose}");
        compared(report, &others, [&without, &during], |run| &run.others);
    }
    report.found(format!("replay {whose}: seconds to the end"), figure(seconds));
    report.found(format!("replay {whose}: deliveries/s"), figure(to_f64(args.replayed) / seconds));
    Ok(())
}

/// Reports live times without and with a replay, and judges what it adds.
fn compared(report: &mut Report, whose: &str, [without, during]: [&[Run]; 2], part: fn(&Run) -> &Histogram) {
    for (name, runs) in [("without a replay", without), ("during a replay", during)] {
        let times = [0.5, 0.99, 1.0]
            .map(|fraction| figure(median(runs.iter().map(|run| part(run).percentile_ms(fraction)))));
        report.rows.push([json!(name), json!(whose)].into_iter().chain(times).collect());
    }
    let times = |fraction| ratio(during, without, |run| part(run).percentile_ms(fraction));
    report.found(format!("live {whose}: ratio of p50"), figure(times(0.5)));
    report.at_most(format!("live {whose}: ratio of p99"), times(0.99), P99_MAX);
}

impl Scene {
    /// The others come last, so that nothing but live events goes to them.
    async fn set(args: &Args, sink: &Sink, case: Case) -> Result<Self, Failure> {
        let receivers = (0..=case.others).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?;
        let mut urls = stage::urls(&receivers).into_iter();
        let stage = Stage::set(args, Limits::default(), urls.next()).await?;
        let endpoints = stage.engine().tenant(Tenant::default()).endpoints().await?;
        let endpoint = endpoints.first().ok_or_else(|| Failure::failed("the endpoint is gone"))?.endpoint.id;
        fill(args, stage.engine()).await?;
        let load = Load::new(stage.publisher(), args.payload_bytes);
        let scene = Self { stage, load, receivers, endpoint };
        scene.until_all_arrived(args.replayed).await?;
        if case.is_idle {
            let old = EndpointPatch { events: Some(vec![OLD.to_owned()]), ..EndpointPatch::default() };
            scene.tenant().update_endpoint(endpoint, old).await?;
        }
        for url in urls {
            stage::subscribe(scene.stage.engine(), url, Vec::new()).await?;
        }
        Ok(scene)
    }

    fn tenant(&self) -> TenantHandle {
        self.stage.engine().tenant(Tenant::default())
    }

    /// The journal must know of it too: it is what a replay selects by.
    async fn until_all_arrived(&self, deliveries: u64) -> Result<(), Failure> {
        let begun = Instant::now();
        while self.receivers[0].received() < deliveries
            || self.tenant().count_replay(self.endpoint, all_old()?).await? < deliveries
        {
            in_time(begun)?;
            actix_rt::time::sleep(10 * LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Live times while something else goes on, which begins when the load is warm.
    async fn beside<T>(
        &self,
        rate: u32,
        other: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(Run, T), Failure> {
        let goes_on = Rc::new(Cell::new(true));
        let (load, is_on) = (self.load.clone(), goes_on.clone());
        let publishing = actix_rt::spawn(async move { load.offer(rate, || is_on.get()).await });
        actix_rt::time::sleep(WARM_UP).await;
        self.receivers.iter().for_each(Receiver::note_times);
        let ended = other.await;
        let (own, mut others) = (self.receivers[0].times(), Histogram::default());
        self.receivers[1..].iter().for_each(|receiver| others.merge(&receiver.times()));
        goes_on.set(false);
        let _ = publishing.await;
        self.load.failed()?;
        Ok((Run { own, others }, ended?))
    }

    /// Sends all that is old again until the end, or for a time.
    async fn replay(&self, time: Option<Duration>) -> Result<ReplayReport, Failure> {
        let (tenant, begun) = (self.tenant(), Instant::now());
        let mut replay = tenant.replay(self.endpoint, all_old()?).await?;
        while replay.state == ReplayState::Running {
            in_time(begun)?;
            if time.is_some_and(|time| begun.elapsed() >= time) {
                return Ok(tenant.cancel_replay(self.endpoint, replay.id).await?);
            }
            actix_rt::time::sleep(LOOK_EVERY).await;
            replay = tenant.replay_report(self.endpoint, replay.id).await?;
        }
        Ok(replay)
    }
}

fn all_old() -> Result<ReplayQuery, Failure> {
    let (statuses, types) = ([ReplayStatus::Delivered].into(), vec![Pattern::new(OLD)?]);
    Ok(ReplayQuery { statuses, types, ..ReplayQuery::default() })
}

fn in_time(begun: Instant) -> Result<(), Failure> {
    match begun.elapsed() < PATIENCE {
        true => Ok(()),
        false => {
            Err(Failure::failed("what is replayed did not arrive in ten minutes; try fewer with --replayed"))
        }
    }
}

/// Publishes what is to be replayed. It has no number, so that receivers tell it from what is live.
async fn fill(args: &Args, engine: &Engine) -> Result<(), Failure> {
    let payload =
        format!(r#"{{"pad":"{}"}}"#, "x".repeat(args.payload_bytes as usize - r#"{"pad":""}"#.len()));
    let mut left = usize::try_from(args.replayed).unwrap_or(usize::MAX);
    while left > 0 {
        let events = left.min(BATCH_EVENTS_MAX);
        let batch =
            (0..events).map(|_| NewEvent::new(OLD, payload.clone())).collect::<Result<Vec<_>, _>>()?;
        match engine.publisher().publish_batch(batch).await {
            Ok(_) => left -= events,
            Err(error) if error.kind() == ErrorKind::Busy => actix_rt::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
