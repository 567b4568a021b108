//! `casewire audit`: who did what, as a running server tells it; and whether the record of it is what was written.

use std::path::PathBuf;

use casewire_data::{audit::Action as Done, store};
use serde_json::Value;

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs},
    listing::SizeArgs,
    output,
};

/// What `audit` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Who did what, newest first.
    #[command(after_help = "Examples:
  casewire audit list --since 2026-11-01T00:00:00Z
  casewire audit list --actor tok_… --limit 200")]
    List(ListArgs),
    /// Follow the chain of hashes from the first entry to the last; 1 with the first entry that is broken.
    ///
    /// Reads a data directory and changes nothing; a server may run on it. Note the hash of the newest entry elsewhere:
    /// with --noted it proves later that nothing up to there was changed, not even by somebody who wrote all of it anew.
    #[command(after_help = "Examples:
  casewire audit verify --data-dir /var/lib/casewire
  casewire audit verify --data-dir /var/lib/casewire --json | jq -r .newest_sha256 >> noted-elsewhere
  casewire audit verify --data-dir /var/lib/casewire --noted \"$(tail -1 noted-elsewhere)\"")]
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Entries from this time on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Entries before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What one token did, tok_…, or `host`, `engine` or `operator`.
    #[arg(long)]
    actor: Option<String>,
    /// One action only.
    #[arg(long, value_parser = Vec::from_iter(Done::ALL.iter().map(|done| done.as_str())))]
    action: Option<String>,
    /// The tenant; the caller's own if absent.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    page: SizeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// The data directory, or a backup of one.
    #[arg(long, value_name = "DIR", env = "CASEWIRE_DATA_DIR", default_value = "casewire-data")]
    data_dir: PathBuf,
    /// The hash of the newest entry as it was noted earlier; 1 if no entry has it.
    #[arg(long, value_name = "SHA-256", value_parser = sha256)]
    noted: Option<[u8; 32]>,
}

/// A SHA-256 in 64 hex digits.
fn sha256(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "is not a SHA-256; give the 64 hex digits that `audit verify` printed".to_owned();
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(wrong)?;
    Ok(std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1]))
}

/// Runs one action and prints what it found.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::List(args) => list(&args, json).await,
        Action::Verify(args) => {
            let report = match args.noted {
                None => store::verify_audit(&args.data_dir)?,
                Some(noted) => store::verify_audit_against(&args.data_dir, noted)?,
            };
            if json {
                let report = serde_json::to_value(&report);
                output::json(&report.map_err(|error| Failure::failed(error.to_string()))?);
            } else {
                output::line(&report.to_string());
            }
            Ok(())
        }
    }
}

async fn list(args: &ListArgs, json: bool) -> Outcome {
    let filters = [
        ("since", args.since.as_ref()),
        ("until", args.until.as_ref()),
        ("actor", args.actor.as_ref()),
        ("action", args.action.as_ref()),
        ("tenant", args.tenant.as_ref()),
    ];
    let answer = args.page.get(&Client::new(&args.server)?, "/audit", &filters).await?;
    if json {
        output::json(&answer);
        return Ok(());
    }
    let entries = answer["data"].as_array().into_iter().flatten();
    let rows: Vec<_> = entries.map(row).collect();
    output::table(&["created_at", "actor", "action", "subject", "what"], &rows);
    if let Some(cursor) = answer["next_cursor"].as_str() {
        output::line(&format!("(more with --cursor {})", output::printable(cursor)));
    }
    Ok(())
}

fn row(entry: &Value) -> Vec<String> {
    let actor = &entry["actor"];
    // Its name if it has one, or else its id, or else what it is.
    let named = [&actor["name"], &actor["id"], &actor["kind"]].into_iter().find(|it| it.is_string());
    let what = if entry["reason"].is_string() { &entry["reason"] } else { &entry["fields"] };
    [&entry["created_at"], named.unwrap_or(&Value::Null), &entry["action"], &entry["subject"], what]
        .map(output::text)
        .into()
}
