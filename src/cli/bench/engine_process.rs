//! The backlog's engine as its parent sees it: a process that is started, told, looked at and stopped.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{super::Failure, Args, process};

/// What an engine does before it only delivers.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// Publishes all events to a URL, as fast as they are durable.
    Fill(&'a str),
    /// Publishes to a URL as fast as events arrive there, until it is stopped.
    Live(&'a str),
    /// Nothing.
    Deliver,
}

/// The child process; it is killed when this is dropped.
pub(super) struct EngineProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl EngineProcess {
    /// Starts one on a directory; returns when it delivers.
    pub(super) fn start(args: &Args, dir: &Path, work: Work<'_>) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(no_child)?;
        let mut command = Command::new(program);
        command.args(["bench", "backlog-engine"]).arg("--dir").arg(dir);
        for (name, value) in [
            ("--events", args.events.to_string()),
            ("--payload-bytes", args.payload_bytes.to_string()),
            ("--workers", args.workers.to_string()),
        ] {
            command.args([name, &value]);
        }
        match work {
            Work::Fill(url) => command.args(["--child-url", url]),
            Work::Live(url) => command.args(["--child-live", "--child-url", url]),
            Work::Deliver => &mut command,
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(no_child)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output =
            BufReader::new(output.ok_or_else(|| Failure::failed("the engine's process has no output"))?);
        let mut this = Self { child, input, output };
        this.wait_for("ready")?;
        Ok(this)
    }

    /// Waits for a word, and gives the number behind it, if there is one.
    pub(super) fn wait_for(&mut self, word: &str) -> Result<f64, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(no_child)?;
        let rest = line.strip_prefix(word);
        let rest =
            rest.ok_or_else(|| Failure::failed(format!("the engine's process ended before it was {word}")))?;
        Ok(rest.trim().parse().unwrap_or(0.0))
    }

    /// Tells it how many events have arrived.
    pub(super) fn tell(&mut self, arrived: u64) -> Result<(), Failure> {
        self.input.as_mut().map_or(Ok(()), |input| writeln!(input, "{arrived}")).map_err(no_child)
    }

    /// Its memory in RAM, in bytes.
    pub(super) fn rss_bytes(&self) -> u64 {
        process::rss_bytes(Some(self.child.id()))
    }

    /// Lets it shut down; tells how many seconds that took.
    pub(super) fn stop(mut self) -> Result<f64, Failure> {
        drop(self.input.take());
        let seconds = self.wait_for("stopped")?;
        self.child.wait().map_err(no_child)?;
        Ok(seconds)
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn no_child(error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot run the engine in a process of its own: {error}"))
}
