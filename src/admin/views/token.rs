//! A token as it is shown.

use casewire_data::token::{Scope, Token};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::schema::shown;

/// A token; its secret in the answer to its creation and no other.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(in crate::admin) struct TokenView<'a> {
    #[schemars(schema_with = "shown::token_id")]
    id: String,
    tenant: &'a str,
    #[schemars(schema_with = "shown::scopes")]
    scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// What is sent as `Authorization: Bearer`: in the answer to its creation and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[schemars(schema_with = "shown::time")]
    created_at: String,
}

impl<'a> TokenView<'a> {
    /// A token that was created just now, with its secret.
    pub(in crate::admin) fn created(token: &'a Token, secret: &'a str) -> Self {
        Self { token: Some(secret), ..Self::in_list(token) }
    }

    /// A token as it is shown later.
    pub(in crate::admin) fn in_list(token: &'a Token) -> Self {
        Self {
            id: token.id.to_string(),
            tenant: token.tenant.as_str(),
            scopes: token.scopes.iter().copied().map(Scope::as_str).collect(),
            description: token.description.as_deref(),
            token: None,
            created_at: token.created_at.to_rfc3339_seconds(),
        }
    }
}
