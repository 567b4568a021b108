//! Deliveries: what became of events, and sending them again.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{id::DeliveryId, token::Scope};

use super::{
    answer, auth::Caller, page::cursor, path_id, problem::Problem, query::Query, views::DeliveryView,
};
use crate::tenant::DeliveryQuery;

/// GET /deliveries: newest event first, and of each the newest endpoint first.
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let mut query = Query::of(&request);
    let (endpoint, event) = (query.id("endpoint", "wh_…"), query.id("event", "evt_…"));
    let (event_type, status) = (query.event_type(), query.status());
    let (since, until) = query.window();
    let (limit, after) = query.page();
    query.finish()?;
    page(&caller, DeliveryQuery { endpoint, event, event_type, status, since, until }, after, limit).await
}

/// GET /events/{id}/deliveries: endpoint by endpoint, the newest endpoint first.
pub(super) async fn list_of_event(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let event = Some(path_id(&request)?);
    let mut query = Query::of(&request);
    let (limit, after) = query.page();
    query.finish()?;
    page(&caller, DeliveryQuery { event, ..DeliveryQuery::default() }, after, limit).await
}

async fn page(
    caller: &Caller,
    query: DeliveryQuery,
    after: Option<DeliveryId>,
    limit: usize,
) -> Result<HttpResponse, Problem> {
    let page = caller.tenant().deliveries(query, after, limit).await?;
    let views: Vec<_> = page.items.iter().map(DeliveryView::in_list).collect();
    Ok(answer::list(StatusCode::OK, &views, page.next.map(|id| cursor(&id))))
}

/// GET /deliveries/{id}: with its attempts.
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let record = caller.tenant().delivery(path_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &DeliveryView::alone(&record, caller.allows(Scope::PayloadRead))))
}

/// POST /deliveries/{id}/retry: now, whatever its state. A body is not looked at.
pub(super) async fn retry(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesWrite)?;
    let (tenant, id) = (caller.tenant(), path_id(&request)?);
    tenant.retry_delivery(id).await?;
    Ok(answer::one(StatusCode::ACCEPTED, &DeliveryView::brief(&tenant.delivery(id).await?)))
}
