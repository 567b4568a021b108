//! `casewire demo`: engine and receivers in one process, on loopback, and a check that every event arrived.

use std::{
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};

use casewire_data::{address::EgressPolicy, dialect::Dialects, retry::RetrySchedule};
use clap::builder::PossibleValuesParser;
use futures_util::future::{Either, select};

use self::{board::Board, scratch::Scratch, stage::Stage, systems::System};
use super::{
    Failure, Outcome,
    serve::{self, StopSignal},
};
use crate::{engine::Engine, settings::Settings};

mod board;
mod cast;
mod check;
mod report;
mod scratch;
mod stage;
mod stay;
mod systems;

/// A second between attempts, so that a receiver's recovery can be watched.
const RETRY_SCHEDULE: &str = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";
/// Time between two looks at the delivery log.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When to stop waiting and say what is missing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time for attempts in flight at the end; there are none when all went well.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// What `demo` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire demo
  casewire demo --system casebook --stay")]
pub(super) struct Args {
    /// Whose webhooks to send: those of one system, or of all of them side by side, each with a tenant to itself.
    #[arg(long, default_value = "all", value_parser = PossibleValuesParser::new(System::choices()))]
    system: String,
    /// Keep engine, receivers and the HTTP API running after the check, until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// Keep the journal in this directory; otherwise in a temporary one, removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Plays the demo; fails if any event did not arrive exactly where it should.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let mut stop =
        StopSignal::catch().map_err(|error| Failure::failed(format!("cannot catch signals: {error}")))?;
    // Declared first, dropped last: the engine lives in it.
    let dir = Scratch::new(args.data_dir)
        .map_err(|error| Failure::failed(format!("cannot make a directory: {error}")))?;
    let engine = start(&dir)?;
    let played = {
        let interrupted = pin!(stop.next());
        match select(pin!(play(&engine, &args.system, json)), interrupted).await {
            Either::Left((played, _)) => played,
            Either::Right(_) => Err(Failure::failed("interrupted")),
        }
    };
    let done = match played {
        Ok(stages) if args.stay => stay::serve_on(&engine, stages, &mut stop, json).await,
        Ok(stages) => {
            leave(stages).await;
            Ok(())
        }
        Err(failure) => Err(failure),
    };
    engine.shutdown(SHUTDOWN_GRACE).await;
    done
}

fn start(dir: &Scratch) -> Result<Engine, Failure> {
    let settings = Settings {
        data_dir: dir.path().to_owned(),
        egress: EgressPolicy::parse("127.0.0.0/8")?,
        retry: RetrySchedule::parse(RETRY_SCHEDULE)?,
        ..Settings::default()
    };
    serve::open(&settings)
}

/// Publishes, watches and judges. The players stay on stage.
async fn play(engine: &Engine, choice: &str, json: bool) -> Result<Vec<Stage>, Failure> {
    let dialects = Dialects::builtin();
    let mut stages = Vec::new();
    for system in System::chosen(choice) {
        stages.push(Stage::set(system, engine, &dialects).await?);
    }
    if !json {
        report::open(&stages);
    }
    watch(&mut stages, &mut Board::new(json)).await?;
    let verdicts = stages.iter().map(Stage::verdicts).collect::<Result<Vec<_>, _>>()?;
    match report::close(&stages, &verdicts, json) {
        true => Ok(stages),
        false => Err(Failure::Told),
    }
}

/// Publishes event after event while the board shows what becomes of them, until all are settled.
async fn watch(stages: &mut [Stage], board: &mut Board) -> Outcome {
    let begun = Instant::now();
    loop {
        for stage in &mut *stages {
            stage.publish_due(begun.elapsed()).await?;
            stage.look().await?;
        }
        let settled = stages.iter_mut().all(Stage::is_settled);
        let done = settled || begun.elapsed() > PATIENCE;
        board.show(stages, done);
        if done {
            return Ok(());
        }
        actix_rt::time::sleep(LOOK_EVERY).await;
    }
}

async fn leave(stages: Vec<Stage>) {
    for player in stages.into_iter().flat_map(|stage| stage.players) {
        player.leave().await;
    }
}
