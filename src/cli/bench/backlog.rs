//! Events pile up for a receiver that is down; the engine is restarted, the receiver is up: do they all arrive?

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    super::Failure,
    Args, process,
    report::{Report, figure},
    sink::{self, Receiver, Sink},
    stage::Scratch,
};

/// How often the engine is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long nothing may arrive before the rest counts as lost: longer than any retry of the run waits.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let scratch = Scratch::new(args)?;
    let address = sink::nobody()?;
    let mut report = Report {
        scenario: "backlog",
        settings: format!(
            "{} events, {} B payload, one endpoint that refuses connections until the restart",
            args.events, args.payload_bytes
        ),
        headings: vec!["phase", "seconds", "events/s", "RSS MB", "highest RSS MB"],
        ..Report::default()
    };
    let before = fill(args, scratch.path(), &sink::url(address), &mut report)?;
    let (disk, _) = process::disk(scratch.path());

    let sink = Sink::start()?;
    let receiver = sink.listen(address, Duration::ZERO)?;
    let begun = Instant::now();
    let mut engine = Engine::spawn(args, scratch.path(), None)?;
    engine.wait_for("ready")?;
    report.found("start to ready, s", figure(begun.elapsed().as_secs_f64()));
    let after = catch_up(args, &engine, &receiver, begun, &mut report).await;
    let stop = engine.stop()?;
    report.found("shutdown, s", json!([figure(before), figure(stop)]));
    report.found("disk before the restart, MB", megabytes(disk));
    report.found("arrived twice", json!(receiver.received() - receiver.distinct()));
    report.lost = args.events - after;
    report.judged("events lost", json!(report.lost), "0", report.lost == 0);
    Ok(report)
}

/// Publishes everything while nobody listens; tells how many seconds the shutdown took.
fn fill(args: &Args, dir: &Path, url: &str, report: &mut Report) -> Result<f64, Failure> {
    let mut engine = Engine::spawn(args, dir, Some(url))?;
    engine.wait_for("ready")?;
    let seconds = engine.wait_for("published")?;
    let rss = engine.rss_bytes();
    report.rows.push(row("published", seconds, args.events, (rss, rss)));
    engine.stop()
}

/// Watches the events arrive; tells how many did.
async fn catch_up(
    args: &Args,
    engine: &Engine,
    receiver: &Receiver,
    begun: Instant,
    report: &mut Report,
) -> u64 {
    let most = args.events / 100 * 99;
    let (mut first, mut most_there) = (None, None);
    let (mut arrived, mut last_arrival, mut highest) = (0, Instant::now(), 0);
    while arrived < args.events && last_arrival.elapsed() < SILENCE_MAX {
        actix_rt::time::sleep(LOOK_EVERY).await;
        let now = receiver.distinct();
        if now > arrived {
            first = first.or_else(|| Some(begun.elapsed().as_secs_f64()));
            (arrived, last_arrival) = (now, Instant::now());
        }
        if arrived >= most {
            most_there = most_there.or_else(|| Some(begun.elapsed().as_secs_f64()));
        }
        highest = highest.max(engine.rss_bytes());
    }
    let rss = (engine.rss_bytes(), highest);
    let first = first.unwrap_or(f64::NAN);
    report.found("start to first delivery, s", figure(first));
    report.rows.push(row("99 % arrived", most_there.unwrap_or(f64::NAN) - first, most, rss));
    report.rows.push(row("all arrived", begun.elapsed().as_secs_f64() - first, arrived, rss));
    arrived
}

#[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
fn row(phase: &str, seconds: f64, events: u64, (rss, highest): (u64, u64)) -> Vec<Value> {
    vec![json!(phase), figure(seconds), figure(events as f64 / seconds), megabytes(rss), megabytes(highest)]
}

#[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
fn megabytes(bytes: u64) -> Value {
    figure(bytes as f64 / 1e6)
}

/// The child process.
struct Engine {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Engine {
    fn spawn(args: &Args, dir: &Path, url: Option<&str>) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(no_child)?;
        let mut command = Command::new(program);
        command.args(["bench", "backlog-engine"]).arg("--dir").arg(dir);
        command.args([
            "--events",
            &args.events.to_string(),
            "--payload-bytes",
            &args.payload_bytes.to_string(),
        ]);
        command.args(["--workers", &args.workers.to_string()]);
        if let Some(url) = url {
            command.args(["--child-url", url]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(no_child)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output =
            BufReader::new(output.ok_or_else(|| Failure::failed("the engine's process has no output"))?);
        Ok(Self { child, input, output })
    }

    /// Waits for a word, and gives the number behind it, if there is one.
    fn wait_for(&mut self, word: &str) -> Result<f64, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(no_child)?;
        let rest = line.strip_prefix(word);
        let rest =
            rest.ok_or_else(|| Failure::failed(format!("the engine's process ended before it was {word}")))?;
        Ok(rest.trim().parse().unwrap_or(0.0))
    }

    fn rss_bytes(&self) -> u64 {
        process::rss_bytes(Some(self.child.id()))
    }

    /// Lets it shut down; tells how many seconds that took.
    fn stop(mut self) -> Result<f64, Failure> {
        drop(self.input.take());
        let seconds = self.wait_for("stopped")?;
        self.child.wait().map_err(no_child)?;
        Ok(seconds)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn no_child(error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot run the engine in a process of its own: {error}"))
}
