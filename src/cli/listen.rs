//! `casewire listen`: a receiver on the command line.

use std::{net::SocketAddr, time::Duration};

use actix_web::http::StatusCode;
use casewire_data::secret::Secret;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Failure, Outcome, duration,
    output::{self, printable},
    receiver::{Received, Receiver, Script, Signature},
};

/// What `listen` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The endpoint's secret, whsec_…; repeat it for several. Without one, signatures are not verified.
    #[arg(
        long,
        value_name = "SECRET",
        env = "CASEWIRE_LISTEN_SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    secret: Vec<String>,
    /// Status codes to answer with, one request after the other; the last one repeats.
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', default_value = "200", value_parser = status)]
    reply: Vec<StatusCode>,
    /// How long to wait before each answer: 250ms, 10s; a plain number is milliseconds.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    delay: Duration,
    /// End after so many requests, with 1 if a signature among them was bad.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Prints every request until `--count` is reached or Ctrl-C.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let secrets = args.secret.iter().map(|text| secret(text)).collect::<Result<Vec<_>, _>>()?;
    let (told, mut requests) = mpsc::unbounded_channel();
    let script = Script { replies: args.reply, delay: args.delay };
    let unverified = secrets.is_empty();
    let receiver = Receiver::start(args.listen, secrets, script, told).map_err(|error| {
        Failure::failed(format!(
            "cannot listen on {}: {error}; choose another address with --listen",
            args.listen
        ))
    })?;
    announce(&receiver, unverified, json);

    let mut bad = 0;
    let mut left = args.count;
    while left != Some(0) {
        let Some(received) = next(&mut requests).await else { break };
        bad += usize::from(matches!(received.signature, Signature::Bad(_)));
        if json {
            output::line(&as_json(&received).to_string())
        } else {
            print(&received)
        }
        left = left.map(|left| left - 1);
    }
    receiver.stop(true).await;
    if left == Some(0) && bad > 0 {
        return Err(Failure::failed(format!("{bad} requests had a bad signature")));
    }
    Ok(())
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

fn announce(receiver: &Receiver, unverified: bool, json: bool) {
    let url = format!("http://{}/", receiver.address());
    if json {
        return output::line(&json!({ "listening": url }).to_string());
    }
    output::line(&format!("casewire listening for webhooks on {url}"));
    if unverified {
        output::line("signatures are not verified; give the endpoint's secret with --secret whsec_…");
    }
}

fn print(received: &Received) {
    let signature = match &received.signature {
        Signature::Verified => "signature verified".to_owned(),
        Signature::Bad(reason) => format!("BAD SIGNATURE: {reason}"),
        Signature::Unverified => "signature not verified".to_owned(),
    };
    let id = if received.id.is_empty() { "no webhook-id" } else { &received.id };
    output::line(&printable(&format!(
        "#{} {} {}  {id}  {} bytes  {signature}  -> {}",
        received.number,
        received.method,
        received.path,
        received.body.len(),
        received.replied.as_u16(),
    )));
    match serde_json::from_slice::<Value>(&received.body) {
        Ok(body) => format!("{body:#}").lines().for_each(|line| output::line(&printable(line))),
        Err(_) if received.body.is_empty() => {}
        Err(_) => output::line(&printable(&String::from_utf8_lossy(&received.body))),
    }
}

/// One request as one object; `body` is the exact text, `json` what it says if it is JSON.
fn as_json(received: &Received) -> Value {
    let headers: serde_json::Map<String, Value> =
        received.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut object = json!({
        "number": received.number,
        "method": received.method,
        "path": received.path,
        "id": received.id,
        "headers": headers,
        "body": String::from_utf8_lossy(&received.body),
        "json": serde_json::from_slice::<Value>(&received.body).ok(),
        "replied": received.replied.as_u16(),
    });
    if let (Some(object), Ok(Value::Object(signature))) =
        (object.as_object_mut(), serde_json::to_value(&received.signature))
    {
        object.extend(signature);
    }
    object
}

fn secret(text: &str) -> Result<Secret, Failure> {
    let wrong = "--secret: this is not a signing secret; give it as it was shown when the endpoint was created, whsec_…";
    Secret::parse(text).map_err(|_| Failure::Usage(wrong.into()))
}

fn status(text: &str) -> Result<StatusCode, String> {
    let wrong = || format!("`{text}` is not the status code of an answer; use 200 to 599");
    let status = text.trim().parse::<u16>().map_err(|_| wrong())?;
    if !(200..=599).contains(&status) {
        return Err(wrong());
    }
    StatusCode::from_u16(status).map_err(|_| wrong())
}
