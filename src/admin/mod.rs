//! The HTTP surface for people and programs that administer one tenant (http-api).
//!
//! Every route is an entry in the table of [`operation`], which is mounted below whatever prefix the host chooses and
//! told by `/openapi.json`. Nothing stored is ever serialised outward: `views` says what is shown. Nothing of another tenant can be named, since
//! every look-up goes through the [`TenantHandle`](crate::tenant::TenantHandle) of the caller's token.
//!
//! The modules, in reading order.

mod operation;
mod parameter;
mod schema;

mod auth;
mod problem;

mod body;
mod fields;
mod unread;

mod answer;
mod page;
mod query;
mod views;

mod audit;
mod backup;
mod console;
mod deliveries;
mod endpoints;
mod event_types;
mod events;
pub(crate) mod health;
mod inbound;
mod metrics;
mod preview;
mod replays;
mod secrets;
mod sources;
mod stats;
mod tokens;
mod trial;

mod openapi;

use actix_web::{
    HttpRequest,
    web::{self, ServiceConfig},
};

pub use self::openapi::openapi;
use self::{
    operation::{Operation, Success},
    problem::Problem,
};
use crate::engine::Engine;

impl Engine {
    /// The admin API, to be mounted by a host below a prefix of its choice:
    ///
    /// ```no_run
    /// use actix_web::{App, web};
    /// use casewire::Engine;
    ///
    /// # fn main() -> casewire_data::Result<()> {
    /// let engine = Engine::builder("data").start()?;
    /// let factory = move || App::new().service(web::scope("/v2.3/webhooks").configure(engine.admin()));
    /// # let _ = factory; Ok(()) }
    /// ```
    ///
    /// Sets everything that it needs inside that scope, and answers unknown paths there itself.
    pub fn admin(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let engine = self.clone();
        move |config| {
            config.app_data(engine).service(
                web::scope("").wrap_fn(unread::keep).configure(routes).default_service(web::to(no_such_path)),
            );
        }
    }
}

/// Every route below the prefix.
fn routes(config: &mut ServiceConfig) {
    operation::mount(config, &operations());
}

/// What the routes do, in reading order.
fn operations() -> Vec<Operation> {
    let told = Operation::get("/openapi.json", "getDocument", |route| route.to(openapi::show))
        .about("This document", "For any valid token.")
        .answers(Success::bare::<serde_json::Map<String, serde_json::Value>>(200))
        .command("openapi");
    [
        endpoints::operations(),
        secrets::operations(),
        stats::operations(),
        preview::operations(),
        trial::operations(),
        replays::operations(),
        events::operations(),
        event_types::operations(),
        deliveries::operations(),
        sources::operations(),
        inbound::operations(),
        tokens::operations(),
        audit::operations(),
        backup::operations(),
        metrics::operations(),
        health::operations(),
        console::operations(),
        vec![told],
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn no_such_path() -> Result<&'static str, Problem> {
    Err(Problem::no_such_path())
}

/// Whoever asks beside the prefix hears where it is.
pub(crate) async fn beside(prefix: &str) -> Result<&'static str, Problem> {
    Err(Problem::beside(prefix))
}

/// The engine whose routes these are.
fn engine(request: &HttpRequest) -> &Engine {
    request.app_data().expect("whoever mounts the routes sets the engine beside them")
}

/// The id in the path. What is not an id at all is as unknown as an id that never was.
fn path_id<T: std::str::FromStr>(request: &HttpRequest) -> Result<T, Problem> {
    request.match_info().query("id").parse().map_err(|_| Problem::not_found())
}
