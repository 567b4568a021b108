//! From a dialect's file to the dialect: each table is read by the file that knows it, here they are put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Assumption, Dialect,
    body::{self, Bodies},
    condition::When,
    file::{Mistake, Section, Sheet},
    inbound::Inbound,
    params,
    part::{Part, Roots},
    rule::{Handshake, Headers, Rule},
    signing::{SecretRules, Signature},
    vocabulary::Vocabulary,
};
use crate::{
    error::{Error, Result},
    limits,
};

/// What the headers of a delivery may be made of.
const HEADER: Roots = Roots::EVENT.and(Roots::PARAMS).and(Roots::SECRET).and(Roots::ATTEMPT);

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
        let summary = root.words("summary");
        let trace_context = root.flag("trace_context");
        let assumptions = root.sections("assumptions").into_iter().filter_map(Assumption::read).collect();
        let vocabulary = Vocabulary::read(&mut root);
        let params = root.section("params").map(params::read).unwrap_or_default();
        let body_bytes_max = body::read_limits(&mut root);
        let bodies = Bodies::read(&mut root, body_bytes_max);
        let body_has_params = bodies.parts().any(|part| part.param().is_some());
        let headers = root.section("headers").map(|section| Headers::read(section, HEADER));
        let secret = SecretRules::read(&mut root);
        let signature = Signature::read(&mut root);
        let rules = Rule::read_all(&mut root);
        let handshake = Handshake::read(&mut root);
        let sandbox = root.section("sandbox").and_then(|mut section| {
            let when = section.section("when").map(|when| When::read(when, Roots::EVENT));
            if when.is_none() && section.is_sound("when") {
                section.wrong("when", "is missing; say which events a sandbox takes");
            }
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
            default_params: Arc::new(params::complete(&params, &BTreeMap::new())),
            params,
            trace_context,
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

    /// What no table can tell by itself. A table that is wrong already is not blamed for what it lacks.
    fn check_as_a_whole(&self, root: &Section<'_, '_>) {
        let known: BTreeSet<_> = self.params.iter().map(|param| &*param.name).collect();
        let named: BTreeSet<_> = self.parts().filter_map(Part::param).collect();
        if root.is_sound("params") {
            for name in named.difference(&known) {
                let message = format!(
                    "there is no parameter `{name}`; describe it in a table [params.{name}], with a `summary`"
                );
                root.wrong_to_name(&format!("params.{name}"), &message);
            }
        }
        if self.signature.is_none() && !root.has("secret") && self.parts().any(Part::is_of_the_secret) {
            root.wrong_to_name("secret", "there is no secret; say in a table [secret] what it is like");
        }
        let content_types = self.headers.names().filter(|name| name.eq_ignore_ascii_case("content-type"));
        if root.is_sound("headers") && content_types.count() != 1 {
            root.wrong(
                "headers",
                "has not exactly one Content-Type; write Content-Type = \"application/json\"",
            );
        }
        if let Some(signature) = &self.signature {
            self.check_signature(signature, root);
        }
    }

    /// Whether what is signed can be signed, and, where requests come in, checked.
    fn check_signature(&self, signature: &Signature, root: &Section<'_, '_>) {
        let header = &*signature.header;
        if self.headers.names().any(|name| name.eq_ignore_ascii_case(header)) {
            root.wrong(
                "signature",
                format!("has the header {header}, which [headers] sets too; take it out there"),
            );
        }
        match &self.secret {
            None if !root.has("secret") => root.wrong(
                "secret",
                "is missing; a [signature] needs a table [secret] that says where its key comes from",
            ),
            None => {}
            Some(secret) => {
                let forms = secret.forms.iter().map(|form| form.name());
                for form in forms.filter(|form| signature.schemes.iter().all(|it| it.form.name() != *form)) {
                    root.wrong("signature", format!("has no scheme for a secret of the form `{form}`, which would sign nothing; add {{ secret = \"{form}\", algorithm = … }}"));
                }
            }
        }
        let Some(inbound) = &self.inbound else { return };
        if signature.names("timestamp") && inbound.timestamp.is_none() && root.is_sound("inbound") {
            root.wrong(
                "inbound",
                "needs a `timestamp`, since the signature covers one; say in which header it comes",
            );
        }
        for part in signature.content.parts().filter(|part| part.is_of_the_event_alone()) {
            let name = &part.name;
            root.wrong("signature", format!("covers `{name}`, which a request that comes in does not have; sign $id, $timestamp and $body, or take [inbound] out"));
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let rules = self.acknowledgement.iter().flat_map(|rule| rule.when.parts());
        let handshake = self.handshake.iter().flat_map(|it| it.headers.parts().chain(it.accept.parts()));
        let inbound = self.inbound.iter().flat_map(Inbound::parts);
        self.bodies.parts().chain(self.headers.parts()).chain(rules).chain(handshake).chain(inbound)
    }
}

impl Assumption {
    fn read(mut section: Section<'_, '_>) -> Option<Self> {
        let (topic, text) = (section.words("topic"), section.words("text"));
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
