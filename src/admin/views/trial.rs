//! The test of an endpoint as it is shown.

use casewire_data::id::EndpointId;
use serde::Serialize;

use super::AttemptView;
use crate::tenant::EndpointTrial;

/// The attempt, after what it was about.
#[derive(Serialize)]
pub(in crate::admin) struct TrialView<'a> {
    event_id: String,
    endpoint_id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    delivered: bool,
    #[serde(flatten)]
    attempt: AttemptView<'a>,
}

impl<'a> TrialView<'a> {
    /// What the receiver answered only with `payload`.
    pub(in crate::admin) fn new(id: EndpointId, trial: &'a EndpointTrial, payload: bool) -> Self {
        Self {
            event_id: trial.event.id.to_string(),
            endpoint_id: id.to_string(),
            event_type: trial.event.event_type().as_str(),
            delivered: trial.report.delivered,
            attempt: AttemptView::new(&trial.report.attempt, payload),
        }
    }
}
