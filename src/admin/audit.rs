//! The audit: who did what, for admins.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{audit::AuditQuery, id::AuditId, token::Scope};

use super::{
    answer,
    auth::Caller,
    operation::{Operation, Success},
    page::Page,
    parameter::{self, Parameter},
    problem::Problem,
    query::Query,
    schema,
    views::AuditView,
};

pub(super) fn operations() -> Vec<Operation> {
    let actor = "By whom: a token's id, or `host`, `engine` or `operator`.";
    vec![
        Operation::get("/audit", "listAudit", |route| route.to(list))
            .about(
                "Who did what, newest first",
                "Each entry holds on to the one before it by its hash; `casewire audit verify` proves that nobody \
                 changed them.",
            )
            .scope(Scope::Admin)
            .with([
                Parameter::query("since", schema::time, "Done at this time or later."),
                Parameter::query("until", schema::time, "Done before this time."),
                Parameter::query("actor", schema::audit_principal, actor),
                Parameter::query("action", schema::audit_action, "What was done."),
                parameter::TENANT,
                parameter::LIMIT,
                parameter::CURSOR,
            ])
            .answers(Success::page::<AuditView<'_>>(200))
            .command("audit list"),
    ]
}

/// GET /audit: of the caller's tenant; an admin of the tenant `default`, who is the operator, may name another.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let mut query = Query::of(&request);
    let (limit, before) = query.page::<AuditId>();
    let (since, until) = query.window();
    let (actor, action) = query.deed();
    let named = query.tenant();
    query.finish()?;
    let tenant = caller.tenant_named(named)?;
    // One more than fits, which tells that there is more.
    let newest = AuditQuery::newest(tenant.name().clone(), limit + 1);
    let entries = tenant.audit(AuditQuery { since, until, actor, action, before, ..newest }).await?;
    let (entries, next) = Page::new(limit, before).cut(entries, |entry| entry.id);
    let views: Vec<_> = entries.iter().map(|entry| AuditView::new(entry, caller.is_operator())).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}
