//! Runs the engine under callgrind, and reads what it counted.

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use super::super::{super::Failure, Args, engine_process::EngineProcess, stage::Scratch};

/// What to do where there is none.
const NO_VALGRIND: &str = "there is no `valgrind` on the PATH, which counts the instructions; install it \
     (`apt install valgrind`, `dnf install valgrind`), or measure something else";

/// Instructions by function, those of the functions that it calls not included.
pub(super) type Counts = BTreeMap<String, u64>;

/// Whether there is a valgrind; the error says how to come by one.
pub(super) fn version() -> Result<String, Failure> {
    let said = Command::new("valgrind").arg("--version").output();
    let said = said.map_err(|_| Failure::failed(NO_VALGRIND))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// An engine under callgrind.
pub(super) struct Counted {
    process: EngineProcess,
    scratch: Scratch,
}

impl Counted {
    /// Starts one that delivers to `urls`, and waits until it is ready.
    pub(super) fn start(args: &Args, urls: &[String]) -> Result<Self, Failure> {
        let scratch = Scratch::new(args)?;
        let data = scratch.path().join("data");
        let out = format!("--callgrind-out-file={}", out(scratch.path()));
        let valgrind =
            ["valgrind", "--quiet", "--tool=callgrind", "--fair-sched=yes", &out].map(str::to_owned);
        let urls = urls.join(" ");
        let more = if urls.is_empty() { &[][..] } else { &["--child-url", &urls] };
        let process = EngineProcess::start(args, ("instructions-engine", &data), more, &valgrind)?;
        Ok(Self { process, scratch })
    }

    /// Has events published, and waits until they are durable.
    pub(super) fn publish(&mut self, events: u64) -> Result<(), Failure> {
        self.process.tell(events)?;
        self.process.wait_for("published").map(drop)
    }

    /// Lets the engine stop, and gives what was counted from its start to its end.
    pub(super) fn stop(self) -> Result<Counts, Failure> {
        let status = self.process.end()?;
        if !status.success() {
            return Err(Failure::failed(format!("valgrind ended with {status}; stderr tells why")));
        }
        let text = fs::read_to_string(out(self.scratch.path())).map_err(failed)?;
        Ok(read(&text))
    }
}

fn out(scratch: &Path) -> String {
    scratch.join("callgrind.out").display().to_string()
}

fn failed(error: io::Error) -> Failure {
    Failure::failed(format!("cannot count the engine's instructions: {error}"))
}

/// Reads callgrind's format, version 1, as far as it is needed: `fn=(id) name` begins a function, its name left out when
/// it was told before; lines of a position and a cost are its own; after `calls=` comes one line that is its callee's.
fn read(text: &str) -> Counts {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut counts = Counts::new();
    let (mut function, mut of_callee) = ("", false);
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (id, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if line.starts_with("fn=") {
                function = names.get(id).copied().unwrap_or(id);
            }
        } else if line.starts_with("calls=") {
            of_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            && !std::mem::take(&mut of_callee)
        {
            let cost = line.split_once(' ').and_then(|(_, cost)| cost.trim().parse::<u64>().ok());
            *counts.entry(function.to_owned()).or_default() += cost.unwrap_or(0);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callees_cost_is_not_counted_for_their_callers() {
        let text = "version: 1\nevents: Ir\n\nob=(1) casewire\nfl=(1) ???\nfn=(1) publish\n0 5\n\
                    cfn=(2) tokio::spawn'2\ncalls=3 0\n0 700\n0 2\n\nfn=(2)\n0 30\n+1 4\n\nfn=(1)\n0 1\n\ntotals: 742\n";
        let counts = read(text);
        assert_eq!(counts, Counts::from([("publish".to_owned(), 8), ("tokio::spawn'2".to_owned(), 34)]));
    }
}
