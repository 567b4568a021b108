//! A receiver that verifies signatures, as a customer of yours would write it.
//!
//! `cargo run --example receiver` sends itself a genuine and a forged delivery, and ends.
//! `cargo run --example receiver -- whsec_…` listens on 127.0.0.1:9000 with an endpoint's secret.

use std::{error::Error, time::SystemTime};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use casewire_data::{
    Timestamp,
    secret::Secret,
    signature::{Signer, verify},
};

/// Standard Webhooks: what is older may be a replay.
const TOLERANCE_SECS: i64 = 300;

/// Takes the raw body: JSON that was parsed and written again is not what was signed.
async fn receive(request: HttpRequest, body: web::Bytes, secret: web::Data<Secret>) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (id, at, signatures) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    match verify(&secret, id, at, signatures, &body, now(), TOLERANCE_SECS) {
        // The same id may come again: remember it, and do the work once.
        Ok(()) => println!("{id}: {}", String::from_utf8_lossy(&body)),
        Err(error) => return HttpResponse::Unauthorized().body(error.to_string()),
    }
    HttpResponse::NoContent().finish()
}

fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().nth(1);
    let secret = given.as_deref().map_or_else(|| Ok(Secret::generate([7; 32])), Secret::parse)?;
    let data = web::Data::new(secret.clone());
    let app = move || App::new().app_data(data.clone()).default_service(web::to(receive));
    let server =
        HttpServer::new(app).workers(1).bind(("127.0.0.1", if given.is_some() { 9000 } else { 0 }))?;
    let url = format!("http://{}/", server.addrs()[0]);
    println!("listening on {url}");
    let server = server.run();
    if given.is_some() {
        return Ok(server.await?);
    }
    let handle = server.handle();
    actix_web::rt::spawn(server);
    assert_eq!(send(&url, &secret).await?, 204, "a genuine delivery is taken");
    assert_eq!(send(&url, &Secret::generate([8; 32])).await?, 401, "a forged one is not");
    println!("the genuine delivery was taken, the forged one refused");
    handle.stop(false).await;
    Ok(())
}

/// Sends one delivery signed with `secret`; answers with the status code.
async fn send(url: &str, secret: &Secret) -> Result<u16, Box<dyn Error>> {
    let (id, at, body) = ("evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW", now().as_secs(), r#"{"type":"cases.created"}"#);
    let signature = Signer::new(std::slice::from_ref(secret)).sign(id, at, body.as_bytes());
    let request = awc::Client::default().post(url).insert_header(("webhook-id", id));
    let request =
        request.insert_header(("webhook-timestamp", at)).insert_header(("webhook-signature", signature));
    Ok(request.send_body(body).await?.status().as_u16())
}
