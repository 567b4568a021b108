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
            if json {
                output::json(&answer)
            } else {
                rows(&answer["data"], &["id", "status", "next_attempt_at"])
            }
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

/// The delivery a line a field, then a table of its attempts with whatever the server tells of each.
fn delivery(delivery: &Value) {
    let mut fields = delivery.clone();
    let attempts =
        fields.as_object_mut().and_then(|fields| fields.shift_remove("attempts")).unwrap_or_default();
    output::object(&fields);
    if let Some(first) = attempts.as_array().and_then(|attempts| attempts.first()).and_then(Value::as_object)
    {
        let columns: Vec<_> = first.keys().map(String::as_str).collect();
        output::line("");
        rows(&attempts, &columns);
    }
}

fn rows(items: &Value, columns: &[&str]) {
    let row = |item: &Value| columns.iter().map(|name| output::text(&item[*name])).collect();
    let rows: Vec<_> = items.as_array().into_iter().flatten().map(row).collect();
    output::table(columns, &rows);
}
