//! `casewire openapi`: the HTTP API, described for programs.

use super::{Failure, Outcome, output};

/// What `openapi` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire openapi > openapi.json
  casewire openapi --prefix /webhooks > openapi.json")]
pub(super) struct Args {
    /// Where the routes are mounted.
    #[arg(long, value_name = "PATH", default_value = "/v2.3/webhooks")]
    prefix: String,
}

/// Prints what `GET /openapi.json` answers of this version; no server is needed.
pub(super) fn run(args: &Args) -> Outcome {
    let document = serde_json::from_str(&crate::openapi(args.prefix.trim_end_matches('/')));
    output::json(&document.map_err(|error| Failure::failed(error.to_string()))?);
    Ok(())
}
