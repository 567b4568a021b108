//! What is shown of a replay.

use casewire_data::id::EndpointId;
use serde::Serialize;

use crate::tenant::ReplayReport;

/// The answer to a dry run.
#[derive(Serialize)]
pub(in crate::admin) struct ReplayCountView {
    endpoint: String,
    dry_run: bool,
    count: u64,
}

impl ReplayCountView {
    /// So many deliveries to an endpoint.
    pub(in crate::admin) fn new(endpoint: EndpointId, count: u64) -> Self {
        Self { endpoint: endpoint.to_string(), dry_run: true, count }
    }
}

/// A replay: what it is for, and how far it has come.
#[derive(Serialize)]
pub(in crate::admin) struct ReplayView<'a> {
    id: String,
    endpoint: String,
    dry_run: bool,
    state: &'static str,
    count: u64,
    sent: u64,
    delivered: u64,
    failed: u64,
    skipped: u64,
    status: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

impl<'a> ReplayView<'a> {
    /// A replay as it stands.
    pub(in crate::admin) fn new(replay: &'a ReplayReport) -> Self {
        let query = &replay.query;
        Self {
            id: replay.id.to_string(),
            endpoint: replay.endpoint.to_string(),
            dry_run: false,
            state: replay.state.as_str(),
            count: replay.count,
            sent: replay.sent,
            delivered: replay.delivered,
            failed: replay.failed,
            skipped: replay.skipped,
            status: query.statuses.iter().map(|status| status.as_str()).collect(),
            types: query.types.iter().map(|pattern| pattern.as_str()).collect(),
            since: query.since.map(|time| time.to_rfc3339_seconds()),
            until: query.until.map(|time| time.to_rfc3339_seconds()),
            started_at: replay.started_at.to_rfc3339_seconds(),
            finished_at: replay.finished_at.map(|time| time.to_rfc3339_seconds()),
        }
    }
}
