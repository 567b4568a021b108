//! What the engine and its process count, for Prometheus.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use casewire_data::token::Scope;

use super::{
    auth::Caller,
    operation::{Access, Operation, Success},
    problem::Problem,
};
use crate::metrics::process;

/// The text format's own type (Prometheus, exposition formats).
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/metrics", "getMetrics", |route| route.to(show))
            .about(
                "What the engine and its process count, for Prometheus",
                "Of all tenants together, so for tokens of the tenant `default`.",
            )
            .access(Access::Operator(Scope::DeliveriesRead))
            .answers(Success::text(200, CONTENT_TYPE))
            .command("metrics"),
    ]
}

/// GET /metrics: for tokens of the tenant `default`, who is the operator. The figures are of all tenants together, and no
/// tenant is shown anything of another.
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    if !caller.is_operator() {
        return Err(Problem::forbidden(
            "these figures are of all tenants together; use a token of the tenant `default`, the operator's",
        ));
    }
    let mut page = caller.engine().metrics();
    page.push_str(&process::metrics());
    Ok(HttpResponse::build(StatusCode::OK).content_type(CONTENT_TYPE).body(page))
}
