//! `casewire event-types`: see and change the catalogue of a running server.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs, segment},
    listing::{self, SizeArgs},
    output,
};

/// What `event-types` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All event types by name: those registered, and those that come with the dialects in use.
    #[command(after_help = "Example:
  casewire event-types list --limit 200")]
    List {
        #[command(flatten)]
        page: SizeArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// One event type, with its sample and its schema.
    #[command(after_help = "Example:
  casewire event-types show cases.created")]
    Show(TypeArgs),
    /// Register an event type, or replace it as a whole: what is not given, it does not have.
    ///
    /// With a schema, nothing is published of the type that does not fit. A schema that does not fit the sample given, the
    /// one before or the one that is shipped is refused unless it is forced.
    #[command(after_help = "Examples:
  casewire event-types set fees.paid --description 'A fee was paid.' --category Fees
  echo '{\"amount\":3}' > sample.json
  echo '{\"required\":[\"amount\"],\"properties\":{\"amount\":{\"type\":\"integer\"}}}' > schema.json
  casewire event-types set fees.paid --sample sample.json --schema schema.json
  casewire publish fees.paid --data '{}'        # refused: data.amount is missing
  casewire event-types set fees.paid --schema stricter.json --force

Schemas are JSON Schema 2020-12. A $ref reaches into the schema itself, like #/$defs/name; a keyword that is not
supported is refused by its place, never passed over.")]
    Set(SetArgs),
    /// Take an event type out of the catalogue, with its schema.
    #[command(after_help = "Example:
  casewire event-types delete fees.paid")]
    Delete(TypeArgs),
}

#[derive(Debug, clap::Args)]
struct TypeArgs {
    /// The event type: cases.created.
    #[arg(value_name = "TYPE")]
    event_type: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The event type: cases.created.
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// What it means.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What it belongs to.
    #[arg(long, value_name = "TEXT")]
    category: Option<String>,
    /// A file with a payload as it may be: JSON.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// A file with a JSON Schema 2020-12 that every payload must fit.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// It is not to be used any more. It is published and delivered all the same.
    #[arg(long)]
    deprecated: bool,
    /// Accept a schema that samples do not fit.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one action and prints what the server says.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let answer = match args.action {
        Action::List { page, server } => {
            let answer = page.get(&Client::new(&server)?, "/event-types", &[]).await?;
            listing::print(&answer, &["name", "category", "description", "source"], json);
            return Ok(());
        }
        Action::Show(args) => Client::new(&args.server)?.get(&path(&args.event_type)).await?,
        Action::Set(args) => {
            let force = if args.force { "?force=true" } else { "" };
            let path = format!("{}{force}", path(&args.event_type));
            let [sample, schema] = [&args.sample, &args.schema].map(|it| it.as_deref().map(read).transpose());
            Client::new(&args.server)?.put(&path, &args.body(sample?, schema?)).await?
        }
        Action::Delete(args) => {
            Client::new(&args.server)?.delete(&path(&args.event_type)).await?;
            if json {
                output::json(&json!({ "deleted": args.event_type }));
            } else {
                output::line(&format!("deleted {}", output::printable(&args.event_type)));
            }
            return Ok(());
        }
    };
    if json {
        output::json(&answer)
    } else {
        output::object(&answer["data"])
    }
    Ok(())
}

/// An event type as the HTTP API takes it; JSON as it is written in its file.
#[derive(Serialize)]
struct TypeBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deprecated: bool,
}

impl SetArgs {
    fn body(&self, sample: Option<Box<RawValue>>, schema: Option<Box<RawValue>>) -> TypeBody<'_> {
        let (description, category) = (self.description.as_deref(), self.category.as_deref());
        TypeBody { description, category, sample, schema, deprecated: self.deprecated }
    }
}

fn read(path: &Path) -> Result<Box<RawValue>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&format!("is not JSON: {error}")))
}

fn path(event_type: &str) -> String {
    format!("/event-types/{}", segment(event_type))
}
