//! `casewire demo --stay`: the demo's engine and receivers, with the HTTP API beside them.

use std::{net::Ipv4Addr, time::Duration};

use casewire_data::token::Scope;
use serde_json::{Value, json};

use super::{Stage, leave};
use crate::{
    cli::{Failure, Outcome, output, serve::StopSignal, server},
    engine::Engine,
    settings::Settings,
};

/// Serves until Ctrl-C or SIGTERM, and says how to look around: a token opens one tenant, so there is one a system.
pub(super) async fn serve_on(
    engine: &Engine,
    stages: Vec<Stage>,
    stop: &mut StopSignal,
    json: bool,
) -> Outcome {
    let prefix = Settings::default().prefix;
    let listener = server::reserve((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.local_addr().map_err(|error| Failure::failed(error.to_string()))?;
    let url = format!("http://{address}{prefix}");
    let mut tokens = Vec::new();
    for stage in &stages {
        let tenant = stage.tenant().clone();
        let (_, token) = engine.create_token(tenant, vec![Scope::Admin], Some("demo".into())).await?;
        tokens.push((stage.system.name, token));
    }
    let http = server::run(engine, listener, &prefix)?;
    if json {
        output::announce(&as_json(&url, tokens).to_string());
    } else {
        output::announce(&described(&url, &tokens));
    }
    stop.next().await;
    server::drain(&http, engine, Duration::from_secs(1)).await;
    leave(stages).await;
    Ok(())
}

/// `token` is the first system's.
fn as_json(url: &str, tokens: Vec<(&str, String)>) -> Value {
    let token = tokens.first().map(|(_, token)| token.clone());
    let tokens: serde_json::Map<_, Value> =
        tokens.into_iter().map(|(system, token)| (system.to_owned(), token.into())).collect();
    json!({ "listening": url, "token": token, "tokens": tokens })
}

fn described(url: &str, tokens: &[(&str, String)]) -> String {
    let exports: String = tokens
        .iter()
        .map(|(system, token)| format!("  export CASEWIRE_TOKEN={token}   # the tenant {system}\n"))
        .collect();
    let which = if tokens.len() > 1 { ", with the token of one system" } else { "" };
    format!(
        "\ncasewire listening on {url} until Ctrl-C; in another terminal{which}:\n  \
         export CASEWIRE_SERVER={url}\n{exports}  \
         casewire endpoints list\n  \
         casewire deliveries list"
    )
}
