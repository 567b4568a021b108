//! How the program runs: flags, environment and a TOML file become validated [`Settings`] in one step.
//!
//! `KEYS` is the one place where a setting is named, explained and given its default. A key `data_dir` is the flag
//! `--data-dir`, the variable `CASEWIRE_DATA_DIR` and the line `data_dir = …` of the file; flags win over the
//! environment, which wins over the file. Every given value is checked, also one that another source overrules.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use casewire_data::{Error, address::EgressPolicy, limits::Limits, retry::RetrySchedule};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

mod file;
mod tenants;
mod values;

use self::values::{HOUR_MS, dialect, millis, number, prefix};

/// Most seconds that a shutdown may take.
const SHUTDOWN_GRACE_SECONDS_MAX: u64 = 3_600;

/// One setting, wherever it is given.
struct Key {
    /// Its name with `-` between words, as on the command line.
    flag: &'static str,
    value: &'static str,
    help: &'static str,
    apply: fn(&mut Settings, &str) -> Result<(), String>,
}

/// Every setting, in the order of `--help`. The defaults stand in [`Settings::default`].
const KEYS: &[Key] = &[
    Key {
        flag: "data-dir",
        value: "DIR",
        help: "Where the journal lives; one process at a time [default: casewire-data]",
        apply: |settings, text| {
            settings.data_dir = text.into();
            Ok(())
        },
    },
    Key {
        flag: "listen",
        value: "ADDRESS",
        help: "Where the HTTP API listens; port 0 picks a free one [default: 127.0.0.1:8080]",
        apply: |settings, text| {
            let wrong = |_| format!("`{text}` is not an address; write it like 127.0.0.1:8080");
            text.parse().map(|listen| settings.listen = listen).map_err(wrong)
        },
    },
    Key {
        flag: "prefix",
        value: "PATH",
        help: "Path under which the whole HTTP API hangs [default: /v2.3/webhooks]",
        apply: |settings, text| prefix(text).map(|prefix| settings.prefix = prefix),
    },
    Key {
        flag: "admin-token",
        value: "TOKEN",
        help: "Token of the default tenant with all scopes; in the environment it stays out of process lists \
               [default: created on an empty data directory and printed once]",
        apply: |settings, text| {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(
                    "is not fit for a token; use printable ASCII characters without spaces".to_owned()
                );
            }
            settings.admin_token = Some(AdminToken(text.to_owned()));
            Ok(())
        },
    },
    Key {
        flag: "egress-allow",
        value: "CIDR,…",
        help: "Networks to which deliveries may go although private, and over plain http [default: none]",
        apply: |settings, text| {
            EgressPolicy::parse(text)
                .map(|egress| settings.egress = egress)
                .map_err(|error| error.to_string())
        },
    },
    Key {
        flag: "retry-schedule-seconds",
        value: "SECONDS,…",
        help: "Delays after the first attempt and each one after it [default: 5,300,1800,7200,18000,36000,50400,72000,86400]",
        apply: |settings, text| {
            RetrySchedule::parse(text).map(|retry| settings.retry = retry).map_err(|error| error.to_string())
        },
    },
    Key {
        flag: "attempt-timeout-seconds",
        value: "SECONDS",
        help: "Time for one attempt, from connect to the end of the answer; fractions allowed [default: 20]",
        apply: |settings, text| {
            let millis = millis(text, 1_000.0)?;
            settings.limits.attempt_timeout_ms = u32::try_from(millis).unwrap_or(u32::MAX);
            Ok(())
        },
    },
    Key {
        flag: "retention-hours",
        value: "HOURS",
        help: "How long events and delivery records are kept; fractions allowed. A tenant's own, if shorter: \
               retention_hours under [tenants.NAME] in the file [default: 168]",
        apply: |settings, text| {
            settings.limits.retention_ms = millis(text, HOUR_MS)?;
            Ok(())
        },
    },
    Key {
        flag: "payload-retention-hours",
        value: "HOURS",
        help: "How long payloads are kept, and what receivers answered; fractions allowed. A delivery that waits keeps \
               its payload. A tenant's own: payload_retention_hours under [tenants.NAME] in the file \
               [default: as long as the rest]",
        apply: |settings, text| {
            settings.limits.payload_retention.default_ms = Some(millis(text, HOUR_MS)?);
            Ok(())
        },
    },
    Key {
        flag: "disable-after-hours",
        value: "HOURS",
        help: "How long an endpoint may fail, without a single success, before it is paused; fractions allowed, 0 for \
               as long as it likes [default: 120]",
        apply: |settings, text| {
            let after_ms = millis(text, HOUR_MS)?;
            settings.limits.disable_after_ms = (text.parse() != Ok(0.0)).then_some(after_ms);
            Ok(())
        },
    },
    Key {
        flag: "retention-bytes",
        value: "BYTES",
        help: "Bytes of the disk that the log may take; of more, the oldest events go first. What one tenant's events may \
               take: retention_bytes under [tenants.NAME] in the file [default: no limit]",
        apply: |settings, text| number(text).map(|bytes| settings.limits.retention_bytes = Some(bytes)),
    },
    Key {
        flag: "payload-retention-bytes",
        value: "BYTES",
        help: "Bytes of payloads, and of what receivers answered, that each tenant may keep; of more, the oldest go first. A \
               tenant's own: payload_retention_bytes under [tenants.NAME] in the file [default: no limit]",
        apply: |settings, text| {
            number(text).map(|bytes| settings.limits.payload_retention.default_bytes = Some(bytes))
        },
    },
    Key {
        flag: "max-in-flight",
        value: "N",
        help: "Requests in flight to one endpoint, unless the endpoint says otherwise [default: 32]",
        apply: |settings, text| number(text).map(|count| settings.limits.in_flight_max = count),
    },
    Key {
        flag: "queue-events-max",
        value: "N",
        help: "Events that wait for the journal at once; one more is answered with 429 [default: 10000]",
        apply: |settings, text| number(text).map(|count| settings.limits.queue_events_max = count),
    },
    Key {
        flag: "queue-bytes-max",
        value: "BYTES",
        help: "Bytes of events that wait for the journal at once [default: 67108864]",
        apply: |settings, text| number(text).map(|bytes| settings.limits.queue_bytes_max = bytes),
    },
    Key {
        flag: "window-deliveries-max",
        value: "N",
        help: "Deliveries that one endpoint holds in memory; the rest waits on disk [default: 1024]",
        apply: |settings, text| number(text).map(|count| settings.limits.window_deliveries_max = count),
    },
    Key {
        flag: "segment-bytes-max",
        value: "BYTES",
        help: "Bytes of one log segment; retention gives the disk back in such pieces [default: 67108864]",
        apply: |settings, text| number(text).map(|bytes| settings.limits.segment_bytes_max = bytes),
    },
    Key {
        flag: "endpoints-per-tenant-max",
        value: "N",
        help: "Endpoints of one tenant [default: 100000]",
        apply: |settings, text| number(text).map(|count| settings.limits.endpoints_per_tenant_max = count),
    },
    Key {
        flag: "dialect",
        value: "NAME@REVISION",
        help: "Format of endpoints that name none [default: xpath@1]",
        apply: |settings, text| dialect(text).map(|dialect| settings.dialect = dialect),
    },
    Key {
        flag: "dialects",
        value: "DIR",
        help: "Folder of your own dialects, NAME@REVISION.toml each, besides those that are shipped [default: none]",
        apply: |settings, text| {
            settings.dialects = Some(text.into());
            Ok(())
        },
    },
    Key {
        flag: "backup-dir",
        value: "DIR",
        help: "Folder in which POST /backup makes backups; on another disk they outlive this one \
               [default: backups in the data directory]",
        apply: |settings, text| {
            settings.backup_dir = Some(text.into());
            Ok(())
        },
    },
    Key {
        flag: "log",
        value: "FILTER",
        help: "What is logged to stderr: a level, or levels by module [default: warn,casewire=info]",
        apply: |settings, text| {
            let wrong =
                |error| format!("`{text}` is not a filter: {error}; write it like warn,casewire=debug");
            text.parse::<tracing_subscriber::filter::Targets>().map_err(wrong)?;
            settings.log = text.to_owned();
            Ok(())
        },
    },
    Key {
        flag: "log-format",
        value: "FORMAT",
        help: "How it is logged: text, or json, an object a line [default: text, and json with --json]",
        apply: |settings, text| {
            settings.log_format = match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => return Err(format!("`{text}` is no format; choose text or json")),
            };
            Ok(())
        },
    },
    Key {
        flag: "shutdown-grace-seconds",
        value: "SECONDS",
        help: "Time for attempts in flight when the program is told to stop [default: 30]",
        apply: |settings, text| {
            let seconds: u64 = number(text)?;
            if seconds > SHUTDOWN_GRACE_SECONDS_MAX {
                return Err(format!("`{text}` is too long; choose 0 to {SHUTDOWN_GRACE_SECONDS_MAX}"));
            }
            settings.shutdown_grace = Duration::from_secs(seconds);
            Ok(())
        },
    },
];

impl Key {
    /// Its name in the file.
    fn name(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// Its name in the environment.
    fn variable(&self) -> String {
        format!("CASEWIRE_{}", self.name().to_ascii_uppercase())
    }
}

/// The token of the default tenant that an operator chose. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// How the program runs; every value is in range.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where the journal lives.
    pub data_dir: PathBuf,
    /// Where the HTTP API listens.
    pub listen: SocketAddr,
    /// Path under which the HTTP API hangs: begins with `/`, doesn't end with it.
    pub prefix: String,
    /// Token of the default tenant with all scopes.
    pub admin_token: Option<AdminToken>,
    /// Networks to which deliveries may go although they are private, and over plain http.
    pub egress: EgressPolicy,
    /// Delays after failed attempts.
    pub retry: RetrySchedule,
    /// Limits of the engine.
    pub limits: Limits,
    /// Format of endpoints that name none.
    pub dialect: String,
    /// Folder of the operator's own dialects.
    pub dialects: Option<PathBuf>,
    /// Folder of backups; `backups` in the data directory if not set.
    pub backup_dir: Option<PathBuf>,
    /// Filter of the log.
    pub log: String,
    /// How it is written; as everything else that the program prints if not set.
    pub log_format: Option<LogFormat>,
    /// Time for attempts in flight at shutdown.
    pub shutdown_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "casewire-data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            prefix: "/v2.3/webhooks".to_owned(),
            admin_token: None,
            egress: EgressPolicy::default(),
            retry: RetrySchedule::default(),
            limits: Limits::default(),
            dialect: "xpath@1".to_owned(),
            dialects: None,
            backup_dir: None,
            log: "warn,casewire=info".to_owned(),
            log_format: None,
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

/// The settings that stand on a command line, not yet read: one flag a key, and `--config`.
#[derive(Clone, Debug, Default)]
pub struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// Only these flags, for a command that takes few of them; the environment and the file still count.
    pub fn only(values: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        Self(values.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect())
    }

    fn get(&self, flag: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help("TOML file with any of the settings below, `_` for `-` [env: CASEWIRE_CONFIG]");
        KEYS.iter().fold(command.arg(config), |command, key| {
            let help = format!("{} [env: {}]", key.help, key.variable());
            command.arg(Arg::new(key.flag).long(key.flag).value_name(key.value).help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: &'static str| Some((flag, matches.get_one::<String>(flag)?.clone()));
        Ok(Self(std::iter::once("config").chain(KEYS.iter().map(|key| key.flag)).filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Settings {
    /// Reads the file, the environment and the flags, and checks every value.
    ///
    /// An error names the source and the key: `CASEWIRE_LISTEN: …`, `casewire.toml line 3, listen: …`.
    pub fn load(flags: &Flags) -> Result<Self, Error> {
        Self::load_from(flags, |variable| std::env::var(variable).ok())
    }

    /// As [`Settings::load`], with the environment as an argument. An empty variable counts as not set.
    fn load_from(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let env = |variable: &str| env(variable).filter(|value| !value.is_empty());
        let mut settings = Self::default();
        let file = flags.get("config").map(str::to_owned).or_else(|| env("CASEWIRE_CONFIG"));
        let entries = file.map_or(Ok(Vec::new()), |path| file::read(path.as_ref()))?;
        for entry in &entries {
            settings.set(entry).map_err(|why| wrong(&entry.source, &why))?;
        }
        for key in KEYS {
            if let Some(value) = env(&key.variable()) {
                settings.apply(key, &value).map_err(|why| wrong(&key.variable(), &why))?;
            }
        }
        for key in KEYS {
            if let Some(value) = flags.get(key.flag) {
                settings.apply(key, value).map_err(|why| wrong(&format!("--{}", key.flag), &why))?;
            }
        }
        for entry in &entries {
            if let file::Setting::Tenant(tenant, key) = &entry.setting {
                tenants::check(key, tenant, &settings.limits).map_err(|why| wrong(&entry.source, &why))?;
            }
        }
        settings.limits.check()?;
        Ok(settings)
    }

    /// Settings are in range before and after, so whatever is out of range is this key's doing.
    fn apply(&mut self, key: &Key, text: &str) -> Result<(), String> {
        (key.apply)(self, text.trim())?;
        self.check(text)
    }

    fn set(&mut self, entry: &file::Entry) -> Result<(), String> {
        match &entry.setting {
            file::Setting::Engine(key) => self.apply(key, &entry.value),
            file::Setting::Tenant(tenant, key) => {
                (key.apply)(&mut self.limits, tenant, entry.value.trim())?;
                self.check(&entry.value)
            }
        }
    }

    fn check(&self, text: &str) -> Result<(), String> {
        self.limits.check_each().map_err(|error| format!("`{text}` is out of range: {error}"))
    }
}

fn wrong(source: &str, why: &str) -> Error {
    Error::field(source, format!("{source}: {why}"))
}

#[cfg(test)]
mod tests;
