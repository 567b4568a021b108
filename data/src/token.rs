//! A bearer token: to which tenant it belongs and what it may do.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    endpoint::rules::check_text,
    error::{Error, Result},
    event::Tenant,
    id::TokenId,
};

/// One thing that a token may do (http-api, conventions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See endpoints.
    #[serde(rename = "endpoints:read")]
    EndpointsRead,
    /// Create, change and delete endpoints.
    #[serde(rename = "endpoints:write")]
    EndpointsWrite,
    /// Publish events.
    #[serde(rename = "events:publish")]
    EventsPublish,
    /// See events and deliveries, without payloads.
    #[serde(rename = "deliveries:read")]
    DeliveriesRead,
    /// Send again.
    #[serde(rename = "deliveries:write")]
    DeliveriesWrite,
    /// See payloads and response bodies.
    #[serde(rename = "payload:read")]
    PayloadRead,
    /// All of the above, and tokens.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope, in the order in which they are documented.
    pub const ALL: [Self; 7] = [
        Self::EndpointsRead,
        Self::EndpointsWrite,
        Self::EventsPublish,
        Self::DeliveriesRead,
        Self::DeliveriesWrite,
        Self::PayloadRead,
        Self::Admin,
    ];

    /// The scope as it is written: `endpoints:read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndpointsRead => "endpoints:read",
            Self::EndpointsWrite => "endpoints:write",
            Self::EventsPublish => "events:publish",
            Self::DeliveriesRead => "deliveries:read",
            Self::DeliveriesWrite => "deliveries:write",
            Self::PayloadRead => "payload:read",
            Self::Admin => "admin",
        }
    }

    /// Reads a scope as it is written.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.into_iter().map(Self::as_str).collect();
            Error::field("scopes", format!("there is no scope `{text}`; choose from {}", known.join(", ")))
        })
    }
}

/// What a token is for, in words of at most [`DESCRIPTION_BYTES_MAX`](crate::limits::DESCRIPTION_BYTES_MAX) bytes.
pub fn check_description(description: Option<String>) -> Result<Option<String>> {
    check_text("description", description)
}

/// A token as it is stored: never its secret, only the secret's SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public id.
    pub id: TokenId,
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// For people to read.
    pub description: Option<String>,
    /// SHA-256 of the secret.
    pub secret_sha256: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
}

impl Token {
    /// Whether it may do a thing; `admin` may do all.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| *held == scope || *held == Scope::Admin)
    }
}
