//! Deliveries: what became of events, and sending them again.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::{id::DeliveryId, token::Scope};

use super::{
    answer,
    auth::Caller,
    operation::{Operation, Success},
    page::cursor,
    parameter::{self, Parameter},
    path_id,
    problem::Problem,
    query::Query,
    schema,
    views::{AttemptCount, Attempts, DeliveryView},
};
use crate::tenant::DeliveryQuery;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/deliveries", "listDeliveries", |route| route.to(list))
            .about("Deliveries, those of the newest event first", PAGES)
            .scope(Scope::DeliveriesRead)
            .with([
                Parameter::query("endpoint", schema::endpoint_id, "To this endpoint."),
                Parameter::query("event", schema::event_id, "Of this event."),
                parameter::TYPE,
                Parameter::query("status", schema::delivery_status, "That stand so now."),
                parameter::SINCE,
                parameter::UNTIL,
                parameter::LIMIT,
                parameter::CURSOR,
            ])
            .answers(Success::page::<DeliveryView<'_, AttemptCount>>(200))
            // The endpoint or the event that is asked for.
            .problems(&[404])
            .command("deliveries list"),
        Operation::get("/events/{id}/deliveries", "listDeliveriesOfEvent", |route| route.to(list_of_event))
            .about("What became of an event, endpoint by endpoint", PAGES)
            .scope(Scope::DeliveriesRead)
            .with([parameter::EVENT, parameter::LIMIT, parameter::CURSOR])
            .answers(Success::page::<DeliveryView<'_, AttemptCount>>(200))
            .command("events deliveries"),
        Operation::get("/deliveries/{id}", "getDelivery", |route| route.to(show))
            .about(
                "A delivery with its attempts",
                "What the receiver answered is shown to tokens with the scope `payload:read` only.",
            )
            .scope(Scope::DeliveriesRead)
            .with([parameter::DELIVERY])
            .answers(Success::one::<DeliveryView<'_, Attempts<'_>>>(200))
            .command("deliveries get"),
        Operation::post("/deliveries/{id}/retry", "retryDelivery", |route| route.to(retry))
            .about(
                "Attempts a delivery now, whatever its state",
                "A body is not looked at. An event whose content was erased is refused with 409.",
            )
            .scope(Scope::DeliveriesWrite)
            .with([parameter::DELIVERY])
            .answers(Success::one::<DeliveryView<'_, AttemptCount>>(202))
            .problems(&[409])
            .command("deliveries retry"),
    ]
}

/// What to know of a filtered list.
const PAGES: &str = "A page may have fewer items than asked for, or none, and a `next_cursor` all the same: go on until there is none.";

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
