//! `casewire event-types`: see and change the catalogue of a running server.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome,
    body::insert,
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
  casewire event-types set fees.paid --description 'A fee was paid.' --sample sample.json --schema schema.json
  casewire event-types set fees.paid --schema stricter.json --force")]
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
            Client::new(&args.server)?.put(&path, &args.body()?).await?
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

impl SetArgs {
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        insert(&mut body, "description", self.description.clone().map(Value::from));
        insert(&mut body, "category", self.category.clone().map(Value::from));
        insert(&mut body, "sample", self.sample.as_deref().map(read).transpose()?);
        insert(&mut body, "schema", self.schema.as_deref().map(read).transpose()?);
        insert(&mut body, "deprecated", self.deprecated.then_some(Value::Bool(true)));
        Ok(body)
    }
}

fn read(path: &Path) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn path(event_type: &str) -> String {
    format!("/event-types/{}", segment(event_type))
}
