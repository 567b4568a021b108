//! Tokens: created here, shown once.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Payload,
};
use casewire_data::{event::Tenant, token::Scope};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused},
    operation::{Operation, Success},
    problem::Problem,
    schema::{self, Object},
    views::TokenView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
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
    ]
}

/// POST /tokens: for the caller's tenant; an admin of the tenant `default`, who is the operator, may name another.
pub(super) async fn create(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let draft: TokenDraft = fields::read_body(&body::read(&request, payload).await?)?;
    if draft.scopes.is_empty() {
        return Err(Problem::field("scopes", "is empty; name at least one scope"));
    }
    let own = caller.tenant_name();
    let tenant = draft.tenant.unwrap_or_else(|| own.clone());
    if tenant != *own && *own != Tenant::default() {
        return Err(Problem::forbidden(
            "this token may create tokens of its own tenant only; leave `tenant` out",
        ));
    }
    let (token, secret) = caller.engine().create_token(tenant, draft.scopes, draft.description).await?;
    let mut response = answer::one(StatusCode::CREATED, &TokenView::created(&token, &secret));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A token as a caller asks for it.
struct TokenDraft {
    tenant: Option<Tenant>,
    scopes: Vec<Scope>,
    description: Option<String>,
}

fn description() -> Object {
    Object::new("TokenDraft")
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
