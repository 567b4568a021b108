//! The catalogue: which event types there are.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{catalogue::TypeDraft, event::EventType, token::Scope};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    page,
    problem::Problem,
    query::Query,
    views::EventTypeView,
};

/// GET /event-types: ascending by name.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let mut query = Query::of(&request);
    let (limit, after) = query.page::<String>();
    query.finish()?;
    let mut entries = caller.tenant().event_types().await?;
    if let Some(after) = after {
        entries.retain(|entry| entry.event_type.as_str() > after.as_str());
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
