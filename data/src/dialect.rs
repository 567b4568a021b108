//! A dialect: the format in which one system's webhooks are sent, and taken in. Data, not code.
//!
//! One TOML file a revision, made of a few orthogonal primitives (`data/dialects/README.md` explains them all). A file
//! is read and compiled once; an endpoint names it by id and revision (`xpath@1`), so a later revision changes nothing
//! for it. A file with a key that this version does not know is refused, never half understood.
//!
//! The modules, in reading order.

mod file;

mod context;
mod part;
mod path;
mod value;

mod expression;
mod template;

mod condition;

mod body;
mod header;
mod inbound;
mod lines;
mod params;
mod rule;
mod signing;
mod vocabulary;

mod collection;
pub mod describe;
mod reading;
mod receiving;
mod recipient;
mod sending;

use std::{collections::BTreeMap, sync::Arc};

use self::{
    body::Bodies,
    condition::When,
    context::{Context, EventParts},
    inbound::Inbound,
    part::Part,
    rule::{Handshake, Headers, Rule},
    signing::{SecretRules, Signature},
    value::Value,
    vocabulary::Vocabulary,
};
pub use self::{
    collection::Dialects,
    context::{Message, Params},
    file::Mistake,
    header::check_header,
    lines::{HeaderLines, is_visible},
    params::Param,
    recipient::Recipient,
    rule::{Probe, ProbeMethod, Ruling},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{NewEvent, Tenant},
    pattern::Pattern,
    secret::{Secret, SecretForm},
};

/// A dialect, compiled.
#[derive(Clone, Debug)]
pub struct Dialect {
    id: String,
    summary: String,
    text: Arc<str>,
    assumptions: Vec<Assumption>,
    vocabulary: Vocabulary,
    params: Vec<Param>,
    /// The parameters of an endpoint that gives none.
    default_params: Arc<Params>,
    bodies: Bodies,
    headers: Headers,
    secret: Option<SecretRules>,
    signature: Option<Signature>,
    acknowledgement: Vec<Rule>,
    handshake: Option<Handshake>,
    sandbox: Option<When>,
    inbound: Option<Inbound>,
    /// The trace context that an event carries goes out in headers of its own.
    trace_context: bool,
    /// An endpoint's parameters change the body.
    body_has_params: bool,
}

/// What no document of the system says and Casewire decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// In a word: `signature`.
    pub topic: String,
    /// The decision, for people to read.
    pub text: String,
}

impl Dialect {
    /// Name and revision: `xpath@1`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is, in a line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Its file, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What no document says and we decided.
    pub fn assumptions(&self) -> &[Assumption] {
        &self.assumptions
    }

    /// The names and patterns that an endpoint may subscribe to; empty if any are allowed.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.tokens()
    }

    /// Prefixes, each with its final dot, of names that may be subscribed to although they are not listed.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.families()
    }

    /// What its endpoints give as `params`.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The names of all headers of its deliveries, as they are written on the wire.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.names().chain(self.signature.iter().map(|signature| &*signature.header))
    }

    /// Checks what an endpoint wants to subscribe to and names every wrong one as `events[i]`. Keeps order and repeats.
    /// None at all stands for the dialect's default, if it has one.
    pub fn check_patterns(&self, events: &[String]) -> Result<Vec<Pattern>> {
        self.vocabulary.check(events, &self.id)
    }

    /// Checks an endpoint's parameters and names each that is missing, unknown or wrong as `params.…`.
    pub fn check_params(&self, params: &BTreeMap<String, String>) -> Result<()> {
        params::check(&self.params, params, &self.id)?;
        let complete = self.complete_params(params);
        let context = Context { params: Some(&complete), ..Context::default() };
        let probe = self.handshake.as_ref().map(|handshake| &handshake.headers);
        // Each by itself, since what stands around it in the header may not be known before there is an event.
        for (header, part) in [Some(&self.headers), probe].into_iter().flatten().flat_map(Headers::all_parts)
        {
            let value = part.param().and_then(|_| part.value(&context)).map(Value::into_text);
            if value.is_some_and(|value| !header::is_value(&value)) {
                let message = format!(
                    "cannot stand in the header {header}; give visible ASCII without spaces at the ends"
                );
                return Err(Error::field(part.field(), message));
            }
        }
        Ok(())
    }

    /// Whether its endpoints can be sandboxes.
    pub fn has_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Whether an endpoint that is a sandbox takes an event.
    pub fn sandbox_takes(&self, tenant: &Tenant, event: &NewEvent) -> bool {
        let event = Some(EventParts::unpublished(tenant, event));
        self.sandbox.as_ref().is_none_or(|when| when.holds(&Context { event, ..Context::default() }))
    }

    /// The secret of a new endpoint: what its owner brings, or else one made from `random`; none where the dialect has
    /// none. The error names the field `secret`.
    pub fn secret(&self, given: Option<&str>, random: [u8; 32]) -> Result<Option<Secret>> {
        match (&self.secret, given) {
            (Some(rules), Some(given)) => rules.parse(given).map(Some),
            (Some(rules), None) => rules.make(random, &self.id),
            (None, Some(_)) => {
                let message = format!("is not taken: {} neither signs nor sends one; leave it out", self.id);
                Err(Error::field("secret", message))
            }
            (None, None) => Ok(None),
        }
    }

    /// A secret to follow another one, in the same form if it is made from `random`. The error names the field `secret` if its owner must bring it, and is a `Conflict`
    /// where there are none.
    pub fn next_secret(
        &self,
        before: Option<&Secret>,
        given: Option<&str>,
        random: [u8; 32],
    ) -> Result<Secret> {
        let next = match (&self.secret, given) {
            (Some(rules), None) => rules.make_next(before, random, &self.id)?,
            _ => self.secret(given, random)?,
        };
        if let Some(next) = next {
            return Ok(next);
        }
        let id = &self.id;
        Err(match self.secret {
            Some(_) => Error::field(
                "secret",
                format!("is missing; those of {id} are the receiver's own, so give it"),
            ),
            None => Error::new(
                ErrorKind::Conflict,
                format!("there is no secret in {id}; nothing can take its place"),
            ),
        })
    }

    /// Whether a receiver learns the secret when it is asked whether it wants deliveries.
    pub fn hands_over_secrets(&self) -> bool {
        self.handshake.as_ref().is_some_and(|it| it.headers.parts().any(Part::is_of_the_secret))
    }

    /// The secret of somebody who only verifies: as [`Dialect::secret`], and where an Ed25519 private key signs
    /// (`whsk_`), its public key will do (`whpk_`).
    pub fn verifying_secret(&self, given: Option<&str>, random: [u8; 32]) -> Result<Option<Secret>> {
        let signs_by_private_keys =
            self.secret.as_ref().is_some_and(|rules| rules.forms.contains(&SecretForm::Whsk));
        match given.filter(|text| signs_by_private_keys && text.starts_with(SecretForm::Whpk.prefix())) {
            Some(public) => Secret::parse_as(SecretForm::Whpk, public).map(Some),
            None => self.secret(given, random),
        }
    }

    /// An endpoint's parameters with the dialect's defaults filled in.
    pub fn complete_params(&self, given: &BTreeMap<String, String>) -> Arc<Params> {
        if given.is_empty() {
            return self.default_params.clone();
        }
        Arc::new(params::complete(&self.params, given))
    }

    /// Whether a body is the same for all endpoints, whatever their parameters.
    pub fn shares_bodies(&self) -> bool {
        !self.body_has_params
    }
}

#[cfg(test)]
mod tests;
