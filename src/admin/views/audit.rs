//! An entry of the audit as it is shown.

use casewire_data::{
    audit::{AuditEntry, Principal},
    signature::hex,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::schema::shown;

/// What somebody did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(in crate::admin) struct AuditView<'a> {
    #[schemars(schema_with = "shown::audit_id")]
    id: String,
    #[schemars(schema_with = "shown::time")]
    created_at: String,
    actor: ActorView<'a>,
    #[schemars(schema_with = "shown::audit_action")]
    action: &'static str,
    /// The id of what it was done to.
    subject: &'a str,
    /// The fields that changed.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    fields: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Of the entry, and of the one before it.
    sha256: String,
}

/// Who did it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditActor")]
struct ActorView<'a> {
    /// `operator` for a token of the tenant `default` in another tenant, `host` for the program around the engine.
    #[schemars(schema_with = "shown::audit_actor")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::token_id")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl<'a> AuditView<'a> {
    /// An entry; `to_the_operator` it tells which token of the operator's it was.
    pub(in crate::admin) fn new(entry: &'a AuditEntry, to_the_operator: bool) -> Self {
        let act = &entry.act;
        Self {
            id: entry.id.to_string(),
            created_at: entry.at.to_rfc3339_seconds(),
            actor: ActorView::new(&act.by, to_the_operator),
            action: act.action.as_str(),
            subject: &act.subject,
            fields: &act.fields,
            reason: act.reason.as_deref(),
            sha256: hex(&entry.sha256),
        }
    }
}

impl<'a> ActorView<'a> {
    fn new(principal: &'a Principal, to_the_operator: bool) -> Self {
        let (id, name) = match principal {
            Principal::Token { id, name } => (Some(id), name.as_deref()),
            Principal::Operator { id, name } if to_the_operator => (Some(id), name.as_deref()),
            Principal::Operator { .. } | Principal::Host | Principal::Engine => (None, None),
        };
        Self { kind: principal.kind(), id: id.map(ToString::to_string), name }
    }
}
