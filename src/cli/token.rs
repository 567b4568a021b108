//! `casewire token create`: a bearer token, from a running server or on a data directory without one.

use std::{path::PathBuf, time::Duration};

use casewire_data::{event::Tenant, token::Scope};
use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs},
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
    Create(CreateArgs),
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

/// Makes the token and prints it.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let Action::Create(args) = args.action;
    let token = if args.data_dir.is_some() { offline(&args).await? } else { online(&args).await? };
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
