//! Whether the process is up and whether it can accept events; for probes, so without a token.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::ServiceConfig};
use serde::Serialize;

use super::{answer, engine, get, problem::Problem, resource};

#[derive(Serialize)]
struct State {
    status: &'static str,
}

/// `/healthz` and `/readyz`. Needs the [`Engine`](crate::engine::Engine) in the application data around it.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/healthz", "GET, HEAD").route(get().to(healthz)))
        .service(resource("/readyz", "GET, HEAD").route(get().to(readyz)));
}

/// The process is up.
async fn healthz() -> HttpResponse {
    answer::json(StatusCode::OK, &State { status: "ok" })
}

/// The journal is writable and the queue before it below its limit; 503 if not. The reason, which
/// may name files, is for the log and not for whoever asks.
async fn readyz(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let health = engine(&request).health();
    if health.writable && health.accepting {
        Ok(answer::json(StatusCode::OK, &State { status: "ready" }))
    } else {
        tracing::warn!(reason = health.reason.as_deref(), "not ready to accept events");
        Err(Problem::not_ready(health.writable))
    }
}
