//! `casewire deliveries`: what became of events, asked of a running server.

use casewire_data::delivery::DeliveryStatus;
use serde_json::{Value, json};

use super::{
    Outcome,
    client::{Client, ServerArgs, segment},
    listing::{self, PageArgs},
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
    /// Deliveries, those of the newest event first.
    #[command(after_help = "Examples:
  casewire deliveries list --status dead --since 2026-04-29T00:00:00Z
  casewire deliveries list --endpoint wh_… --json | jq -r '.data[].id'")]
    List(ListArgs),
    /// One delivery with its attempts.
    #[command(alias = "show")]
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

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// To this endpoint, wh_….
    #[arg(long, value_name = "ENDPOINT_ID")]
    endpoint: Option<String>,
    /// Of this event, evt_….
    #[arg(long, value_name = "EVENT_ID")]
    event: Option<String>,
    /// Of events of this type: cases.created, no pattern.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// That stand so now.
    #[arg(long, value_parser = DeliveryStatus::ALL.map(DeliveryStatus::as_str))]
    status: Option<String>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one action and prints what the server says.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::List(ListArgs { endpoint, event, event_type, status, page, server }) => {
            let filters = [
                ("endpoint", endpoint.as_ref()),
                ("event", event.as_ref()),
                ("type", event_type.as_ref()),
                ("status", status.as_ref()),
            ];
            let answer = page.get(&Client::new(&server)?, "/deliveries", &filters).await?;
            let fields = ["id", "type", "status", "attempts", "created_at", "next_attempt_at"];
            listing::print(&answer, &fields, json);
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
