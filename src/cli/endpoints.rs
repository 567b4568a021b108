//! `casewire endpoints`: see and change the endpoints of a running server.

mod replays;

use std::fs;

use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome,
    body::{insert, list_of, object_of},
    client::{Client, ServerArgs, segment},
    json_value,
    listing::{self, SizeArgs},
    output, pair,
};

/// What `endpoints` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All endpoints, newest first.
    #[command(after_help = "Examples:
  casewire endpoints list
  casewire endpoints list --json | jq -r '.data[] | select(.status == \"paused\") | .id'")]
    List(ListArgs),
    /// One endpoint.
    #[command(
        visible_alias = "show",
        after_help = "Example:
  casewire endpoints get wh_…"
    )]
    Get(IdArgs),
    /// Create an endpoint; its secret is shown this once.
    #[command(after_help = "Examples:
  casewire endpoints create --url https://partner.example/webhooks --event 'cases.*' --event people.created
  casewire endpoints create --url https://partner.example/webhooks --event '*' --dialect standard@1 \\
    --retry-schedule-seconds 5,300,3600 --max-in-flight 4")]
    Create(CreateArgs),
    /// See which of the last events an endpoint would take, before it is created.
    ///
    /// Takes what `create` takes, without --url. Nothing is stored or sent.
    #[command(after_help = "Examples:
  casewire endpoints preview --event 'cases.*'
  casewire endpoints preview --event 'cases.*' --filter '{\"data.amount\":{\"gte\":1000}}' --last 1000")]
    Preview(PreviewArgs),
    /// Change what is given; the rest stays.
    #[command(after_help = "Examples:
  casewire endpoints update wh_… --event 'cases.*' --event people.created
  casewire endpoints update wh_… --filter null --rate-limit-per-second 5
  casewire endpoints update wh_… --tls-ca ca.pem")]
    Update(UpdateArgs),
    /// Delete an endpoint; its waiting deliveries are cancelled.
    #[command(after_help = "Example:
  casewire endpoints delete wh_…")]
    Delete(IdArgs),
    /// How it has been doing: attempts of the last 24 hours, success, latency, and what waits.
    #[command(after_help = "Examples:
  casewire endpoints stats wh_…
  casewire endpoints stats wh_… --json | jq .data.backlog")]
    Stats(IdArgs),
    /// Send it a sample event now, signed like any other, and see what it answers; also if it is paused.
    ///
    /// Nothing follows from how it goes, but the exit code: 1 if the receiver did not take it.
    #[command(after_help = "Examples:
  casewire endpoints test wh_…
  casewire endpoints test wh_… --type cases.created && echo taken")]
    Test(TestArgs),
    /// Hold its events until it is resumed.
    #[command(after_help = "Example:
  casewire endpoints pause wh_…")]
    Pause(IdArgs),
    /// Deliver what was held, and go on.
    #[command(after_help = "Example:
  casewire endpoints resume wh_…")]
    Resume(IdArgs),
    /// Send again what is dead, was delivered, or was missed; --dry-run counts it first.
    Replay(replays::BeginArgs),
    /// How replays are doing, and calling one off.
    #[command(subcommand)]
    Replays(replays::Action),
    /// Show the secrets in force; the audit has it.
    #[command(after_help = "Example:
  casewire endpoints secret wh_…")]
    Secret(IdArgs),
    /// Give it a new secret, shown this once, and keep the old one in force for a while.
    ///
    /// Where a signature can stand beside others, deliveries carry both meanwhile. Elsewhere the old secret signs until its
    /// end: give the new one to the receiver before.
    #[command(after_help = "Examples:
  casewire endpoints rotate wh_…                        the old one stays in force for a day
  casewire endpoints rotate wh_… --overlap-seconds 0    it leaked: the old one ends now")]
    Rotate(RotateArgs),
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
    /// The endpoint, wh_….
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct RotateArgs {
    /// The endpoint, wh_….
    id: String,
    /// Seconds for which the old secret stays in force; 0 ends it, and all others, at once. A day if absent.
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u32>,
    /// A secret of your own; the environment keeps it out of process lists.
    #[arg(long, env = "CASEWIRE_ENDPOINT_SECRET", hide_env_values = true)]
    secret: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// The endpoint, wh_….
    id: String,
    /// The event's type; the first that the endpoint takes if absent.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Destination of its deliveries.
    #[arg(long)]
    url: String,
    /// A pattern of event types, cases.* or cases.created; repeat it for several. Some dialects have a default.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    event: Vec<String>,
    /// The format of its deliveries, with the revision; the server's default if absent.
    #[arg(long, value_name = "NAME@REVISION")]
    dialect: Option<String>,
    #[command(flatten)]
    rest: RestArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct PreviewArgs {
    /// A pattern of event types, cases.* or cases.created; repeat it for several. Some dialects have a default.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    event: Vec<String>,
    /// The format of its deliveries, with the revision; the server's default if absent.
    #[arg(long, value_name = "NAME@REVISION")]
    dialect: Option<String>,
    /// How many events to look at, newest first, at most 1000 [default: 100].
    #[arg(long, value_name = "N")]
    last: Option<u32>,
    #[command(flatten)]
    rest: RestArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct UpdateArgs {
    /// The endpoint, wh_….
    id: String,
    /// New destination.
    #[arg(long)]
    url: Option<String>,
    /// New patterns, which replace all; repeat it for several.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    event: Vec<String>,
    #[command(flatten)]
    rest: RestArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// What may be given at creation and later.
#[derive(Debug, clap::Args)]
struct RestArgs {
    /// For people to read.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A short name for people to read.
    #[arg(long)]
    name: Option<String>,
    /// Whether it is delivered to.
    #[arg(long, value_parser = ["active", "paused"])]
    status: Option<String>,
    /// A secret of your own, whsec_…; the environment keeps it out of process lists.
    #[arg(long, env = "CASEWIRE_ENDPOINT_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// What the dialect must know of the endpoint; repeat it for several. They replace all.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// An agency whose events it takes, rather than all; repeat it for several. They replace all.
    #[arg(long)]
    agency: Vec<String>,
    /// Takes events that came about this way only.
    #[arg(long, value_parser = ["ui", "api"], value_delimiter = ',')]
    source: Vec<String>,
    /// Whether it belongs to the sandbox of the dialect's system.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sandbox: Option<bool>,
    /// What it takes events by, as JSON: '{"data.status":["open"],"data.amount":{"gte":1000}}'; null takes it away.
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    filter: Option<Value>,
    /// A static request header; repeat it for several. They replace all.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// What goes out one at a time and in publish order: nothing, each resource (case) by itself, or all. What fails is
    /// waited for, by its own case or by all, until it is delivered or given up.
    #[arg(long, value_parser = ["none", "resource", "endpoint"])]
    ordering: Option<String>,
    /// Requests in flight at once.
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// Requests that may begin in a second, evenly spaced: 0.01 to 10000; `none` takes the limit away.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate_limit_per_second: Option<Value>,
    /// Seconds that one attempt may take.
    #[arg(long, value_name = "SECONDS")]
    timeout_seconds: Option<u32>,
    /// Delays after the first attempt and each one after it.
    #[arg(long, value_name = "SECONDS,…", value_delimiter = ',')]
    retry_schedule_seconds: Option<Vec<u64>>,
    /// A file with the certificates of your own authorities, in PEM: one of them, and nobody else, must have signed the
    /// receiver's. `none` takes them away.
    #[arg(long, value_name = "FILE", value_parser = pem)]
    tls_ca: Option<Value>,
    /// A file with the client's certificate, its chain and its private key, in PEM, for a receiver that asks who calls.
    /// The key is never shown again. `none` takes both away.
    #[arg(long, value_name = "FILE", value_parser = pem)]
    tls_client_cert: Option<Value>,
}

/// Runs one action and prints the endpoint, or the endpoints, that it is about.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let answer = match args.action {
        Action::List(ListArgs { page, server }) => {
            let answer = page.get(&Client::new(&server)?, "/endpoints", &[]).await?;
            listing::print(&answer, &["id", "status", "events", "url", "description"], json);
            return Ok(());
        }
        Action::Get(args) => Client::new(&args.server)?.get(&path(&args.id)).await?,
        Action::Create(args) => {
            let mut body = args.rest.body();
            body.insert("url".into(), json!(args.url));
            insert(&mut body, "events", list_of(&args.event));
            insert(&mut body, "dialect", args.dialect.map(Value::from));
            Client::new(&args.server)?.post("/endpoints", &body).await?
        }
        Action::Preview(args) => return preview(args, json).await,
        Action::Update(args) => update(&args).await?,
        Action::Delete(args) => {
            Client::new(&args.server)?.delete(&path(&args.id)).await?;
            let told = json!({ "deleted": args.id });
            if json {
                output::json(&told)
            } else {
                output::line(&format!("deleted {}", args.id))
            }
            return Ok(());
        }
        Action::Stats(args) => {
            let path = format!("{}/stats", path(&args.id));
            let answer = Client::new(&args.server)?.get(&path).await?;
            if json {
                output::json(&answer);
            } else {
                print_stats(answer["data"].clone());
            }
            return Ok(());
        }
        Action::Test(args) => return test(args, json).await,
        Action::Pause(args) => set_status(&args, "paused").await?,
        Action::Resume(args) => set_status(&args, "active").await?,
        Action::Replay(args) => return replays::begin(args, json).await,
        Action::Replays(action) => return replays::run(action, json).await,
        Action::Secret(args) => {
            let answer = Client::new(&args.server)?.get(&format!("{}/secret", path(&args.id))).await?;
            print(&answer, json);
            return Ok(());
        }
        Action::Rotate(args) => rotate(&args).await?,
    };
    print(&answer, json);
    if !json && answer["data"]["secret"].is_string() {
        output::line("\nThe secret is shown this once; give it to the receiver.");
    }
    Ok(())
}

async fn test(args: TestArgs, json: bool) -> Outcome {
    let mut body = Map::new();
    insert(&mut body, "type", args.event_type.map(Value::from));
    let path = format!("{}/test", path(&args.id));
    // A receiver may take as long as its endpoint allows.
    let answer = Client::new(&args.server)?.post_and_wait(&path, &body).await?;
    print(&answer, json);
    if answer["data"]["delivered"] == json!(true) { Ok(()) } else { Err(Failure::Told) }
}

async fn preview(args: PreviewArgs, json: bool) -> Outcome {
    let mut body = args.rest.body();
    insert(&mut body, "events", list_of(&args.event));
    insert(&mut body, "dialect", args.dialect.map(Value::from));
    insert(&mut body, "last", args.last.map(Value::from));
    let answer = Client::new(&args.server)?.post("/endpoints/preview", &body).await?;
    output::list(&answer, &["id", "type", "created_at", "taken", "because", "detail"], json);
    if !json {
        output::line(&format!(
            "\nIt would have taken {} of the last {} events.",
            answer["taken"], answer["events"]
        ));
    }
    Ok(())
}

fn print(answer: &Value, json: bool) {
    if json { output::json(answer) } else { output::object(&answer["data"]) }
}

async fn rotate(args: &RotateArgs) -> Result<Value, Failure> {
    let mut body = Map::new();
    insert(&mut body, "overlap_seconds", args.overlap_seconds.map(Value::from));
    insert(&mut body, "secret", args.secret.clone().map(Value::from));
    Client::new(&args.server)?.post(&format!("{}/secret/rotate", path(&args.id)), &body).await
}

fn print_stats(mut stats: Value) {
    let hours = stats.as_object_mut().and_then(|stats| stats.remove("hours")).unwrap_or_default();
    output::object(&stats);
    output::line("");
    // What there is to see; a day in which nothing happened is one line.
    let hours: Vec<Value> =
        hours.as_array().into_iter().flatten().filter(|hour| hour["total"] != json!(0)).cloned().collect();
    output::list(&json!({ "data": hours }), &["begins_at", "total", "delivered", "retried", "dead"], false);
}

async fn update(args: &UpdateArgs) -> Result<Value, Failure> {
    let mut body = args.rest.body();
    insert(&mut body, "url", args.url.clone().map(Value::from));
    insert(&mut body, "events", list_of(&args.event));
    if body.is_empty() {
        return Err(Failure::Usage("nothing to change; see `casewire endpoints update --help`".into()));
    }
    Client::new(&args.server)?.patch(&path(&args.id), &body).await
}

async fn set_status(args: &IdArgs, status: &str) -> Result<Value, Failure> {
    Client::new(&args.server)?.patch(&path(&args.id), &json!({ "status": status })).await
}

impl RestArgs {
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        insert(&mut body, "description", self.description.clone().map(Value::from));
        insert(&mut body, "name", self.name.clone().map(Value::from));
        insert(&mut body, "status", self.status.clone().map(Value::from));
        insert(&mut body, "secret", self.secret.clone().map(Value::from));
        insert(&mut body, "params", object_of(&self.param));
        insert(&mut body, "agencies", list_of(&self.agency));
        insert(&mut body, "sources", list_of(&self.source));
        insert(&mut body, "sandbox", self.sandbox.map(Value::from));
        insert(&mut body, "filter", self.filter.clone());
        insert(&mut body, "headers", object_of(&self.header));
        insert(&mut body, "ordering", self.ordering.clone().map(Value::from));
        insert(&mut body, "max_in_flight", self.max_in_flight.map(Value::from));
        insert(&mut body, "rate_limit_per_second", self.rate_limit_per_second.clone());
        insert(&mut body, "timeout_seconds", self.timeout_seconds.map(Value::from));
        let retry = self.retry_schedule_seconds.as_ref().map(|delays| json!({ "schedule_seconds": delays }));
        insert(&mut body, "retry", retry);
        let mut tls = Map::new();
        insert(&mut tls, "ca_pem", self.tls_ca.clone());
        insert(&mut tls, "client_cert_pem", self.tls_client_cert.clone());
        insert(&mut body, "tls", (!tls.is_empty()).then_some(Value::Object(tls)));
        body
    }
}

/// A number as it was written, or null for `none`; its range is the server's to check.
fn rate(text: &str) -> Result<Value, String> {
    match text {
        "none" => Ok(Value::Null),
        number => number.parse().map(Value::Number).map_err(|_| "write a number, or none".to_owned()),
    }
}

/// What is in a file, or null for `none`.
fn pem(file: &str) -> Result<Value, String> {
    match file {
        "none" => Ok(Value::Null),
        file => fs::read_to_string(file).map(Value::String).map_err(|error| error.to_string()),
    }
}

fn path(id: &str) -> String {
    format!("/endpoints/{}", segment(id))
}
