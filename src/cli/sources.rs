//! `casewire sources`: see and change where a running server takes other systems' webhooks in.

use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome,
    body::{insert, object_of},
    client::{Client, ServerArgs, segment},
    listing::{self, SizeArgs},
    output, pair,
};

/// What `sources` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Create a source; its secret is shown this once.
    #[command(after_help = "Example:
  CASEWIRE_SOURCE_SECRET=shared-with-github casewire sources create code --dialect github@1")]
    Create(CreateArgs),
    /// All sources, newest first.
    #[command(after_help = "Example:
  casewire sources list")]
    List(ListArgs),
    /// One source.
    #[command(
        visible_alias = "get",
        after_help = "Example:
  casewire sources show src_…"
    )]
    Show(IdArgs),
    /// Change what is given; the rest stays.
    #[command(after_help = "Example:
  CASEWIRE_SOURCE_SECRET=another casewire sources update src_…")]
    Update(UpdateArgs),
    /// Delete a source; nothing comes in by it any more.
    #[command(after_help = "Example:
  casewire sources delete src_…")]
    Delete(IdArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    page: SizeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct IdArgs {
    /// The source, src_….
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Its name, of a-z, 0-9 and -; the sender's URL ends with it.
    name: String,
    /// The format in which its system sends, with the revision.
    #[arg(long, value_name = "NAME@REVISION")]
    dialect: String,
    /// The secret that its sender has; the environment keeps it out of process lists.
    #[arg(long, env = "CASEWIRE_SOURCE_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// What the dialect must know of the source; repeat it for several.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// For people to read.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct UpdateArgs {
    /// The source, src_….
    id: String,
    /// The secret that its sender has from now on; the environment keeps it out of process lists.
    #[arg(long, env = "CASEWIRE_SOURCE_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// What the dialect must know of the source; repeat it for several. They replace all.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// For people to read.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one action and prints the source, or the sources, that it is about.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let answer = match args.action {
        Action::List(ListArgs { page, server }) => {
            let answer = page.get(&Client::new(&server)?, "/sources", &[]).await?;
            listing::print(&answer, &["id", "name", "dialect", "url", "description"], json);
            return Ok(());
        }
        Action::Create(args) => Client::new(&args.server)?.post("/sources", &args.body()).await?,
        Action::Show(args) => Client::new(&args.server)?.get(&path(&args.id)).await?,
        Action::Update(args) => update(&args).await?,
        Action::Delete(args) => {
            Client::new(&args.server)?.delete(&path(&args.id)).await?;
            if json {
                output::json(&json!({ "deleted": args.id }));
            } else {
                output::line(&format!("deleted {}", args.id));
            }
            return Ok(());
        }
    };
    if json {
        output::json(&answer);
        return Ok(());
    }
    output::object(&answer["data"]);
    if answer["data"]["secret"].is_string() {
        output::line("\nThe secret is shown this once; give it to the sender, with the URL.");
    }
    Ok(())
}

async fn update(args: &UpdateArgs) -> Result<Value, Failure> {
    let mut body = Map::new();
    insert(&mut body, "secret", args.secret.clone().map(Value::from));
    insert(&mut body, "params", object_of(&args.param));
    insert(&mut body, "description", args.description.clone().map(Value::from));
    if body.is_empty() {
        return Err(Failure::Usage("nothing to change; see `casewire sources update --help`".into()));
    }
    Client::new(&args.server)?.patch(&path(&args.id), &body).await
}

impl CreateArgs {
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("name".into(), json!(self.name));
        body.insert("dialect".into(), json!(self.dialect));
        insert(&mut body, "secret", self.secret.clone().map(Value::from));
        insert(&mut body, "params", object_of(&self.param));
        insert(&mut body, "description", self.description.clone().map(Value::from));
        body
    }
}

fn path(id: &str) -> String {
    format!("/sources/{}", segment(id))
}
