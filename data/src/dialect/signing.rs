//! How a delivery is signed, and by what secret: the tables `[secret]` and `[signature]` of a dialect's file.

use base64::Engine as _;

use super::{
    context::{Context, Message, Received},
    expression::Expression,
    file::{Section, Text},
    header,
    part::{Part, Roots},
};
use crate::{
    Timestamp,
    error::{Error, Result},
    limits,
    secret::{BASE64, RetiringSecret, Secret, SecretForm},
    signature::{Algorithm, SigningKey, hex},
};

/// How far the time of a signed request may be from now, in seconds, unless the file says otherwise (Standard
/// Webhooks: 5 minutes).
const TOLERANCE_SECONDS: u64 = 300;
/// The farthest that a file may say.
const TOLERANCE_SECONDS_MAX: u64 = 86_400;
/// Signatures in one header that came in: more than any sender has secrets in force. Each by Ed25519 costs a look at
/// all of the body, and nobody has proven anything yet.
const SIGNATURES_MAX: usize = 16;

/// Whose idea the secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made for the endpoint, unless its owner brings one.
    Generated,
    /// Its owner's.
    Customer,
}

/// The table `[secret]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretRules {
    pub(super) origin: Origin,
    /// The first is the form in which secrets are made.
    pub(super) forms: Vec<SecretForm>,
    pub(super) required: bool,
    pub(super) chars_max: usize,
}

impl SecretRules {
    pub(super) fn read(root: &mut Section<'_, '_>) -> Option<Self> {
        let mut section = root.section("secret")?;
        let origin = section.required("origin");
        let mut forms = Vec::new();
        for text in section.texts("form") {
            match form(&text) {
                Some(form) if forms.contains(&form) => {
                    text.wrong("is there already; take one of the two out")
                }
                form => forms.extend(form),
            }
        }
        let required = section.flag("required");
        let chars_max = section.number("chars_max", 1..=limits::SECRET_CHARS_MAX as u64);
        if forms.is_empty() && section.is_sound("form") {
            section.wrong("form", "names no form; choose from whsec, whsk and text");
        }
        section.finish();
        let origin = origin?;
        let origin = match origin.value.as_str() {
            "generated" => Origin::Generated,
            "customer" => Origin::Customer,
            _ => {
                origin.wrong("is not known; choose `generated` or `customer`");
                return None;
            }
        };
        let chars_max = chars_max.and_then(|chars| usize::try_from(chars).ok());
        let chars_max = chars_max.unwrap_or(limits::SECRET_CHARS_MAX);
        let made = forms.first().map_or(0, |form| Secret::generate_as(*form, [0; 32]).expose().len());
        if origin == Origin::Generated && made > chars_max {
            let message =
                format!("has a `chars_max` of {chars_max}, and a secret that is made has {made} characters");
            root.wrong("secret", message);
        }
        Some(Self { origin, forms, required, chars_max })
    }

    /// A secret for an endpoint that brings none; absent if it then has none.
    pub(super) fn make(&self, random: [u8; 32], dialect: &str) -> Result<Option<Secret>> {
        match self.origin {
            Origin::Generated => Ok(self.forms.first().map(|form| Secret::generate_as(*form, random))),
            Origin::Customer if self.required => {
                let message =
                    format!("is missing; {dialect} signs with a secret of the receiver's own, so give it");
                Err(Error::field("secret", message))
            }
            Origin::Customer => Ok(None),
        }
    }

    /// A secret to follow one of an endpoint that brings none: in the same form, so that a receiver which verifies by a
    /// public key goes on to do so.
    pub(super) fn make_next(
        &self,
        before: Option<&Secret>,
        random: [u8; 32],
        dialect: &str,
    ) -> Result<Option<Secret>> {
        let made = self.make(random, dialect)?;
        let like = before.map(|before| Secret::generate_as(before.form(), random));
        let fits = |like: &Secret| self.forms.contains(&like.form()) && like.expose().len() <= self.chars_max;
        Ok(made.map(|made| like.filter(fits).unwrap_or(made)))
    }

    /// Reads a secret that somebody brings.
    pub(super) fn parse(&self, text: &str) -> Result<Secret> {
        let whole = text.chars().count();
        if whole > self.chars_max {
            let message = format!("has {whole} characters; at most {} are allowed", self.chars_max);
            return Err(Error::field("secret", message));
        }
        let meant = |form: &&SecretForm| !form.prefix().is_empty() && text.starts_with(form.prefix());
        let by_prefix = self.forms.iter().find(meant);
        let as_text = self.forms.iter().find(|form| form.prefix().is_empty());
        match by_prefix.or(as_text).or(self.forms.first()) {
            Some(form) => Secret::parse_as(*form, text),
            None => Err(Error::field("secret", "is not taken here; leave it out")),
        }
    }
}

fn form(text: &Text<'_, '_>) -> Option<SecretForm> {
    let form = SecretForm::named(&text.value).filter(|form| *form != SecretForm::Whpk);
    if form.is_none() {
        text.wrong(format!("`{}` is not a form of secrets; choose from whsec, whsk and text", text.value));
    }
    form
}

/// The table `[signature]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// The header that holds it, as written.
    pub(super) header: Box<str>,
    pub(super) content: Expression,
    pub(super) encoding: Encoding,
    /// Between the signatures of several secrets; without one only one signs.
    pub(super) separator: Option<Box<str>>,
    pub(super) schemes: Vec<Scheme>,
    pub(super) tolerance_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    pub(super) form: SecretForm,
    pub(super) algorithm: Algorithm,
    pub(super) prefix: Box<str>,
}

/// An endpoint's secrets, ready to sign by the scheme that goes with each: the newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    lasting: Vec<(usize, SigningKey)>,
    /// Those that sign until a time.
    retiring: Vec<((usize, SigningKey), Timestamp)>,
}

const CONTENT_ROOTS: Roots = Roots::EVENT.and(Roots::ATTEMPT).and(Roots::BODY);

impl Signature {
    pub(super) fn read(root: &mut Section<'_, '_>) -> Option<Self> {
        let mut section = root.section("signature")?;
        let header = section.required("header");
        let content = section.required("content");
        let encoding = section.required("encoding");
        let separator = section.text("separator").and_then(|text| between(&text));
        let tolerance_seconds = section.number("tolerance_seconds", 1..=TOLERANCE_SECONDS_MAX);
        let schemes: Vec<_> = section.sections("scheme").into_iter().map(Scheme::read).collect();
        if schemes.is_empty() && section.is_sound("scheme") {
            section.wrong("scheme", "is missing; say which secret signs by which algorithm");
        }
        for prefix in schemes.iter().flatten().map(|scheme| &*scheme.prefix) {
            if separator.as_deref().is_some_and(|separator| prefix.contains(separator)) {
                section.wrong(
                    "separator",
                    "stands in a `prefix`, too, where signatures would be parted; choose another",
                );
            }
        }
        let form_of = |at: usize| schemes[at].as_ref().map(|scheme| scheme.form);
        if (0..schemes.len())
            .any(|at| form_of(at).is_some() && (0..at).any(|other| form_of(other) == form_of(at)))
        {
            section
                .wrong("scheme", "has two tables for one form of secrets, of which the second never signs");
        }
        section.finish();
        let header = header.and_then(|header| header.check(header::check_name).map(|()| header.value));
        let content =
            content.and_then(|content| content.compile(|text| Expression::parse(text, CONTENT_ROOTS)));
        let encoding = encoding.and_then(|encoding| Encoding::read(&encoding));
        Some(Self {
            header: header?.into(),
            content: content?,
            encoding: encoding?,
            separator,
            schemes: schemes.into_iter().collect::<Option<_>>()?,
            tolerance_seconds: tolerance_seconds.unwrap_or(TOLERANCE_SECONDS),
        })
    }

    /// Makes secrets ready. One that no scheme goes with signs nothing.
    pub(super) fn keys(&self, secrets: &[Secret], retiring: &[RetiringSecret]) -> Keys {
        let key = |secret: &Secret| {
            let goes = |scheme: &&Scheme| {
                let public = secret.form() == SecretForm::Whpk && scheme.form == SecretForm::Whsk;
                scheme.form == secret.form() || public
            };
            let (number, scheme) = self.schemes.iter().enumerate().find(|(_, scheme)| goes(scheme))?;
            Some((number, SigningKey::new(secret, scheme.algorithm)?))
        };
        Keys {
            lasting: secrets.iter().filter_map(key).collect(),
            retiring: retiring.iter().filter_map(|it| Some((key(&it.secret)?, it.until))).collect(),
        }
    }

    /// Appends the value of the header; false if there is no secret to sign with, or not all that is to be signed.
    /// All secrets sign that are in force at the time of the attempt; where there is room for one, the oldest.
    pub(super) fn write(&self, keys: &Keys, context: &Context<'_>, value: &mut Vec<u8>) -> bool {
        let begin = value.len();
        let in_force = |until: Timestamp| context.sent_at.is_none_or(|at| at < until);
        let retiring = keys.retiring.iter().filter(|(_, until)| in_force(*until)).map(|(key, _)| key);
        let is_several = self.separator.is_some();
        let only = if is_several { None } else { retiring.clone().next_back().or(keys.lasting.first()) };
        let all = keys.lasting.iter().chain(retiring).filter(|_| is_several);
        for (scheme, key) in only.into_iter().chain(all) {
            let Some(signature) = key.sign(|take| self.content.each(context, take)) else { return false };
            if value.len() > begin {
                value.extend_from_slice(self.separator.as_deref().unwrap_or_default().as_bytes());
            }
            value.extend_from_slice(self.schemes[*scheme].prefix.as_bytes());
            self.encoding.write(signature.as_ref(), value);
        }
        value.len() > begin
    }

    /// Checks a request that came in as its receiver must: the time is near, if it is signed, and one of the
    /// signatures fits. `id` and `timestamp` are as the sender wrote them.
    pub(super) fn verify(
        &self,
        keys: &Keys,
        message: Message<'_>,
        (id, timestamp): (Option<&str>, Option<&str>),
        now: Timestamp,
    ) -> Result<()> {
        let wrong = |why: String| Err(Error::field(&*self.header, why));
        let Some(given) = message.header(&self.header) else {
            return wrong("is missing; the request is not signed".to_owned());
        };
        if self.names("timestamp") {
            let sent: Option<i64> = timestamp.and_then(|timestamp| timestamp.parse().ok());
            let tolerance = self.tolerance_seconds;
            match sent.map(|sent| now.as_secs().abs_diff(sent)) {
                None => return wrong("comes without the time at which the request was signed".to_owned()),
                Some(apart) if apart > tolerance => {
                    return wrong(format!(
                        "was made more than {tolerance} s from now; set both clocks, or take it for a replay"
                    ));
                }
                Some(_) => {}
            }
        }
        let received = Received { id: id.unwrap_or_default(), timestamp };
        if self.names("id") && received.id.is_empty() {
            return wrong("comes without the id that it covers".to_owned());
        }
        let context = Context { message: Some(message), received: Some(received), ..Context::default() };
        let candidates: Vec<&str> = match &self.separator {
            Some(separator) => given.split(&**separator).collect(),
            None => vec![given],
        };
        if candidates.len() > SIGNATURES_MAX {
            return wrong(format!("holds more than {SIGNATURES_MAX} signatures; send one for each secret"));
        }
        let mut genuine = false;
        // Always all of them, so that the time taken does not tell which one fits.
        for (scheme, key) in &keys.lasting {
            let prefix = &*self.schemes[*scheme].prefix;
            let digits = candidates.iter().filter_map(|candidate| candidate.strip_prefix(prefix));
            let signatures: Vec<_> = digits.map(|digits| self.decode(digits)).collect();
            genuine |= key.verifies_any(&signatures, |take| self.content.each(&context, take));
        }
        if genuine {
            return Ok(());
        }
        wrong("does not fit; check the secret, and that the body is verified byte for byte".to_owned())
    }

    /// Whether a part of this name is signed, in whatever format.
    pub(super) fn names(&self, field: &str) -> bool {
        self.content.parts().any(|part| part.field() == field)
    }

    /// A part that is to be signed and is not there, so that nothing could be.
    pub(super) fn lacks(&self, context: &Context<'_>) -> Option<&Part> {
        self.content.parts().find(|part| part.value(context).is_none())
    }

    fn decode(&self, digits: &str) -> Vec<u8> {
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        match self.encoding {
            Encoding::Base64 => BASE64.decode(digits).unwrap_or_default(),
            Encoding::Hex if digits.len().is_multiple_of(2) => {
                let byte = |pair: &[u8]| Some((nibble(pair[0])? << 4) | nibble(pair[1])?);
                digits.as_bytes().chunks(2).map(byte).collect::<Option<_>>().unwrap_or_default()
            }
            Encoding::Hex => Vec::new(),
        }
    }
}

impl Encoding {
    fn write(self, signature: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Hex => out.extend_from_slice(hex(signature).as_bytes()),
            Self::Base64 => {
                let begin = out.len();
                // Three bytes make four characters, and no signature is longer than this.
                out.resize(begin + signature.len().div_ceil(3) * 4, b'=');
                let written = BASE64.encode_slice(signature, &mut out[begin..]);
                out.truncate(begin + written.expect("there is room for all of it"));
            }
        }
    }

    fn read(text: &Text<'_, '_>) -> Option<Self> {
        match text.value.as_str() {
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            _ => {
                text.wrong("is not known; choose `hex` or `base64`");
                None
            }
        }
    }
}

impl Scheme {
    fn read(mut section: Section<'_, '_>) -> Option<Self> {
        let secret = section.required("secret");
        let algorithm = section.required("algorithm");
        let prefix = section.text("prefix");
        section.finish();
        let prefix = prefix.and_then(|text| as_it_is(&text)).unwrap_or_default();
        let (secret, algorithm) = (secret?, algorithm?);
        let form = form(&secret)?;
        let algorithm = match (algorithm.value.as_str(), form) {
            ("hmac-sha256", SecretForm::Whsec | SecretForm::Text) => Algorithm::HmacSha256,
            ("ed25519", SecretForm::Whsk) => Algorithm::Ed25519,
            ("hmac-sha256" | "ed25519", _) => {
                algorithm.wrong(
                    "does not go with this secret; `whsk` signs by ed25519, the others by hmac-sha256",
                );
                return None;
            }
            _ => {
                algorithm.wrong("is not known; choose `hmac-sha256` or `ed25519`");
                return None;
            }
        };
        Some(Self { form, algorithm, prefix })
    }
}

/// A text that goes into the header of the signature as it is.
fn as_it_is(text: &Text<'_, '_>) -> Option<Box<str>> {
    if text.value.contains('$') {
        text.wrong(
            "takes no parts, it is sent as it is written; what is signed goes into `content`, and what the receiver \
             needs besides into headers of its own, in [headers]",
        );
        return None;
    }
    if text.value.starts_with(' ') || !header::is_value(text.value.trim_end_matches(' ')) {
        text.wrong("cannot stand in a header before a signature; write visible ASCII");
        return None;
    }
    Some(text.value.as_str().into())
}

/// What stands between two signatures: visible ASCII and spaces.
fn between(text: &Text<'_, '_>) -> Option<Box<str>> {
    if text.value.is_empty() {
        text.wrong("is empty, and signatures could not be told apart; write \" \" or \",\"");
        return None;
    }
    match text.value.trim_start_matches(' ') {
        "" => Some(text.value.as_str().into()),
        _ if text.value.starts_with(' ') => {
            text.wrong("begins with a space; write the space alone, or behind other characters");
            None
        }
        _ => as_it_is(text),
    }
}
