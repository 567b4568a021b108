//! The HTTP surface for people and programs that administer one tenant (http-api).
//!
//! Every route is declared here, below whatever prefix the host chooses. Nothing stored is ever
//! serialised outward: `views` says what is shown. Nothing of another tenant can be named, since
//! every look-up goes through the [`TenantHandle`](crate::tenant::TenantHandle) of the caller's token.
//!
//! The modules, in reading order.

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

use actix_web::{
    HttpRequest, Resource, Route, guard,
    http::Method,
    web::{self, ServiceConfig},
};

use self::problem::Problem;
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
    health::routes(config);
    config
        .service(
            resource("/endpoints", "GET, HEAD, POST")
                .route(get().to(endpoints::list))
                .route(web::post().to(endpoints::create)),
        )
        .service(resource("/endpoints/preview", "POST").route(web::post().to(preview::show)))
        .service(
            resource("/endpoints/{id}", "GET, HEAD, PATCH, DELETE")
                .route(get().to(endpoints::show))
                .route(web::patch().to(endpoints::change))
                .route(web::delete().to(endpoints::delete)),
        )
        .service(resource("/endpoints/{id}/secret", "GET, HEAD").route(get().to(secrets::show)))
        .service(resource("/endpoints/{id}/secret/rotate", "POST").route(web::post().to(secrets::rotate)))
        .service(resource("/endpoints/{id}/test", "POST").route(web::post().to(trial::run)))
        .service(resource("/endpoints/{id}/stats", "GET, HEAD").route(get().to(stats::show)))
        .service(resource("/endpoints/{id}/replay", "POST").route(web::post().to(replays::begin)))
        .service(resource("/endpoints/{id}/replays", "GET, HEAD").route(get().to(replays::list)))
        .service(
            resource("/endpoints/{id}/replays/{replay}", "GET, HEAD, DELETE")
                .route(get().to(replays::show))
                .route(web::delete().to(replays::cancel)),
        )
        .service(
            resource("/events", "GET, HEAD, POST, DELETE")
                .route(get().to(events::list))
                .route(web::post().to(events::publish))
                .route(web::delete().to(events::erase)),
        )
        .service(resource("/events/batch", "POST").route(web::post().to(events::publish_batch)))
        .service(resource("/events/{id}", "GET, HEAD").route(get().to(events::show)))
        .service(resource("/events/{id}/deliveries", "GET, HEAD").route(get().to(deliveries::list_of_event)))
        .service(resource("/event-types", "GET, HEAD").route(get().to(event_types::list)))
        .service(
            resource("/event-types/{type}", "GET, HEAD, PUT, DELETE")
                .route(get().to(event_types::show))
                .route(web::put().to(event_types::put))
                .route(web::delete().to(event_types::delete)),
        )
        .service(resource("/deliveries", "GET, HEAD").route(get().to(deliveries::list)))
        .service(resource("/deliveries/{id}", "GET, HEAD").route(get().to(deliveries::show)))
        .service(resource("/deliveries/{id}/retry", "POST").route(web::post().to(deliveries::retry)))
        .service(
            resource("/sources", "GET, HEAD, POST")
                .route(get().to(sources::list))
                .route(web::post().to(sources::create)),
        )
        .service(
            resource("/sources/{id}", "GET, HEAD, PATCH, DELETE")
                .route(get().to(sources::show))
                .route(web::patch().to(sources::change))
                .route(web::delete().to(sources::delete)),
        )
        .service(
            resource("/inbound/{source}", "OPTIONS, POST")
                .route(web::post().to(inbound::receive))
                .route(web::method(Method::OPTIONS).to(inbound::receive)),
        )
        .service(resource("/metrics", "GET, HEAD").route(get().to(metrics::show)))
        .service(resource("/backup", "POST").route(web::post().to(backup::make)))
        .service(
            resource("/tokens", "GET, HEAD, POST")
                .route(get().to(tokens::list))
                .route(web::post().to(tokens::create)),
        )
        .service(resource("/tokens/{id}", "DELETE").route(web::delete().to(tokens::delete)))
        .service(resource("/audit", "GET, HEAD").route(get().to(audit::list)));
}

/// A path that answers other methods than those in `allow` with 405.
fn resource(path: &str, allow: &'static str) -> Resource {
    let refuse = move || async move { Err::<&str, _>(Problem::method_not_allowed(allow)) };
    web::resource(path).default_service(web::to(refuse))
}

/// GET, and HEAD with it (RFC 9110, 9.1).
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn no_such_path() -> Result<&'static str, Problem> {
    Err(Problem::no_such_path())
}

/// The engine whose routes these are.
fn engine(request: &HttpRequest) -> &Engine {
    request.app_data().expect("whoever mounts the routes sets the engine beside them")
}

/// The id in the path. What is not an id at all is as unknown as an id that never was.
fn path_id<T: std::str::FromStr>(request: &HttpRequest) -> Result<T, Problem> {
    request.match_info().query("id").parse().map_err(|_| Problem::not_found())
}
