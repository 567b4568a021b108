//! The HTTP server around an engine: the admin API below its prefix, and the health checks also at the root.

use std::{
    net::{SocketAddr, TcpListener},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};

use super::Failure;
use crate::{
    admin::{self, health},
    engine::{Engine, ShutdownReport},
};

/// Threads that answer requests; the engine has one of its own, and publishing waits for the disk, not for a core.
const WORKERS_MAX: usize = 2;
/// Connections at once, a worker; more wait in the backlog.
const CONNECTIONS_MAX: usize = 8_192;
/// How long a request's head may take: slow headers are an attack.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long requests under way may finish at the end. Idle connections count as under way here, so it is short.
const INTAKE_STOP_SECONDS: u64 = 1;

/// Takes the address (port 0 picks one), so that nothing is begun that could not be reached.
pub(super) fn reserve(listen: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).map_err(|error| {
        Failure::failed(format!("cannot listen on {listen}: {error}; choose another address with --listen"))
    })
}

/// Threads that answer requests on this machine.
pub(super) fn workers() -> usize {
    available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)
}

/// Runs the admin API of `engine` at `prefix` in the background, until the handle stops it.
pub(super) fn run(engine: &Engine, listener: TcpListener, prefix: &str) -> Result<ServerHandle, Failure> {
    let (engine, prefix) = (engine.clone(), prefix.to_owned());
    let app = move || {
        let told = prefix.clone();
        let beside = move || {
            let prefix = told.clone();
            async move { admin::beside(&prefix).await }
        };
        App::new()
            .app_data(engine.clone())
            .service(web::scope(&prefix).configure(engine.admin()))
            .configure(health::routes)
            .default_service(web::to(beside))
    };
    let server = HttpServer::new(app)
        .workers(workers())
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(INTAKE_STOP_SECONDS)
        .disable_signals()
        .listen(listener)
        .map_err(|error| Failure::failed(format!("cannot serve HTTP: {error}")))?
        .run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(handle)
}

/// Takes in nothing more, then lets the engine finish, all within `grace`.
pub(super) async fn drain(server: &ServerHandle, engine: &Engine, grace: Duration) -> ShutdownReport {
    let begun = Instant::now();
    server.stop(grace >= Duration::from_secs(INTAKE_STOP_SECONDS)).await;
    engine.shutdown(grace.saturating_sub(begun.elapsed())).await
}
