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
    /// `erasing` while the files still hold some of what nobody is shown any more; `no_events` if there was nothing to erase.
    #[schemars(schema_with = "shown::erasure_status")]
    status: &'static str,
    /// How many events there were; with the end of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    /// What to look at if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl ErasedView {
    /// The count comes with its end.
    pub(in crate::admin) fn new(resource: &Resource, erased: Erased) -> Self {
        let resource = format!("{}/{}", resource.kind, resource.id);
        let (status, detail) = match erased.events {
            None => ("erasing", None),
            Some(0) => ("no_events", Some(no_events(&resource))),
            Some(_) => ("erased", None),
        };
        Self { resource, status, events: erased.events, detail }
    }
}

fn no_events(resource: &str) -> String {
    format!(
        "no event about {resource} is stored, so nothing was erased; its type and its id must be spelled as they were \
         published: GET /events?resource={resource} lists what would go"
    )
}
