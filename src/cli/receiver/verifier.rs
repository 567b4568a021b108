//! What a receiver knows of its sender: the dialect, the secrets, and what a request in it says.

use std::{collections::BTreeMap, sync::Arc};

use casewire_data::{
    Error, Result, Timestamp,
    dialect::{Dialect, Message, Recipient},
    event::{Event, NewEvent},
    secret::Secret,
};
use serde::Serialize;

/// Stands before the sender's ids in idempotency keys; taken off again.
const SOURCE: &str = "listen";

/// What the signature of a request came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "signature", content = "reason", rename_all = "snake_case")]
pub(in crate::cli) enum Signature {
    /// One of the secrets made it, within the last minutes if the dialect signs the time.
    Verified,
    /// None did; in words, which header and why.
    Bad(String),
    /// It cannot be checked; in words, why.
    Unverified(String),
    /// The dialect signs nothing.
    Unsigned,
}

/// See the module.
pub(in crate::cli) struct Verifier {
    dialect: Arc<Dialect>,
    params: BTreeMap<String, String>,
    /// One for each secret.
    recipients: Vec<Recipient>,
    /// The one that has no secret.
    bare: Recipient,
}

impl Verifier {
    /// One that trusts no secret yet.
    pub(in crate::cli) fn new(dialect: Arc<Dialect>, params: BTreeMap<String, String>) -> Self {
        let bare = dialect.recipient(&params, &[]);
        Self { dialect, params, recipients: Vec::new(), bare }
    }

    /// What it understands.
    pub(in crate::cli) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Whether it can tell a genuine request from a forged one.
    pub(in crate::cli) fn has_secret(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Reads a secret by the rules of the dialect.
    pub(in crate::cli) fn read_secret(&self, text: &str) -> Result<Secret> {
        let given = self.dialect.verifying_secret(Some(text), [0; 32])?;
        given.ok_or_else(|| Error::field("secret", "is not taken here; leave it out"))
    }

    /// Takes one more secret from now on.
    pub(in crate::cli) fn trust(&mut self, secret: Secret) {
        self.recipients.push(self.knowing(secret));
    }

    fn knowing(&self, secret: Secret) -> Recipient {
        self.dialect.recipient(&self.params, &[secret])
    }

    /// What the signature of a request comes to, and the headers that the dialect wants in the answer. These may hold
    /// the secret, so a request that is not genuine gets none.
    pub(super) fn verify(&self, request: Message<'_>, now: Timestamp) -> (Signature, Vec<(String, String)>) {
        if !self.dialect.proves_its_sender() {
            return (Signature::Unsigned, self.dialect.reply(&self.bare, request));
        }
        if !self.dialect.is_inbound() {
            return (Signature::Unverified(self.one_way()), Vec::new());
        }
        let mut signature = Signature::Unverified("give the endpoint's secret with --secret".to_owned());
        for recipient in &self.recipients {
            match self.dialect.verify(recipient, request, now) {
                Ok(()) => return (Signature::Verified, self.dialect.reply(recipient, request)),
                Err(error) => signature = Signature::Bad(reason(&error)),
            }
        }
        (signature, Vec::new())
    }

    /// What is said where the dialect does not tell how its requests are taken in.
    fn one_way(&self) -> String {
        format!("{} has no table [inbound]", self.dialect.id())
    }

    /// Headers of the answer to a handshake, and whether its secret was adopted; absent if the request is none.
    ///
    /// A sender that makes the secret itself hands it over in the handshake. The first one is believed, as a receiver
    /// must; a receiver that has a secret takes no other.
    pub(super) fn welcome(
        &mut self,
        method: &str,
        request: Message<'_>,
    ) -> Option<(Vec<(String, String)>, bool)> {
        let known = std::iter::once(&self.bare).chain(&self.recipients);
        let welcome = |recipient: &Recipient| self.dialect.welcome(recipient, method, request);
        if let Some(headers) = known.into_iter().find_map(welcome) {
            return Some((headers, false));
        }
        let offered = self.offered(request).filter(|_| !self.has_secret())?;
        let headers = welcome(&self.knowing(offered.clone()))?;
        self.trust(offered);
        Some((headers, true))
    }

    /// The secret that a request hands over where the dialect's own probe would.
    fn offered(&self, request: Message<'_>) -> Option<Secret> {
        let stand_in = self.dialect.secret(None, [0; 32]).ok()??;
        let probe = self.dialect.probe(&self.knowing(stand_in.clone()))?;
        let (place, _) = probe.headers.iter().find(|(_, value)| *value == stand_in.expose())?;
        let (_, given) = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(place))?;
        self.dialect.secret(Some(given.trim()), [0; 32]).ok()?
    }

    /// The event that a request tells of, the sender's id of it as idempotency key; or which field is wrong and why.
    pub(super) fn read(&self, request: Message<'_>) -> std::result::Result<NewEvent, String> {
        let mut event = self.dialect.receive(request, SOURCE).map_err(|error| reason(&error))?;
        event.idempotency_key = event.idempotency_key.map(|key| without_source(&key).to_owned());
        Ok(event)
    }

    /// The sender's id of what a request tells of, also if it does not say what has happened: some name the event's
    /// type in the URL or nowhere.
    pub(super) fn id(&self, request: Message<'_>) -> Option<String> {
        let stand_in = ("type".to_owned(), "unnamed".to_owned());
        let query: Vec<_> = request.query.iter().cloned().chain([stand_in]).collect();
        self.read(Message { query: &query, ..request }).ok()?.idempotency_key
    }

    /// The id by which this receiver will know an event.
    pub(in crate::cli) fn id_of(&self, event: &Event) -> Result<String> {
        let body = self.dialect.body(event, self.bare.params())?;
        let headers = self.dialect.headers(event, &body, &self.bare, event.published_at).to_pairs();
        let request = Message { headers: &headers, body: &body, ..Message::default() };
        self.id(request).ok_or_else(|| Error::field("dialect", "cannot read what it writes"))
    }
}

fn without_source(key: &str) -> &str {
    key.strip_prefix(SOURCE).and_then(|key| key.strip_prefix(':')).unwrap_or(key)
}

/// The header or field at fault, and what is wrong with it.
fn reason(error: &Error) -> String {
    match error.field_errors() {
        [only] => format!("{} {}", only.field, only.message),
        _ => error.to_string(),
    }
}
