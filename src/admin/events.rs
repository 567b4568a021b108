//! Events: published one by one or in a batch, and looked up.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    Timestamp,
    event::{Actor, ActorId, EventType, NewEvent, Resource},
    limits,
    token::Scope,
    trace_context::{TRACEPARENT, TRACESTATE, TraceContext},
};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused, wrong},
    page, path_id,
    problem::Problem,
    query::Query,
    views::{ErasedView, EventView, ReceiptView},
};
use crate::tenant::EventQuery;

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
