//! What is shown of an erasure.

use casewire_data::event::Resource;
use serde::Serialize;

use crate::tenant::Erased;

/// What became of one.
#[derive(Serialize)]
pub(in crate::admin) struct ErasedView {
    resource: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
}

impl ErasedView {
    /// The count comes with its end.
    pub(in crate::admin) fn new(resource: &Resource, erased: Erased) -> Self {
        let status = if erased.events.is_some() { "erased" } else { "erasing" };
        Self { resource: format!("{}/{}", resource.kind, resource.id), status, events: erased.events }
    }
}
