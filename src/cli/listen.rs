//! `casewire listen`: a receiver on the command line, of any dialect.

use std::{net::SocketAddr, time::Duration};

use actix_web::http::StatusCode;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    Failure, Outcome,
    dialect::FolderArgs,
    duration, output, pair,
    receiver::{Content, Received, Receiver, Script, Signature, Verifier},
};

mod account;

/// What `listen` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire listen --listen 127.0.0.1:9000 --secret whsec_…
  casewire listen --reply 500,500,200 --delay 250ms
  casewire listen --dialect github@1 --secret shared --count 10")]
pub(super) struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The format in which webhooks come: that of the endpoint.
    #[arg(long, value_name = "NAME@REVISION", default_value = "xpath@1")]
    dialect: String,
    /// The endpoint's secret as its dialect writes it, a whpk_… for a whsk_…; repeat it for several. Without one,
    /// signatures are not verified, unless a handshake hands it over.
    #[arg(
        long,
        value_name = "SECRET",
        env = "CASEWIRE_LISTEN_SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    secret: Vec<String>,
    /// What the dialect must know of the endpoint; repeat it for several.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Status codes to answer with, one request after the other; the last one repeats. Handshakes take none of them.
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', default_value = "200", value_parser = status)]
    reply: Vec<StatusCode>,
    /// How long to wait before each answer: 250ms, 10s; a plain number is milliseconds.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    delay: Duration,
    /// End after so many requests, handshakes not counted, with 1 if a signature among them was bad.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Prints every request until `--count` is reached or Ctrl-C.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let verifier = verifier(&args)?;
    let (told, mut requests) = mpsc::unbounded_channel();
    let script = Script { replies: args.reply, delay: args.delay, forgetful: false };
    let receiver = Receiver::start(args.listen, verifier, script, told).map_err(|error| {
        Failure::failed(format!(
            "cannot listen on {}: {error}; choose another address with --listen",
            args.listen
        ))
    })?;
    announce(&receiver, json);

    let mut bad = 0;
    let mut left = args.count;
    while left != Some(0) {
        let Some(received) = next(&mut requests).await else { break };
        bad += usize::from(matches!(received.signature, Signature::Bad(_)));
        if json {
            output::line(&account::as_json(&received).to_string())
        } else {
            account::print(&received)
        }
        let counts = !matches!(received.content, Content::Handshake { .. });
        left = left.map(|left| left - u64::from(counts));
    }
    receiver.stop(true).await;
    if left == Some(0) && bad > 0 {
        return Err(Failure::failed(format!("{bad} requests had a bad signature")));
    }
    Ok(())
}

/// What the receiver is to know of its sender.
fn verifier(args: &Args) -> Result<Verifier, Failure> {
    let dialects = args.folder.read()?;
    let dialect = dialects.get(&args.dialect).map_err(|error| usage("dialect", &error))?;
    let unknown = args.param.iter().find(|(name, _)| dialect.params().iter().all(|it| *it.name != **name));
    if let Some((name, _)) = unknown {
        return Err(Failure::Usage(format!("--param: {} has no parameter `{name}`", dialect.id())));
    }
    let mut verifier = Verifier::new(dialect, args.param.iter().cloned().collect());
    for text in &args.secret {
        let secret = verifier.read_secret(text).map_err(|error| usage("secret", &error))?;
        verifier.trust(secret);
    }
    Ok(verifier)
}

fn usage(flag: &str, error: &casewire_data::Error) -> Failure {
    Failure::Usage(format!("--{flag}: {}", error.message()))
}

/// The next request, or nothing once the person at the terminal has had enough.
async fn next(requests: &mut mpsc::UnboundedReceiver<Received>) -> Option<Received> {
    let received = std::pin::pin!(requests.recv());
    let interrupted = std::pin::pin!(actix_rt::signal::ctrl_c());
    match futures_util::future::select(received, interrupted).await {
        futures_util::future::Either::Left((received, _)) => received,
        futures_util::future::Either::Right(_) => None,
    }
}

fn announce(receiver: &Receiver, json: bool) {
    let url = format!("http://{}/", receiver.address());
    let verifier = receiver.verifier();
    let dialect = verifier.dialect().id();
    if json {
        return output::line(&json!({ "listening": url, "dialect": dialect }).to_string());
    }
    output::line(&format!("casewire listening for webhooks of {dialect} on {url}"));
    if !verifier.dialect().is_inbound() {
        output::line(&format!(
            "{dialect} has no table [inbound], so requests are shown, but neither verified nor read"
        ));
    } else if !verifier.dialect().proves_its_sender() {
        output::line("this dialect signs nothing, so anybody can send such requests");
    } else if !verifier.has_secret() {
        output::line("signatures are not verified; give the endpoint's secret with --secret");
    }
}

fn status(text: &str) -> Result<StatusCode, String> {
    let wrong = || format!("`{text}` is not the status code of an answer; use 200 to 599");
    let status = text.trim().parse::<u16>().map_err(|_| wrong())?;
    if !(200..=599).contains(&status) {
        return Err(wrong());
    }
    StatusCode::from_u16(status).map_err(|_| wrong())
}
