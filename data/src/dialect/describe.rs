//! What a dialect is like, for people: everything that `casewire dialect show` prints, in the words of the file.

use serde::Serialize;

use super::{
    Dialect,
    condition::When,
    inbound::Inbound,
    rule::{Handshake, Headers, ProbeMethod, Rule, Ruling},
    signing::{Encoding, Origin, SecretRules, Signature},
    vocabulary::Vocabulary,
};
use crate::{
    event::EventType,
    pattern::Pattern,
    secret::{Secret, SecretForm},
    signature::Algorithm,
};

/// The bytes of [`Dialect::example_secret`] where it is made of bytes.
const EXAMPLE_BYTES: [u8; 32] = *b"casewire example secret 32 bytes";
/// The same where it is a text.
const EXAMPLE_TEXT: &str = "example-secret";

/// A dialect, described. Conditions are sentences; values that have parts in them stand as in the file.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Name and revision.
    pub id: String,
    /// What it is, in a line.
    pub summary: String,
    /// What an endpoint may subscribe to.
    pub vocabulary: Words,
    /// What an endpoint gives as `params`.
    pub params: Vec<Parameter>,
    /// The bodies, of which the first one that fits is sent.
    pub bodies: Vec<BodyRule>,
    /// Bytes of the largest body, if the dialect limits it.
    pub body_bytes_max: Option<usize>,
    /// All headers, in the order of the wire; the value of the signature's is empty.
    pub headers: Vec<HeaderRule>,
    /// Whether the trace context that an event carries follows them, as `traceparent` and `tracestate`.
    pub trace_context: bool,
    /// How a delivery is signed.
    pub signature: Option<SignatureRule>,
    /// What its secrets are like.
    pub secret: Option<SecretRule>,
    /// How an answer is judged before the rules that hold for all.
    pub acknowledgement: Vec<AnswerRule>,
    /// How a receiver is asked before the first delivery.
    pub handshake: Option<ProbeRule>,
    /// Which events an endpoint with `sandbox` takes; absent if there are none.
    pub sandbox: Option<Vec<String>>,
    /// How a request of the system becomes an event.
    pub inbound: Option<InboundRule>,
    /// What no document of the system says and was decided.
    pub assumptions: Vec<Decision>,
}

/// The names and patterns of a dialect.
#[derive(Clone, Debug, Serialize)]
pub struct Words {
    /// Whether only what is listed may be subscribed to.
    pub closed: bool,
    /// Event types.
    pub names: Vec<String>,
    /// Patterns, each to be subscribed to as it is written.
    pub patterns: Vec<String>,
    /// Below these, any event type.
    pub families: Vec<String>,
    /// What an endpoint that names nothing gets.
    pub default: Vec<String>,
    /// The event types that the format has a place for; empty if any.
    pub types: Vec<String>,
}

/// One parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// What its values are like.
    pub kind: String,
    /// What stands in for it.
    pub default: Option<String>,
}

/// One of the bodies.
#[derive(Clone, Debug, Serialize)]
pub struct BodyRule {
    /// What an event must be like; nothing for any event.
    pub when: Vec<String>,
    /// `javascript`, if it is spelled so.
    pub spelling: Option<&'static str>,
}

/// One header.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderRule {
    /// Its name, as on the wire.
    pub name: String,
    /// Its value, with parts.
    pub value: String,
}

/// How a delivery is signed.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureRule {
    /// The header that holds it.
    pub header: String,
    /// What is signed.
    pub content: String,
    /// `hex` or `base64`.
    pub encoding: &'static str,
    /// What stands between several signatures; without it the newest secret alone signs.
    pub separator: Option<String>,
    /// Which secret signs how.
    pub schemes: Vec<SchemeRule>,
    /// How far the signed time of a request that comes in may be from now.
    pub tolerance_seconds: u64,
}

/// Which secret signs how.
#[derive(Clone, Debug, Serialize)]
pub struct SchemeRule {
    /// The form of the secret.
    pub secret: &'static str,
    /// `hmac-sha256` or `ed25519`.
    pub algorithm: &'static str,
    /// What stands before the signature.
    pub prefix: String,
}

/// What secrets are like.
#[derive(Clone, Debug, Serialize)]
pub struct SecretRule {
    /// `generated` or `customer`.
    pub origin: &'static str,
    /// Their forms, in words.
    pub forms: Vec<&'static str>,
    /// Whether an endpoint cannot do without one of its own.
    pub required: bool,
    /// Characters of the longest one.
    pub chars_max: usize,
}

/// How an answer is judged.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerRule {
    /// What it is like.
    pub when: Vec<String>,
    /// `delivered`, `retry`, `drop` or `disable`.
    pub verdict: &'static str,
    /// Why, for the endpoint's owner.
    pub reason: Option<String>,
}

/// How a receiver is asked, or a sender that asks is answered.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeRule {
    /// `POST` or `OPTIONS`.
    pub method: &'static str,
    /// The headers of the request, or, on the way in, of the answer.
    pub headers: Vec<HeaderRule>,
    /// What the answer, or, on the way in, the request must be like.
    pub when: Vec<String>,
    /// What a receiver must do.
    pub hint: Option<String>,
}

/// How a request becomes an event.
#[derive(Clone, Debug, Serialize)]
pub struct InboundRule {
    /// Where the sender's id stands.
    pub id: String,
    /// Where the event's type stands; the first that is there.
    pub types: Vec<TypeRule>,
    /// Whether a request is believed for its signature or its secret; otherwise it must bring an API token.
    pub proves_its_sender: bool,
    /// What it must be like to be believed.
    pub verify: Vec<String>,
    /// Headers of the answer.
    pub reply: Vec<HeaderRule>,
    /// How a probe is answered.
    pub handshake: Option<ProbeRule>,
}

/// One way to tell an event's type.
#[derive(Clone, Debug, Serialize)]
pub struct TypeRule {
    /// The type, with parts.
    pub is: String,
    /// What the request must be like.
    pub when: Vec<String>,
}

/// One line of what was decided.
#[derive(Clone, Debug, Serialize)]
pub struct Decision {
    /// In a word.
    pub topic: String,
    /// The decision.
    pub text: String,
}

impl Dialect {
    /// What it is like, for people.
    pub fn describe(&self) -> Description {
        let params = self.params.iter().map(|param| Parameter {
            name: param.name.to_string(),
            summary: param.summary.clone(),
            kind: param.kind(),
            default: param.default.clone(),
        });
        let bodies = self.bodies.variants.iter().map(|body| BodyRule {
            when: body.when.in_words(),
            spelling: body.javascript.then_some("javascript"),
        });
        let signed = self.signature.iter().map(|signature| (&*signature.header, String::new()));
        let assumptions = self.assumptions.iter();
        Description {
            id: self.id.clone(),
            summary: self.summary.clone(),
            vocabulary: words(&self.vocabulary),
            params: params.collect(),
            bodies: bodies.collect(),
            body_bytes_max: self.bodies.bytes_max,
            headers: header_rules(self.headers.written().chain(signed)),
            trace_context: self.trace_context,
            signature: self.signature.as_ref().map(signature_rule),
            secret: self.secret.as_ref().map(secret_rule),
            acknowledgement: self.acknowledgement.iter().map(answer_rule).collect(),
            handshake: self.handshake.as_ref().map(probe_rule),
            sandbox: self.sandbox.as_ref().map(When::in_words),
            inbound: self.inbound.as_ref().map(|inbound| inbound_rule(inbound, self.proves_its_sender())),
            assumptions: assumptions
                .map(|it| Decision { topic: it.topic.clone(), text: it.text.clone() })
                .collect(),
        }
    }

    /// A secret that everybody knows, for examples: `example-secret`, or one of the first form that is taken. Absent
    /// if the dialect has no secrets.
    pub fn example_secret(&self) -> Option<Secret> {
        let rules = self.secret.as_ref()?;
        let form = *rules.forms.first()?;
        if form == SecretForm::Text {
            let text: String = EXAMPLE_TEXT.chars().take(rules.chars_max.max(1)).collect();
            return Secret::parse_as(form, &text).ok();
        }
        Some(Secret::generate_as(form, EXAMPLE_BYTES))
    }
}

fn words(vocabulary: &Vocabulary) -> Words {
    let texts = |patterns: &[Pattern]| patterns.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>();
    let closed = vocabulary.closed.as_ref();
    let tokens = closed.map(|closed| texts(&closed.tokens)).unwrap_or_default();
    let (names, patterns) = tokens.into_iter().partition(|token| EventType::new(token).is_ok());
    let families = closed.iter().flat_map(|closed| &closed.families);
    Words {
        closed: closed.is_some(),
        names,
        patterns,
        families: families.map(|family| family.trim_end_matches('.').to_owned()).collect(),
        default: texts(&vocabulary.default),
        types: texts(&vocabulary.types),
    }
}

fn header_rules<'a>(headers: impl Iterator<Item = (&'a str, String)>) -> Vec<HeaderRule> {
    headers.map(|(name, value)| HeaderRule { name: name.to_owned(), value }).collect()
}

fn signature_rule(signature: &Signature) -> SignatureRule {
    let schemes = signature.schemes.iter().map(|scheme| SchemeRule {
        secret: scheme.form.name(),
        algorithm: match scheme.algorithm {
            Algorithm::HmacSha256 => "hmac-sha256",
            Algorithm::Ed25519 => "ed25519",
        },
        prefix: scheme.prefix.to_string(),
    });
    SignatureRule {
        header: signature.header.to_string(),
        content: signature.content.written(),
        encoding: match signature.encoding {
            Encoding::Hex => "hex",
            Encoding::Base64 => "base64",
        },
        separator: signature.separator.as_deref().map(str::to_owned),
        schemes: schemes.collect(),
        tolerance_seconds: signature.tolerance_seconds,
    }
}

fn secret_rule(rules: &SecretRules) -> SecretRule {
    SecretRule {
        origin: match rules.origin {
            Origin::Generated => "generated",
            Origin::Customer => "customer",
        },
        forms: rules.forms.iter().map(|form| form.described()).collect(),
        required: rules.required,
        chars_max: rules.chars_max,
    }
}

fn answer_rule(rule: &Rule) -> AnswerRule {
    let (verdict, reason) = match &rule.ruling {
        Ruling::Delivered => ("delivered", None),
        Ruling::Retry => ("retry", None),
        Ruling::Drop => ("drop", None),
        Ruling::Disable { reason } => ("disable", Some(reason.clone())),
    };
    AnswerRule { when: rule.when.in_words(), verdict, reason }
}

fn probe_rule(handshake: &Handshake) -> ProbeRule {
    ProbeRule {
        method: method(handshake.method),
        headers: written(&handshake.headers),
        when: handshake.accept.in_words(),
        hint: Some(handshake.hint.clone()),
    }
}

fn inbound_rule(inbound: &Inbound, proves_its_sender: bool) -> InboundRule {
    let types = inbound.event_type.iter();
    let handshake = inbound.handshake.as_ref().map(|welcome| ProbeRule {
        method: method(welcome.method),
        headers: written(&welcome.reply),
        when: welcome.when.in_words(),
        hint: None,
    });
    InboundRule {
        id: inbound.id.written(),
        types: types.map(|(when, is)| TypeRule { is: is.written(), when: when.in_words() }).collect(),
        proves_its_sender,
        verify: inbound.verify.as_ref().map(When::in_words).unwrap_or_default(),
        reply: written(&inbound.reply),
        handshake,
    }
}

fn written(headers: &Headers) -> Vec<HeaderRule> {
    header_rules(headers.written())
}

fn method(method: ProbeMethod) -> &'static str {
    match method {
        ProbeMethod::Post => "POST",
        ProbeMethod::Options => "OPTIONS",
    }
}
