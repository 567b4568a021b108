//! A source: a system elsewhere whose webhooks are taken in, and the dialect in which it sends them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    dialect::{Dialect, Dialects},
    endpoint::{
        changes::changed,
        rules::{Wrong, check_param_limits, check_text},
    },
    error::{Error, Result},
    event::Tenant,
    id::SourceId,
    limits,
    secret::Secret,
};

/// A source as the registry keeps it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundSource {
    /// Its public id.
    pub id: SourceId,
    /// Whose events its requests become.
    pub tenant: Tenant,
    /// Its name in the tenant, which no other source there has.
    pub name: String,
    /// The format in which it sends, pinned to a revision: `github@1`.
    pub dialect: String,
    /// What its dialect must know of it, by name.
    pub params: BTreeMap<String, String>,
    /// What its requests are proven by: the newest first. None where the dialect proves nothing.
    pub secrets: Vec<Secret>,
    /// For people to read.
    pub description: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When any of the above last changed.
    pub updated_at: Timestamp,
}

/// What a caller gives to create a source, before it is checked.
#[derive(Clone, Default, PartialEq)]
pub struct SourceDraft {
    /// 1 to 64 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The format in which it sends: `github@1`.
    pub dialect: String,
    /// What the dialect must know of it, by name.
    pub params: BTreeMap<String, String>,
    /// The secret that its sender has; if absent, generated where the dialect has it so.
    pub secret: Option<String>,
    /// For people to read.
    pub description: Option<String>,
}

/// A change to a source: what is `None` stays as it is; in a double `Option`, `Some(None)` takes the value away.
#[derive(Clone, Default, PartialEq)]
pub struct SourcePatch {
    /// New secret, replacing all.
    pub secret: Option<String>,
    /// New params for the dialect, replacing all.
    pub params: Option<BTreeMap<String, String>>,
    /// New description.
    pub description: Option<Option<String>>,
}

/// What the registry gives a new source.
#[derive(Clone)]
pub struct SourceIdentity {
    /// Its public id.
    pub id: SourceId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Drawn for it alone; its secret, unless the draft brings one.
    pub random: [u8; 32],
}

impl SourceDraft {
    /// The source that the draft describes. The error names every field that is wrong.
    ///
    /// A source has a secret wherever its dialect can prove by one who sent a request.
    pub fn into_source(
        self,
        identity: SourceIdentity,
        dialects: &Dialects,
        now: Timestamp,
    ) -> Result<InboundSource> {
        let mut source = InboundSource {
            id: identity.id,
            tenant: identity.tenant,
            name: String::new(),
            dialect: String::new(),
            params: BTreeMap::new(),
            secrets: Vec::new(),
            description: None,
            created_at: now,
            updated_at: now,
        };
        let mut wrong = Wrong::default();
        wrong.or_set(&mut source.name, check_name(self.name));
        wrong.or_set(&mut source.description, check_text("description", self.description));
        match inbound_dialect(&self.dialect, dialects) {
            Ok(dialect) => {
                wrong.or_set(&mut source.params, check_params(self.params, &dialect));
                let secret = check_secret(self.secret.as_deref(), identity.random, &dialect);
                wrong.or_set(&mut source.secrets, secret);
            }
            unknown => wrong.or_set(&mut (), unknown.map(drop)),
        }
        source.dialect = self.dialect;
        wrong.into_result().map(|()| source)
    }
}

impl InboundSource {
    /// The source with what the patch names changed. The error names every field that is wrong.
    ///
    /// `updated_at` advances by a second or more, so that it shows in whole seconds. A new secret replaces all.
    pub fn patched(&self, patch: SourcePatch, dialects: &Dialects, now: Timestamp) -> Result<Self> {
        let mut changed = self.clone();
        let mut wrong = Wrong::default();
        if let Some(description) = patch.description {
            wrong.or_set(&mut changed.description, check_text("description", description));
        }
        // What does not ask the dialect can be changed even if it is gone.
        if patch.params.is_some() || patch.secret.is_some() {
            match inbound_dialect(&self.dialect, dialects) {
                Ok(dialect) => {
                    if let Some(params) = patch.params {
                        wrong.or_set(&mut changed.params, check_params(params, &dialect));
                    }
                    if let Some(secret) = &patch.secret {
                        let secret = check_secret(Some(secret), [0; 32], &dialect);
                        wrong.or_set(&mut changed.secrets, secret);
                    }
                }
                unknown => wrong.or_set(&mut (), unknown.map(drop)),
            }
        }
        changed.updated_at = now.max(self.updated_at.plus_millis(1_000));
        wrong.into_result().map(|()| changed)
    }
}

impl InboundSource {
    /// The names of the fields in which another state of the source differs; those that never change are left out.
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        changed(&[
            ("params", self.params != other.params),
            ("secret", self.secrets != other.secrets),
            ("description", self.description != other.description),
        ])
    }
}

fn inbound_dialect(id: &str, dialects: &Dialects) -> Result<std::sync::Arc<Dialect>> {
    let inbound = || dialects.all().filter(|dialect| dialect.is_inbound()).map(|dialect| dialect.id());
    let choose = |what: String| {
        let known = inbound().collect::<Vec<_>>().join(", ");
        Error::field("dialect", format!("{what}; choose from {known}"))
    };
    if id.is_empty() {
        return Err(choose("is required".to_owned()));
    }
    let dialect = dialects.get(id)?;
    if dialect.is_inbound() { Ok(dialect) } else { Err(choose(format!("{id} has no way in"))) }
}

fn check_name(name: String) -> Result<String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bytes_max = limits::SOURCE_NAME_BYTES_MAX;
    if (1..=bytes_max).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(name);
    }
    let message = format!("is not a source's name; use 1 to {bytes_max} of a-z, 0-9 and -");
    Err(Error::field("name", message))
}

fn check_params(params: BTreeMap<String, String>, dialect: &Dialect) -> Result<BTreeMap<String, String>> {
    check_param_limits(&params)?;
    dialect.check_source_params(&params)?;
    Ok(params)
}

/// The secrets of a source: what its owner brings, or else one made from `random`.
fn check_secret(given: Option<&str>, random: [u8; 32], dialect: &Dialect) -> Result<Vec<Secret>> {
    let secret = dialect.verifying_secret(given, random)?;
    if secret.is_none() && dialect.proves_its_sender() {
        let message =
            format!("is missing; {} proves its sender by one, so give the one that it has", dialect.id());
        return Err(Error::field("secret", message));
    }
    Ok(secret.into_iter().collect())
}

// Secrets never reach a log, so none of these prints all that it holds.

impl fmt::Debug for InboundSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundSource")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("dialect", &self.dialect)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SourceDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceDraft")
            .field("name", &self.name)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SourcePatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePatch").field("description", &self.description).finish_non_exhaustive()
    }
}

impl fmt::Debug for SourceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceIdentity")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretForm;

    fn created(dialect: &str, secret: Option<&str>) -> Result<InboundSource> {
        let draft = SourceDraft {
            name: "court".to_owned(),
            dialect: dialect.to_owned(),
            secret: secret.map(str::to_owned),
            ..SourceDraft::default()
        };
        let (id, tenant) = (SourceId::from_u128(1), Tenant::default());
        draft.into_source(
            SourceIdentity { id, tenant, random: [7; 32] },
            &Dialects::builtin(),
            Timestamp::default(),
        )
    }

    fn wrong(error: &Error) -> Vec<&str> {
        error.field_errors().iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn a_source_has_a_secret_wherever_its_dialect_proves_the_sender() {
        for dialect in Dialects::builtin().all() {
            let id = dialect.id();
            let given = created(id, Some("a-secret-of-the-senders"));
            match (dialect.proves_its_sender(), created(id, None)) {
                (true, Ok(source)) => assert_eq!(source.secrets.len(), 1, "{id}: made for it"),
                (true, Err(error)) => {
                    assert_eq!(wrong(&error), ["secret"], "{id}");
                    assert_eq!(given.unwrap().secrets.len(), 1, "{id}");
                }
                (false, without) => {
                    assert_eq!(without.unwrap().secrets, [], "{id}");
                    assert_eq!(wrong(&given.unwrap_err()), ["secret"], "{id}");
                }
            }
        }
    }

    #[test]
    fn a_public_key_is_enough_where_private_ones_sign() {
        let public = Secret::generate_as(SecretForm::Whpk, [3; 32]);
        assert_eq!(created("standard@1", Some(&public.expose())).unwrap().secrets[0], public);
        assert_eq!(wrong(&created("xpath@1", Some(&public.expose())).unwrap_err()), ["secret"]);
        assert_eq!(wrong(&created("standard@1", Some("whpk_short")).unwrap_err()), ["secret"]);
        let text = created("github@1", Some(&public.expose())).unwrap();
        assert_eq!(text.secrets[0].form(), SecretForm::Text, "only its bytes count");
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let draft = SourceDraft {
            name: "Court".to_owned(),
            dialect: "github@1".to_owned(),
            params: [("x".to_owned(), "1".to_owned())].into(),
            secret: Some(String::new()),
            description: Some("x".repeat(limits::DESCRIPTION_BYTES_MAX + 1)),
        };
        let identity =
            SourceIdentity { id: SourceId::from_u128(1), tenant: Tenant::default(), random: [7; 32] };
        let error = draft.into_source(identity, &Dialects::builtin(), Timestamp::default()).unwrap_err();
        assert_eq!(wrong(&error), ["name", "description", "params.x", "secret"]);
        assert_eq!(wrong(&created("", None).unwrap_err()), ["dialect"]);
        assert_eq!(wrong(&created("none@1", None).unwrap_err()), ["dialect"]);
    }

    #[test]
    fn a_patch_replaces_the_secret_and_leaves_the_rest() {
        let source = created("github@1", Some("first")).unwrap();
        let patch = |patch| source.patched(patch, &Dialects::builtin(), Timestamp::default());
        let changed =
            patch(SourcePatch { secret: Some("second".to_owned()), ..SourcePatch::default() }).unwrap();
        assert_eq!(changed.secrets[0].expose(), "second");
        assert_eq!((changed.secrets.len(), &changed.name), (1, &source.name));
        assert!(changed.updated_at > source.updated_at);
        let error =
            patch(SourcePatch { secret: Some("a b".to_owned()), ..SourcePatch::default() }).unwrap_err();
        assert_eq!(wrong(&error), ["secret"]);
    }

    #[test]
    fn a_dialect_without_a_way_in_is_no_source() {
        let mut dialects = Dialects::builtin();
        let text = dialects.get("github@1").unwrap().text().replace("github@1", "mute@1");
        let (start, end) = (text.find("[inbound]").unwrap(), text.find("[[assumptions]]").unwrap());
        dialects.add(&(text[..start].to_owned() + &text[end..])).unwrap();
        let error = inbound_dialect("mute@1", &dialects).unwrap_err();
        assert_eq!(wrong(&error), ["dialect"]);
        assert!(error.message().contains("github@1") && !error.message().contains("from mute@1"), "{error}");
    }

    #[test]
    fn no_print_repeats_a_secret() {
        let source = created("github@1", Some("canary-of-a-source")).unwrap();
        let draft = SourceDraft { secret: Some("canary-of-a-source".to_owned()), ..SourceDraft::default() };
        let patch = SourcePatch { secret: Some("canary-of-a-source".to_owned()), ..SourcePatch::default() };
        assert!(!format!("{source:?}{draft:?}{patch:?}").contains("canary"));
    }
}
