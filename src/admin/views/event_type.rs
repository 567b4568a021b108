//! An event type of the catalogue as it is shown.

use casewire_data::schema::Schema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::tenant::CatalogueEntry;

/// See the module.
#[derive(Serialize)]
pub(in crate::admin) struct EventTypeView<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated: Option<bool>,
    /// The dialect that it comes with.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

impl<'a> EventTypeView<'a> {
    /// What is registered, and in what that says nothing, what is shipped.
    pub(in crate::admin) fn new(entry: &'a CatalogueEntry) -> Self {
        let (registered, shipped) = (entry.registered.as_deref(), entry.shipped.as_ref());
        let description = registered.and_then(|it| it.description.as_deref());
        let category = registered.and_then(|it| it.category.as_deref());
        let sample = registered.and_then(|it| it.sample.as_deref());
        let sample = sample.or_else(|| shipped?.sample.as_deref());
        Self {
            name: entry.event_type.as_str(),
            description: description.or_else(|| shipped?.description),
            category: category.or_else(|| shipped?.category),
            sample: sample.and_then(|json| serde_json::from_str(json).ok()),
            schema: registered
                .and_then(|it| it.schema.as_ref().map(Schema::as_str))
                .and_then(|json| serde_json::from_str(json).ok()),
            deprecated: registered.map(|it| it.deprecated).filter(|deprecated| *deprecated),
            source: shipped.map(|it| it.dialect.as_str()),
            created_at: registered.map(|it| it.created_at.to_rfc3339_seconds()),
            updated_at: registered.map(|it| it.updated_at.to_rfc3339_seconds()),
        }
    }
}
