//! `casewire token`: bearer tokens of a running server, or a first one on a data directory without one.

use std::{path::PathBuf, time::Duration};

use casewire_data::{event::Tenant, token::Scope};
use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs, segment},
    listing::{self, SizeArgs},
    output, serve,
};
use crate::settings::{Flags, Settings};

/// What `token` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token; its secret is shown this once.
    #[command(after_help = "Examples:
  casewire token create --scope events:publish --description 'the case server'
  casewire token create --tenant north --scope admin
  casewire token create --scope admin --data-dir /var/lib/casewire   (no server runs on it)")]
    Create(CreateArgs),
    /// All tokens, newest first, without their secrets.
    #[command(after_help = "Examples:
  casewire token list
  casewire token list --tenant north")]
    List(ListArgs),
    /// Delete a token; nobody is let in by it any more.
    #[command(after_help = "Example:
  casewire token delete tok_…")]
    Delete(DeleteArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The tenant that they belong to; the caller's own if absent.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    page: SizeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct DeleteArgs {
    /// The token, tok_….
    id: String,
    /// The tenant that it belongs to; the caller's own if absent.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// The tenant that it belongs to; the caller's own, or `default`, if absent.
    #[arg(long)]
    tenant: Option<String>,
    /// What it may do; repeat it for several. `admin` may do all.
    #[arg(long, required = true, value_delimiter = ',', value_parser = Scope::ALL.map(Scope::as_str))]
    scope: Vec<String>,
    /// For people to read.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Make it in this data directory, while no server runs on it.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one action and prints what it came to.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::Create(args) => create(&args, json).await,
        Action::List(args) => {
            let tenant = [("tenant", args.tenant.as_ref())];
            let answer = args.page.get(&Client::new(&args.server)?, "/tokens", &tenant).await?;
            listing::print(&answer, &["id", "scopes", "description", "created_at"], json);
            Ok(())
        }
        Action::Delete(args) => {
            let query = listing::query(&[("tenant", args.tenant.as_ref())]);
            Client::new(&args.server)?.delete(&format!("/tokens/{}{query}", segment(&args.id))).await?;
            if json {
                output::json(&json!({ "deleted": args.id }));
            } else {
                output::line(&format!("deleted {}", args.id));
            }
            Ok(())
        }
    }
}

async fn create(args: &CreateArgs, json: bool) -> Outcome {
    let token = if args.data_dir.is_some() { offline(args).await? } else { online(args).await? };
    if json {
        output::json(&json!({ "data": token }));
    } else {
        output::object(&token);
        output::line("\nThe token is shown this once and stored hashed.");
    }
    Ok(())
}

async fn online(args: &CreateArgs) -> Result<Value, Failure> {
    let mut body = Map::from_iter([("scopes".to_owned(), json!(args.scope))]);
    if let Some(tenant) = &args.tenant {
        body.insert("tenant".into(), json!(tenant));
    }
    if let Some(description) = &args.description {
        body.insert("description".into(), json!(description));
    }
    let mut answer = Client::new(&args.server)?.post("/tokens", &body).await?;
    Ok(answer["data"].take())
}

async fn offline(args: &CreateArgs) -> Result<Value, Failure> {
    let tenant = args.tenant.as_deref().map_or(Ok(Tenant::default()), Tenant::new)?;
    let scopes = args.scope.iter().map(|scope| Scope::parse(scope)).collect::<Result<Vec<_>, _>>()?;
    let data_dir = args.data_dir.as_ref().map(|dir| dir.display().to_string());
    let settings = Settings::load(&Flags::only([("data-dir", data_dir)]))?;
    let engine = serve::open(&settings)?;
    let made = engine.create_token(tenant, scopes, args.description.clone()).await;
    engine.shutdown(Duration::ZERO).await;
    let (token, secret) = made?;
    Ok(json!({
        "id": token.id.to_string(),
        "tenant": token.tenant.as_str(),
        "scopes": args.scope,
        "description": token.description,
        "token": secret,
        "created_at": token.created_at.to_rfc3339_seconds(),
    }))
}
