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

mod expression;
mod template;

mod condition;

mod body;
mod header;
mod inbound;
mod params;
mod rule;
mod signing;
mod vocabulary;

mod collection;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use self::{
    body::Bodies,
    condition::When,
    context::{Context, EventParts},
    file::{Section, Sheet},
    inbound::Inbound,
    part::{Part, Roots},
    rule::{Handshake, Headers, Rule},
    signing::{Keys, SecretRules, Signature},
    vocabulary::Vocabulary,
};
pub use self::{
    collection::Dialects,
    context::{Message, Params},
    file::Mistake,
    header::check_header,
    params::Param,
    rule::{Probe, ProbeMethod, Ruling},
};
use crate::{
    Timestamp,
    error::{Error, FieldError, Result},
    event::{Event, NewEvent, Tenant},
    limits,
    pattern::Pattern,
    secret::Secret,
};

/// What the headers of a delivery may be made of.
const HEADER: Roots = Roots::EVENT.and(Roots::PARAMS).and(Roots::SECRET).and(Roots::ATTEMPT);

/// A dialect, compiled.
#[derive(Clone, Debug)]
pub struct Dialect {
    id: String,
    summary: String,
    text: Arc<str>,
    assumptions: Vec<Assumption>,
    vocabulary: Vocabulary,
    params: Vec<Param>,
    bodies: Bodies,
    headers: Headers,
    secret: Option<SecretRules>,
    signature: Option<Signature>,
    acknowledgement: Vec<Rule>,
    handshake: Option<Handshake>,
    sandbox: Option<When>,
    inbound: Option<Inbound>,
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

/// What an endpoint brings to its dialect, made ready once.
#[derive(Clone, Debug, Default)]
pub struct Recipient {
    params: Arc<Params>,
    /// The newest secret, as it is written.
    secret: Option<Arc<str>>,
    keys: Keys,
}

impl Recipient {
    /// Its parameters, with the dialect's defaults filled in.
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }
}

impl Dialect {
    /// Reads and compiles a dialect's file. The error names every mistake, with its line and what would be right.
    pub fn parse(text: &str) -> std::result::Result<Self, Vec<Mistake>> {
        let sheet = Sheet::new(text);
        let dialect = sheet.root().map(|root| Self::read(root, text));
        let mistakes = sheet.into_mistakes();
        match dialect {
            Some(dialect) if mistakes.is_empty() => Ok(dialect),
            _ => Err(mistakes),
        }
    }

    /// Reads all there is, also after a mistake, so that every mistake is found.
    fn read(mut root: Section<'_, '_>, text: &str) -> Self {
        let id = root.required("id");
        let summary = root.required("summary");
        let assumptions = root.sections("assumptions").into_iter().filter_map(Assumption::read).collect();
        let vocabulary = Vocabulary::read(&mut root);
        let params = root.section("params").map(params::read).unwrap_or_default();
        let body_bytes_max = body::read_limits(&mut root);
        let bodies = Bodies::read(&mut root, body_bytes_max);
        let body_has_params = bodies.parts().any(|part| part.param().is_some());
        let headers = root.section("headers").map(|section| Headers::read(section, HEADER));
        let secret = SecretRules::read(&mut root);
        let signature = Signature::read(&mut root);
        let rules = root.sections("acknowledgement").into_iter().filter_map(Rule::read).collect();
        let handshake = Handshake::read(&mut root);
        let sandbox = root.section("sandbox").and_then(|mut section| {
            let when = section.section("when").map(|when| When::read(when, Roots::EVENT));
            section.finish();
            when
        });
        let inbound = Inbound::read(&mut root);
        let id = id.and_then(|id| id.check(check_id).map(|()| id.value));
        let dialect = Self {
            id: id.unwrap_or_default(),
            summary: summary.map(|summary| summary.value).unwrap_or_default(),
            text: text.into(),
            assumptions,
            params,
            body_has_params,
            bodies,
            headers: headers.unwrap_or_default(),
            secret,
            signature,
            acknowledgement: rules,
            handshake,
            sandbox,
            inbound,
            vocabulary,
        };
        dialect.check_as_a_whole(&root);
        root.finish();
        dialect
    }

    /// What no table can tell by itself.
    fn check_as_a_whole(&self, root: &Section<'_, '_>) {
        for name in self.parts().filter_map(Part::param) {
            if self.params.iter().all(|param| *param.name != *name) {
                root.wrong("params", format!("has no `{name}`, which is named as `$params.{name}`; describe it in a table [params.{name}]"));
            }
        }
        if self.signature.is_some() && self.secret.is_none() {
            root.wrong(
                "secret",
                "is missing; a [signature] needs a table [secret] that says where its key comes from",
            );
        }
        let content_types = self.headers.names().filter(|name| name.eq_ignore_ascii_case("content-type"));
        if content_types.count() != 1 {
            root.wrong(
                "headers",
                "has not exactly one Content-Type; write Content-Type = \"application/json\"",
            );
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let rules = self.acknowledgement.iter().flat_map(|rule| rule.when.parts());
        let handshake = self.handshake.iter().flat_map(|it| it.headers.parts().chain(it.accept.parts()));
        self.bodies.parts().chain(self.headers.parts()).chain(rules).chain(handshake)
    }

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

    /// The names of all headers that it sets, as they are written on the wire.
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
        params::check(&self.params, params, &self.id)
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

    /// Makes ready what an endpoint brings. `secrets` are those in force, the newest first.
    pub fn recipient(&self, params: &BTreeMap<String, String>, secrets: &[Secret]) -> Recipient {
        Recipient {
            params: Arc::new(params::complete(&self.params, params)),
            secret: secrets.first().map(|secret| secret.expose().into()),
            keys: self.signature.as_ref().map(|signature| signature.keys(secrets)).unwrap_or_default(),
        }
    }

    /// Whether a body is the same for all endpoints, whatever their parameters.
    pub fn shares_bodies(&self) -> bool {
        !self.body_has_params
    }

    /// Whether an event could be sent to such endpoints. The error names what it lacks, field by field.
    ///
    /// To be asked before the event is accepted: what passes here will render later.
    pub fn express(&self, tenant: &Tenant, event: &NewEvent, params: &Params) -> Result<()> {
        let parts = EventParts::unpublished(tenant, event);
        if !self.vocabulary.has(event.event_type.as_str()) {
            let message = format!("has no place in {}, which sends {}", self.id, self.vocabulary.types());
            return Err(Error::field("type", message));
        }
        let context = Context { event: Some(parts), params: Some(params), ..Context::default() };
        self.bodies.render(&context)?;
        let unsound = self.headers.render(&context).find(|(_, value)| !header::is_value(value));
        match unsound {
            None => Ok(()),
            Some((name, _)) => {
                let named = self.headers.parts_of(name).map(Part::field).collect::<Vec<_>>().join(", ");
                let message = format!(
                    "cannot stand in the header {name}; send visible ASCII without spaces at the ends"
                );
                Err(Error::field(named, message))
            }
        }
    }

    /// The body of an event: the same bytes at every attempt, and for every endpoint with the same parameters.
    ///
    /// The error names what the event lacks. An event that [`Dialect::express`] has passed lacks nothing.
    pub fn body(&self, event: &Event, params: &Params) -> Result<Bytes> {
        let context = Context { event: Some(event.into()), params: Some(params), ..Context::default() };
        self.bodies.render(&context)
    }

    /// The headers of one attempt made `at` a time, in order and as they are written on the wire. `body` is what
    /// [`Dialect::body`] gave.
    pub fn headers(
        &self,
        event: &Event,
        body: &[u8],
        recipient: &Recipient,
        at: Timestamp,
    ) -> Vec<(String, String)> {
        let message = Some(Message { body, ..Message::default() });
        let context = Context {
            event: Some(event.into()),
            params: Some(&recipient.params),
            secret: recipient.secret.as_deref(),
            sent_at: Some(at),
            message,
            received: None,
        };
        let named = self.headers.render(&context);
        let mut headers: Vec<_> = named.map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
        if let Some(signature) = &self.signature
            && let Some(value) = signature.value(&recipient.keys, &context)
        {
            headers.push((signature.header.to_string(), value));
        }
        headers
    }

    /// What an answer means to this dialect; absent if it is to be judged as for every other: 2xx delivers, 410
    /// disables, anything else is retried.
    pub fn acknowledge(&self, recipient: &Recipient, answer: Message<'_>) -> Option<&Ruling> {
        let context = recipient.context(answer);
        self.acknowledgement.iter().find(|rule| rule.when.holds(&context)).map(|rule| &rule.ruling)
    }

    /// Whether an answer can disable an endpoint by a rule of the dialect: such an endpoint is to prove itself first.
    pub fn may_disable(&self) -> bool {
        self.acknowledgement.iter().any(|rule| matches!(rule.ruling, Ruling::Disable { .. }))
    }

    /// The headers of an answer, in lower case, on which its judgement may depend.
    pub fn judged_headers(&self) -> impl Iterator<Item = &str> {
        let rules = self.acknowledgement.iter().flat_map(|rule| rule.when.parts());
        let handshake = self.handshake.iter().flat_map(|handshake| handshake.accept.parts());
        rules.chain(handshake).filter_map(Part::header)
    }

    /// How a receiver is asked whether it wants deliveries; absent if it is not.
    pub fn probe(&self, recipient: &Recipient) -> Option<Probe> {
        let handshake = self.handshake.as_ref()?;
        let context = recipient.context(Message::default());
        let headers = handshake.headers.render(&context);
        Some(Probe {
            method: handshake.method,
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_owned())).collect(),
        })
    }

    /// Whether an answer to [`Dialect::probe`] is a yes. The error names the field `url` and says what is missing.
    pub fn judge_probe(&self, recipient: &Recipient, answer: Message<'_>) -> Result<()> {
        let Some(handshake) = &self.handshake else { return Ok(()) };
        let context = recipient.context(answer);
        let broken: Vec<_> = handshake
            .accept
            .broken(&context)
            .map(|condition| format!("`{}` {}", condition.part.field(), condition.asks(&Context::default())))
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        let status = answer.status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        let message = format!(
            "did not agree to deliveries; it answered {status}, and of the answer {}. {}",
            broken.join(" and "),
            handshake.hint
        );
        Err(Error::field("url", message))
    }

    /// Whether requests of the system can be taken in.
    pub fn is_inbound(&self) -> bool {
        self.inbound.is_some()
    }

    /// Whether a request proves by itself that it comes from somebody who knows the secret.
    pub fn proves_its_sender(&self) -> bool {
        self.signature.is_some() || self.inbound.as_ref().is_some_and(|inbound| inbound.verify.is_some())
    }

    /// Checks that a request comes from somebody who knows a secret. The error names the header at fault.
    ///
    /// Compares in constant time. Says yes to everything where [`Dialect::proves_its_sender`] is false.
    pub fn verify(&self, recipient: &Recipient, request: Message<'_>, now: Timestamp) -> Result<()> {
        let Some(inbound) = &self.inbound else {
            return Err(Error::field("dialect", format!("{} has no way in", self.id)));
        };
        if let Some(signature) = &self.signature {
            let (id, timestamp) = inbound.signed_parts(request);
            let signed = (id.as_deref(), timestamp.as_deref());
            signature.verify(&recipient.keys, request, signed, now)?;
        }
        let context = recipient.context(request);
        let Some(broken) = inbound.verify.as_ref().and_then(|verify| verify.broken(&context).next()) else {
            return Ok(());
        };
        let named = broken.part.header().unwrap_or(broken.part.field()).to_owned();
        Err(Error::field(named, "does not fit; check the secret on both sides"))
    }

    /// The event that a request tells of, with the sender's id as idempotency key within `source`.
    pub fn receive(&self, request: Message<'_>, source: &str) -> Result<NewEvent> {
        match &self.inbound {
            Some(inbound) => inbound.event(request, source),
            None => Err(Error::field("dialect", format!("{} has no way in", self.id))),
        }
    }

    /// Headers of the answer to a request that came in.
    pub fn reply(&self, recipient: &Recipient, request: Message<'_>) -> Vec<(String, String)> {
        let inbound = self.inbound.as_ref();
        let headers =
            |inbound: &Inbound| inbound.reply(request, recipient.secret.as_deref(), &recipient.params);
        inbound.map(headers).unwrap_or_default()
    }

    /// Headers of the answer to a probe by which a sender asks whether it is welcome; absent if the request is none.
    pub fn welcome(
        &self,
        recipient: &Recipient,
        method: &str,
        request: Message<'_>,
    ) -> Option<Vec<(String, String)>> {
        self.inbound.as_ref()?.welcome(method, request, recipient.secret.as_deref(), &recipient.params)
    }
}

impl Recipient {
    fn context<'a>(&'a self, message: Message<'a>) -> Context<'a> {
        Context {
            params: Some(&self.params),
            secret: self.secret.as_deref(),
            message: Some(message),
            ..Context::default()
        }
    }
}

impl Assumption {
    fn read(mut section: Section<'_, '_>) -> Option<Self> {
        let (topic, text) = (section.required("topic"), section.required("text"));
        section.finish();
        Some(Self { topic: topic?.value, text: text?.value })
    }
}

fn check_id(id: &str) -> Result<()> {
    let good = id.split_once('@').is_some_and(|(name, revision)| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let numbered =
            revision.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == revision);
        !name.is_empty() && name.len() <= limits::TENANT_BYTES_MAX && name.bytes().all(allowed) && numbered
    });
    if good {
        return Ok(());
    }
    let message = format!(
        "`{}` is not a dialect's id; write a name of a-z, 0-9 and -, and a revision: xpath@1",
        limits::shorten(id)
    );
    Err(Error::field("id", message))
}

/// All mistakes of a file as one error; `file` says which one it is.
pub fn mistakes(file: &str, mistakes: &[Mistake]) -> Error {
    let field = |mistake: &Mistake| FieldError {
        field: format!("{file} line {}", mistake.line),
        message: mistake.to_string(),
    };
    Error::fields(mistakes.iter().map(field).collect())
}

#[cfg(test)]
mod tests;
