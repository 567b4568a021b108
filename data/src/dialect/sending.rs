//! What a dialect makes of an event on its way out, and of the answers that come back.

use bytes::Bytes;

use super::{
    Dialect, Recipient,
    context::{Context, EventParts, Message, Params},
    header,
    lines::HeaderLines,
    part::Part,
    rule::{Probe, Rule, Ruling},
    signing::Signature,
};
use crate::{
    Timestamp,
    error::{Error, FieldError, Result},
    event::{Event, EventType, NewEvent, Tenant},
    limits,
    trace_context::{TRACEPARENT, TRACESTATE, TraceContext},
};

impl Dialect {
    /// Whether there are events that [`Dialect::express`] refuses.
    pub fn may_refuse(&self) -> bool {
        let mut signed = self.signature.iter().flat_map(|signature| signature.content.parts());
        self.bodies.may_refuse()
            || self.vocabulary.is_selective()
            || self.headers.parts().any(|part| !part.is_always_sound())
            || signed.any(Part::may_be_absent)
    }

    /// Whether an endpoint could subscribe to events of a type, by name or by pattern.
    pub fn can_be_sent(&self, event_type: &EventType) -> bool {
        self.vocabulary.can_be_subscribed_to(event_type.as_str()) && self.vocabulary.has(event_type.as_str())
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
        self.bodies.check(&context)?;
        self.check_headers(&context)?;
        self.signature.as_ref().map_or(Ok(()), |signature| self.check_signed(signature, context))
    }

    /// Whether what the event has in headers can stand there. What the endpoint has was checked when it was given.
    fn check_headers(&self, context: &Context<'_>) -> Result<()> {
        let bytes_max = limits::HEADER_VALUE_BYTES_MAX;
        let unsound = |value: &str| value.len() > bytes_max || !header::is_value(value);
        for (name, _) in self.headers.render(context).filter(|(_, value)| unsound(value)) {
            let message = format!(
                "cannot stand in the header {name}; send at most {bytes_max} bytes of visible ASCII without spaces at \
                 the ends"
            );
            let published = self.headers.parts_of(name).filter(|part| !part.is_always_sound());
            let wrong =
                published.map(|part| FieldError { field: part.field().into(), message: message.clone() });
            let wrong: Vec<_> = wrong.collect();
            if !wrong.is_empty() {
                return Err(Error::fields(wrong));
            }
        }
        Ok(())
    }

    /// Whether all is there that the signature covers.
    fn check_signed(&self, signature: &Signature, context: Context<'_>) -> Result<()> {
        let body = match signature.content.parts().any(Part::is_within_a_body) {
            true => self.bodies.render(&context)?,
            false => Bytes::new(),
        };
        let message = Some(Message { body: &body, ..Message::default() });
        let signed = Context { message, sent_at: Some(Timestamp::default()), ..context };
        match signature.lacks(&signed) {
            Some(part) => Err(Error::field(part.field(), "is missing, and the signature covers it")),
            None => Ok(()),
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
    pub fn headers(&self, event: &Event, body: &[u8], recipient: &Recipient, at: Timestamp) -> HeaderLines {
        let message = Some(Message { body, ..Message::default() });
        let context = Context {
            event: Some(event.into()),
            params: Some(&recipient.params),
            secret: recipient.secret_at(at),
            sent_at: Some(at),
            message,
            received: None,
        };
        let mut lines = HeaderLines::with_room();
        self.headers.write(&context, &mut lines);
        if let Some(signature) = &self.signature {
            lines.add_with(&signature.header, |line| signature.write(&recipient.keys, &context, line));
        }
        if self.trace_context
            && let Some(TraceContext { parent, state }) = TraceContext::of(&event.content.tags)
        {
            lines.add(TRACEPARENT, parent);
            state.iter().for_each(|state| lines.add(TRACESTATE, state));
        }
        lines
    }

    /// What an answer means to this dialect; absent if it is to be judged as for every other: 2xx delivers, 410
    /// disables, anything else is retried.
    ///
    /// The attempt was made at a time. No endpoint is disabled for another secret than was sent, if that one was in force.
    pub fn acknowledge(
        &self,
        recipient: &Recipient,
        answer: Message<'_>,
        sent_at: Timestamp,
    ) -> Option<&Ruling> {
        let knowing = |secret| {
            let context = Context { secret, ..recipient.context(answer) };
            self.acknowledgement.iter().find(|rule| rule.when.holds(&context)).map(|rule| &rule.ruling)
        };
        let disables = |ruling: &Option<&Ruling>| matches!(ruling, Some(Ruling::Disable { .. }));
        let by_the_sent = knowing(recipient.secret_at(sent_at));
        if !disables(&by_the_sent) {
            return by_the_sent;
        }
        let mut by_others = recipient.secrets_at(sent_at).map(|secret| knowing(Some(secret)));
        by_others.find(|ruling| !disables(ruling)).unwrap_or(by_the_sent)
    }

    /// Whether an answer can disable such an endpoint by a rule of the dialect: it is then called once at a time, so
    /// that one wrong answer is all it takes.
    pub fn may_disable(&self, recipient: &Recipient) -> bool {
        // Without a secret, a rule that compares with it never holds.
        let can_hold =
            |rule: &Rule| recipient.secret.is_some() || !rule.when.parts().any(Part::is_of_the_secret);
        let disables = |rule: &&Rule| matches!(rule.ruling, Ruling::Disable { .. });
        self.acknowledgement.iter().filter(disables).any(can_hold)
    }

    /// The headers of an answer to a delivery, in lower case, on which its judgement depends.
    pub fn judged_headers(&self) -> impl Iterator<Item = &str> {
        self.acknowledgement.iter().flat_map(|rule| rule.when.parts()).filter_map(Part::header)
    }

    /// How a receiver is asked whether it wants deliveries; absent if it is not.
    pub fn probe(&self, recipient: &Recipient) -> Option<Probe> {
        let handshake = self.handshake.as_ref()?;
        let context = recipient.context(Message::default());
        let mut headers = HeaderLines::default();
        handshake.headers.write(&context, &mut headers);
        Some(Probe {
            method: handshake.method,
            headers,
            judged_headers: handshake.accept.parts().filter_map(Part::header).map(Into::into).collect(),
            hint: handshake.hint.clone(),
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
}
