//! The audit: who did what, for admins.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{audit::AuditQuery, id::AuditId, token::Scope};

use super::{answer, auth::Caller, page::Page, problem::Problem, query::Query, views::AuditView};

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
