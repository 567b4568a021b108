//! The way back: how a request of the system becomes an event, the table `[inbound]` of a dialect's file.

use std::{borrow::Cow, collections::BTreeMap};

use base64::Engine as _;

use super::{
    Dialect,
    condition::When,
    context::{Context, Message, Params},
    expression::Expression,
    file::{Fault, Section, Value as Written},
    params::{self, Param},
    part::{Part, Roots},
    rule::{Headers, ProbeMethod, probe_method},
    template::Template,
    value::Value,
};
use crate::{
    Timestamp,
    error::{Error, Result},
    event::{Actor, ActorId, EventType, NewEvent, Resource},
    limits,
    secret::BASE64,
    signature::sha256,
};

/// What a request is made of.
const REQUEST: Roots = Roots::MESSAGE.and(Roots::QUERY).and(Roots::BODY);
/// What may go into an answer to it.
const ANSWER: Roots = REQUEST.and(Roots::SECRET).and(Roots::PARAMS);
/// What tells a probe from other requests, and may go into the answer: it is answered before a body is read.
const PROBE: Roots = Roots::MESSAGE.and(Roots::QUERY).and(Roots::SECRET).and(Roots::PARAMS);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    /// The sender's own id of the message.
    pub(super) id: Expression,
    /// When the sender signed it.
    pub(super) timestamp: Option<Expression>,
    /// What the request must be like to come from somebody who knows the secret, where nothing is signed.
    pub(super) verify: Option<When>,
    /// The first one whose conditions hold and whose parts are there.
    pub(super) event_type: Vec<(When, Expression)>,
    /// The first one that is there.
    data: Vec<Template>,
    occurred_at: Option<Part>,
    actor_kind: Option<Expression>,
    actor_id: Option<Part>,
    actor_name: Option<Expression>,
    resource_type: Option<Expression>,
    resource_id: Option<Expression>,
    /// Headers of the answer.
    pub(super) reply: Headers,
    pub(super) handshake: Option<Welcome>,
}

/// How a probe is answered.
#[derive(Clone, Debug)]
pub(super) struct Welcome {
    pub(super) method: ProbeMethod,
    pub(super) when: When,
    pub(super) reply: Headers,
}

impl Inbound {
    pub(super) fn read(root: &mut Section<'_, '_>) -> Option<Self> {
        let mut section = root.section("inbound")?;
        let id = section.required("id").and_then(|id| id.compile(|text| Expression::parse(text, REQUEST)));
        let event_type = section.value("type");
        let data = section.texts("data");
        if event_type.is_none() {
            section.wrong("type", "is missing; say where the event's type stands");
        }
        if id.as_ref().is_some_and(|id| id.parts().next().is_none()) {
            section.wrong("id", "is the same for every request, so the second would be taken for the first again; name a part, like `$body.id`, or `$body:sha256`");
        }
        if data.is_empty() && section.is_sound("data") {
            section.wrong("data", "is missing; say where the payload stands, `$body` for all of the body");
        }
        let expression = |section: &mut Section<'_, '_>, key| {
            section.text(key)?.compile(|text| Expression::parse(text, REQUEST))
        };
        let part = |section: &mut Section<'_, '_>, key| {
            section.text(key)?.compile(|text| Part::alone(text, REQUEST))
        };
        let timestamp = expression(&mut section, "timestamp");
        let verify = section.section("verify").map(|verify| When::read(verify, ANSWER));
        if verify.as_ref().is_some_and(|verify| !verify.proves_the_sender()) && section.is_sound("verify") {
            section.wrong(
                "verify",
                "does not ask for the secret, so anybody could pass; let a part of the request be equal to \"$secret\", \
                 and to nothing else, as in { \"$header.x-secret\" = \"$secret\" }; or take it out, and senders must \
                 bring an API token",
            );
        }
        let occurred_at = part(&mut section, "occurred_at");
        let (mut actor, mut resource) = (section.section("actor"), section.section("resource"));
        let of = |section: &mut Option<Section<'_, '_>>, key| expression(section.as_mut()?, key);
        let due = |section: &mut Option<Section<'_, '_>>, key| {
            section.as_mut()?.required(key)?.compile(|text| Expression::parse(text, REQUEST))
        };
        let actor_kind = due(&mut actor, "kind");
        let actor_id = actor.as_mut().and_then(|actor| part(actor, "id"));
        let actor_name = of(&mut actor, "name");
        let (resource_type, resource_id) = (due(&mut resource, "type"), due(&mut resource, "id"));
        actor.into_iter().chain(resource).for_each(Section::finish);
        let reply = section.section("reply").map(|reply| Headers::read(reply, ANSWER)).unwrap_or_default();
        let handshake = section.section("handshake").and_then(Welcome::read);
        section.finish();
        let event_type = event_type.map(types);
        let data = data.iter().filter_map(|text| text.compile(|text| Template::compile(text, REQUEST)));
        Some(Self {
            data: data.collect(),
            id: id?,
            timestamp,
            verify,
            event_type: event_type?,
            occurred_at,
            actor_kind,
            actor_id,
            actor_name,
            resource_type,
            resource_id,
            reply,
            handshake,
        })
    }

    /// The sender's id and time of a request, as it wrote them.
    pub(super) fn signed_parts<'a>(
        &'a self,
        message: Message<'a>,
    ) -> (Option<Cow<'a, str>>, Option<Cow<'a, str>>) {
        let context = Context { message: Some(message), ..Context::default() };
        (self.id.text(&context), self.timestamp.as_ref().and_then(|timestamp| timestamp.text(&context)))
    }

    /// The event that a request tells of. The error names what of the request is missing or wrong.
    pub(super) fn event(&self, message: Message<'_>, source: &str) -> Result<NewEvent> {
        let context = Context { message: Some(message), ..Context::default() };
        serde_json::from_slice::<&serde_json::value::RawValue>(message.body)
            .map_err(|error| Error::field("body", format!("is not valid JSON: {error}")))?;
        let mut data = Vec::new();
        if !self.data.iter().any(|template| template.write(&context, &mut data)) {
            return Err(Error::field("body", "holds no payload where this dialect has it"));
        }
        let mut event = NewEvent::new(self.event_type(&context)?.as_str(), data)?;
        event.occurred_at = self.occurred_at(&context)?;
        event.actor = self.actor(&context);
        event.resource = self.resource(&context);
        event.idempotency_key = Some(self.key(&context, source)?);
        event.check()?;
        Ok(event)
    }

    fn event_type(&self, context: &Context<'_>) -> Result<EventType> {
        let holding = self.event_type.iter().filter(|(when, _)| when.holds(context));
        let named = holding.filter_map(|(_, name)| told(name, context)).next();
        let named = named.ok_or_else(|| {
            let mut parts = self.event_type.iter().flat_map(|(_, name)| name.parts());
            let of_the_url = parts.find_map(|part| part.field().strip_prefix("query."));
            Error::field(
                "body",
                match of_the_url {
                    Some(name) => {
                        format!("tells no event type; name it in the URL that the sender calls: ?{name}=…")
                    }
                    None => "tells no event type that this dialect knows".to_owned(),
                },
            )
        })?;
        EventType::new(&named)
    }

    fn occurred_at(&self, context: &Context<'_>) -> Result<Option<Timestamp>> {
        let Some(part) = &self.occurred_at else { return Ok(None) };
        let Some(value) = part.value(context).filter(|value| !is_null(value)) else { return Ok(None) };
        let text = value.into_text();
        let at = match text.parse::<i64>() {
            Ok(millis) => Timestamp::from_millis(millis),
            Err(_) => Timestamp::parse(&text).map_err(|_| {
                let message =
                    format!("`{}` is not a time in RFC 3339, nor milliseconds", limits::shorten(&text));
                Error::field(part.field(), message)
            })?,
        };
        Ok(Some(at))
    }

    fn actor(&self, context: &Context<'_>) -> Option<Actor> {
        let text = |of: &Option<Expression>| Some(told(of.as_ref()?, context)?.into_owned());
        let id = self.actor_id.as_ref().and_then(|part| part.value(context)).filter(|value| !is_null(value));
        let id = id.map(|value| match value {
            // A number stays a number, and text stays text.
            Value::Json(json) => match json.parse() {
                Ok(number) => ActorId::Integer(number),
                Err(_) => ActorId::Text(Value::Json(json).into_text().into_owned()),
            },
            value => ActorId::Text(value.into_text().into_owned()),
        });
        Some(Actor { kind: text(&self.actor_kind)?, id, name: text(&self.actor_name) })
    }

    fn resource(&self, context: &Context<'_>) -> Option<Resource> {
        let text = |of: &Option<Expression>| Some(told(of.as_ref()?, context)?.into_owned());
        Some(Resource { kind: text(&self.resource_type)?, id: text(&self.resource_id)? })
    }

    /// The idempotency key: the sender's id, within the source. One that is too long is hashed.
    fn key(&self, context: &Context<'_>, source: &str) -> Result<String> {
        let id = told(&self.id, context).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| {
            let names: Vec<_> = self.id.parts().map(Part::field).collect();
            Error::field(names.join(", "), "is missing; it tells a repeated request from a new one")
        })?;
        let key = format!("{source}:{id}");
        if key.len() <= limits::IDEMPOTENCY_KEY_BYTES_MAX {
            return Ok(key);
        }
        Ok(format!("{source}:sha256:{}", BASE64.encode(sha256(id.as_bytes()))))
    }

    /// The parts that may stand for parameters.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        let welcome = self.handshake.iter().flat_map(|it| it.when.parts().chain(it.reply.parts()));
        self.verify.iter().flat_map(When::parts).chain(self.reply.parts()).chain(welcome)
    }

    /// Headers of the answer to a request.
    pub(super) fn reply(
        &self,
        message: Message<'_>,
        secret: Option<&str>,
        params: &Params,
    ) -> Vec<(String, String)> {
        rendered(&self.reply, message, secret, params)
    }

    /// Headers of the answer to a probe; absent if the request is none.
    pub(super) fn welcome(
        &self,
        method: &str,
        message: Message<'_>,
        secret: Option<&str>,
        params: &Params,
    ) -> Option<Vec<(String, String)>> {
        let welcome = self.handshake.as_ref()?;
        let meant = match welcome.method {
            ProbeMethod::Options => method == "OPTIONS",
            ProbeMethod::Post => method == "POST",
        };
        let context = Context { message: Some(message), secret, params: Some(params), ..Context::default() };
        (meant && welcome.when.holds(&context)).then(|| rendered(&welcome.reply, message, secret, params))
    }
}

impl Dialect {
    /// Checks the parameters of a source as [`Dialect::check_params`] does those of an endpoint, save that only those
    /// that the way in makes use of must be given.
    pub fn check_source_params(&self, given: &BTreeMap<String, String>) -> Result<()> {
        let used = |param: &Param| {
            let mut parts = self.inbound.iter().flat_map(Inbound::parts);
            parts.any(|part| part.param() == Some(&*param.name))
        };
        let asked = self.params.iter().cloned().map(|mut param| {
            if !used(&param) {
                param.default.get_or_insert_default();
            }
            param
        });
        params::check(&asked.collect::<Vec<_>>(), given, &self.id)
    }
}

/// The text of what a request tells. To most senders `null` is the same as nothing, and one for all would be no id.
fn told<'a>(expression: &'a Expression, context: &Context<'a>) -> Option<Cow<'a, str>> {
    let text = expression.text(context)?;
    let has_null = || expression.parts().any(|part| part.value(context).is_some_and(|value| is_null(&value)));
    // Looked for only where it can be: each look reads the whole body.
    (!text.contains("null") || !has_null()).then_some(text)
}

fn is_null(value: &Value<'_>) -> bool {
    *value == Value::Json("null")
}

fn rendered(
    headers: &Headers,
    message: Message<'_>,
    secret: Option<&str>,
    params: &Params,
) -> Vec<(String, String)> {
    let context = Context { message: Some(message), secret, params: Some(params), ..Context::default() };
    let sound = headers.render(&context).filter(|(_, value)| super::header::is_value(value));
    sound.map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
}

/// All ways to tell the type, in the order in which they are tried.
fn types(value: Written<'_, '_>) -> Vec<(When, Expression)> {
    if value.value.as_array().is_some_and(|items| items.is_empty()) {
        value.wrong("is an empty list; say where the event's type stands");
    }
    value.items().filter_map(type_of).collect()
}

/// An expression that comes to an event type, as far as can be told without a request.
fn type_name(text: &str) -> std::result::Result<Expression, Fault> {
    let name = Expression::parse(text, REQUEST)?;
    match name.constant().map(EventType::new) {
        Some(Err(error)) => Err(Fault::new(0, error.message())),
        _ => Ok(name),
    }
}

/// One way to tell the type: an expression, or `{ when = …, is = … }`.
fn type_of(value: Written<'_, '_>) -> Option<(When, Expression)> {
    if !value.value.is_table() {
        return Some((When::default(), value.text()?.compile(type_name)?));
    }
    let mut section = value.section()?;
    let when = section.section("when").map(|when| When::read(when, REQUEST)).unwrap_or_default();
    let is = section.required("is");
    section.finish();
    Some((when, is?.compile(type_name)?))
}

impl Welcome {
    fn read(mut section: Section<'_, '_>) -> Option<Self> {
        let method = section.required("method");
        let when = section.section("when").map(|when| When::read(when, PROBE)).unwrap_or_default();
        let reply = section.section("reply").map(|reply| Headers::read(reply, PROBE)).unwrap_or_default();
        if !when.proves_the_sender() && reply.parts().any(Part::is_of_the_secret) && section.is_sound("when")
        {
            section.wrong(
                "reply",
                "hands the secret to whoever asks; let `when` ask for it: { \"$header.x-secret\" = \"$secret\" }",
            );
        }
        section.finish();
        Some(Self { method: probe_method(&method?)?, when, reply })
    }
}
