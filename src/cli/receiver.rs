//! A webhook receiver: verifies what comes by its dialect, answers by script and tells what it got. `listen` and `demo`
//! use it.

use std::{
    net::SocketAddr,
    sync::{
        RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{StatusCode, header::HeaderMap},
    web,
};
use casewire_actors::clock;
use casewire_data::{dialect::Message, event::NewEvent, secret::Secret};
use tokio::sync::mpsc::UnboundedSender;

use crate::inbound::decoded;

mod script;
mod verifier;

pub(super) use self::{
    script::Script,
    verifier::{Signature, Verifier},
};

/// Bytes of the largest request that is taken.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An event, with the sender's id of it as idempotency key.
    Event(Box<NewEvent>),
    /// Nothing that the dialect knows, or nothing genuine: which field or header is wrong, and why.
    Refused(String),
    /// Something in a dialect that only tells how it is sent.
    Unread,
    /// A sender that asks whether it is welcome. It was answered at once, out of the script.
    Handshake {
        /// The secret that it brought is trusted from now on.
        adopted: bool,
    },
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// In order of arrival, from 1; handshakes are not counted and have 0.
    pub(super) number: usize,
    /// `POST`.
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    /// The sender's id of what it tells: the same at every attempt. Empty if there is none.
    pub(super) id: String,
    /// All headers, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The exact bytes.
    pub(super) body: web::Bytes,
    /// What its signature came to.
    pub(super) signature: Signature,
    /// What it says. A request whose signature is bad is not asked.
    pub(super) content: Content,
    /// What it was answered.
    pub(super) replied: StatusCode,
}

/// A receiver that runs on a thread of its own until it is stopped.
pub(super) struct Receiver {
    address: SocketAddr,
    shared: web::Data<Shared>,
    handle: ServerHandle,
}

struct Shared {
    verifier: RwLock<Verifier>,
    script: Script,
    count: AtomicUsize,
    told: UnboundedSender<Received>,
}

impl Receiver {
    /// Listens on an address (port 0 picks one) and tells every request to `told`, before it is answered.
    pub(super) fn start(
        listen: SocketAddr,
        verifier: Verifier,
        script: Script,
        told: UnboundedSender<Received>,
    ) -> std::io::Result<Self> {
        let patience_seconds = script.delay.as_secs() + 1;
        let verifier = RwLock::new(verifier);
        let shared = web::Data::new(Shared { verifier, script, count: AtomicUsize::new(0), told });
        let serving = shared.clone();
        let app = move || {
            App::new()
                .app_data(serving.clone())
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
        Ok(Self { address, shared, handle })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it knows of its sender.
    pub(super) fn verifier(&self) -> RwLockReadGuard<'_, Verifier> {
        self.shared.verifier()
    }

    /// Takes one more secret from now on.
    pub(super) fn trust(&self, secret: Secret) {
        self.shared.verifier_mut().trust(secret);
    }

    /// Stops; `gracefully` lets answers under way finish.
    pub(super) async fn stop(self, gracefully: bool) {
        self.handle.stop(gracefully).await;
    }
}

impl Shared {
    fn verifier(&self) -> RwLockReadGuard<'_, Verifier> {
        self.verifier.read().expect("no holder of the lock panics")
    }

    fn verifier_mut(&self) -> RwLockWriteGuard<'_, Verifier> {
        self.verifier.write().expect("no holder of the lock panics")
    }

    /// Fills in what a request is, and answers which headers the answer has and how long it takes.
    fn judge(
        &self,
        received: &mut Received,
        query: &[(String, String)],
    ) -> (Vec<(String, String)>, Duration) {
        let request =
            Message { headers: &received.headers, query, body: &received.body, ..Message::default() };
        if let Some((headers, adopted)) = self.verifier_mut().welcome(&received.method, request) {
            received.content = Content::Handshake { adopted };
            return (headers, Duration::ZERO);
        }
        let verifier = self.verifier();
        let (signature, headers) = verifier.verify(request, clock::wall());
        let id = verifier.id(request);
        received.content = match &signature {
            Signature::Bad(reason) => Content::Refused(reason.clone()),
            _ if !verifier.dialect().is_inbound() => Content::Unread,
            _ => verifier.read(request).map_or_else(Content::Refused, |event| Content::Event(event.into())),
        };
        // What is no event may still be named by the header that most senders use.
        received.id = id.or_else(|| header(request, "webhook-id")).unwrap_or_default();
        received.signature = signature;
        received.number = 1 + self.count.fetch_add(1, Ordering::Relaxed);
        received.replied = self.script.reply(received.number);
        (if self.script.forgetful { Vec::new() } else { headers }, self.script.delay)
    }
}

async fn receive(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let query = decoded(request.query_string());
    let mut received = Received {
        number: 0,
        method: request.method().to_string(),
        path: request.uri().to_string(),
        id: String::new(),
        headers: readable(request.headers()),
        body,
        signature: Signature::Unsigned,
        content: Content::Handshake { adopted: false },
        replied: StatusCode::OK,
    };
    let (headers, delay) = shared.judge(&mut received, &query);
    let mut answer = HttpResponse::build(received.replied);
    for (name, value) in &headers {
        answer.insert_header((name.as_str(), value.as_str()));
    }
    // Told before the wait, since a sender that gives up takes this future with it. Nobody listens any more when the
    // program is about to end.
    let _ = shared.told.send(received);
    actix_rt::time::sleep(delay).await;
    answer.finish()
}

fn header(request: Message<'_>, name: &str) -> Option<String> {
    request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect()
}

#[cfg(test)]
mod tests;
