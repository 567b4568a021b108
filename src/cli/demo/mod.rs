//! `casewire demo`: engine and receivers in one process, on loopback, and a check that every event arrived.

use std::{
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};

use casewire_data::{
    Error,
    address::EgressPolicy,
    delivery::DeliveryRecord,
    event::{NewEvent, Tenant},
    id::EventId,
    retry::RetrySchedule,
};
use futures_util::future::{Either, select};
use serde_json::json;

use self::{
    board::{Board, Row},
    cast::Player,
    check::Verdict,
    scratch::Scratch,
};
use super::{
    Failure, Outcome, output,
    serve::{self, StopSignal},
};
use crate::{engine::Engine, settings::Settings, tenant::TenantHandle};

mod board;
mod cast;
mod check;
mod samples;
mod scratch;
mod stay;

/// A second between attempts, so that a receiver's recovery can be watched.
const RETRY_SCHEDULE: &str = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";
/// Time between two events.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);
/// Time between two looks at the delivery log.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When to stop waiting and say what is missing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time for attempts in flight at the end; there are none when all went well.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep engine, receivers and the HTTP API running after the check, until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// Keep the journal in this directory; otherwise in a temporary one, removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// An event that the engine has accepted.
struct Published {
    id: EventId,
    event_type: String,
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
        match select(pin!(play(&engine, json)), interrupted).await {
            Either::Left((played, _)) => played,
            Either::Right(_) => Err(Failure::failed("interrupted")),
        }
    };
    let done = match played {
        Ok(players) if args.stay => stay::serve_on(&engine, players, &mut stop, json).await,
        Ok(players) => {
            leave(players).await;
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
async fn play(engine: &Engine, json: bool) -> Result<Vec<Player>, Failure> {
    let tenant = engine.tenant(Tenant::default());
    let mut players = cast::assemble(&tenant).await?;
    let mut board = Board::new(json);
    if !json {
        output::line(&format!(
            "{} receivers on loopback: one fails at first, one crawls. Publishing {} events.\n",
            players.len(),
            samples::events().len()
        ));
    }
    let published = watch(&tenant, &mut players, &mut board).await?;
    let verdicts: Vec<_> =
        players.iter().map(|player| Verdict::of(&player.expected(&published), &player.received)).collect();
    if json {
        print_json(&players, &verdicts)
    } else {
        print(&players, &verdicts, published.len())
    }
    if verdicts.iter().all(Verdict::passed) { Ok(players) } else { Err(Failure::Told) }
}

/// Publishes event after event while the board shows what becomes of them, until all are settled.
async fn watch(
    tenant: &TenantHandle,
    players: &mut [Player],
    board: &mut Board,
) -> Result<Vec<Published>, Failure> {
    let begun = Instant::now();
    let mut waiting = samples::events().into_iter().peekable();
    let mut published = Vec::new();
    loop {
        let due = PUBLISH_EVERY * u32::try_from(published.len()).unwrap_or(u32::MAX);
        if begun.elapsed() >= due
            && let Some(event) = waiting.next()
        {
            published.push(publish(tenant, event).await?);
        }
        let rows = look(tenant, players, &published).await?;
        let settled =
            |(player, row): (&Player, &Row)| row.delivered + row.lost >= player.expected(&published).len();
        let done = waiting.peek().is_none() && players.iter().zip(&rows).all(settled);
        let done = done || begun.elapsed() > PATIENCE;
        board.show(players, &rows, done);
        if done {
            return Ok(published);
        }
        actix_rt::time::sleep(LOOK_EVERY).await;
    }
}

async fn publish(tenant: &TenantHandle, event: NewEvent) -> Result<Published, Error> {
    let event_type = event.event_type.to_string();
    let receipt = tenant.publish(event).await?;
    Ok(Published { id: receipt.id, event_type })
}

/// How things stand: the engine's log by endpoint, and the receivers' own count of what came.
async fn look(
    tenant: &TenantHandle,
    players: &mut [Player],
    published: &[Published],
) -> Result<Vec<Row>, Error> {
    let mut deliveries: Vec<DeliveryRecord> = Vec::new();
    for event in published {
        deliveries.extend(tenant.event_deliveries(event.id).await?);
    }
    let row = |player: &Player| {
        let own: Vec<_> =
            deliveries.iter().filter(|delivery| delivery.id.endpoint == player.endpoint).collect();
        Row::of(&own)
    };
    players.iter_mut().for_each(Player::catch_up);
    Ok(players.iter().map(row).collect())
}

async fn leave(players: Vec<Player>) {
    for player in players {
        player.leave().await;
    }
}

fn print(players: &[Player], verdicts: &[Verdict], events: usize) {
    let row = |(player, verdict): (&Player, &Verdict)| {
        vec![
            if verdict.passed() { "PASS" } else { "FAIL" }.to_owned(),
            player.role.name.to_owned(),
            format!("{}/{}", verdict.expected - verdict.missing.len(), verdict.expected),
            verdict.unexpected.len().to_string(),
            verdict.requests.to_string(),
            format!("{}/{}", verdict.requests - verdict.unverified, verdict.requests),
            if verdict.altered.is_empty() { "identical" } else { "CHANGED" }.to_owned(),
        ]
    };
    let rows: Vec<_> = players.iter().zip(verdicts).map(row).collect();
    output::line("\nWhat the receivers say:");
    output::table(&["check", "endpoint", "arrived", "astray", "attempts", "signatures", "bodies"], &rows);
    for (player, verdict) in players.iter().zip(verdicts) {
        for complaint in verdict.complaints() {
            output::line(&format!("FAIL  {}: {complaint}", player.role.name));
        }
    }
    if !verdicts.iter().all(Verdict::passed) {
        return output::line("\nFAIL  not every event arrived exactly where it should.");
    }
    let deliveries: usize = verdicts.iter().map(|verdict| verdict.expected).sum();
    output::line(&format!(
        "\nPASS  {events} events became {deliveries} deliveries; each arrived where it should, and every signature is good.\n\n{}",
        next_steps()
    ));
}

/// How to go on, in the words by which the program was started.
fn next_steps() -> String {
    let casewire = std::env::args().next().unwrap_or_else(|| "casewire".to_owned());
    format!(
        "\
Try next, each in a terminal of its own:
  {casewire} listen
      a receiver; prints its address
  CASEWIRE_EGRESS_ALLOW=127.0.0.0/8 {casewire} serve
      the server; prints its address and, the first time, a token: export CASEWIRE_TOKEN=…
  {casewire} endpoints create --url http://127.0.0.1:PORT/ --event 'cases.*'
  {casewire} publish cases.created --data '{{\"id\":\"case_1\"}}'
Or keep this demo running, with its HTTP API:
  {casewire} demo --stay"
    )
}

fn print_json(players: &[Player], verdicts: &[Verdict]) {
    let endpoint = |(player, verdict): (&Player, &Verdict)| {
        json!({
            "endpoint": player.role.name,
            "patterns": player.role.patterns,
            "passed": verdict.passed(),
            "verdict": verdict,
        })
    };
    let endpoints: Vec<_> = players.iter().zip(verdicts).map(endpoint).collect();
    output::json(&json!({ "passed": verdicts.iter().all(Verdict::passed), "endpoints": endpoints }));
}
