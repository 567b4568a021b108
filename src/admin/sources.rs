//! Sources: where events of other systems come in.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    source::{SourceDraft, SourcePatch},
    token::Scope,
};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    operation::{Operation, Success},
    parameter, path_id,
    problem::Problem,
    query::Query,
    schema::{self, Object},
    views::SourceView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/sources", "listSources", |route| route.to(list))
            .about("All sources, newest first", "Complete without paging up to 200.")
            .scope(Scope::EndpointsRead)
            .with([parameter::LIMIT_OF_ALL, parameter::CURSOR])
            .answers(Success::page::<SourceView<'_>>(200))
            .command("sources list"),
        Operation::post("/sources", "createSource", |route| route.to(create))
            .about("Makes a source", "Its secret is in this answer and in no other.")
            .scope(Scope::EndpointsWrite)
            .takes(draft)
            .answers(Success::one::<SourceView<'_>>(201))
            .problems(&[409])
            .command("sources create"),
        Operation::get("/sources/{id}", "getSource", |route| route.to(show))
            .about("One source", "")
            .scope(Scope::EndpointsRead)
            .with([parameter::SOURCE])
            .answers(Success::one::<SourceView<'_>>(200))
            .command("sources show"),
        Operation::patch("/sources/{id}", "updateSource", |route| route.to(change))
            .about("Changes what is given of a source", "Its name and its dialect stay as they are.")
            .scope(Scope::EndpointsWrite)
            .with([parameter::SOURCE])
            .takes(patch)
            .answers(Success::one::<SourceView<'_>>(200).about("As it is now."))
            .command("sources update"),
        Operation::delete("/sources/{id}", "deleteSource", |route| route.to(delete))
            .about("Deletes a source", "Nothing comes in by it any more.")
            .scope(Scope::EndpointsWrite)
            .with([parameter::SOURCE])
            .answers(Success::empty(204))
            .command("sources delete"),
    ]
}

/// GET /sources: complete without paging up to 200.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let page = Query::page_of_all(&request)?;
    let (sources, next) = page.cut(caller.tenant().sources().await?, |source| source.id);
    let prefix = prefix(&request);
    let views: Vec<_> = sources.iter().map(|source| SourceView::new(source, prefix)).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}

/// POST /sources: the only answer that ever holds the secret.
pub(super) async fn create(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let draft = fields::read_body(&body::read(&request, payload).await?)?;
    let source = caller.tenant().create_source(draft).await?;
    let view = SourceView::new(&source, prefix(&request)).with_secret(&source);
    Ok(answer::unstored(answer::one(StatusCode::CREATED, &view)))
}

/// GET /sources/{id}
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let source = caller.tenant().source(path_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &SourceView::new(&source, prefix(&request))))
}

/// PATCH /sources/{id}: only what is given changes; null takes a value away where there may be none.
pub(super) async fn change(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let id = path_id(&request)?;
    let patch = fields::read_body(&body::read(&request, payload).await?)?;
    let source = caller.tenant().update_source(id, patch).await?;
    Ok(answer::one(StatusCode::OK, &SourceView::new(&source, prefix(&request))))
}

/// DELETE /sources/{id}
pub(super) async fn delete(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    caller.tenant().delete_source(path_id(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Where the host has mounted the routes: all that stands before the last `/sources` of the path.
fn prefix(request: &HttpRequest) -> &str {
    let path = request.path();
    path.rfind("/sources").map_or("", |end| &path[..end])
}

fn draft() -> Object {
    Object::new("SourceDraft")
        .example(json!({ "name": "code", "dialect": "github@1", "secret": "shared-with-github" }))
        .required(
            "name",
            schema::source_name(),
            "The sender's URL ends with it; no other source may have it.",
        )
        .required("dialect", schema::dialect(), "The format in which its system sends, with the revision.")
        .optional("params", schema::params(), "What the dialect must know of the source.")
        .given("secret", schema::secret(), "The secret that its sender has; one is made if it is absent.")
        .optional("description", schema::remark(), "For people to read.")
}

impl Read<'_> for SourceDraft {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let draft = Self {
            name: fields.required("name").unwrap_or_default(),
            dialect: fields.required("dialect").unwrap_or_default(),
            params: fields.optional("params").unwrap_or_default(),
            secret: fields.given("secret"),
            description: fields.optional("description"),
        };
        fields.finish().map(|()| draft)
    }
}

fn patch() -> Object {
    Object::new("SourcePatch")
        .given("secret", schema::secret(), "The secret that its sender has from now on.")
        .optional("params", schema::params(), "What the dialect must know of the source; they replace all.")
        .optional("description", schema::remark(), "For people to read.")
}

impl Read<'_> for SourcePatch {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let patch = Self {
            secret: fields.given("secret"),
            params: fields.clearable("params").map(Option::unwrap_or_default),
            description: fields.clearable("description"),
        };
        for name in ["name", "dialect"] {
            fields.refuse(name, "can't be changed; create another source with it");
        }
        fields.finish().map(|()| patch)
    }
}
