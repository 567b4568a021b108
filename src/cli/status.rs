//! `casewire status`: whether a server is up and takes events in.

use serde_json::{Map, Value};

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs},
    output,
};

/// What `status` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire status && echo up
  casewire status --server https://cases.example.com/v2.3/webhooks")]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints both answers; the command fails unless both are good, so that a script can wait for it.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let client = Client::anonymous(&args.server)?;
    let mut told = Map::new();
    let mut good = true;
    for (what, path) in [("process", "/healthz"), ("events", "/readyz")] {
        let said = match client.get(path).await {
            Ok(mut answer) => answer["status"].take(),
            Err(failure) => {
                good = false;
                Value::from(failure.to_string())
            }
        };
        told.insert(what.to_owned(), said);
    }
    let told = Value::Object(told);
    if json {
        output::json(&told)
    } else {
        output::object(&told)
    }
    if good { Ok(()) } else { Err(Failure::Told) }
}
