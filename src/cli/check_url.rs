//! `casewire check-url`: what the egress policy says of a URL, and why.

use casewire_actors::egress::{self, AddressVerdict, Explanation};
use casewire_data::limits::shorten;
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    output::{self, printable},
};
use crate::settings::{Flags, Settings};

/// What `check-url` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire check-url https://partner.example.com/webhooks
  casewire check-url http://10.1.2.3/in --egress-allow 10.1.2.0/24")]
pub(super) struct Args {
    /// The URL that an endpoint would have.
    url: String,
    /// Networks to which deliveries may go although private, as under `serve` [env: CASEWIRE_EGRESS_ALLOW]
    #[arg(long, value_name = "CIDR,…")]
    egress_allow: Option<String>,
    /// TOML file of settings, as under `serve` [env: CASEWIRE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

/// Explains; fails if a delivery would be refused.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let settings =
        Settings::load(&Flags::only([("config", args.config), ("egress-allow", args.egress_allow)]))?;
    let mut explanation = egress::explain(&settings.egress, &args.url).await;
    if !explanation.permitted && explanation.addresses.is_empty() && is_bare_host(&args.url) {
        let whole = shorten(&args.url);
        explanation.reason =
            Some(format!("this is not a whole URL, and nothing was looked up; write https://{whole}"));
    }
    if json {
        output::json(&as_json(&explanation))
    } else {
        print(&explanation)
    }
    if explanation.permitted { Ok(()) } else { Err(Failure::Told) }
}

/// Whether the scheme was left out: `127.0.0.1`, or `example.com:80`, of which a parser takes the host for the scheme.
fn is_bare_host(url: &str) -> bool {
    let of_host = |char: char| char.is_alphanumeric() || char == '[';
    url.starts_with(of_host) && !url.contains("://") && !url.contains(char::is_whitespace)
}

fn print(explanation: &Explanation) {
    let verdict = if explanation.permitted { "permitted" } else { "refused" };
    output::line(&printable(&format!("{verdict}: {}", explanation.url)));
    for found in &explanation.addresses {
        let verdict = if found.refusal.is_none() { "permitted" } else { "refused" };
        output::line(&format!("  {}  {}  {verdict}", found.address, found.class.description()));
    }
    if let Some(reason) = &explanation.reason {
        output::line(&printable(reason));
    }
}

fn as_json(explanation: &Explanation) -> Value {
    let address = |found: &AddressVerdict| {
        json!({
            "address": found.address,
            "class": found.class.description(),
            "permitted": found.refusal.is_none(),
            "refusal": found.refusal,
        })
    };
    json!({
        "url": explanation.url,
        "permitted": explanation.permitted,
        "reason": explanation.reason,
        "addresses": explanation.addresses.iter().map(address).collect::<Vec<_>>(),
    })
}
