//! `casewire deliveries`: what became of an event, asked of a running server.

use serde_json::{Value, json};

use super::{
    Outcome,
    client::{Client, ServerArgs, segment},
    output,
};

/// What `deliveries` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The deliveries of one event, endpoint by endpoint.
    List {
        /// The event, evt_….
        #[arg(value_name = "EVENT_ID")]
        event: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// One delivery with its attempts.
    Get {
        /// The delivery, evt_….wh_….
        #[arg(value_name = "DELIVERY_ID")]
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Attempt a delivery again now, whatever its state.
    Retry {
        /// The delivery, evt_….wh_….
        #[arg(value_name = "DELIVERY_ID")]
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Runs one action and prints what the server says.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::List { event, server } => {
            let answer =
                Client::new(&server)?.get(&format!("/events/{}/deliveries", segment(&event))).await?;
            output::list(&answer, &["id", "status", "attempts", "next_attempt_at"], json);
        }
        Action::Get { id, server } => {
            let answer = Client::new(&server)?.get(&format!("/deliveries/{}", segment(&id))).await?;
            if json { output::json(&answer) } else { delivery(&answer["data"]) }
        }
        Action::Retry { id, server } => {
            let path = format!("/deliveries/{}/retry", segment(&id));
            let answer = Client::new(&server)?.post(&path, &json!({})).await?;
            if json {
                output::json(&answer)
            } else {
                output::line(&format!("{} is attempted again", output::printable(&id)))
            }
        }
    }
    Ok(())
}

/// The delivery a line a field, then a table of its attempts. What receivers answered is for `--json`.
fn delivery(delivery: &Value) {
    let mut fields = delivery.clone();
    let attempts =
        fields.as_object_mut().and_then(|fields| fields.shift_remove("attempts")).unwrap_or_default();
    output::object(&fields);
    let rows: Vec<_> = attempts.as_array().into_iter().flatten().map(attempt).collect();
    if !rows.is_empty() {
        output::line("");
        output::table(&["attempt", "started_at", "ms", "outcome"], &rows);
    }
}

fn attempt(attempt: &Value) -> Vec<String> {
    let mut cells: Vec<_> =
        ["number", "started_at", "duration_ms"].map(|name| output::text(&attempt[name])).into();
    cells.push(match &attempt["error"] {
        Value::Null => output::text(&attempt["status_code"]),
        error => format!("{}: {}", output::text(&error["class"]), output::text(&error["message"])),
    });
    cells
}
