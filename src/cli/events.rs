//! `casewire events`: what was published to a running server, and what became of it.

use serde_json::Value;

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs, segment},
    listing::{self, PageArgs, SizeArgs},
    output,
};

/// What `events` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Events, newest first, without their payloads.
    #[command(after_help = "Examples:
  casewire events list --resource people/7
  casewire events list --type cases.created --limit 200 --json")]
    List(ListArgs),
    /// One event, with its payload if the token may see it.
    #[command(
        visible_alias = "get",
        after_help = "Examples:
  casewire events show evt_…
  casewire events show evt_… --json | jq .data.data"
    )]
    Show {
        /// The event, evt_….
        #[arg(value_name = "EVENT_ID")]
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Erases the content of all events about one resource: payloads, actors, tags, and what receivers answered.
    ///
    /// Their records stay, without it. Deliveries that still wait are cancelled. It cannot be undone; backups that were
    /// made before still have the content. Where there is no event about the resource it says so, and is well all the same.
    #[command(after_help = "Example:
  casewire events erase --resource people/7 --yes")]
    Erase {
        /// The resource: people/7.
        #[arg(long, value_name = "TYPE/ID")]
        resource: String,
        /// Yes, erase it: there is no way back.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// What became of one event, endpoint by endpoint.
    #[command(after_help = "Example:
  casewire events deliveries evt_…")]
    Deliveries {
        /// The event, evt_….
        #[arg(value_name = "EVENT_ID")]
        id: String,
        #[command(flatten)]
        page: SizeArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Of this type: cases.created, no pattern.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// About this resource: people/7.
    #[arg(long, value_name = "TYPE/ID")]
    resource: Option<String>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// What became of an erasure; where there was nothing to erase, what may be wrong.
fn erased(data: &Value) {
    if data["status"] != "no_events" {
        return output::object(data);
    }
    let resource = output::text(&data["resource"]);
    output::line(&format!("no event about {resource} is stored, so nothing was erased"));
    output::line("Spell its type and its id as they were published, capitals too; see which there are:");
    output::line(&format!("  casewire events list --resource {resource}"));
    output::line("  casewire events list --since 2026-01-01T00:00:00Z");
}

/// Runs one action and prints what the server says.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::List(ListArgs { event_type, resource, page, server }) => {
            let filters = [("type", event_type.as_ref()), ("resource", resource.as_ref())];
            let answer = page.get(&Client::new(&server)?, "/events", &filters).await?;
            listing::print(&answer, &["id", "type", "created_at", "resource", "idempotency_key"], json);
        }
        Action::Show { id, server } => {
            let answer = Client::new(&server)?.get(&format!("/events/{}", segment(&id))).await?;
            if json { output::json(&answer) } else { output::object(&answer["data"]) }
        }
        Action::Erase { resource, yes, server } => {
            if !yes {
                let message = format!(
                    "this erases the content of all events about {resource}, for good; repeat it with --yes"
                );
                return Err(Failure::Usage(message));
            }
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("resource", &resource)
                .finish();
            let answer = Client::new(&server)?.delete(&format!("/events?{query}")).await?;
            if json { output::json(&answer) } else { erased(&answer["data"]) }
        }
        Action::Deliveries { id, page, server } => {
            let path = format!("/events/{}/deliveries", segment(&id));
            let answer = page.get(&Client::new(&server)?, &path, &[]).await?;
            listing::print(&answer, &["id", "status", "attempts", "next_attempt_at"], json);
        }
    }
    Ok(())
}
