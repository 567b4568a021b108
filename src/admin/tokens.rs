//! Tokens: created here, shown once, listed without their secrets, deleted.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{event::Tenant, token::Scope};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused},
    operation::{Operation, Success},
    page::Page,
    parameter, path_id,
    problem::Problem,
    query::Query,
    schema::{self, Object},
    views::TokenView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/tokens", "listTokens", |route| route.to(list))
            .about("Tokens, newest first, without their secrets", "")
            .scope(Scope::Admin)
            .with([parameter::TENANT, parameter::LIMIT, parameter::CURSOR])
            .answers(Success::page::<TokenView<'_>>(200))
            .command("token list"),
        Operation::post("/tokens", "createToken", |route| route.to(create))
            .about(
                "Makes a token",
                "For the caller's tenant; an admin of the tenant `default` may name another. The token itself is in \
                 this answer and in no other.",
            )
            .scope(Scope::Admin)
            .takes(description)
            .answers(Success::one::<TokenView<'_>>(201).always(&["token"]))
            .command("token create"),
        Operation::delete("/tokens/{id}", "deleteToken", |route| route.to(delete))
            .about(
                "Deletes a token",
                "Nobody is let in by it any more. Nobody shuts itself out: 409 for the last admin of the caller's \
                 own tenant.",
            )
            .scope(Scope::Admin)
            .with([parameter::TOKEN, parameter::TENANT])
            .answers(Success::empty(204))
            .problems(&[409])
            .command("token delete"),
    ]
}

/// POST /tokens: for the caller's tenant; an admin of the tenant `default`, who is the operator, may name another.
pub(super) async fn create(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let draft: TokenDraft = fields::read_body(&body::read(&request, payload).await?)?;
    if draft.scopes.is_empty() {
        return Err(Problem::field("scopes", "is empty; name at least one scope"));
    }
    let tenant = caller.tenant_named(draft.tenant)?;
    let (token, secret) = tenant.create_token(draft.scopes, draft.description).await?;
    Ok(answer::unstored(answer::one(StatusCode::CREATED, &TokenView::created(&token, &secret))))
}

/// GET /tokens: of the caller's tenant, or, for the operator, of the one that `tenant` names.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let mut query = Query::of(&request);
    let ((limit, after), named) = (query.page(), query.tenant());
    query.finish()?;
    let tokens = caller.tenant_named(named)?.tokens().await?;
    let (tokens, next) = Page::new(limit, after).cut(tokens, |token| token.id);
    let views: Vec<_> = tokens.iter().map(TokenView::in_list).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}

/// DELETE /tokens/{id}: in the same tenants. Nobody shuts itself out: 409 for the last admin of the caller's own tenant.
pub(super) async fn delete(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let mut query = Query::of(&request);
    let named = query.tenant();
    query.finish()?;
    let tenant = caller.tenant_named(named)?;
    tenant.delete_token_unless_last(path_id(&request)?, caller.may_shut_itself_out(&tenant)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A token as a caller asks for it.
struct TokenDraft {
    tenant: Option<Tenant>,
    scopes: Vec<Scope>,
    description: Option<String>,
}

fn description() -> Object {
    Object::new("TokenDraft")
        .example(json!({ "scopes": ["events:publish"], "description": "the case server" }))
        .optional("tenant", schema::tenant(), "Whose it is; the caller's own if absent.")
        .required("scopes", schema::scopes(), "What it may do: at least one. `admin` may do all.")
        .optional("description", schema::remark(), "For people to read.")
}

impl Read<'_> for TokenDraft {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let draft = Self {
            tenant: fields.optional("tenant"),
            scopes: fields.required("scopes").unwrap_or_default(),
            description: fields.optional("description"),
        };
        fields.finish().map(|()| draft)
    }
}

impl Read<'_> for Tenant {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        Self::new(&String::read(raw)?).map_err(refused)
    }
}

impl Read<'_> for Scope {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        Self::parse(&String::read(raw)?).map_err(refused)
    }
}
