//! A source as it is shown.

use std::{borrow::Cow, collections::BTreeMap};

use casewire_data::{event::Tenant, source::InboundSource};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::schema::shown;

/// Where another system's webhooks are taken in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Source")]
pub(in crate::admin) struct SourceView<'a> {
    #[schemars(schema_with = "shown::source_id")]
    id: String,
    name: &'a str,
    /// The format in which its system sends.
    dialect: &'a str,
    /// The path that its sender is to call, by name where that needs no token to be found.
    url: String,
    /// What proves its sender: in the answer to its creation and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a BTreeMap<String, String>>,
    #[schemars(schema_with = "shown::time")]
    created_at: String,
    #[schemars(schema_with = "shown::time")]
    updated_at: String,
}

impl<'a> SourceView<'a> {
    /// A source without its secret; `prefix` is where the routes are.
    pub(in crate::admin) fn new(source: &'a InboundSource, prefix: &str) -> Self {
        let id = source.id.to_string();
        let named = if source.tenant == Tenant::default() { &source.name } else { &id };
        Self {
            url: format!("{prefix}/inbound/{named}"),
            id,
            name: &source.name,
            dialect: &source.dialect,
            secret: None,
            description: source.description.as_deref(),
            params: Some(&source.params).filter(|params| !params.is_empty()),
            created_at: source.created_at.to_rfc3339_seconds(),
            updated_at: source.updated_at.to_rfc3339_seconds(),
        }
    }

    /// The same with its secret: for the answer to its creation and no other.
    pub(in crate::admin) fn with_secret(mut self, source: &'a InboundSource) -> Self {
        self.secret = source.secrets.first().map(|secret| secret.expose().into());
        self
    }
}
