//! The test of an endpoint as it is shown.

use casewire_data::id::EndpointId;
use schemars::JsonSchema;
use serde::Serialize;

use super::AttemptView;
use crate::{admin::schema::shown, tenant::EndpointTrial};

/// The attempt, after what it was about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Trial")]
pub(in crate::admin) struct TrialView<'a> {
    /// The sample event, which is stored with the tag `casewire.test`.
    #[schemars(schema_with = "shown::event_id")]
    event_id: String,
    #[schemars(schema_with = "shown::endpoint_id")]
    endpoint_id: String,
    #[serde(rename = "type")]
    #[schemars(schema_with = "shown::event_type")]
    event_type: &'a str,
    /// Whether a delivery would be done with it.
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
