//! Whether the process is up and whether it can accept events; for probes, so without a token.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::ServiceConfig};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answer, engine,
    operation::{self, Access, Operation, Success},
    problem::Problem,
};

/// How it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct HealthView {
    /// `ok` of the process, `ready` of what takes events in.
    status: &'static str,
}

/// `/healthz` and `/readyz`, outside of the prefix as well. Needs the [`Engine`](crate::engine::Engine) in the
/// application data around it.
pub(crate) fn routes(config: &mut ServiceConfig) {
    operation::mount(config, &operations());
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/healthz", "getHealth", |route| route.to(healthz))
            .about("Whether the process is up", "For probes; also outside of the prefix.")
            .access(Access::Open)
            .answers(Success::bare::<HealthView>(200))
            .command("status"),
        Operation::get("/readyz", "getReadiness", |route| route.to(readyz))
            .about(
                "Whether events are taken in",
                "The journal is writable and the queue before it below its limit. For probes; also outside of the \
                 prefix.",
            )
            .access(Access::Open)
            .answers(Success::bare::<HealthView>(200))
            .problems(&[503])
            .command("status"),
    ]
}

/// The process is up.
async fn healthz() -> HttpResponse {
    answer::json(StatusCode::OK, &HealthView { status: "ok" })
}

/// The journal is writable and the queue before it below its limit; 503 if not. The reason, which
/// may name files, is for the log and not for whoever asks.
async fn readyz(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let health = engine(&request).health();
    if health.writable && health.accepting {
        Ok(answer::json(StatusCode::OK, &HealthView { status: "ready" }))
    } else {
        tracing::warn!(reason = health.reason.as_deref(), "not ready to accept events");
        Err(Problem::not_ready(health.writable))
    }
}
