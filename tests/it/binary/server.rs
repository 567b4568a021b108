//! `casewire` as a process: started, watched, signalled, and killed with the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
};

use super::{Connection, PATIENCE};

/// The admin token of every server here, unless a test says otherwise.
pub const TOKEN: &str = "a-token-for-the-tests-alone";
const PREFIX: &str = "/v2.3/webhooks";

/// The binary, without any setting of the environment that the tests run in.
pub(super) fn command() -> Command {
    in_clean_environment(Command::new(env!("CARGO_BIN_EXE_casewire")))
}

fn in_clean_environment(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CASEWIRE_") || name.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub fn run(arguments: &[&str], env: &[(&str, &str)]) -> Ended {
    run_with_input(arguments, env, "")
}

/// Runs another program of this package to its end.
pub fn run_program(path: &Path) -> Ended {
    Process::start(in_clean_environment(Command::new(path))).end()
}

/// As [`run`], with something on standard input.
pub fn run_with_input(arguments: &[&str], env: &[(&str, &str)], input: &str) -> Ended {
    let mut command = command();
    command.args(arguments).envs(env.iter().copied());
    let mut process = Process::start(command);
    process.child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.end()
}

/// A process whose output is read as it comes.
pub(super) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: String,
    stderr: Option<JoinHandle<String>>,
}

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the command starts");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Nobody may listen any more; the pipe is emptied all the same.
                let _ = told.send(line);
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child, lines, seen: String::new(), stderr: Some(stderr) }
    }

    /// The next line of its output; `None` when it has closed it.
    pub(super) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push_str(&line);
                self.seen.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line came and no end; so far: {}", self.seen),
        }
    }

    /// Waits until it ends by itself.
    pub(super) fn end(&mut self) -> Ended {
        while self.line().is_some() {}
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.take().map(|reading| reading.join().unwrap()).unwrap_or_default();
        Ended { code: status.code(), stdout: self.seen.clone(), stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `casewire serve`; killed when dropped.
pub struct Server {
    process: Process,
    /// Host and port.
    pub address: String,
}

impl Server {
    /// Starts on a data directory. Deliveries may go to loopback, and retries come after a second.
    pub fn start(dir: &Path, env: &[(&str, &str)]) -> Self {
        Self::try_start(dir, env).unwrap_or_else(|ended| panic!("it did not start: {ended:?}"))
    }

    /// As [`Server::start`]; an end before it was ready is an answer too.
    pub fn try_start(dir: &Path, env: &[(&str, &str)]) -> Result<Self, Ended> {
        Self::try_start_as(command(), dir, env)
    }

    /// Starts by way of another program, which gets the binary's path as its last argument.
    pub fn start_through(wrapper: Command, dir: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = in_clean_environment(wrapper);
        command.arg(env!("CARGO_BIN_EXE_casewire"));
        Self::try_start_as(command, dir, env).unwrap_or_else(|ended| panic!("it did not start: {ended:?}"))
    }

    fn try_start_as(mut command: Command, dir: &Path, env: &[(&str, &str)]) -> Result<Self, Ended> {
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir)
            .env("CASEWIRE_ADMIN_TOKEN", TOKEN)
            .env("CASEWIRE_EGRESS_ALLOW", "127.0.0.0/8")
            .env("CASEWIRE_RETRY_SCHEDULE_SECONDS", "1,1,1,1,1,1,1,1,1,1")
            .envs(env.iter().copied());
        let mut process = Process::start(command);
        while let Some(line) = process.line() {
            if let Some((_, rest)) = line.split_once("listening on http://") {
                let address = rest.strip_suffix(PREFIX).expect("the prefix is the default").to_owned();
                return Ok(Self { process, address });
            }
        }
        Err(process.end())
    }

    /// What it printed so far.
    pub fn printed(&self) -> &str {
        &self.process.seen
    }

    /// A new connection, with the admin token.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.address, PREFIX, TOKEN).unwrap()
    }

    /// A new connection outside of the prefix and without a token.
    pub fn connect_bare(&self) -> Connection {
        Connection::open(&self.address, "", "").unwrap()
    }

    /// The URL that commands take as `--server`.
    pub fn url(&self) -> String {
        format!("http://{}{PREFIX}", self.address)
    }

    /// SIGKILL: no destructor, no flush, no farewell.
    pub fn kill(mut self) -> Ended {
        self.process.child.kill().unwrap();
        self.process.end()
    }

    /// SIGTERM, and its end.
    pub fn terminate(mut self) -> Ended {
        let pid = self.process.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.end()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Ended {
        self.process.end()
    }

    /// Creates an endpoint of the dialect `standard@1` and answers its id and secret.
    pub fn endpoint(&self, url: &str, patterns: &[&str]) -> (String, String) {
        let body = serde_json::json!({ "url": url, "events": patterns, "dialect": "standard@1" });
        let made = self.connect().request("POST", "/endpoints", &body.to_string()).unwrap().data(201);
        (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }
}
