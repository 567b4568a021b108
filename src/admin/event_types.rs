//! The catalogue: which event types there are.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{catalogue::TypeDraft, event::EventType, token::Scope};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    operation::{Operation, Success},
    page, parameter,
    problem::Problem,
    query::Query,
    schema::{self, Object},
    views::EventTypeView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/event-types", "listEventTypes", |route| route.to(list))
            .about("The catalogue, by name", "What is registered, and what comes with the dialects in use.")
            .scope(Scope::EndpointsRead)
            .with([parameter::LIMIT, parameter::CURSOR])
            .answers(Success::page::<EventTypeView<'_>>(200))
            .command("event-types list"),
        Operation::get("/event-types/{type}", "getEventType", |route| route.to(show))
            .about("One event type", "")
            .scope(Scope::EndpointsRead)
            .with([parameter::EVENT_TYPE])
            .answers(Success::one::<EventTypeView<'_>>(200))
            .command("event-types show"),
        Operation::put("/event-types/{type}", "putEventType", |route| route.to(put))
            .about(
                "Registers an event type, or replaces it as a whole",
                "With a schema, what is published of the type must fit it. A schema that does not fit the type's \
                 samples is refused with 409 unless it is forced.",
            )
            .scope(Scope::EndpointsWrite)
            .with([parameter::EVENT_TYPE, parameter::FORCE])
            .takes(draft)
            .answers(Success::one::<EventTypeView<'_>>(200).about("Replaced."))
            .answers(Success::one::<EventTypeView<'_>>(201))
            .problems(&[409])
            .command("event-types set"),
        Operation::delete("/event-types/{type}", "deleteEventType", |route| route.to(delete))
            .about("Takes an event type out of the catalogue", "With its schema. What is shipped stays.")
            .scope(Scope::EndpointsWrite)
            .with([parameter::EVENT_TYPE])
            .answers(Success::empty(204))
            .command("event-types delete"),
    ]
}

/// GET /event-types: ascending by name.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let mut query = Query::of(&request);
    let (limit, after) = query.page::<EventType>();
    query.finish()?;
    let mut entries = caller.tenant().event_types().await?;
    if let Some(after) = after {
        entries.retain(|entry| entry.event_type > after);
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| page::cursor(&last.event_type));
    let views: Vec<_> = entries.iter().map(EventTypeView::new).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}

/// GET /event-types/{type}
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let entry = caller.tenant().event_type(&named(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &EventTypeView::new(&entry)))
}

/// PUT /event-types/{type}: 201 for one that is new, 200 for one that is replaced.
pub(super) async fn put(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    // Not 404: any well-formed type can be registered, so that this one is wrong input.
    let event_type = EventType::new(request.match_info().query("type"))?;
    let mut query = Query::of(&request);
    let force = query.flag("force");
    query.finish()?;
    let draft = fields::read_body(&body::read(&request, payload).await?)?;
    let (entry, is_new) = caller.tenant().put_event_type(event_type, draft, force).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::one(status, &EventTypeView::new(&entry)))
}

/// DELETE /event-types/{type}
pub(super) async fn delete(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    caller.tenant().delete_event_type(named(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The type in the path. What is none is as unknown as one that never was.
fn named(request: &HttpRequest) -> Result<EventType, Problem> {
    EventType::new(request.match_info().query("type")).map_err(|_| Problem::not_found())
}

fn draft() -> Object {
    let schema = json!({ "type": "object", "required": ["amount"] });
    Object::new("EventTypeDraft")
        .example(json!({ "description": "A fee was paid.", "sample": { "amount": 3 }, "schema": schema }))
        .optional("description", schema::remark(), "What it means.")
        .optional("category", schema::remark(), "What it belongs to.")
        .given("sample", schema::anything(), "A payload as it may be.")
        .optional("schema", schema::json_schema(), "JSON Schema 2020-12; references reach into it alone.")
        .optional("deprecated", schema::yes_or_no(), "Not to be used any more; delivered all the same.")
}

impl Read<'_> for TypeDraft {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let json = |value: &RawValue| value.get().to_owned();
        let draft = Self {
            description: fields.optional("description"),
            category: fields.optional("category"),
            // A payload may be null.
            sample: fields.given("sample").map(json),
            schema: fields.optional("schema").map(json),
            deprecated: fields.optional("deprecated").unwrap_or_default(),
        };
        fields.finish().map(|()| draft)
    }
}
