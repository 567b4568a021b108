//! `casewire endpoints replay` and `replays`: sending again, and how that is going.

use casewire_data::replay::ReplayStatus;
use serde_json::{Map, Value, json};

use super::{
    super::{
        Outcome,
        body::{insert, list_of},
        client::{Client, ServerArgs, segment},
        output,
    },
    path,
};

/// What `endpoints replay` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Live events go first; a replay takes what room they leave. Watch it with `casewire endpoints replays show`.

Examples:
  casewire endpoints replay wh_… --since 2026-11-01T00:00:00Z --dry-run    how much has died since then
  casewire endpoints replay wh_… --since 2026-11-01T00:00:00Z              send it again
  casewire endpoints replay wh_… --status missing --type 'cases.*'         what it would have had, had it subscribed before")]
pub(super) struct BeginArgs {
    /// The endpoint, wh_….
    id: String,
    /// Of events published at this time or later, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Of events published before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Deliveries that stand so; repeat it for several [default: dead].
    #[arg(long, value_delimiter = ',', value_parser = ReplayStatus::ALL.map(ReplayStatus::as_str))]
    status: Vec<String>,
    /// Of event types that this pattern takes; repeat it for several.
    #[arg(long = "type", value_name = "PATTERN", value_delimiter = ',')]
    types: Vec<String>,
    /// Count them and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `endpoints replays` does.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Action {
    /// The replays of an endpoint, newest first.
    #[command(after_help = "Example:
  casewire endpoints replays list wh_…")]
    List {
        /// The endpoint, wh_….
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// How far one has come.
    #[command(after_help = "Example:
  casewire endpoints replays show wh_… rpl_…")]
    Show(OneArgs),
    /// Call one off: what has not been sent is not sent.
    #[command(after_help = "Example:
  casewire endpoints replays cancel wh_… rpl_…")]
    Cancel(OneArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct OneArgs {
    /// The endpoint, wh_….
    id: String,
    /// The replay, rpl_….
    #[arg(value_name = "REPLAY_ID")]
    replay: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Begins a replay, or counts what it would send.
pub(super) async fn begin(args: BeginArgs, json: bool) -> Outcome {
    let mut body = Map::new();
    insert(&mut body, "since", args.since.map(Value::from));
    insert(&mut body, "until", args.until.map(Value::from));
    insert(&mut body, "status", list_of(&args.status));
    insert(&mut body, "types", list_of(&args.types));
    insert(&mut body, "dry_run", args.dry_run.then(|| json!(true)));
    let path = format!("{}/replay", path(&args.id));
    // Counting goes through the log.
    let answer = Client::new(&args.server)?.post_and_wait(&path, &body).await?;
    if json {
        output::json(&answer);
    } else if args.dry_run {
        output::line(&format!("{} deliveries would be sent", output::text(&answer["data"]["count"])));
    } else {
        output::object(&answer["data"]);
    }
    Ok(())
}

/// Shows replays, or calls one off.
pub(super) async fn run(action: Action, json: bool) -> Outcome {
    let answer = match action {
        Action::List { id, server } => {
            let answer = Client::new(&server)?.get(&format!("{}/replays", path(&id))).await?;
            output::list(
                &answer,
                &["id", "state", "count", "sent", "failed", "started_at", "finished_at"],
                json,
            );
            return Ok(());
        }
        Action::Show(args) => Client::new(&args.server)?.get(&args.path()).await?,
        Action::Cancel(args) => Client::new(&args.server)?.delete(&args.path()).await?,
    };
    if json {
        output::json(&answer)
    } else {
        output::object(&answer["data"])
    }
    Ok(())
}

impl OneArgs {
    fn path(&self) -> String {
        format!("{}/replays/{}", path(&self.id), segment(&self.replay))
    }
}
