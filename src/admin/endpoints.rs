//! Endpoints: the seed's API.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    endpoint::{EndpointDraft, EndpointPatch, EndpointStatus},
    order::DeliveryOrder,
    scope::Source,
    token::Scope,
};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused, wrong},
    page::{LIMIT_MAX, Page},
    path_id,
    problem::Problem,
    views::EndpointView,
};

/// GET /endpoints: complete without paging up to 200.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let page = Page::of(&request, LIMIT_MAX)?;
    let (endpoints, next) = page.cut(caller.tenant().endpoints().await?, |info| info.endpoint.id);
    let dialect = caller.engine().default_dialect();
    let views: Vec<_> = endpoints.iter().map(|info| EndpointView::new(info, dialect)).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}

/// POST /endpoints: the only answer that ever holds the secret.
pub(super) async fn create(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let draft = fields::read_body(&body::read(&request, payload).await?)?;
    let info = caller.tenant().create_endpoint(draft).await?;
    let view = EndpointView::new(&info, caller.engine().default_dialect()).with_secret(&info);
    Ok(answer::unstored(answer::one(StatusCode::CREATED, &view)))
}

/// GET /endpoints/{id}
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let info = caller.tenant().endpoint(path_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &EndpointView::new(&info, caller.engine().default_dialect())))
}

/// PATCH /endpoints/{id}: only what is given changes; null takes a value away where there may be none.
pub(super) async fn change(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let id = path_id(&request)?;
    let patch = fields::read_body(&body::read(&request, payload).await?)?;
    let info = caller.tenant().update_endpoint(id, patch).await?;
    Ok(answer::one(StatusCode::OK, &EndpointView::new(&info, caller.engine().default_dialect())))
}

/// DELETE /endpoints/{id}
pub(super) async fn delete(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    caller.tenant().delete_endpoint(path_id(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl Read<'_> for EndpointDraft {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let draft = draft(&mut fields);
        fields.finish().map(|()| draft)
    }
}

/// The fields of an endpoint that is to be.
pub(super) fn draft(fields: &mut Fields<'_>) -> EndpointDraft {
    EndpointDraft {
        // Whether they may be absent is not for this reader to say: a dialect can have default events.
        url: fields.given("url").unwrap_or_default(),
        events: fields.given("events").unwrap_or_default(),
        description: fields.optional("description"),
        name: fields.optional("name"),
        status: fields.given("status"),
        secret: fields.given("secret"),
        dialect: fields.optional("dialect"),
        params: fields.optional("params").unwrap_or_default(),
        agencies: fields.optional("agencies").unwrap_or_default(),
        sources: fields.optional("sources").unwrap_or_default(),
        sandbox: fields.optional("sandbox").unwrap_or_default(),
        filter: fields.optional("filter").map(|filter: &RawValue| filter.get().to_owned()),
        headers: fields.optional("headers").unwrap_or_default(),
        ordering: fields.optional("ordering").unwrap_or_default(),
        max_in_flight: fields.optional("max_in_flight"),
        rate_limit_per_second: fields.optional("rate_limit_per_second"),
        timeout_seconds: fields.optional("timeout_seconds"),
        retry_schedule_seconds: fields.optional("retry").map(|Retry(seconds)| seconds),
    }
}

impl Read<'_> for EndpointPatch {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let patch = Self {
            url: fields.given("url"),
            events: fields.given("events"),
            description: fields.clearable("description"),
            name: fields.clearable("name"),
            status: fields.given("status"),
            secret: fields.given("secret"),
            params: fields.clearable("params").map(Option::unwrap_or_default),
            agencies: fields.clearable("agencies").map(Option::unwrap_or_default),
            sources: fields.clearable("sources").map(Option::unwrap_or_default),
            sandbox: fields.clearable("sandbox").map(Option::unwrap_or_default),
            filter: fields
                .clearable("filter")
                .map(|filter: Option<&RawValue>| filter.map(|it| it.get().to_owned())),
            headers: fields.clearable("headers").map(Option::unwrap_or_default),
            ordering: fields.clearable("ordering").map(Option::unwrap_or_default),
            max_in_flight: fields.clearable("max_in_flight"),
            rate_limit_per_second: fields.clearable("rate_limit_per_second"),
            timeout_seconds: fields.clearable("timeout_seconds"),
            retry_schedule_seconds: fields
                .clearable("retry")
                .map(|retry| retry.map(|Retry(seconds)| seconds)),
        };
        fields.refuse("dialect", "can't be changed; create another endpoint with it");
        fields.finish().map(|()| patch)
    }
}

impl Read<'_> for EndpointStatus {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        match String::read(raw)?.as_str() {
            "active" => Ok(Self::Active),
            "paused" => Ok(Self::Paused),
            _ => Err(wrong("choose `active` or `paused`")),
        }
    }
}

impl Read<'_> for DeliveryOrder {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let text = String::read(raw)?;
        let order = Self::ALL.into_iter().find(|order| order.as_str() == text);
        order.ok_or_else(|| wrong("choose `none`, `resource` or `endpoint`"))
    }
}

impl Read<'_> for Source {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        Self::parse(&String::read(raw)?).map_err(refused)
    }
}

/// `retry`: so far nothing but its schedule.
struct Retry(Vec<u64>);

impl Read<'_> for Retry {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let seconds = fields.required("schedule_seconds").unwrap_or_default();
        fields.finish().map(|()| Self(seconds))
    }
}
