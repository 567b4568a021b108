//! Deliveries: what became of an event, and sending it again.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{id::DeliveryId, token::Scope};

use super::{
    answer,
    auth::Caller,
    page::{LIMIT_DEFAULT, Page},
    path_id,
    problem::Problem,
    views::DeliveryView,
};

/// GET /events/{id}/deliveries: endpoint by endpoint, the newest endpoint first.
pub(super) async fn list_of_event(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let id = path_id(&request)?;
    let page = Page::<DeliveryId>::of(&request, LIMIT_DEFAULT)?;
    let (records, next) = page.cut(caller.tenant().event_deliveries(id).await?, |record| record.id);
    let views: Vec<_> = records.iter().map(DeliveryView::in_list).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
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
    Ok(answer::one(StatusCode::ACCEPTED, &DeliveryView::in_list(&tenant.delivery(id).await?)))
}
