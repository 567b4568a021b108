//! `casewire backup`: a copy of all that a server stores, made while it runs; or of a data directory without one.

use std::path::PathBuf;

use casewire_actors::clock;
use casewire_data::store;
use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome,
    body::insert,
    client::{Client, ServerArgs},
    output,
};

/// What `backup` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire backup
  casewire backup --name before-the-upgrade
  casewire backup --data-dir /var/lib/casewire --to /mnt/copy     (no server runs on it)")]
pub(super) struct Args {
    /// What it is called in the server's folder of backups (`serve --backup-dir`); the time if absent.
    #[arg(long)]
    name: Option<String>,
    /// Copy this data directory instead, while no server runs on it.
    #[arg(long, value_name = "DIR", requires = "to", conflicts_with = "name")]
    data_dir: Option<PathBuf>,
    /// Where the copy of --data-dir goes; it must not be there yet.
    #[arg(long, value_name = "DIR", requires = "data_dir")]
    to: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Makes the backup and prints where it is and what is in it.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let backup = match (&args.data_dir, &args.to) {
        (Some(dir), Some(to)) => {
            let report = store::back_up(dir, to, clock::wall())?;
            serde_json::to_value(report).map_err(|error| Failure::failed(error.to_string()))?
        }
        _ => online(&args).await?,
    };
    if json {
        output::json(&json!({ "data": backup }));
    } else {
        output::object(&backup);
    }
    Ok(())
}

async fn online(args: &Args) -> Result<Value, Failure> {
    let mut body = Map::new();
    insert(&mut body, "name", args.name.clone().map(Value::from));
    let mut answer = Client::new(&args.server)?.post_and_wait("/backup", &body).await?;
    Ok(answer["data"].take())
}
