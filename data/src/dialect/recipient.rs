//! Whoever deliveries are made to, or requests come from: what it brings to its dialect, made ready once.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    Dialect,
    context::{Context, Message, Params},
    signing::Keys,
};
use crate::{
    Timestamp,
    secret::{RetiringSecret, Secret},
};

/// See the module.
#[derive(Clone, Default)]
pub struct Recipient {
    pub(super) params: Arc<Params>,
    /// The newest secret, as it is written.
    pub(super) secret: Option<Arc<str>>,
    /// Secrets that are in force for some time yet, the newest first.
    retiring: Arc<[(Box<str>, Timestamp)]>,
    pub(super) keys: Keys,
}

impl Dialect {
    /// Makes ready what an endpoint or a source brings. `secrets` are those in force, the newest first.
    pub fn recipient(&self, params: &BTreeMap<String, String>, secrets: &[Secret]) -> Recipient {
        self.recipient_in_rotation(params, secrets, &[])
    }

    /// The same with secrets that are in force until a time, behind those that have none.
    ///
    /// Where a delivery can hold several signatures, it is signed by all that are in force when it is made. What can be
    /// there but once, a lone signature or `$secret`, is of the oldest: until its end the receiver has time to learn the
    /// next.
    pub fn recipient_in_rotation(
        &self,
        params: &BTreeMap<String, String>,
        secrets: &[Secret],
        retiring: &[RetiringSecret],
    ) -> Recipient {
        let keys = self.signature.as_ref().map(|signature| signature.keys(secrets, retiring));
        Recipient {
            params: self.complete_params(params),
            secret: secrets.first().map(|secret| secret.expose().into()),
            retiring: retiring.iter().map(|it| (it.secret.expose().into(), it.until)).collect(),
            keys: keys.unwrap_or_default(),
        }
    }
}

impl Recipient {
    /// Its parameters, with the dialect's defaults filled in.
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }

    /// The secret that stands where only one can, at a time.
    pub(super) fn secret_at(&self, at: Timestamp) -> Option<&str> {
        self.retiring_at(at).last().or(self.secret.as_deref())
    }

    /// Those that are in force at a time although there is a newer one, the newest first.
    fn retiring_at(&self, at: Timestamp) -> impl Iterator<Item = &str> {
        self.retiring.iter().filter(move |(_, until)| at < *until).map(|(secret, _)| &**secret)
    }

    /// All that are in force at a time, the newest first.
    pub(super) fn secrets_at(&self, at: Timestamp) -> impl Iterator<Item = &str> {
        self.secret.as_deref().into_iter().chain(self.retiring_at(at))
    }

    pub(super) fn context<'a>(&'a self, message: Message<'a>) -> Context<'a> {
        Context {
            params: Some(&self.params),
            secret: self.secret.as_deref(),
            message: Some(message),
            ..Context::default()
        }
    }
}

// Secrets never reach a log.
impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient").field("params", &self.params).finish_non_exhaustive()
    }
}
