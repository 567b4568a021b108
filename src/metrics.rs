//! What the engine counts, as a page of Prometheus's text format: every name, and what it means.
//!
//! No label has more values than are written here, so a page does not grow with endpoints, tenants or event types.
//! Counters begin at zero when the engine starts, but for those of the journal that say otherwise.

mod page;
pub(crate) mod process;

use casewire_actors::{
    Tree,
    metrics::{Counted, OUTCOMES},
};

use self::page::Page;
use crate::engine::Engine;

/// Microseconds in a second.
const MICROS: f64 = 1e6;

impl Engine {
    /// What the engine counts, for operators, in Prometheus's text format 0.0.4; the names are in `src/cli/README.md`.
    ///
    /// Costs the same however many endpoints and events there are. The figures are of all tenants together.
    pub fn metrics(&self) -> String {
        let (tree, mut page) = (self.tree(), Page::default());
        page.family("casewire_build_info", "gauge", "The version that runs.");
        page.sample("casewire_build_info", Some(("version", env!("CARGO_PKG_VERSION"))), 1);
        let counted = tree.metrics.read();
        publishing(&mut page, tree, &counted);
        journal(&mut page, tree, &counted);
        page.gauge(
            "casewire_journal_writable",
            "1 while the journal accepts events; 0 after its disk failed.",
            u64::from(self.health().writable),
        );
        delivering(&mut page, tree, &counted);
        waiting(&mut page, tree);
        page.into_text()
    }
}

fn publishing(page: &mut Page, tree: &Tree, counted: &Counted) {
    page.counter("casewire_events_published_total", "Events that were stored.", counted.published);
    page.counter(
        "casewire_events_repeated_total",
        "Events answered with an earlier one, by their idempotency key.",
        counted.duplicates,
    );
    let depth = tree.journal.depth();
    page.counter(
        "casewire_publishes_refused_total",
        "Publications refused because the queue before the journal was full.",
        depth.refused,
    );
    page.gauge("casewire_queue_events", "Events that wait for the journal.", depth.events);
    page.gauge("casewire_queue_bytes", "Bytes of payload that wait for the journal.", depth.bytes);
    let limits = &tree.config.limits;
    let (events, bytes) = (limits.queue_events_max as u64, limits.queue_bytes_max as u64);
    page.gauge("casewire_queue_events_max", "Events that may wait for the journal.", events);
    page.gauge("casewire_queue_bytes_max", "Bytes of payload that may wait for the journal.", bytes);
}

fn journal(page: &mut Page, tree: &Tree, counted: &Counted) {
    page.histogram(
        "casewire_journal_batch_writes",
        "Writes that shared one append and at most one sync.",
        &counted.batch_writes,
        1.0,
    );
    page.histogram(
        "casewire_journal_sync_duration_seconds",
        "How long the disk took to hold a batch (fdatasync).",
        &counted.sync_us,
        MICROS,
    );
    let extent = tree.journal.store().extent();
    page.gauge("casewire_journal_bytes", "Bytes of the disk that the log takes.", extent.disk_bytes);
    page.gauge("casewire_journal_segments", "Files of the log.", extent.segments);
    page.counter(
        "casewire_journal_written_bytes_total",
        "Bytes ever written to the log, also before the engine started.",
        extent.written_bytes,
    );
}

fn delivering(page: &mut Page, tree: &Tree, counted: &Counted) {
    page.counter(
        "casewire_deliveries_matched_total",
        "Deliveries that published events asked for: one for each endpoint matched.",
        counted.routed,
    );
    let name = "casewire_deliveries_total";
    page.family(
        name,
        "counter",
        "Deliveries that came to an end: acknowledged, given up, or taken by retention.",
    );
    for (result, count) in
        [("delivered", counted.delivered), ("dead", counted.dead), ("expired", counted.expired)]
    {
        page.sample(name, Some(("result", result)), count);
    }
    let name = "casewire_attempts_total";
    page.family(name, "counter", "Attempts, by the class of the status or of the failure.");
    for (outcome, count) in OUTCOMES.iter().zip(counted.attempts) {
        page.sample(name, Some(("outcome", outcome)), count);
    }
    page.counter("casewire_retries_total", "Attempts that failed and will be made again.", counted.retries);
    page.histogram(
        "casewire_attempt_duration_seconds",
        "How long attempts took, from their beginning to the end of the answer.",
        &counted.attempt_us,
        MICROS,
    );
    page.histogram(
        "casewire_first_attempt_delay_seconds",
        "How long after its event was accepted the first attempt of a delivery began.",
        &counted.first_attempt_us,
        MICROS,
    );
    let in_flight = tree.in_flight.len() as u64;
    page.gauge("casewire_attempts_in_flight", "Attempts under way.", in_flight);
    page.gauge("casewire_mailboxes", "Endpoints that have work, or had some lately.", counted.mailboxes);
}

fn waiting(page: &mut Page, tree: &Tree) {
    let census = tree.directory.census();
    let name = "casewire_endpoints";
    page.family(name, "gauge", "Endpoints: active, paused by their owner, or disabled by the engine.");
    for (status, count) in
        [("active", census.active), ("paused", census.paused), ("disabled", census.disabled)]
    {
        page.sample(name, Some(("status", status)), count as u64);
    }
    let troubled = tree.health.troubled();
    page.gauge(
        "casewire_endpoints_failing",
        "Endpoints of which several attempts in a row have failed, and none succeeded since.",
        troubled.failing,
    );
    page.gauge(
        "casewire_endpoints_down",
        "Endpoints whose breaker is open: single requests probe them, and all else waits.",
        troubled.down,
    );
    let tally = tree.journal.store().tally();
    let name = "casewire_deliveries_waiting";
    page.family(name, "gauge", "Deliveries still to be made: new ones, or again (retry).");
    page.sample(name, Some(("state", "new")), tally.unread);
    page.sample(name, Some(("state", "retry")), tally.parked);
    page.gauge("casewire_dead_letters", "Deliveries given up and kept until retention.", tally.dead);
}
