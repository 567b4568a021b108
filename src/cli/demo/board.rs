//! The demo's live table: one row an endpoint, grouped by system, from the engine's own delivery log.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use casewire_data::delivery::{DeliveryRecord, DeliveryStatus, Outcome};

use super::{stage::Stage, systems::Role};
use crate::cli::output;

/// Without a terminal, a line so often.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(1);
/// Characters of what an endpoint takes that are shown: a row wider than a terminal of 80 would break the redrawing.
const TAKES_CHARS_MAX: usize = 14;

/// One endpoint's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Events acknowledged by the receiver.
    pub(super) delivered: usize,
    /// Events that failed at least once and wait for the next attempt.
    pub(super) retrying: usize,
    /// Events given up on or cancelled: in the demo, a failure.
    pub(super) lost: usize,
    /// How the last attempt ended.
    last_status: String,
    /// Median time that a receiver took over an answer.
    latency_us: Option<u64>,
    /// Why the engine disabled the endpoint, if it did.
    pub(super) disabled: Option<String>,
}

impl Row {
    /// What the delivery log says of one endpoint, and why it is disabled, if it is.
    pub(super) fn of(deliveries: &[&DeliveryRecord], disabled: Option<String>) -> Self {
        let count = |wanted: &[DeliveryStatus]| {
            deliveries.iter().filter(|delivery| wanted.contains(&delivery.status)).count()
        };
        let attempts = || deliveries.iter().flat_map(|delivery| &delivery.attempts);
        let last = attempts().max_by_key(|attempt| attempt.started_at);
        let answered =
            |attempt: &&casewire_data::delivery::Attempt| matches!(attempt.outcome, Outcome::Answered { .. });
        let mut times: Vec<_> = attempts().filter(answered).map(|attempt| attempt.duration_us).collect();
        times.sort_unstable();
        Self {
            delivered: count(&[DeliveryStatus::Delivered]),
            retrying: count(&[DeliveryStatus::Retrying]),
            lost: count(&[DeliveryStatus::Dead, DeliveryStatus::Cancelled]),
            last_status: last.map_or_else(|| "-".to_owned(), |attempt| status(&attempt.outcome)),
            latency_us: times.get(times.len() / 2).copied(),
            disabled,
        }
    }

    fn cells(&self, system: &str, role: &Role) -> Vec<String> {
        vec![
            system.to_owned(),
            role.name.to_owned(),
            cut(&role.described()),
            self.delivered.to_string(),
            self.retrying.to_string(),
            if self.disabled.is_some() { "disabled".to_owned() } else { self.last_status.clone() },
            self.latency_us.map_or_else(|| "-".to_owned(), latency),
        ]
    }
}

/// Draws the table in place on a terminal, and a line now and then elsewhere.
pub(super) struct Board {
    terminal: bool,
    quiet: bool,
    begun: Instant,
    lines_drawn: usize,
    last_plain: Option<Instant>,
}

impl Board {
    /// A board that has drawn nothing yet; `quiet` keeps it so.
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { terminal, quiet, begun: Instant::now(), lines_drawn: 0, last_plain: None }
    }

    /// Shows how things stand; `last` shows it whatever was shown before.
    pub(super) fn show(&mut self, stages: &[Stage], last: bool) {
        if self.quiet {
            return;
        }
        if self.terminal {
            return self.redraw(stages);
        }
        if last || self.last_plain.is_none_or(|at| at.elapsed() >= PLAIN_LINE_EVERY) {
            self.last_plain = Some(Instant::now());
            output::line(&self.plain(stages));
        }
    }

    fn redraw(&mut self, stages: &[Stage]) {
        let headings = ["system", "endpoint", "takes", "arrived", "retry", "last", "latency"];
        let lines = output::aligned(&headings, &cells(stages));
        // Up to the first line of the last drawing, then each line over its predecessor.
        let mut frame =
            if self.lines_drawn > 0 { format!("\x1b[{}A", self.lines_drawn) } else { String::new() };
        for line in &lines {
            frame.push_str(&format!("\x1b[2K{line}\n"));
        }
        self.lines_drawn = lines.len();
        let mut out = io::stdout().lock();
        // A terminal that is gone takes nothing; the verdict at the end still counts.
        let _ = out.write_all(frame.as_bytes()).and_then(|()| out.flush());
    }

    fn plain(&self, stages: &[Stage]) -> String {
        let all = || stages.iter().flat_map(|stage| stage.players.iter().zip(&stage.rows));
        let sum = |part: fn(&Row) -> usize| all().map(|(_, row)| part(row)).sum::<usize>();
        let in_trouble = all().filter_map(|(player, row)| match &row.disabled {
            Some(_) => Some(format!("{} (disabled)", player.role.name)),
            None => (row.retrying > 0).then(|| format!("{} (last {})", player.role.name, row.last_status)),
        });
        let in_trouble: Vec<_> = in_trouble.collect();
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut line = format!(
            "{seconds:4.1} s  {} delivered, {} retrying",
            sum(|row| row.delivered),
            sum(|row| row.retrying)
        );
        if !in_trouble.is_empty() {
            line.push_str(&format!(": {}", in_trouble.join(", ")));
        }
        line
    }
}

/// A row a receiver; the first one of a system names it.
fn cells(stages: &[Stage]) -> Vec<Vec<String>> {
    let rows = stages.iter().flat_map(|stage| {
        let rows = stage.players.iter().zip(&stage.rows).enumerate();
        rows.map(|(index, (player, row))| {
            row.cells(if index == 0 { stage.system.name } else { "" }, player.role)
        })
    });
    rows.collect()
}

fn status(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered { status, .. } => status.to_string(),
        Outcome::Failed { class, .. } => format!("{class:?}").to_lowercase(),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= TAKES_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(TAKES_CHARS_MAX - 1).chain(['…']).collect()
}

fn latency(micros: u64) -> String {
    if micros < 100_000 {
        format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
    } else {
        format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_latencies_are_short_to_read() {
        assert_eq!(cut("cases.*, assignments.*"), "cases.*, assi…");
        assert_eq!([850, 12_340, 1_540_000].map(latency), ["0.8 ms", "12.3 ms", "1.5 s"]);
    }
}
