//! `casewire demo --stay`: the demo's engine and receivers, with the HTTP API beside them.

use std::{net::Ipv4Addr, time::Duration};

use casewire_data::{event::Tenant, token::Scope};
use serde_json::json;

use super::{Player, leave};
use crate::{
    cli::{Failure, Outcome, output, serve::StopSignal, server},
    engine::Engine,
    settings::Settings,
};

/// Serves until Ctrl-C or SIGTERM, and says how to look around.
pub(super) async fn serve_on(
    engine: &Engine,
    players: Vec<Player>,
    stop: &mut StopSignal,
    json: bool,
) -> Outcome {
    let prefix = Settings::default().prefix;
    let listener = server::reserve((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.local_addr().map_err(|error| Failure::failed(error.to_string()))?;
    let url = format!("http://{address}{prefix}");
    let (_, token) = engine.create_token(Tenant::default(), vec![Scope::Admin], Some("demo".into())).await?;
    let http = server::run(engine, listener, &prefix)?;
    if json {
        output::announce(&json!({ "listening": url, "token": token }).to_string());
    } else {
        output::announce(&format!(
            "\ncasewire listening on {url} until Ctrl-C; in another terminal:\n  \
             export CASEWIRE_SERVER={url} CASEWIRE_TOKEN={token}\n  \
             casewire endpoints list\n  \
             casewire publish cases.created --data '{{\"id\":\"case_1\"}}'"
        ));
    }
    stop.next().await;
    server::drain(&http, engine, Duration::from_secs(1)).await;
    leave(players).await;
    Ok(())
}
