//! The command line: one file a subcommand.

use std::{fmt, process::ExitCode};

use casewire_data::{Error, ErrorKind};
use clap::{Parser, Subcommand};

mod body;
mod client;
mod listing;
mod output;
mod receiver;
mod server;
mod width;

mod demo;
mod serve;

mod deliveries;
mod endpoints;
mod event_types;
mod events;
mod metrics;
mod openapi;
mod publish;
mod sources;
mod status;
mod token;

mod audit;
mod backup;
mod bench;
mod check_url;
mod dialect;
mod journal;
mod listen;
mod restore;

/// Signed, durable webhooks for every event of a case-management system.
///
/// Try `casewire demo` first: engine and receivers in one process, on loopback, in ten seconds.
#[derive(Debug, Parser)]
#[command(name = "casewire", version, max_term_width = 110)]
pub struct Cli {
    /// Print JSON instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the engine and its HTTP API until told to stop.
    Serve(serve::Args),
    /// See it work: receivers that behave, fail and crawl, and a check that every event arrived.
    Demo(demo::Args),
    /// Receive webhooks, verify their signatures and print them.
    Listen(listen::Args),
    /// Publish one event, or a batch, to a running server.
    Publish(publish::Args),
    /// See and change the endpoints of a running server.
    Endpoints(Box<endpoints::Args>),
    /// See and change which event types there are, and what their payloads must fit.
    EventTypes(event_types::Args),
    /// See what was published.
    Events(events::Args),
    /// See what became of events.
    Deliveries(deliveries::Args),
    /// See and change where other systems' webhooks are taken in.
    Sources(sources::Args),
    /// See whether a server is up and takes events in.
    Status(status::Args),
    /// See what a running server counts.
    Metrics(metrics::Args),
    /// Print the HTTP API as an OpenAPI document, to make clients of.
    Openapi(openapi::Args),
    /// Make, list and delete bearer tokens.
    Token(token::Args),
    /// See who did what, and prove that nobody changed the record of it.
    Audit(audit::Args),
    /// See the formats that webhooks are sent in, check one of your own, and see what would be sent.
    Dialect(dialect::Args),
    /// Explain what the egress policy says of a URL.
    CheckUrl(check_url::Args),
    /// Copy all that a server stores, while it runs; or a data directory while none does.
    Backup(backup::Args),
    /// Make a data directory of a backup, every record in it checked.
    Restore(restore::Args),
    /// Look at a data directory while no server runs on it.
    Journal(journal::Args),
    /// Measure the engine on this machine, beside what is possible on it.
    Bench(bench::Args),
}

impl Cli {
    /// Runs the subcommand to its end and says how it went. Starts an actix system of its own.
    ///
    /// 0 is good, 1 failed, 2 wrong use.
    pub fn run(self) -> ExitCode {
        let json = self.json;
        let done = actix_rt::System::new().block_on(async move {
            match self.command {
                Command::Serve(args) => serve::run(args, json).await,
                Command::Demo(args) => demo::run(args, json).await,
                Command::Listen(args) => listen::run(args, json).await,
                Command::Publish(args) => publish::run(args, json).await,
                Command::Endpoints(args) => endpoints::run(*args, json).await,
                Command::EventTypes(args) => event_types::run(args, json).await,
                Command::Events(args) => events::run(args, json).await,
                Command::Deliveries(args) => deliveries::run(args, json).await,
                Command::Sources(args) => sources::run(args, json).await,
                Command::Status(args) => status::run(args, json).await,
                Command::Openapi(args) => openapi::run(&args),
                Command::Metrics(args) => metrics::run(args, json).await,
                Command::Token(args) => token::run(args, json).await,
                Command::Audit(args) => audit::run(args, json).await,
                Command::Dialect(args) => dialect::run(args, json),
                Command::CheckUrl(args) => check_url::run(args, json).await,
                Command::Backup(args) => backup::run(args, json).await,
                Command::Restore(args) => restore::run(&args, json),
                Command::Journal(args) => journal::run(args, json),
                Command::Bench(args) => bench::run(args, json).await,
            }
        });
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                if !matches!(failure, Failure::Told) {
                    output::complain(&failure.to_string());
                }
                failure.exit_code()
            }
        }
    }
}

/// Why a command ends without success.
#[derive(Debug)]
enum Failure {
    /// The command line or the settings are wrong.
    Usage(String),
    /// It was asked for rightly and didn't work.
    Failed(String),
    /// As `Failed`, and what was printed already says why.
    Told,
}

impl Failure {
    fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) | Self::Told => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Told => Ok(()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = error.message().to_owned();
        if error.field_errors().len() > 1 {
            for field in error.field_errors() {
                message.push_str(&format!("\n  {}: {}", field.field, field.message));
            }
        }
        match error.kind() {
            ErrorKind::Invalid => Self::Usage(message),
            _ => Self::Failed(message),
        }
    }
}

type Outcome = Result<(), Failure>;

/// Seconds and their fractions with a unit: `250ms`, `10s`, `1.5s`; a plain number is milliseconds.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let (number, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1_000.0),
        (None, None) => (text, 1.0),
    };
    let wrong = || format!("`{text}` is not a duration; write 250ms or 10s");
    let value: f64 = number.parse().map_err(|_| wrong())?;
    std::time::Duration::try_from_secs_f64(value * unit_ms / 1_000.0).map_err(|_| wrong())
}

/// `NAME=VALUE`, as repeated flags take it.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` lacks a `=`; write NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// JSON, as flags take it.
fn json_value(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit_or_are_milliseconds() {
        for (text, millis) in [("250", 250), ("250ms", 250), ("10s", 10_000), ("1.5s", 1_500), ("0", 0)] {
            assert_eq!(duration(text).unwrap().as_millis(), millis, "{text}");
        }
        for wrong in ["", "s", "-1", "10m", "NaN", "inf"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
