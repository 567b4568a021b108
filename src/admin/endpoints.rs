//! Endpoints: the seed's API.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    endpoint::{EndpointDraft, EndpointPatch, EndpointStatus, TlsDraft, TlsPatch},
    limits,
    order::DeliveryOrder,
    scope::Source,
    token::Scope,
};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused, wrong},
    operation::{Operation, Success},
    parameter, path_id,
    problem::Problem,
    query::Query,
    schema::{self, Object},
    views::EndpointView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/endpoints", "listEndpoints", |route| route.to(list))
            .about("All endpoints, newest first", "Complete without paging up to 200.")
            .scope(Scope::EndpointsRead)
            .with([parameter::LIMIT_OF_ALL, parameter::CURSOR])
            .answers(Success::page::<EndpointView<'_>>(200))
            .command("endpoints list"),
        Operation::post("/endpoints", "createEndpoint", |route| route.to(create))
            .about(
                "Makes an endpoint",
                "Its secret, if its dialect has one, is in this answer and in no other.",
            )
            .scope(Scope::EndpointsWrite)
            .takes(described_draft)
            .answers(Success::one::<EndpointView<'_>>(201))
            .problems(&[409])
            .command("endpoints create"),
        Operation::get("/endpoints/{id}", "getEndpoint", |route| route.to(show))
            .about("One endpoint", "")
            .scope(Scope::EndpointsRead)
            .with([parameter::ENDPOINT])
            .answers(Success::one::<EndpointView<'_>>(200))
            .command("endpoints get"),
        Operation::patch("/endpoints/{id}", "updateEndpoint", |route| route.to(change))
            .about(
                "Changes what is given of an endpoint",
                "Lists and maps are replaced whole; null takes a value away. Its dialect stays as it is.",
            )
            .scope(Scope::EndpointsWrite)
            .with([parameter::ENDPOINT])
            .takes(patch)
            .answers(Success::one::<EndpointView<'_>>(200).about("As it is now."))
            .problems(&[409])
            .command("endpoints update"),
        Operation::delete("/endpoints/{id}", "deleteEndpoint", |route| route.to(delete))
            .about("Deletes an endpoint", "Its waiting deliveries are cancelled.")
            .scope(Scope::EndpointsWrite)
            .with([parameter::ENDPOINT])
            .answers(Success::empty(204))
            .command("endpoints delete"),
    ]
}

/// GET /endpoints: complete without paging up to 200.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let page = Query::page_of_all(&request)?;
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

fn described_draft() -> Object {
    let object = Object::new("EndpointDraft")
        .example(json!({ "url": "https://partner.example.com/webhooks", "events": ["cases.*"] }))
        .required(
            "url",
            schema::url(),
            "Where its deliveries go: https, or http where the operator allows it.",
        );
    like_draft(object)
}

/// What a draft has besides its URL.
pub(super) fn like_draft(object: Object) -> Object {
    let object = object
        .given(
            "events",
            schema::event_patterns(),
            "What it takes: `cases.created`, `cases.*`. Some dialects have a default.",
        )
        .optional("dialect", schema::dialect(), "The format of its deliveries, with the revision.");
    alike(object)
}

fn patch() -> Object {
    let object = Object::new("EndpointPatch")
        .given("url", schema::url(), "Where its deliveries go from now on.")
        .given("events", schema::event_patterns(), "What it takes from now on.");
    alike(object)
}

/// What a draft and a patch have in common.
fn alike(object: Object) -> Object {
    let schedule = schema::list(schema::whole(0, limits::RETRY_DELAY_SECONDS_MAX), limits::RETRIES_MAX);
    let retry = Object::new("Retry").required(
        "schedule_seconds",
        schedule,
        "Delays after the first attempt and each one after it.",
    );
    let labels = schema::list(schema::some_text(limits::LABEL_BYTES_MAX), limits::AGENCIES_MAX);
    let (in_flight, seconds) = (limits::IN_FLIGHT_MAX.into(), limits::ATTEMPT_TIMEOUT_SECONDS_MAX.into());
    let pem = || schema::some_text(limits::TLS_PEM_BYTES_MAX);
    let tls = Object::new("TlsGiven")
        .optional(
            "ca_pem",
            pem(),
            "Certificates of which one must have signed the receiver's; no others count.",
        )
        .optional(
            "client_cert_pem",
            pem(),
            "The client's certificate, its chain, and its private key, which is never shown.",
        );
    object
        .optional("description", schema::remark(), "For people to read.")
        .optional("name", schema::remark(), "A short name for people to read.")
        .given("status", schema::endpoint_status(), "`paused` holds its events.")
        .given("secret", schema::secret(), "A secret of your own, where the dialect allows it.")
        .optional("params", schema::params(), "What the dialect must know of the endpoint.")
        .optional("agencies", labels, "Takes events of these agencies only; all if there is none.")
        .optional("sources", schema::ways(), "Takes events that came about in these ways only.")
        .optional("sandbox", schema::yes_or_no(), "It belongs to the sandbox of the dialect's system.")
        .optional("filter", schema::filter(), "Takes events by what they contain; all of it must hold.")
        .optional("headers", schema::headers(), "Static request headers.")
        .optional("ordering", schema::ordering(), "What goes out one at a time and in publish order.")
        .optional("max_in_flight", schema::whole(1, in_flight), "Requests in flight at once.")
        .optional("rate_limit_per_second", schema::rate(), "Requests that may begin in a second.")
        .optional("timeout_seconds", schema::whole(1, seconds), "Seconds that one attempt may take.")
        .optional("retry", retry.schema(), "When failed attempts are made again.")
        .optional("tls", tls.schema(), "TLS of its own. A patch leaves what it does not name of it.")
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
        tls: fields.optional("tls").unwrap_or_default(),
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
            tls: fields.clearable("tls"),
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

impl Read<'_> for TlsDraft {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let draft =
            Self { ca_pem: fields.optional("ca_pem"), client_cert_pem: fields.optional("client_cert_pem") };
        fields.finish().map(|()| draft)
    }
}

impl Read<'_> for TlsPatch {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let patch =
            Self { ca_pem: fields.clearable("ca_pem"), client_cert_pem: fields.clearable("client_cert_pem") };
        fields.finish().map(|()| patch)
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
