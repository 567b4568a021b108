//! The audit: who did what. What is in it are names, never values: no secret and no payload.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    error::{Error, Result},
    event::Tenant,
    id::{AuditId, TokenId},
    token::Token,
};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// The application around the engine, by a call of the library; also a command on a data directory without a server.
    Host,
    /// The engine, on its own account.
    Engine,
    /// Whoever called with a token.
    Token {
        /// Its id.
        id: TokenId,
        /// What it is called; a token's name is its description.
        name: Option<String>,
    },
    /// The operator, with a token of the tenant `default`, in another tenant, which learns no more than that.
    Operator {
        /// The token's id.
        id: TokenId,
        /// What it is called.
        name: Option<String>,
    },
}

impl Principal {
    /// Whoever calls with a token, as one tenant sees it.
    pub fn calling(token: &Token, tenant: &Tenant) -> Self {
        let (id, name) = (token.id, token.description.clone());
        if token.tenant == *tenant { Self::Token { id, name } } else { Self::Operator { id, name } }
    }

    /// `host`, `engine`, `token` or `operator`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Engine => "engine",
            Self::Token { .. } => "token",
            Self::Operator { .. } => "operator",
        }
    }
}

/// Whom a list of the audit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalFilter {
    /// The application around the engine.
    Host,
    /// The engine.
    Engine,
    /// The operator, whichever token it was.
    Operator,
    /// Whoever called with one token.
    Token(TokenId),
}

impl PrincipalFilter {
    /// Reads `host`, `engine`, `operator` or a token's id.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "host" => Ok(Self::Host),
            "engine" => Ok(Self::Engine),
            "operator" => Ok(Self::Operator),
            id => id.parse().map(Self::Token).map_err(|_| {
                Error::field(
                    "actor",
                    "is nobody's name; give a token's id, tok_…, or host, engine or operator",
                )
            }),
        }
    }

    /// Whether somebody is meant.
    pub fn takes(self, principal: &Principal) -> bool {
        match (self, principal) {
            (Self::Host, Principal::Host)
            | (Self::Engine, Principal::Engine)
            | (Self::Operator, Principal::Operator { .. }) => true,
            (Self::Token(wanted), Principal::Token { id, .. }) => wanted == *id,
            _ => false,
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The action as it is written: `endpoint.create`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

actions! {
    /// An endpoint was created.
    EndpointCreate = "endpoint.create",
    /// An endpoint was changed, but not its status.
    EndpointUpdate = "endpoint.update",
    /// An endpoint was paused, and perhaps changed besides.
    EndpointPause = "endpoint.pause",
    /// An endpoint was made active, and perhaps changed besides.
    EndpointResume = "endpoint.resume",
    /// The engine paused an endpoint; the reason says why.
    EndpointDisable = "endpoint.disable",
    /// An endpoint was deleted.
    EndpointDelete = "endpoint.delete",
    /// The secrets of an endpoint were shown.
    SecretReveal = "secret.reveal",
    /// An endpoint got a new secret.
    SecretRotate = "secret.rotate",
    /// A delivery was sent again.
    DeliveryRetry = "delivery.retry",
    /// The content of events about a resource was erased.
    EventsErase = "events.erase",
    /// An endpoint is to be sent again what it had, or missed.
    ReplayBegin = "replay.begin",
    /// That was called off.
    ReplayCancel = "replay.cancel",
    /// A backup of all tenants was begun, and can still have failed.
    BackupCreate = "backup.create",
    /// A source was created.
    SourceCreate = "source.create",
    /// A source was changed.
    SourceUpdate = "source.update",
    /// A source was deleted.
    SourceDelete = "source.delete",
    /// An event type was registered, or registered anew.
    EventTypePut = "event_type.put",
    /// An event type was taken out of the catalogue.
    EventTypeDelete = "event_type.delete",
    /// A sample event was sent to an endpoint.
    EndpointTest = "endpoint.test",
    /// A token was created.
    TokenCreate = "token.create",
    /// A token was deleted.
    TokenDelete = "token.delete",
}

impl Action {
    /// Reads an action as it is written.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|action| action.as_str()).collect();
            Error::field("action", format!("is no action; choose from {}", known.join(", ")))
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Action> for &'static str {
    fn from(action: Action) -> Self {
        action.as_str()
    }
}

impl TryFrom<String> for Action {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// In which tenant, whose admins can read of it.
    pub tenant: Tenant,
    /// Who.
    pub by: Principal,
    /// What.
    pub action: Action,
    /// With what: the id of an endpoint, a delivery, a source or a token, the name of a backup, a replay's id behind its
    /// endpoint's, or a resource, `people/7`.
    pub subject: String,
    /// The names of the fields that changed, never their values; empty unless something was changed.
    pub fields: Vec<String>,
    /// Why, where the engine did it.
    pub reason: Option<String>,
}

impl Act {
    /// What somebody did with a thing.
    pub fn new(tenant: &Tenant, by: Principal, action: Action, subject: impl fmt::Display) -> Self {
        let (tenant, subject) = (tenant.clone(), subject.to_string());
        Self { tenant, by, action, subject, fields: Vec::new(), reason: None }
    }

    /// The same with the names of what changed.
    #[must_use]
    pub fn changing(mut self, fields: Vec<&'static str>) -> Self {
        self.fields = fields.into_iter().map(str::to_owned).collect();
        self
    }

    /// The same with the reason.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }
}

/// An entry of the audit: never changed and never removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id; ids rise.
    pub id: AuditId,
    /// Its place among the entries of all tenants, from 1.
    pub number: u64,
    /// When it was done; never before the entry before it.
    pub at: Timestamp,
    /// What was done.
    pub act: Act,
    /// SHA-256 over the hash of the entry before it (32 zeros for the first) and its own content as stored.
    pub sha256: [u8; 32],
}

/// Which entries of the audit are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Those of one tenant.
    pub tenant: Tenant,
    /// Those from this time on.
    pub since: Option<Timestamp>,
    /// Those before this time.
    pub until: Option<Timestamp>,
    /// Those of somebody.
    pub actor: Option<PrincipalFilter>,
    /// Those of one action.
    pub action: Option<Action>,
    /// Those older than this one, to go on where a list ended.
    pub before: Option<AuditId>,
    /// So many of the newest among them.
    pub limit: usize,
}

impl AuditQuery {
    /// The newest entries of a tenant.
    pub fn newest(tenant: Tenant, limit: usize) -> Self {
        Self { tenant, since: None, until: None, actor: None, action: None, before: None, limit }
    }

    /// Whether an entry is wanted; how many others are is not asked here.
    pub fn takes(&self, entry: &AuditEntry) -> bool {
        entry.act.tenant == self.tenant
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.before.is_none_or(|before| entry.id < before)
            && self.action.is_none_or(|action| entry.act.action == action)
            && self.actor.is_none_or(|actor| actor.takes(&entry.act.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_reads_back_as_it_is_written_and_nothing_else_is_one() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()).unwrap(), *action);
        }
        let error = Action::parse("endpoint.explode").unwrap_err();
        assert_eq!(error.field_errors()[0].field, "action");
        assert!(error.message().contains("secret.rotate"), "{error}");
    }

    #[test]
    fn an_actor_is_told_by_kind_or_token_and_another_tenants_operator_by_neither() {
        let (id, name) = (TokenId::from_u128(7), None);
        let (token, operator) =
            (Principal::Token { id, name: name.clone() }, Principal::Operator { id, name });
        let takes =
            |text: &str, principal: &Principal| PrincipalFilter::parse(text).unwrap().takes(principal);
        assert!(takes("host", &Principal::Host) && takes("engine", &Principal::Engine));
        assert!(takes(&id.to_string(), &token) && takes("operator", &operator));
        assert!(!takes(&id.to_string(), &operator), "whose token it is, is the operator's own business");
        assert!(!takes("host", &Principal::Engine) && !takes("operator", &token));
        for nobody in ["", "token", "tok_", "wh_01J1C6ZGQ6FQTH2X6M2VS3P0XW"] {
            assert_eq!(PrincipalFilter::parse(nobody).unwrap_err().field_errors()[0].field, "actor");
        }
    }
}
