//! The secrets of an endpoint as they are shown.

use casewire_data::{id::EndpointId, secret::Secret};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{admin::schema::shown, tenant::SecretInForce};

/// What an endpoint's deliveries are signed with.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Secrets")]
pub(in crate::admin) struct SecretsView {
    /// The endpoint.
    #[schemars(schema_with = "shown::endpoint_id")]
    id: String,
    /// The newest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// What verifies its deliveries, where that is not the secret itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Those before it that are in force for some time yet, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previous: Vec<PreviousView>,
}

/// A secret that was replaced and is in force for some time yet.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PreviousSecret")]
struct PreviousView {
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[schemars(schema_with = "shown::time")]
    expires_at: String,
}

impl SecretsView {
    /// All of an endpoint's.
    pub(in crate::admin) fn all(id: EndpointId, secrets: &[SecretInForce]) -> Self {
        let newest = secrets.iter().find(|it| it.until.is_none()).map(|it| &it.secret);
        let previous = secrets.iter().filter_map(|it| {
            let expires_at = it.until?.to_rfc3339_seconds();
            let public_key = public_key(&it.secret);
            Some(PreviousView { secret: Some(it.secret.expose()), public_key, expires_at })
        });
        Self {
            id: id.to_string(),
            secret: newest.map(Secret::expose),
            public_key: newest.and_then(public_key),
            previous: previous.collect(),
        }
    }

    /// The newest one, and of those before it only when they end and what verifies them for everybody.
    pub(in crate::admin) fn newest(id: EndpointId, secrets: &[SecretInForce]) -> Self {
        let mut view = Self::all(id, secrets);
        view.previous.iter_mut().for_each(|previous| previous.secret = None);
        view
    }
}

fn public_key(secret: &Secret) -> Option<String> {
    secret.public_key().map(|key| key.expose())
}
