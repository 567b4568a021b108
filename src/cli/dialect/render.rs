//! `casewire dialect render`: the request that an endpoint would be sent, byte for byte, without sending it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    io::{self, Read},
};

use casewire_actors::{
    clock,
    dispatch::{Method, Request, Target},
};
use casewire_data::{
    Error, Timestamp,
    dialect::{Dialect, Recipient},
    event::{Event, NewEvent, Tenant},
    limits, samples,
    secret::Secret,
};
use serde_json::{Value, json};

use super::FolderArgs;
use crate::{
    cli::{Failure, Outcome, output, pair},
    engine::USER_AGENT,
};

/// What `dialect render` takes. Without --id, --at and --secret the output is always the same.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(super) struct Args {
    /// Name and revision: xpath@1.
    #[arg(long, value_name = "ID")]
    dialect: String,
    /// File with an event as POST /events takes it; `-` is standard input.
    #[arg(long, value_name = "FILE", group = "what")]
    event: Option<String>,
    /// A shipped sample event of this type instead.
    #[arg(long, value_name = "TYPE", group = "what")]
    sample: Option<String>,
    /// Where the endpoint is.
    #[arg(long, default_value = "https://receiver.example/webhooks")]
    url: String,
    /// The endpoint's secret [default: `example-secret`, or one made of `casewire example secret 32 bytes`]
    #[arg(long, value_name = "SECRET", env = "CASEWIRE_RENDER_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// As for an endpoint that has no secret, where none is made for it.
    #[arg(long, conflicts_with = "secret")]
    without_secret: bool,
    /// A param of the endpoint; repeat it for several.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// When the attempt is made, in RFC 3339, or `now`.
    #[arg(long, value_name = "TIME", default_value = "2026-01-15T09:30:00Z")]
    at: String,
    /// The event's id.
    #[arg(long, value_name = "ID", default_value = "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW")]
    id: String,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Renders and prints it; fails with every field that the event lacks.
pub(super) fn run(args: Args, json: bool) -> Outcome {
    let dialect = args.folder.read()?.get(&args.dialect)?;
    let at = time(&args.at)?;
    let event = Event {
        seq: 0,
        position: 0,
        id: args.id.parse().map_err(|error: Error| Failure::Usage(format!("--id: {error}")))?,
        tenant: Tenant::default(),
        published_at: at,
        erased_at: None,
        content: content(&dialect, args.event.as_deref(), args.sample.as_deref())?,
    };
    let secret = secret(&dialect, args.secret.as_deref(), args.without_secret)?;
    let params: BTreeMap<String, String> = args.params.into_iter().collect();
    dialect.check_params(&params)?;
    let recipient = dialect.recipient(&params, secret.as_slice());
    sendable(&dialect, &event, &recipient)?;
    let body = dialect.body(&event, recipient.params())?;
    let headers = dialect.headers(&event, &body, &recipient, at);
    let request = Request {
        method: Method::Post,
        target: target(&args.url)?,
        headers,
        body,
        judged_headers: [].into(),
    };
    let head = request.head(USER_AGENT)?;
    if json {
        output::json(&as_json(&head, &request.body, &args.url));
    } else {
        output::bytes(&[&head, &request.body[..]].concat());
    }
    Ok(())
}

/// The endpoint's secret: the one that is given, one for examples, or none, each only as the dialect lets it.
fn secret(dialect: &Dialect, given: Option<&str>, without: bool) -> Result<Option<Secret>, Failure> {
    let wrong = |flag: &str, why: &str| Failure::Usage(format!("{flag}: {why}"));
    match (given, without) {
        (Some(given), _) => {
            dialect.secret(Some(given), [0; 32]).map_err(|error| wrong("--secret", error.message()))
        }
        (None, true) => match dialect.secret(None, [0; 32]) {
            Ok(Some(_)) => Err(wrong("--without-secret", "endpoints of this dialect always have one")),
            // Even where an owner must give one, there is something to see before it is there.
            Ok(None) | Err(_) => Ok(None),
        },
        (None, false) => Ok(dialect.example_secret()),
    }
}

fn target(url: &str) -> Result<Target, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--url: {why}; write https://example.com/webhooks"));
    let target = Target::new(url).map_err(|error| wrong(error.to_string()))?;
    match url::Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(target),
        _ => Err(wrong("is called neither by http nor by https".to_owned())),
    }
}

/// Whether an endpoint could be sent the event; names every field that it lacks.
fn sendable(dialect: &Dialect, event: &Event, recipient: &Recipient) -> Outcome {
    let event_type = event.event_type();
    if !dialect.can_be_sent(event_type) {
        let id = dialect.id();
        return Err(Failure::failed(format!(
            "{id} has no events of the type `{event_type}`; see those that it has with `casewire dialect show {id}`"
        )));
    }
    dialect.express(&event.tenant, &event.content, recipient.params()).map_err(|error| {
        let wrong = error.field_errors().iter().map(|wrong| format!("\n  {} {}", wrong.field, wrong.message));
        let id = dialect.id();
        Failure::failed(format!("{id} cannot express this event:{}", wrong.collect::<String>()))
    })
}

/// The event of a file, or a sample.
fn content(dialect: &Dialect, file: Option<&str>, sample: Option<&str>) -> Result<NewEvent, Failure> {
    let (name, text) = match (file, sample) {
        (Some("-"), _) => ("standard input", Cow::Owned(read("-")?)),
        (Some(file), _) => (file, Cow::Owned(read(file)?)),
        (None, Some(sample)) => (sample, Cow::Borrowed(shipped(dialect, sample)?)),
        (None, None) => {
            return Err(Failure::Usage("give an event with --event FILE, or --sample TYPE".into()));
        }
    };
    let event = samples::parse(&text).and_then(|event| event.check().map(|()| event));
    event.map_err(|error| {
        let wrong = error.field_errors().iter().map(|wrong| format!("{}: {}", wrong.field, wrong.message));
        Failure::failed(format!("{name}: {}", wrong.collect::<Vec<_>>().join("\n  ")))
    })
}

fn read(file: &str) -> Result<String, Failure> {
    const BYTES_MAX: u64 = limits::ADMIN_BODY_BYTES_MAX as u64;
    let mut text = String::new();
    let read = match file {
        "-" => io::stdin().lock().take(BYTES_MAX + 1).read_to_string(&mut text),
        file => fs::File::open(file).and_then(|it| it.take(BYTES_MAX + 1).read_to_string(&mut text)),
    };
    match read {
        Err(error) => Err(Failure::failed(format!("--event: cannot read {file}: {error}"))),
        Ok(bytes) if bytes as u64 > BYTES_MAX => Err(Failure::failed(format!(
            "--event: {file} has more than the {BYTES_MAX} bytes that POST /events takes"
        ))),
        Ok(_) => Ok(text),
    }
}

/// A sample of the dialect's own system, or else of any.
fn shipped(dialect: &Dialect, event_type: &str) -> Result<&'static str, Failure> {
    let own = dialect.id().split('@').next().unwrap_or_default();
    let of_any = || samples::systems().find_map(|system| samples::event(system, event_type));
    samples::event(own, event_type).or_else(of_any).ok_or_else(|| {
        let mut known: Vec<_> = samples::of(own).map(|(known, _)| known).collect();
        if known.is_empty() {
            known = samples::systems().flat_map(samples::of).map(|(known, _)| known).collect();
        }
        let known = known.join(", ");
        Failure::Usage(format!("--sample: there is none of `{event_type}`; choose from {known}"))
    })
}

fn time(text: &str) -> Result<Timestamp, Failure> {
    if text == "now" {
        return Ok(clock::wall());
    }
    Timestamp::parse(text).map_err(|error| Failure::Usage(format!("--at: {error}, or `now`")))
}

/// The request as an object; its headers are read back from the bytes that would be sent.
fn as_json(head: &[u8], body: &[u8], url: &str) -> Value {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let method = lines.next().and_then(|line| line.split(' ').next());
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    json!({ "method": method, "url": url, "headers": headers, "body": String::from_utf8_lossy(body) })
}
