//! The audit: who did what, for admins.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{
    Error, FieldError, Timestamp,
    audit::{Action, AuditQuery, PrincipalFilter},
    event::Tenant,
    id::AuditId,
    token::Scope,
};

use super::{
    answer,
    auth::Caller,
    page::{LIMIT_DEFAULT, Page, parameters},
    problem::Problem,
    views::AuditView,
};

/// GET /audit: of the caller's tenant; an admin of the tenant `default`, who is the operator, may name another.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let page = Page::<AuditId>::of(&request, LIMIT_DEFAULT)?;
    let tenant = caller.tenant_in_query(&request)?;
    let query = query(&request, &page, tenant.name())?;
    let (entries, next) = page.cut(tenant.audit(query).await?, |entry| entry.id);
    let views: Vec<_> = entries.iter().map(|entry| AuditView::new(entry, caller.is_operator())).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}

fn query(request: &HttpRequest, page: &Page<AuditId>, tenant: &Tenant) -> Result<AuditQuery, Problem> {
    // One more than fits, which tells that there is more.
    let mut query = AuditQuery::newest(tenant.clone(), page.limit() + 1);
    query.before = page.after();
    let mut wrong: Vec<FieldError> = Vec::new();
    for (name, value) in parameters(request.query_string()) {
        let named =
            |error: Error| FieldError { field: name.to_string(), message: error.message().to_owned() };
        let read = match &*name {
            "since" => Timestamp::parse(&value).map(|since| query.since = Some(since)),
            "until" => Timestamp::parse(&value).map(|until| query.until = Some(until)),
            "actor" => PrincipalFilter::parse(&value).map(|actor| query.actor = Some(actor)),
            "action" => Action::parse(&value).map(|action| query.action = Some(action)),
            _ => Ok(()),
        };
        wrong.extend(read.map_err(named).err());
    }
    if wrong.is_empty() { Ok(query) } else { Err(wrong.into()) }
}
