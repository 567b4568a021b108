//! What a dialect makes of a request that comes in.

use super::{Dialect, Recipient, context::Message, inbound::Inbound};
use crate::{
    Timestamp,
    error::{Error, Result},
    event::NewEvent,
};

impl Dialect {
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
