//! What is shown of a replay.

use casewire_data::id::EndpointId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{admin::schema::shown, tenant::ReplayReport};

/// A replay that has begun, or the count of one that would.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ReplayAnswer")]
pub(in crate::admin) enum ReplayAnswerView<'a> {
    /// It has begun.
    Begun(Box<ReplayView<'a>>),
    /// It was a dry run.
    Counted(CountView),
}

/// What a replay would send.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReplayCount")]
pub(in crate::admin) struct CountView {
    #[schemars(schema_with = "shown::endpoint_id")]
    endpoint: String,
    /// True.
    dry_run: bool,
    /// Deliveries.
    count: u64,
}

impl<'a> ReplayAnswerView<'a> {
    /// A replay that has begun.
    pub(in crate::admin) fn begun(replay: &'a ReplayReport) -> Self {
        Self::Begun(Box::new(ReplayView::new(replay)))
    }

    /// So many deliveries to an endpoint.
    pub(in crate::admin) fn counted(endpoint: EndpointId, count: u64) -> Self {
        Self::Counted(CountView { endpoint: endpoint.to_string(), dry_run: true, count })
    }
}

/// A replay: what it is for, and how far it has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Replay")]
pub(in crate::admin) struct ReplayView<'a> {
    #[schemars(schema_with = "shown::replay_id")]
    id: String,
    #[schemars(schema_with = "shown::endpoint_id")]
    endpoint: String,
    /// False.
    dry_run: bool,
    #[schemars(schema_with = "shown::replay_state")]
    state: &'static str,
    /// Deliveries when it began.
    count: u64,
    /// Those that were attempted since.
    sent: u64,
    /// Those of them that were acknowledged.
    delivered: u64,
    /// Those of them that failed, and are retried by the endpoint's schedule.
    failed: u64,
    /// Those that it has passed over: gone by retention, or sent otherwise.
    skipped: u64,
    #[schemars(schema_with = "shown::replay_statuses")]
    status: Vec<&'static str>,
    /// Patterns of event types; all if there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    until: Option<String>,
    #[schemars(schema_with = "shown::time")]
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
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
