//! A host with a web server of its own that mounts the admin API beside its own pages, and asks it once.
//!
//! `cargo run --example mount`

use std::{error::Error, time::Duration};

use actix_web::{App, HttpServer, web};
use casewire::{Engine, Scope, Tenant};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::builder(dir.path()).start()?;
    let (_, token) = engine.create_token(Tenant::default(), vec![Scope::EndpointsRead], None).await?;

    let mounted = engine.clone();
    let app = move || {
        App::new()
            .route("/", web::get().to(|| async { "the host's own page" }))
            .service(web::scope("/v2.3/webhooks").configure(mounted.admin()))
    };
    let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/v2.3/webhooks/endpoints", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);

    let mut answer = awc::Client::default().get(&url).bearer_auth(token).send().await?;
    println!("GET {url}\n{}\n{}", answer.status(), String::from_utf8_lossy(&answer.body().await?));

    handle.stop(false).await;
    println!("{:?}", engine.shutdown(Duration::from_secs(5)).await);
    Ok(())
}
