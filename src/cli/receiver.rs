//! A webhook receiver: verifies signatures, answers by script and tells what it got. `listen` and `demo` use it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{StatusCode, header::HeaderMap},
    web,
};
use casewire_data::{Timestamp, secret::Secret, signature::verify};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

/// How far a request's timestamp may be from now (Standard Webhooks: 5 minutes).
const TOLERANCE_SECS: i64 = 300;
/// Bytes of the largest request that is taken.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a receiver answers.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Status codes of the first, second, … answer; the last one repeats. Never empty.
    pub(super) replies: Vec<StatusCode>,
    /// How long it takes before each answer.
    pub(super) delay: Duration,
}

impl Script {
    fn reply(&self, number: usize) -> StatusCode {
        let repeated = self.replies.last().copied().unwrap_or(StatusCode::OK);
        self.replies.get(number - 1).copied().unwrap_or(repeated)
    }
}

/// What the signature of a request came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "signature", content = "reason", rename_all = "snake_case")]
pub(super) enum Signature {
    /// One of the secrets made it, within the last minutes.
    Verified,
    /// None did; in words, why.
    Bad(String),
    /// There is no secret to check it with.
    Unverified,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// In order of arrival, from 1.
    pub(super) number: usize,
    /// `POST`.
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    /// `webhook-id`, or empty.
    pub(super) id: String,
    /// All headers, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The exact bytes.
    pub(super) body: web::Bytes,
    /// What its signature came to.
    pub(super) signature: Signature,
    /// What it was answered.
    pub(super) replied: StatusCode,
}

/// A receiver that runs on a thread of its own until it is stopped.
pub(super) struct Receiver {
    address: SocketAddr,
    secrets: Arc<RwLock<Vec<Secret>>>,
    handle: ServerHandle,
}

struct Shared {
    secrets: Arc<RwLock<Vec<Secret>>>,
    script: Script,
    count: AtomicUsize,
    told: UnboundedSender<Received>,
}

impl Receiver {
    /// Listens on an address (port 0 picks one) and tells every request to `told`, before it is answered.
    pub(super) fn start(
        listen: SocketAddr,
        secrets: Vec<Secret>,
        script: Script,
        told: UnboundedSender<Received>,
    ) -> std::io::Result<Self> {
        let secrets = Arc::new(RwLock::new(secrets));
        let patience_seconds = script.delay.as_secs() + 1;
        let shared = web::Data::new(Shared {
            secrets: Arc::clone(&secrets),
            script,
            count: AtomicUsize::new(0),
            told,
        });
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
                .default_service(web::to(receive))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(patience_seconds)
            .bind(listen)?;
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(Self { address, secrets, handle })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes one more secret from now on.
    pub(super) fn trust(&self, secret: Secret) {
        self.secrets.write().expect("no holder of the lock panics").push(secret);
    }

    /// Stops; `gracefully` lets answers under way finish.
    pub(super) async fn stop(self, gracefully: bool) {
        self.handle.stop(gracefully).await;
    }
}

async fn receive(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let number = 1 + shared.count.fetch_add(1, Ordering::Relaxed);
    let replied = shared.script.reply(number);
    let received = Received {
        number,
        method: request.method().to_string(),
        path: request.uri().to_string(),
        id: header(request.headers(), "webhook-id").to_owned(),
        headers: readable(request.headers()),
        signature: check(
            &shared.secrets.read().expect("no holder of the lock panics"),
            request.headers(),
            &body,
        ),
        body,
        replied,
    };
    // Told before the wait, since a sender that gives up takes this future with it. Nobody listens any more when the
    // program is about to end.
    let _ = shared.told.send(received);
    actix_rt::time::sleep(shared.script.delay).await;
    HttpResponse::build(replied).finish()
}

fn check(secrets: &[Secret], headers: &HeaderMap, body: &[u8]) -> Signature {
    const SIGNED: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let [id, timestamp, signatures] = SIGNED.map(|name| header(headers, name));
    let absent = SIGNED.into_iter().find(|name| header(headers, name).is_empty());
    if let (Some(name), false) = (absent, secrets.is_empty()) {
        return Signature::Bad(format!("there is no header {name}"));
    }
    let mut result = Signature::Unverified;
    for secret in secrets {
        match verify(secret, id, timestamp, signatures, body, now(), TOLERANCE_SECS) {
            Ok(()) => return Signature::Verified,
            Err(error) => result = Signature::Bad(reason(&error)),
        }
    }
    result
}

fn reason(error: &casewire_data::Error) -> String {
    match error.field_errors() {
        [only] => format!("{} {}", only.field, only.message),
        _ => error.to_string(),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use casewire_data::signature::Signer;
    use tokio::sync::mpsc;

    use super::*;

    fn script(replies: &[u16]) -> Script {
        let replies = replies.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
        Script { replies, delay: Duration::ZERO }
    }

    async fn post(receiver: &Receiver, signature: &str) -> u16 {
        let url = format!("http://{}/in?x=1", receiver.address());
        let timestamp = now().as_secs().to_string();
        let request = awc::Client::default()
            .post(url)
            .insert_header(("webhook-id", "evt_1"))
            .insert_header(("webhook-timestamp", timestamp))
            .insert_header(("webhook-signature", signature));
        request.send_body("{}").await.unwrap().status().as_u16()
    }

    #[actix_rt::test]
    async fn it_replies_by_script_and_the_last_reply_repeats() {
        let (told, mut requests) = mpsc::unbounded_channel();
        let receiver =
            Receiver::start((Ipv4Addr::LOCALHOST, 0).into(), Vec::new(), script(&[500, 429, 200]), told)
                .unwrap();
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(post(&receiver, "").await);
        }
        assert_eq!(statuses, [500, 429, 200, 200]);
        let first = requests.recv().await.unwrap();
        assert_eq!((first.number, first.id.as_str(), first.path.as_str()), (1, "evt_1", "/in?x=1"));
        assert_eq!(first.signature, Signature::Unverified);
        assert_eq!(first.body, "{}");
        receiver.stop(false).await;
    }

    #[actix_rt::test]
    async fn it_tells_a_good_signature_from_a_bad_one() {
        let (told, mut requests) = mpsc::unbounded_channel();
        let [ours, theirs] = [[1; 32], [2; 32]].map(Secret::generate);
        let receiver =
            Receiver::start((Ipv4Addr::LOCALHOST, 0).into(), vec![theirs.clone()], script(&[200]), told)
                .unwrap();
        receiver.trust(ours.clone());
        let sign = |secret| Signer::new(&[secret]).sign("evt_1", now().as_secs(), b"{}");
        post(&receiver, &sign(ours)).await;
        assert_eq!(requests.recv().await.unwrap().signature, Signature::Verified);
        post(&receiver, &sign(Secret::generate([3; 32]))).await;
        assert!(matches!(requests.recv().await.unwrap().signature, Signature::Bad(_)));
        receiver.stop(false).await;
    }
}
