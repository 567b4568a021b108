//! `casewire bench`: measures the engine on this machine, beside something simple that bounds what is possible.
//!
//! Everything runs in one process (some engines in a child), on loopback, bounded in time and count. Compared
//! runs alternate, so that a machine which is busy for a while troubles both, and medians and ratios are reported.

use std::path::PathBuf;

use clap::ValueEnum;

use self::report::Report;
use super::{Failure, Outcome};

mod histogram;
mod load;
mod process;
mod report;
mod sink;
mod stage;

mod append;
mod crowd;
mod driven;
mod raw;

mod backlog;
mod black_hole;
mod child;
mod engine_process;
mod fanout;
mod http;
mod idle;
mod instructions;
mod isolation;
mod latency;
mod lists;
mod long_log;
mod matching;
mod publish;
mod render;
mod replay;
mod scale;
mod steady;

/// What `bench` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire bench
  casewire bench fanout --seconds 3
  casewire bench steady --retention-seconds 60")]
pub(super) struct Args {
    /// What to measure; the short ones one after the other if not given: isolation, fanout, publish, latency, http, match.
    scenario: Option<Scenario>,
    /// Rounds of each of the compared runs; they alternate.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each run [default: 5; publish, http: 3; replay: 10; steady: 600].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Endpoints that each event goes to [default: 1,10,100; steady: 10].
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1_000))]
    fan_out: Vec<u64>,
    /// Events offered a second [default: isolation: 200 to 10 endpoints, 20 to 100; latency: 50; replay: 500; steady:
    /// as many as arrive].
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Events of the backlog; deliveries of the lists.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: u64,
    /// Deliveries that the replay sends again.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    replayed: u64,
    /// Endpoints in all, most of them idle, of the runs about what is not used.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    endpoints: u64,
    /// Events of the long log.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    log_events: u64,
    /// How long the steady run keeps events.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    retention_seconds: u32,
    /// Bytes of each event's payload.
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(64..=65_536))]
    payload_bytes: u32,
    /// Threads of the engine that deliver.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Where to make the temporary data directories: it is this disk that is measured [default: the system's].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the backlog's child delivers to.
    #[arg(long, hide = true)]
    child_url: Option<String>,
    /// The backlog's child publishes as fast as events arrive.
    #[arg(long, hide = true)]
    child_live: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// One of ten endpoints sleeps or refuses, one of a hundred never answers: what the others notice, beside a run in
    /// which it is as healthy as they are.
    Isolation,
    /// Deliveries a second and CPU of each, beside a bare client that sends the same signed requests to the same
    /// receivers.
    Fanout,
    /// How long a durable publish takes, beside a bare append and sync of the same bytes.
    Publish,
    /// From publish to receipt, now and then an event, beside a bare append and sync of the same bytes as often.
    Latency,
    /// Events published over HTTP, beside a server on the same framework that only parses, appends, syncs once a batch
    /// and answers.
    Http,
    /// Finding the endpoints of an event type among 10,000 patterns: remembered, and for the first time.
    Match,
    /// What it costs to render an event in each dialect, to check it at publish, and to sign it.
    Render,
    /// Events that pile up for a receiver that is down, and how they arrive after a restart, beside events that arrive
    /// as they are published.
    Backlog,
    /// A long load with retention: whether memory, disk and rate stay flat, the last third beside the middle one.
    Steady,
    /// Instructions of one publish and of one delivery, counted by valgrind: the same each time, however busy the machine.
    Instructions,
    /// The engine whose instructions are counted.
    #[value(hide = true)]
    InstructionsEngine,
    /// Many endpoints that nothing is sent to: their memory, and how soon an engine that has them starts.
    Idle,
    /// Deliveries beside many idle endpoints, patterns and event types, and without them.
    Scale,
    /// A log of many events: how soon an engine that has it starts, its memory, and whether its rates hold.
    LongLog,
    /// A replay of many deliveries, to the only endpoint, to one of ten, and to one without live events beside others: what
    /// live ones notice of it, beside the same load without it.
    Replay,
    /// Pages of lists of deliveries and events, at every depth and by every filter.
    Lists,
    /// The engine of the backlog, in a process of its own so that its memory can be told.
    #[value(hide = true)]
    BacklogEngine,
    /// The engine of the runs about starts, in a process of its own.
    #[value(hide = true)]
    DrivenEngine,
}

/// What runs if nothing is chosen: all that take minutes together, not minutes each.
const SHORT: [Scenario; 6] = [
    Scenario::Isolation,
    Scenario::Fanout,
    Scenario::Publish,
    Scenario::Latency,
    Scenario::Http,
    Scenario::Match,
];

/// Runs a scenario, or the short ones; fails if an event was lost.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let scenarios = match args.scenario {
        Some(Scenario::BacklogEngine) => return child::run(&args).await,
        Some(Scenario::InstructionsEngine) => return instructions::engine::run(&args).await,
        Some(Scenario::DrivenEngine) => return driven::run(&args).await,
        Some(scenario) => vec![scenario],
        None => SHORT.to_vec(),
    };
    let mut lost = 0;
    for scenario in scenarios {
        let report = measure(scenario, &args).await?;
        report.print(json);
        lost += report.lost;
    }
    if lost > 0 { Err(Failure::failed(format!("{lost} deliveries were lost"))) } else { Ok(()) }
}

async fn measure(scenario: Scenario, args: &Args) -> Result<Report, Failure> {
    match scenario {
        Scenario::Isolation => isolation::measure(args).await,
        Scenario::Fanout => fanout::measure(args).await,
        Scenario::Publish => publish::measure(args).await,
        Scenario::Latency => latency::measure(args).await,
        Scenario::Http => http::measure(args).await,
        Scenario::Match => matching::measure(args),
        Scenario::Render => render::measure(args),
        Scenario::Backlog | Scenario::BacklogEngine => backlog::measure(args).await,
        Scenario::Instructions | Scenario::InstructionsEngine => instructions::measure(args).await,
        Scenario::Steady => steady::measure(args).await,
        Scenario::Idle | Scenario::DrivenEngine => idle::measure(args).await,
        Scenario::Scale => scale::measure(args).await,
        Scenario::LongLog => long_log::measure(args).await,
        Scenario::Lists => lists::measure(args).await,
        Scenario::Replay => replay::measure(args).await,
    }
}
