//! What is shown of an erasure.

use casewire_data::event::Resource;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{admin::schema::shown, tenant::Erased};

/// What became of one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Erasure")]
pub(in crate::admin) struct ErasedView {
    /// As it was named: `people/7`.
    resource: String,
    /// `erasing` while the files still hold some of what nobody is shown any more.
    #[schemars(schema_with = "shown::erasure_status")]
    status: &'static str,
    /// How many events there were; with the end of it.
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
