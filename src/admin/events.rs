//! Events: published one by one or in a batch, and looked up.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    Timestamp,
    event::{Actor, ActorId, EventType, NewEvent, Resource},
    limits,
    token::Scope,
    trace_context::{TRACEPARENT, TRACESTATE, TraceContext},
};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused, wrong},
    operation::{Operation, Success},
    page,
    parameter::{self, Parameter},
    path_id,
    problem::Problem,
    query::Query,
    schema::{self, Object},
    views::{ErasedView, EventView, ReceiptView},
};
use crate::tenant::EventQuery;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/events", "listEvents", |route| route.to(list))
            .about(
                "Events, newest first, without their payloads",
                "A page may have fewer items than asked for, or none, and a `next_cursor` all the same: go on until \
                 there is none.",
            )
            .scope(Scope::DeliveriesRead)
            .with([
                parameter::TYPE,
                Parameter::query("resource", parameter::resource, "About this resource: its type and its id."),
                parameter::SINCE,
                parameter::UNTIL,
                parameter::LIMIT,
                parameter::CURSOR,
            ])
            .answers(Success::page::<EventView<'_>>(200))
            .command("events list"),
        Operation::post("/events", "publishEvent", |route| route.to(publish))
            .about(
                "Publishes an event",
                "Answers when the event and the endpoints that it matched are durable. With an `idempotency_key` that \
                 was used in the last 24 hours it answers with the first event, or with 409 if that one was another.",
            )
            .scope(Scope::EventsPublish)
            .takes(draft)
            .answers(Success::one::<ReceiptView<'_>>(202))
            .problems(&[409])
            .command("publish"),
        Operation::delete("/events", "eraseEvents", |route| route.to(erase))
            .about(
                "Erases the content of all events about a resource",
                "Payloads, actors, tags, and what receivers answered; the records stay without it, and deliveries that \
                 wait are cancelled. There is no way back.",
            )
            .scope(Scope::Admin)
            .with([Parameter::query("resource", parameter::resource, "The resource: its type and its id.").needed()])
            .answers(Success::one::<ErasedView>(200).about("Erased; or `no_events`: there is none about this resource."))
            .answers(Success::one::<ErasedView>(202).about("Nobody is shown it; the files still hold some of it."))
            .command("events erase"),
        Operation::post("/events/batch", "publishEvents", |route| route.to(publish_batch))
            .about("Publishes up to 1,000 events, all or none", "In one durable write; answered in order.")
            .scope(Scope::EventsPublish)
            .takes_many("events", draft)
            .answers(Success::list::<ReceiptView<'_>>(202))
            .problems(&[409])
            .command("publish"),
        Operation::get("/events/{id}", "getEvent", |route| route.to(show))
            .about("One event", "Its `data` is shown to tokens with the scope `payload:read` only.")
            .scope(Scope::DeliveriesRead)
            .with([parameter::EVENT])
            .answers(Success::one::<EventView<'_>>(200))
            .command("events show"),
    ]
}

/// POST /events: answers when the event and its list of endpoints are durable.
pub(super) async fn publish(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EventsPublish)?;
    let mut event: NewEvent = fields::read_body(&body::read(&request, payload).await?)?;
    carry_trace(&request, [&mut event]);
    let event_type = event.event_type.clone();
    let receipt = caller.tenant().publish(event).await?;
    Ok(answer::one(StatusCode::ACCEPTED, &ReceiptView::new(&receipt, event_type.as_str())))
}

/// POST /events/batch: all or nothing, answered in order.
pub(super) async fn publish_batch(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EventsPublish)?;
    let Batch(mut events) = fields::read_body(&body::read(&request, payload).await?)?;
    carry_trace(&request, &mut events);
    let types: Vec<_> = events.iter().map(|event| event.event_type.clone()).collect();
    let receipts = caller.tenant().publish_batch(events).await?;
    let views: Vec<_> =
        receipts.iter().zip(&types).map(|(receipt, name)| ReceiptView::new(receipt, name.as_str())).collect();
    Ok(answer::list(StatusCode::ACCEPTED, &views, None))
}

/// GET /events: newest first, without payloads.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let mut query = Query::of(&request);
    let (event_type, resource) = (query.event_type(), query.resource());
    let (since, until) = query.window();
    let (limit, after) = query.page();
    query.finish()?;
    let wanted = EventQuery { event_type, resource, since, until };
    let page = caller.tenant().events(wanted, after, limit).await?;
    let views: Vec<_> =
        page.items.iter().map(|event| EventView::new(event, false)).collect::<Result<_, _>>()?;
    Ok(answer::list(StatusCode::OK, &views, page.next.map(|id| page::cursor(&id))))
}

/// DELETE /events: erases the content of all events about a resource, which must be named. 202 while the files still hold
/// some of what nobody is shown any more.
pub(super) async fn erase(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let mut query = Query::of(&request);
    let resource = query.resource();
    query.require("resource", resource.is_some());
    query.finish()?;
    let resource = resource.ok_or_else(Problem::not_found)?;
    let erased = caller.tenant().erase(resource.clone()).await?;
    let status = if erased.events.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer::one(status, &ErasedView::new(&resource, erased)))
}

/// GET /events/{id}
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let event = caller.tenant().event(path_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &EventView::new(&event, caller.allows(Scope::PayloadRead))?))
}

/// Has events carry the trace context of the request that publishes them.
fn carry_trace<'a>(request: &HttpRequest, events: impl IntoIterator<Item = &'a mut NewEvent>) {
    let values = |name| request.headers().get_all(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(context) = TraceContext::of_headers(values(TRACEPARENT), values(TRACESTATE)) {
        events.into_iter().for_each(|event| context.put_into(event));
    }
}

/// A batch, as a bare array or as `{"events":[…]}`.
struct Batch(Vec<NewEvent>);

impl<'a> Read<'a> for Batch {
    fn read(raw: &'a RawValue) -> Result<Self, Wrong> {
        let bare = raw.get().starts_with('[');
        let events: BatchEvents = if bare {
            Read::read(raw)?
        } else {
            let mut fields = Fields::of(raw)?;
            let events = fields.required("events");
            fields.finish()?;
            events.expect("`finish` tells of a required field that is missing")
        };
        Ok(Self(events.0))
    }
}

struct BatchEvents(Vec<NewEvent>);

impl<'a> Read<'a> for BatchEvents {
    fn read(raw: &'a RawValue) -> Result<Self, Wrong> {
        // The count first, so that a batch of millions costs no more than being counted.
        let count = <Vec<&RawValue>>::read(raw)?.len();
        if !(1..=limits::BATCH_EVENTS_MAX).contains(&count) {
            return Err(wrong(format!("has {count} events; send 1 to {} at once", limits::BATCH_EVENTS_MAX)));
        }
        Read::read(raw).map(Self)
    }
}

fn draft() -> Object {
    let label = || schema::some_text(limits::LABEL_BYTES_MAX);
    let actor = Object::new("Actor")
        .required(
            "kind",
            label(),
            "`ui` for a person at a screen, `api` for a program, or a word of your own.",
        )
        .optional("id", schema::text_or_whole(), "Its id in your system.")
        .optional("name", label(), "For people to read.");
    let resource = Object::new("Resource").required("type", label(), "A noun: `case`, `people`.").required(
        "id",
        label(),
        "Its id in your system.",
    );
    let key = schema::some_text(limits::IDEMPOTENCY_KEY_BYTES_MAX);
    Object::new("EventDraft")
        .example(json!({ "type": "cases.created", "data": { "id": "C-1" }, "resource": { "type": "case", "id": "C-1" } }))
        .required("type", schema::event_type(), "Dotted words, the general ones first.")
        .required("data", schema::anything(), "The payload, which is passed on byte for byte.")
        .optional("idempotency_key", key, "The same key within 24 hours publishes once.")
        .optional("occurred_at", schema::time(), "When it came about; now if absent.")
        .optional("actor", actor.schema(), "Who brought it about.")
        .optional(
            "resource",
            resource.schema(),
            "What it is about. Events of one resource can be kept in order.",
        )
        .optional("agency", label(), "The agency that it belongs to, by which endpoints can choose.")
        .optional("tags", schema::tags(), "Names and values of your own.")
}

impl<'a> Read<'a> for NewEvent {
    fn read(raw: &'a RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let event_type = fields.required("type");
        let data: Option<&RawValue> = fields.required("data");
        let occurred_at = fields.optional("occurred_at");
        let actor = fields.optional("actor");
        let resource = fields.optional("resource");
        let agency = fields.optional("agency");
        let tags = fields.optional("tags").unwrap_or_default();
        let idempotency_key = fields.optional("idempotency_key");
        fields.finish()?;

        let event = Self {
            event_type: event_type.expect("`finish` tells of a required field that is missing"),
            // A copy, or each event of a batch would keep the whole body in memory until it is durable.
            data: data.expect("as above").get().to_owned().into(),
            occurred_at,
            actor,
            resource,
            agency,
            tags,
            idempotency_key,
        };
        event.check().map_err(|error| error.field_errors().to_vec())?;
        Ok(event)
    }
}

impl Read<'_> for EventType {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        Self::new(&String::read(raw)?).map_err(refused)
    }
}

impl Read<'_> for Timestamp {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let text = String::read(raw)?;
        Self::parse(&text).map_err(|_| {
            wrong(format!("`{}` is not RFC 3339; write it like 2026-04-29T09:10:00Z", limits::shorten(&text)))
        })
    }
}

impl Read<'_> for Actor {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let actor = Self {
            kind: fields.required("kind").unwrap_or_default(),
            id: fields.optional("id"),
            name: fields.optional("name"),
        };
        fields.finish().map(|()| actor)
    }
}

impl Read<'_> for ActorId {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        match raw.get().as_bytes() {
            [b'"', ..] => String::read(raw).map(Self::Text),
            [b'-' | b'0'..=b'9', ..] => i64::read(raw).map(Self::Integer),
            _ => Err(wrong("is neither text nor a number; send a string or a whole number")),
        }
    }
}

impl Read<'_> for Resource {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let resource = Self {
            kind: fields.required("type").unwrap_or_default(),
            id: fields.required("id").unwrap_or_default(),
        };
        fields.finish().map(|()| resource)
    }
}
