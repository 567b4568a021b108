//! A source as it is shown.

use std::{borrow::Cow, collections::BTreeMap};

use casewire_data::{event::Tenant, source::InboundSource};
use serde::Serialize;

/// See the module.
#[derive(Serialize)]
pub(in crate::admin) struct SourceView<'a> {
    id: String,
    name: &'a str,
    dialect: &'a str,
    /// The path that its sender is to call, by name where that needs no token to be found.
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a BTreeMap<String, String>>,
    created_at: String,
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
