//! An engine in a process of its own as its parent sees it: started, told, looked at and stopped.
//!
//! It is this program again, in one of the hidden scenarios. It says `ready` when it delivers, takes lines of text, and
//! shuts down when its input ends.

use std::{
    ffi::OsStr,
    fmt::Display,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use super::{super::Failure, Args, process};

/// The process; it is killed when this is dropped.
pub(super) struct EngineProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl EngineProcess {
    /// Starts a scenario on a directory, with more arguments, behind the words of `wrapper` if there are any; returns when
    /// it is ready.
    pub(super) fn start<A: AsRef<OsStr>>(
        args: &Args,
        (scenario, dir): (&str, &Path),
        more: impl IntoIterator<Item = A>,
        wrapper: &[String],
    ) -> Result<Self, Failure> {
        let this = std::env::current_exe().map_err(no_child)?;
        let mut command = match wrapper {
            [] => Command::new(this),
            [program, words @ ..] => {
                let mut command = Command::new(program);
                command.args(words).arg(this);
                command
            }
        };
        command.args(["bench", scenario, "--dir"]).arg(dir);
        command.args(["--payload-bytes", &args.payload_bytes.to_string()]);
        command.args(["--workers", &args.workers.to_string()]).args(more);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(no_child)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output =
            BufReader::new(output.ok_or_else(|| Failure::failed("the engine's process has no output"))?);
        let mut process = Self { child, input, output };
        process.wait_for("ready")?;
        Ok(process)
    }

    /// Hands it a line.
    pub(super) fn tell(&mut self, line: impl Display) -> Result<(), Failure> {
        let input =
            self.input.as_mut().ok_or_else(|| Failure::failed("the engine's process has no input"))?;
        writeln!(input, "{line}").and_then(|()| input.flush()).map_err(no_child)
    }

    /// Waits for a word, and gives the number behind it, if there is one.
    pub(super) fn wait_for(&mut self, word: &str) -> Result<f64, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(no_child)?;
        let rest = line.strip_prefix(word);
        let rest = rest.ok_or_else(|| {
            Failure::failed(format!("the engine's process ended before it was {word}; stderr tells why"))
        })?;
        Ok(rest.trim().parse().unwrap_or(0.0))
    }

    /// Its memory in RAM, in bytes.
    pub(super) fn rss_bytes(&self) -> u64 {
        process::rss_bytes(Some(self.child.id()))
    }

    /// Its CPU time, in microseconds.
    pub(super) fn cpu_us(&self) -> u64 {
        process::cpu_us_of(self.child.id())
    }

    /// Lets it shut down; tells how many seconds that took.
    pub(super) fn stop(mut self) -> Result<f64, Failure> {
        drop(self.input.take());
        let seconds = self.wait_for("stopped")?;
        self.child.wait().map_err(no_child)?;
        Ok(seconds)
    }

    /// Lets it shut down, and whatever it runs under end, too.
    pub(super) fn end(mut self) -> Result<ExitStatus, Failure> {
        drop(self.input.take());
        self.child.wait().map_err(no_child)
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong, or it is to end as in a crash.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn no_child(error: io::Error) -> Failure {
    Failure::failed(format!("cannot run the engine in a process of its own: {error}"))
}
