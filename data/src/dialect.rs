//! A dialect: the format in which one system's webhooks are sent. Data, not code.
//!
//! One TOML file a revision, made of a few orthogonal primitives: vocabulary, body template, signature. A file is read
//! and compiled once; an endpoint names it by id and revision (`xpath@1`), so a later revision changes nothing for it.
//! A file with a key that this version does not know is refused, never half understood.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;

use crate::{
    Timestamp,
    error::{Error, FieldError, Result},
    event::{Event, NewEvent},
    limits,
    pattern::Pattern,
    signature::Signer,
    template::Template,
};

mod header;
mod vocabulary;

pub use header::check_header;
use vocabulary::Vocabulary;

/// The dialects that Casewire brings along.
const BUILTIN: [&str; 2] =
    [include_str!("../dialects/standard@1.toml"), include_str!("../dialects/xpath@1.toml")];

/// All dialects that an engine speaks, by id.
#[derive(Clone, Debug)]
pub struct Dialects {
    by_id: BTreeMap<String, Arc<Dialect>>,
}

impl Dialects {
    /// The dialects that Casewire brings along.
    pub fn builtin() -> Self {
        let dialects =
            BUILTIN.map(|text| Dialect::parse(text).expect("a test compiles every file that is embedded"));
        Self { by_id: dialects.into_iter().map(|dialect| (dialect.id.clone(), Arc::new(dialect))).collect() }
    }

    /// The dialect of an id such as `xpath@1`; the error names all that there are.
    pub fn get(&self, id: &str) -> Result<Arc<Dialect>> {
        self.by_id.get(id).cloned().ok_or_else(|| {
            let known: Vec<_> = self.ids().collect();
            let message =
                format!("there is no dialect `{}`; choose from {}", limits::shorten(id), known.join(", "));
            Error::field("dialect", message)
        })
    }

    /// The ids of all dialects, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }
}

/// A dialect, compiled.
#[derive(Clone, Debug)]
pub struct Dialect {
    id: String,
    summary: String,
    assumptions: Vec<Assumption>,
    vocabulary: Vocabulary,
    content_type: String,
    body: Template,
    signature: SignatureScheme,
}

/// What no document of the system says and Casewire decided.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    /// In a word: `signature`.
    pub topic: String,
    /// The decision, for people to read.
    pub text: String,
}

/// How a delivery is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
enum SignatureScheme {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature` (Standard Webhooks 1.0.0, `v1`).
    StandardWebhooks,
}

/// A dialect's file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DialectFile {
    id: String,
    summary: String,
    #[serde(default)]
    assumptions: Vec<Assumption>,
    vocabulary: vocabulary::VocabularySection,
    body: BodySection,
    signature: SignatureScheme,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodySection {
    content_type: String,
    template: toml::Spanned<String>,
}

impl Dialect {
    /// Reads and compiles a dialect's file. The error says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self> {
        let file: DialectFile =
            toml::from_str(text).map_err(|error| Error::field("dialect", error.to_string().trim_end()))?;
        check_id(&file.id)?;
        check_content_type(&file.body.content_type)?;
        Ok(Self {
            id: file.id,
            summary: file.summary,
            assumptions: file.assumptions,
            vocabulary: file.vocabulary.compile().map_err(|error| error.under("vocabulary"))?,
            content_type: file.body.content_type,
            body: compile_template(text, &file.body.template)?,
            signature: file.signature,
        })
    }

    /// Name and revision: `xpath@1`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is, in a line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What no document says and we decided.
    pub fn assumptions(&self) -> &[Assumption] {
        &self.assumptions
    }

    /// The names and patterns that an endpoint may subscribe to; empty if any are allowed.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.tokens()
    }

    /// Checks what an endpoint wants to subscribe to and names every wrong one as `events[i]`. Keeps order and repeats.
    pub fn check_patterns(&self, events: &[String]) -> Result<Vec<Pattern>> {
        self.vocabulary.check(events, &self.id)
    }

    /// Checks what an endpoint says beside its events for this dialect's templates, and names every wrong one as
    /// `params.<name>`.
    pub fn check_params(&self, params: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
        if params.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wrong = params.keys().map(|name| FieldError {
            field: format!("params.{name}"),
            message: format!("{} has no such parameter; leave it out", self.id),
        });
        Err(Error::fields(wrong.collect()))
    }

    /// Whether the system has a sandbox, which an endpoint may be told to belong to.
    pub fn has_sandbox(&self) -> bool {
        false
    }

    /// Whether the system's sandbox takes an event.
    pub fn sandbox_takes(&self, _: &NewEvent) -> bool {
        true
    }

    /// Whether the dialect can say an event at all, with an endpoint's params. The error names the fields that it
    /// lacks.
    pub fn express(&self, _: &NewEvent, _: &BTreeMap<String, String>) -> Result<()> {
        Ok(())
    }

    /// The body of an event: the same bytes at every attempt and for every endpoint of the dialect.
    pub fn body(&self, event: &Event) -> Bytes {
        self.body.render(event)
    }

    /// The headers of one attempt made `at` a time, names in lower case. `body` is what [`Dialect::body`] gave.
    pub fn headers(
        &self,
        event: &Event,
        body: &[u8],
        signer: &Signer,
        at: Timestamp,
    ) -> Vec<(String, String)> {
        let mut headers = vec![("content-type".to_owned(), self.content_type.clone())];
        match self.signature {
            SignatureScheme::StandardWebhooks => {
                let id = event.id.to_string();
                let signature = signer.sign(&id, at.as_secs(), body);
                headers.push(("webhook-id".to_owned(), id));
                headers.push(("webhook-timestamp".to_owned(), at.as_secs().to_string()));
                headers.push(("webhook-signature".to_owned(), signature));
            }
        }
        headers
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

/// Compiles the template of a file; the error also says where in the file the template is.
fn compile_template(file: &str, template: &toml::Spanned<String>) -> Result<Template> {
    Template::compile(template.get_ref()).map_err(|error| {
        let line = file[..template.span().start].matches('\n').count() + 1;
        Error::field(
            "body.template",
            format!("{} (the template is on line {line} of the file)", error.message()),
        )
    })
}

fn check_content_type(content_type: &str) -> Result<()> {
    let plain = content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain && content_type.contains('/') {
        return Ok(());
    }
    Err(Error::field("body.content_type", "is not a media type; write it like application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Tenant,
        id::EventId,
        signature::{Secret, verify},
    };

    fn dialect(id: &str) -> Arc<Dialect> {
        Dialects::builtin().get(id).unwrap()
    }

    fn event(event_type: &str, data: &'static str) -> Event {
        let mut content = NewEvent::new(event_type, data).unwrap();
        content.occurred_at = Some(Timestamp::parse("2026-04-29T09:10:00.999Z").unwrap());
        Event {
            seq: 1,
            position: 0,
            id: "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW".parse::<EventId>().unwrap(),
            tenant: Tenant::default(),
            published_at: Timestamp::default(),
            content,
        }
    }

    #[test]
    fn every_embedded_file_compiles_and_is_known_by_its_id() {
        let dialects = Dialects::builtin();
        assert_eq!(dialects.ids().collect::<Vec<_>>(), ["standard@1", "xpath@1"]);
        for id in dialects.ids() {
            assert_eq!(dialects.get(id).unwrap().id(), id);
        }
        let error = dialects.get("xpath").unwrap_err().to_string();
        assert!(error.contains("standard@1, xpath@1"), "{error}");
    }

    #[test]
    fn bodies_are_as_documented_byte_for_byte() {
        let event = event("assignments.status.updated", r#"{ "status": "open","n":1.0 }"#);
        assert_eq!(
            dialect("xpath@1").body(&event),
            r#"{"id":"evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW","type":"assignments.status.updated","created_at":"2026-04-29T09:10:00Z","data":{ "status": "open","n":1.0 }}"#
        );
        assert_eq!(
            dialect("standard@1").body(&event),
            r#"{"type":"assignments.status.updated","timestamp":"2026-04-29T09:10:00Z","data":{ "status": "open","n":1.0 }}"#
        );
    }

    #[test]
    fn a_delivery_is_signed_for_its_receiver_to_verify() {
        let (event, secret) = (event("cases.created", "{}"), Secret::generate([3; 32]));
        let at = Timestamp::from_micros(1_777_453_800_900_000);
        for id in ["xpath@1", "standard@1"] {
            let body = dialect(id).body(&event);
            let headers = dialect(id).headers(&event, &body, &Signer::new(std::slice::from_ref(&secret)), at);
            let [(_, kind), (_, id), (_, timestamp), (_, signature)] = &headers[..] else {
                panic!("{headers:?}")
            };
            let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"]);
            assert_eq!((kind.as_str(), id.as_str()), ("application/json", event.id.to_string().as_str()));
            assert_eq!(timestamp, "1777453800");
            verify(&secret, id, timestamp, signature, &body, at, 0).unwrap();
        }
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_place() {
        let good = BUILTIN[0];
        for (from, to, said) in [
            ("standard@1", "standard", "standard"),
            ("standard@1", "standard@01", "revision"),
            ("kind = \"open\"", "kind = \"open\"\nnames = [\"a\"]", "open"),
            ("kind = \"open\"", "kind = \"half\"", "line 7"),
            ("[signature]", "[handshake]\nprobe = 1\n[signature]", "handshake"),
            ("$type", "$typo", "line 2, column 11 of the template"),
            ("$data", "$date", "the template is on line 11 of the file"),
            ("application/json", "json", "application/json"),
            ("standard-webhooks", "none-such", "standard-webhooks"),
        ] {
            let error = Dialect::parse(&good.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
