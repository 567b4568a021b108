//! `casewire journal`: look at a data directory while no server runs on it.

use std::{fmt::Display, path::PathBuf};

use casewire_data::store;
use serde::Serialize;

use super::{Failure, Outcome, output};

/// What `journal` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read every record and check it; 1 if anything is damaged. Changes nothing.
    #[command(after_help = "Example:
  casewire journal verify --data-dir /var/lib/casewire")]
    Verify(DirArgs),
    /// What is stored, in numbers.
    #[command(after_help = "Example:
  casewire journal stats --data-dir /var/lib/casewire")]
    Stats(DirArgs),
}

#[derive(Debug, clap::Args)]
struct DirArgs {
    /// The data directory.
    #[arg(long, value_name = "DIR", env = "CASEWIRE_DATA_DIR", default_value = "casewire-data")]
    data_dir: PathBuf,
}

/// Prints the report.
pub(super) fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::Verify(args) => {
            let report = store::verify(&args.data_dir)?;
            print(&report, json)
        }
        Action::Stats(args) => print(&store::stats(&args.data_dir)?, json),
    }
}

fn print(report: &(impl Serialize + Display), json: bool) -> Outcome {
    if json {
        output::json(&serde_json::to_value(report).map_err(|error| Failure::failed(error.to_string()))?);
    } else {
        output::line(&report.to_string());
    }
    Ok(())
}
