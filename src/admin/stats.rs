//! How an endpoint has been doing, as it is shown.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{
    health::Failing,
    pace::Down,
    stats::{Counts, HourCounts, Latency},
    token::Scope,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answer,
    auth::Caller,
    operation::{Operation, Success},
    parameter, path_id,
    problem::Problem,
    schema::shown,
};
use crate::tenant::EndpointReport;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/endpoints/{id}/stats", "getEndpointStats", |route| route.to(show))
            .about("How an endpoint has been doing", "")
            .scope(Scope::DeliveriesRead)
            .with([parameter::ENDPOINT])
            .answers(Success::one::<ReportView>(200))
            .command("endpoints stats"),
    ]
}

/// GET /endpoints/{id}/stats
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let report = caller.tenant().endpoint_stats(path_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &ReportView::new(&report)))
}

/// Attempts are those of the last 24 hours, or since `counted_since` if that was later; `deliveries` are all.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EndpointStats")]
struct ReportView {
    #[schemars(schema_with = "shown::endpoint_id")]
    endpoint: String,
    #[schemars(schema_with = "shown::time")]
    counted_since: String,
    attempts: CountsView,
    /// Absent as long as there was no attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate: Option<f64>,
    /// Absent as long as there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<LatencyView>,
    deliveries: DeliveriesView,
    /// Events that wait for it.
    backlog: u64,
    /// When the oldest event that waits was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    oldest_waiting_at: Option<String>,
    breaker: BreakerView,
    /// Absent if it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<FailingView>,
    /// One by one, the newest last; those without attempts among them.
    hours: Vec<HourView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Counts")]
struct CountsView {
    total: u64,
    delivered: u64,
    retried: u64,
    dead: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Latency")]
struct LatencyView {
    p50: f64,
    p95: f64,
    p99: f64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryCounts")]
struct DeliveriesView {
    delivered: u64,
    dead: u64,
    expired: u64,
    retrying: u64,
}

/// Whether an endpoint that keeps failing is spared: `open` while nothing is sent to it, `half_open` while one request
/// finds out whether it answers again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Breaker")]
struct BreakerView {
    #[schemars(schema_with = "shown::breaker_state")]
    state: &'static str,
    /// Absent if it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    since: Option<String>,
    /// When the next request finds out, if none does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    next_probe_at: Option<String>,
}

/// For how long an endpoint has acknowledged nothing.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failing")]
struct FailingView {
    #[schemars(schema_with = "shown::time")]
    since: String,
    /// When it is paused if it goes on like this. Absent as long as its owner was not warned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    disables_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Hour")]
struct HourView {
    #[schemars(schema_with = "shown::time")]
    begins_at: String,
    #[serde(flatten)]
    counts: CountsView,
}

impl ReportView {
    fn new(report: &EndpointReport) -> Self {
        let counts = report.attempts.counts;
        let hour = |hour: &HourCounts| HourView {
            begins_at: hour.begins_at.to_string(),
            counts: CountsView::new(hour.counts),
        };
        Self {
            endpoint: report.endpoint.to_string(),
            counted_since: report.counted_since.to_string(),
            attempts: CountsView::new(counts),
            success_rate: (counts.total() > 0)
                .then(|| rounded(counts.delivered as f64 / counts.total() as f64, 1e4)),
            latency_ms: report.attempts.latency.as_ref().map(LatencyView::new),
            deliveries: DeliveriesView {
                delivered: report.delivered,
                dead: report.dead,
                expired: report.expired,
                retrying: report.retrying,
            },
            backlog: report.backlog,
            oldest_waiting_at: report.oldest_waiting_at.map(|at| at.to_string()),
            breaker: BreakerView::new(report.down),
            failing: report.failing.map(FailingView::new),
            hours: report.attempts.hours.iter().map(hour).collect(),
        }
    }
}

impl BreakerView {
    fn new(down: Option<Down>) -> Self {
        let Some(down) = down else { return Self { state: "closed", since: None, next_probe_at: None } };
        Self {
            state: if down.is_probing { "half_open" } else { "open" },
            since: Some(down.since.to_string()),
            next_probe_at: (!down.is_probing).then(|| down.probe_at.to_string()),
        }
    }
}

impl FailingView {
    fn new(failing: Failing) -> Self {
        let disables_at = failing.disables_at.map(|at| at.to_string());
        Self { since: failing.since.to_string(), disables_at }
    }
}

impl CountsView {
    fn new(counts: Counts) -> Self {
        let Counts { delivered, retried, dead } = counts;
        Self { total: counts.total(), delivered, retried, dead }
    }
}

impl LatencyView {
    fn new(latency: &Latency) -> Self {
        let ms = |us: u64| rounded(us as f64 / 1e3, 1e1);
        Self { p50: ms(latency.p50_us), p95: ms(latency.p95_us), p99: ms(latency.p99_us) }
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
