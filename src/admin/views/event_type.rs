//! An event type of the catalogue as it is shown.

use casewire_data::schema::Schema;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{admin::schema::shown, tenant::CatalogueEntry};

/// An event type.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventType")]
pub(in crate::admin) struct EventTypeView<'a> {
    #[schemars(schema_with = "shown::event_type")]
    name: &'a str,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// What it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    /// A payload as it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::anything")]
    sample: Option<&'a RawValue>,
    /// What every payload must fit: JSON Schema 2020-12.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::json_schema")]
    schema: Option<&'a RawValue>,
    /// Not to be used any more; published and delivered all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated: Option<bool>,
    /// The dialect that it comes with.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// When it was registered first, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::time")]
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
