//! The way in: what a request to a source must show, and the event that it becomes.

use std::{fmt, sync::Arc};

use casewire_actors::{Tree, clock};
use casewire_data::{
    Error, ErrorKind, Result,
    dialect::{Dialect, Message, Recipient},
    event::EventType,
    source::InboundSource,
    trace_context::{TRACEPARENT, TRACESTATE, TraceContext},
};
use url::form_urlencoded;

use crate::publisher::{Publisher, Receipt};

/// A request to a source, as the host's web server read it.
#[derive(Clone, Copy, Default)]
pub struct InboundRequest<'a> {
    /// Its method: `POST`, or `OPTIONS` of a sender that asks first.
    pub method: &'a str,
    /// What follows the question mark in its target, as it was sent.
    pub query: &'a str,
    /// Header names, in any case, and values.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// What became of a request to a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Reception {
    /// Headers for the answer, whatever the outcome is; some senders give up on a receiver that leaves them out.
    pub headers: Vec<(String, String)>,
    /// The event that it became: 202. `None` for a sender that only asked whether it is welcome: 200.
    pub outcome: Result<Option<Receipt>>,
}

// Headers may hold the secret that the sender wants back.
impl fmt::Debug for Reception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reception").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// Names and values of a query.
pub(crate) fn decoded(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A source that a request is for, and what its dialect must know of it.
pub(crate) struct Entrance {
    tree: Tree,
    source: Arc<InboundSource>,
    dialect: Arc<Dialect>,
    recipient: Recipient,
}

impl Entrance {
    /// Absent if the source's dialect is gone.
    pub(crate) fn new(tree: Tree, source: Arc<InboundSource>) -> Option<Self> {
        let dialect = tree.config.dialects.get(&source.dialect).ok().filter(|dialect| dialect.is_inbound());
        let Some(dialect) = dialect else {
            tracing::error!(source = %source.id, dialect = source.dialect, "there is no such way in any more");
            return None;
        };
        let recipient = dialect.recipient(&source.params, &source.secrets);
        Some(Self { tree, source, dialect, recipient })
    }

    pub(crate) fn source(&self) -> &InboundSource {
        &self.source
    }

    /// Whether a request proves by itself who sent it. If not, whoever takes it in must know by other means.
    pub(crate) fn proves_its_sender(&self) -> bool {
        self.dialect.proves_its_sender() && !self.source.secrets.is_empty()
    }

    /// Headers of the answer to a sender that asks whether it is welcome; absent if the request is something else.
    pub(crate) fn welcome(&self, method: &str, request: Message<'_>) -> Option<Vec<(String, String)>> {
        self.dialect.welcome(&self.recipient, method, request)
    }

    /// Whether the request comes from somebody who knows the secret. The error is for the sender and tells a forger
    /// nothing; the log knows more.
    pub(crate) fn verify(&self, request: Message<'_>) -> Result<()> {
        if !self.proves_its_sender() {
            return Ok(());
        }
        self.dialect.verify(&self.recipient, request, clock::wall()).map_err(|why| {
            tracing::debug!(source = %self.source.id, %why, "a request proves nothing");
            Error::new(ErrorKind::Unproven, "the request does not prove who sent it; check secret and clock")
        })
    }

    /// Headers that the sender of a proven request waits for, whatever comes of it.
    pub(crate) fn reply(&self, request: Message<'_>) -> Vec<(String, String)> {
        self.dialect.reply(&self.recipient, request)
    }

    /// Publishes what a proven request tells of, once however often it comes.
    pub(crate) async fn publish(&self, request: Message<'_>) -> Result<(EventType, Receipt)> {
        // The id, not the name, which another source may get when this one is gone.
        let mut event = self.dialect.receive(request, &self.source.id.to_string())?;
        let values = |wanted: &'static str| {
            let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value.as_str())
        };
        if let Some(context) = TraceContext::of_headers(values(TRACEPARENT), values(TRACESTATE)) {
            context.put_into(&mut event);
        }
        let event_type = event.event_type.clone();
        let publisher = Publisher::new(self.tree.clone(), self.source.tenant.clone());
        Ok((event_type, publisher.publish_event(event).await?))
    }

    /// The whole way of one request.
    pub(crate) async fn receive(&self, request: InboundRequest<'_>) -> Reception {
        let query = decoded(request.query);
        let message = Message { status: None, headers: request.headers, query: &query, body: request.body };
        if let Some(headers) = self.welcome(request.method, message) {
            return Reception { headers, outcome: Ok(None) };
        }
        if let Err(error) = self.verify(message) {
            return Reception { headers: Vec::new(), outcome: Err(error) };
        }
        let published = self.publish(message).await;
        Reception { headers: self.reply(message), outcome: published.map(|(_, receipt)| Some(receipt)) }
    }
}
