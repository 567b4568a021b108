//! `casewire serve`: the engine and its HTTP API in one process, until told to stop.

use std::{fs, future::Future, io, path::Path, pin::pin, time::Duration};

use actix_rt::signal::unix::{Signal, SignalKind, signal};
use casewire_data::{event::Tenant, token::Scope};
use futures_util::future::{Either, select};
use serde_json::json;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

use super::{Failure, Outcome, output, server};
use crate::{
    dialect_folder::read_dialects,
    engine::{Engine, ShutdownReport},
    settings::{Flags, LogFormat, Settings},
};

/// How long a server whose engine has failed still answers, in seconds: every publish with 503 and `/readyz` red, so
/// that callers and load balancers learn of it.
const RED_SECONDS: u64 = 10;

/// What `serve` takes: every setting.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire serve --data-dir /var/lib/casewire --listen 0.0.0.0:8080
  CASEWIRE_EGRESS_ALLOW=10.0.0.0/8 casewire serve --config /etc/casewire.toml")]
pub(super) struct Args {
    #[command(flatten)]
    settings: Flags,
}

/// Serves until SIGTERM or Ctrl-C, then drains; fails when the journal does.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let settings = Settings::load(&args.settings)?;
    let log_as_json = settings.log_format.map_or(json, |format| format == LogFormat::Json);
    log_to_stderr(&settings.log, log_as_json)?;
    // Before anything is announced, so that whoever reads the announcement can send a signal at once.
    let mut stop =
        StopSignal::catch().map_err(|error| Failure::failed(format!("cannot catch signals: {error}")))?;
    let listener = server::reserve(settings.listen)?;
    let address = listener.local_addr().unwrap_or(settings.listen);
    let fresh = is_fresh(&settings.data_dir)?;
    let engine = open(&settings)?;
    if fresh && settings.admin_token.is_none() {
        let (_, secret) = engine
            .create_token(Tenant::default(), vec![Scope::Admin], Some("made at first start".into()))
            .await?;
        tell_token(&secret, json);
    }
    let server = server::run(&engine, listener, &settings.prefix)?;
    let url = format!("http://{address}{}", settings.prefix);
    if json {
        output::announce(&json!({ "listening": url }).to_string());
    } else {
        output::announce(&format!("casewire listening on {url}"));
    }

    let failure = {
        let (told, failed) = (pin!(stop.next()), pin!(engine.failed()));
        match select(told, failed).await {
            Either::Left(_) => None,
            Either::Right((error, _)) => Some(error),
        }
    };
    if let Some(error) = failure {
        output::complain(&format!("{error}; answering 503 for {RED_SECONDS} s, then exiting"));
        let red = actix_rt::time::sleep(Duration::from_secs(RED_SECONDS));
        select(pin!(stop.next()), pin!(red)).await;
        server.stop(false).await;
        return Err(Failure::failed(format!("the engine stopped: {error}")));
    }
    exit_at_once_on(stop.next_owned());
    tell_report(server::drain(&server, &engine, settings.shutdown_grace).await, json);
    Ok(())
}

/// An engine as the settings want it.
pub(super) fn open(settings: &Settings) -> Result<Engine, Failure> {
    let mut builder = Engine::builder(&settings.data_dir)
        .limits(settings.limits.clone())
        .retry_schedule(settings.retry.clone())
        .egress_allow(settings.egress.allowed().to_vec())
        .default_dialect(&settings.dialect);
    if let Some(folder) = &settings.dialects {
        builder = builder.dialects(read_dialects(folder)?);
    }
    if let Some(folder) = &settings.backup_dir {
        builder = builder.backup_dir(folder);
    }
    if let Some(token) = &settings.admin_token {
        builder = builder.admin_token(token.secret().to_owned());
    }
    builder.start().map_err(|error| match error.field_errors() {
        // Which there are is known only now.
        [only] if only.field == "dialect" => {
            Failure::Usage(format!("dialect, from a flag, the environment or the file: {}", only.message))
        }
        _ => error.into(),
    })
}

/// Whether the data directory is empty or not there; the engine creates it then.
fn is_fresh(dir: &Path) -> Result<bool, Failure> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Failure::failed(format!(
            "cannot use {} as data directory: {error}; choose another with --data-dir",
            dir.display()
        ))),
    }
}

fn log_to_stderr(filter: &str, json: bool) -> Outcome {
    let filter: Targets = filter.parse().map_err(|error| Failure::Usage(format!("log: {error}")))?;
    let log = fmt::layer()
        .with_writer(io::stderr)
        // A line that cannot be written is lost. To complain of it there would end the thread that logged it.
        .log_internal_errors(false);
    // A second subscriber can't be set; the first one then serves as well.
    let _ = if json {
        registry().with(log.json()).with(filter).try_init()
    } else {
        registry().with(log).with(filter).try_init()
    };
    Ok(())
}

fn tell_token(secret: &str, json: bool) {
    if json {
        return output::announce(&json!({ "admin_token": secret }).to_string());
    }
    output::announce(&format!(
        "admin token: {secret}\n  (shown this once and stored hashed; keep it, or make another with `casewire token create`)"
    ));
}

fn tell_report(report: ShutdownReport, json: bool) {
    let ShutdownReport { finished, interrupted, pending } = report;
    if json {
        return output::announce(
            &json!({ "stopped": { "finished": finished, "interrupted": interrupted, "pending": pending } })
                .to_string(),
        );
    }
    output::announce(&format!(
        "casewire stopped: {finished} attempts finished, {interrupted} interrupted, {pending} deliveries wait for the next start"
    ));
}

/// SIGTERM or Ctrl-C.
pub(super) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// From now on, neither ends the process by itself.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        select(pin!(self.terminate.recv()), pin!(self.interrupt.recv())).await;
    }

    async fn next_owned(mut self) {
        self.next().await;
    }
}

/// Whoever signals twice doesn't want to wait for the grace time; what is unfinished is in the journal.
fn exit_at_once_on(signal: impl Future<Output = ()> + 'static) {
    actix_rt::spawn(async move {
        signal.await;
        output::complain("told twice to stop; attempts in flight are made again after the next start");
        std::process::exit(1);
    });
}
