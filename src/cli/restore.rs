//! `casewire restore`: a data directory from a backup.

use std::path::PathBuf;

use casewire_data::store;

use super::{Failure, Outcome, output};

/// What `restore` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  casewire restore /var/lib/casewire/backups/before-the-upgrade --data-dir /var/lib/casewire-new")]
pub(super) struct Args {
    /// The backup: the folder that `casewire backup` told.
    backup: PathBuf,
    /// The data directory to make; it must be empty or not there yet.
    #[arg(long, value_name = "DIR", env = "CASEWIRE_DATA_DIR")]
    data_dir: PathBuf,
}

/// Restores, and prints what was checked.
pub(super) fn run(args: &Args, json: bool) -> Outcome {
    let report = store::restore(&args.backup, &args.data_dir)?;
    if json {
        output::json(&serde_json::to_value(&report).map_err(|error| Failure::failed(error.to_string()))?);
    } else {
        output::line(&report.to_string());
    }
    Ok(())
}
