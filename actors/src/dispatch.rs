//! One signed request on the wire and what it came to. The only file that knows the HTTP client.
//!
//! A failed attempt is data: [`Dispatcher::attempt`] has no error. What follows from an outcome is
//! decided elsewhere.

use std::{
    cell::{Cell, RefCell},
    error::Error as StdError,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_tls::connect::Resolve;
use awc::{
    Client, ClientRequest, ClientResponse, Connector,
    error::{ConnectError, SendRequestError},
    http::{
        StatusCode, Uri, Version,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use casewire_data::{
    Error, Result,
    address::EgressPolicy,
    delivery::{FailureClass, Outcome},
    limits::{RESPONSE_HEADERS_KEPT_BYTES_MAX, RESPONSE_KEPT_BYTES_MAX, RESPONSE_READ_BYTES_MAX, shorten},
};
use futures_util::StreamExt;
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use tokio::time::{Instant, timeout_at};

use crate::egress::{Egress, Forbidden, SystemResolver};

/// How long a connection may lie idle, in seconds: below the 60 s after which common servers close theirs.
const IDLE_SECONDS_MAX: u64 = 30;
/// How long a connection is used, in seconds, so that a receiver that moves is followed.
const LIFETIME_SECONDS_MAX: u64 = 600;
/// How long the goodbye of a TLS connection may take, in seconds.
const CLOSE_SECONDS_MAX: u64 = 1;
/// Above every deadline, in seconds: the attempt's own deadline is the only clock.
const NEVER_SECONDS: u64 = 3_600;
/// TLS sessions that are remembered to make the next handshake short.
const TLS_SESSIONS_MAX: usize = 4_096;

/// Headers that frame the message or belong to the connection; nobody but this file sets them.
const OWN_HEADERS: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::EXPECT,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHORIZATION,
];

/// TLS as every dispatcher speaks it: made once, shared by all, so that sessions are resumed.
///
/// Trusts what the operating system trusts and what Mozilla trusts, so that a company's own authority
/// works and so does a machine without a trust store.
pub fn tls_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "part of the operating system's trust store cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    tls_trusting(roots)
}

fn tls_trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the ring provider knows the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_MAX);
    Arc::new(config)
}

/// What a [`Dispatcher`] is made from.
#[derive(Clone, Debug)]
pub struct DispatchConfig {
    /// Requests in flight at once; more wait, within their deadline.
    pub max_in_flight: u32,
    /// Where deliveries may go.
    pub policy: Arc<EgressPolicy>,
    /// From [`tls_config`]; must offer HTTP/1.1 only.
    pub tls: Arc<ClientConfig>,
    /// The `User-Agent` of requests that bring none of their own.
    pub user_agent: String,
}

/// Where requests go: a URL, taken apart once. Clones share it.
#[derive(Clone, Debug)]
pub struct Target {
    uri: Uri,
    host: HeaderValue,
}

impl Target {
    /// A target from a URL that [`EgressPolicy::check_url`] has passed. The error names the field `url`.
    pub fn new(url: &str) -> Result<Self> {
        let unusable = || Error::field("url", format!("{:?} is no URL that can be called", shorten(url)));
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        let host = uri.authority().ok_or_else(unusable)?.as_str().parse().map_err(|_| unusable())?;
        Ok(Self { uri, host })
    }
}

/// A request to POST, signed and complete.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it goes.
    pub target: Target,
    /// Its headers; `Host` and what frames the message are added.
    pub headers: Vec<(String, String)>,
    /// Its body, shared and not copied.
    pub body: Bytes,
}

/// The HTTP client of one active endpoint. Dropping it closes its idle connections.
///
/// One each, because a pool shared by several endpoints lets one that hangs take all its places.
pub struct Dispatcher {
    config: DispatchConfig,
    user_agent: Option<HeaderValue>,
    egress: Egress,
    connected: Rc<Cell<bool>>,
    client: RefCell<Client>,
}

impl Dispatcher {
    /// A client with no connection yet.
    pub fn new(config: &DispatchConfig) -> Self {
        Self::with_resolver(config, Rc::new(SystemResolver))
    }

    /// A client that resolves names by other means than the operating system's.
    pub fn with_resolver(config: &DispatchConfig, resolver: Rc<dyn Resolve>) -> Self {
        let egress = Egress::new(Arc::clone(&config.policy), resolver);
        Self {
            config: config.clone(),
            user_agent: config.user_agent.parse().ok(),
            connected: egress.connected(),
            client: RefCell::new(client(config, egress.clone())),
            egress,
        }
    }

    /// POSTs a request once. Over by the deadline, whatever the receiver does.
    ///
    /// The deadline covers everything: the wait for a place, name, connection, TLS, request, response. What
    /// decides is the head of the response; a body that is huge, slow or broken changes nothing.
    pub async fn attempt(&self, request: &Request, deadline: Duration) -> Outcome {
        let mut answer = None;
        let ended = timeout_at(Instant::now() + deadline, self.exchange(request, &mut answer)).await;
        match (answer, ended) {
            (Some(Answer { status, headers, body }), _) => Outcome::Answered { status, headers, body },
            (None, Ok(Err(Failure { class, message }))) => Outcome::Failed { class, message },
            (None, _) => {
                let message = format!("no answer in {}", in_words(deadline));
                Outcome::Failed { class: FailureClass::Timeout, message }
            }
        }
    }

    /// Puts into `answer` what has come so far, so that it outlives the end of the time.
    async fn exchange(
        &self,
        request: &Request,
        answer: &mut Option<Answer>,
    ) -> std::result::Result<(), Failure> {
        let mut response = self.send(request).await?;
        let status = response.status();
        if out_of_step(&response) {
            self.forget_connections();
        }
        if status.is_informational() {
            let message = format!("the receiver sent {} in place of an answer", status.as_u16());
            return Err(Failure { class: FailureClass::Protocol, message });
        }
        let headers = kept_headers(&response);
        let answer = answer.insert(Answer { status: status.as_u16(), headers, body: Vec::new() });
        read_body(&mut response, &mut answer.body).await;
        Ok(())
    }

    /// Sends, and once more if a connection from the pool turned out to be closed by the receiver before it
    /// can have seen the request: that race says nothing about the receiver.
    async fn send(&self, request: &Request) -> std::result::Result<ClientResponse, Failure> {
        let (mut result, mut fresh) = self.send_once(request).await?;
        if !fresh && result.as_ref().is_err_and(is_closed) {
            (result, fresh) = self.send_once(request).await?;
        }
        result.map_err(|error| Failure::of(error, fresh, &request.target))
    }

    /// The head of the response, and whether a new connection was made for it.
    async fn send_once(
        &self,
        request: &Request,
    ) -> std::result::Result<(std::result::Result<ClientResponse, SendRequestError>, bool), Failure> {
        let mut sent = self.prepare(request)?.send_body(request.body.clone());
        let mut fresh = false;
        let polled = poll_fn(|context| {
            self.connected.set(false);
            let polled = Pin::new(&mut sent).poll(context);
            fresh |= self.connected.get();
            polled
        });
        let result = polled.await;
        Ok((result, fresh))
    }

    fn prepare(&self, request: &Request) -> std::result::Result<ClientRequest, Failure> {
        let Target { uri, host } = &request.target;
        let mut post = self.client.borrow().post(uri.clone()).no_decompress();
        let headers = post.headers_mut();
        for (name, value) in &request.headers {
            let parsed =
                HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !OWN_HEADERS.contains(name));
            let (Some(parsed), Ok(value)) = (parsed, HeaderValue::from_bytes(value.as_bytes())) else {
                let message = format!("the header {:?} cannot be sent; change it", shorten(name));
                return Err(Failure { class: FailureClass::Request, message });
            };
            headers.append(parsed, value);
        }
        headers.insert(header::HOST, host.clone());
        if !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let (Some(agent), false) = (&self.user_agent, headers.contains_key(header::USER_AGENT)) {
            headers.insert(header::USER_AGENT, agent.clone());
        }
        Ok(post)
    }

    /// Leaves the pool to the requests in flight; none that comes later takes a connection from it.
    fn forget_connections(&self) {
        self.client.replace(client(&self.config, self.egress.clone()));
    }
}

fn client(config: &DispatchConfig, egress: Egress) -> Client {
    // `max_http_version` must stay out of this: it throws the TLS configuration away.
    let connector = Connector::new()
        .connector(egress)
        .rustls_0_23(Arc::clone(&config.tls))
        .limit(config.max_in_flight.max(1) as usize)
        .conn_keep_alive(Duration::from_secs(IDLE_SECONDS_MAX))
        .conn_lifetime(Duration::from_secs(LIFETIME_SECONDS_MAX))
        .disconnect_timeout(Duration::from_secs(CLOSE_SECONDS_MAX))
        .timeout(Duration::from_secs(NEVER_SECONDS))
        .handshake_timeout(Duration::from_secs(NEVER_SECONDS));
    Client::builder().connector(connector).disable_redirects().disable_timeout().no_default_headers().finish()
}

/// What has come of an answer so far.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Whether more may follow on the connection than the HTTP client has taken for the answer: after an
/// interim response, and after a body without a length, which it takes for none.
fn out_of_step(response: &ClientResponse) -> bool {
    let status = response.status();
    let framed = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let unframed = !framed.iter().any(|name| response.headers().contains_key(name));
    status.is_informational() || (unframed && !bodiless && response.version() >= Version::HTTP_11)
}

/// The headers that fit, `Retry-After` before all others, since something follows from it.
fn kept_headers(response: &ClientResponse) -> Vec<(String, String)> {
    let mut all: Vec<_> = response.headers().iter().collect();
    all.sort_by_key(|(name, _)| (*name != header::RETRY_AFTER, name.as_str()));
    let mut room = RESPONSE_HEADERS_KEPT_BYTES_MAX;
    let mut kept = Vec::with_capacity(all.len());
    for (name, value) in all {
        let value = String::from_utf8_lossy(value.as_bytes());
        if let Some(left) = room.checked_sub(name.as_str().len() + value.len()) {
            room = left;
            kept.push((name.as_str().to_owned(), value.into_owned()));
        }
    }
    kept
}

/// Reads to the end, so that the connection can be used again, unless the end is too far away.
async fn read_body(response: &mut ClientResponse, kept: &mut Vec<u8>) {
    let mut read = 0;
    while let Some(Ok(chunk)) = response.next().await {
        read += chunk.len();
        let room = RESPONSE_KEPT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if read > RESPONSE_READ_BYTES_MAX {
            return;
        }
    }
}

/// Why there is no answer.
struct Failure {
    class: FailureClass,
    message: String,
}

impl Failure {
    /// `fresh`: a connection was made, so a connector's error can only be about TLS.
    fn of(error: SendRequestError, fresh: bool, target: &Target) -> Self {
        use FailureClass as Class;
        let host = target.uri.host().unwrap_or_default();
        let (class, message) = match error {
            SendRequestError::Connect(error) => return Self::of_connect(error, fresh, host),
            SendRequestError::Send(error) => (Class::Broken, io_in_words(&error)),
            SendRequestError::Response(error) => match io_source(&error) {
                Some(error) => (Class::Broken, io_in_words(error)),
                None => (Class::Protocol, format!("what came back is not HTTP/1.1: {error}")),
            },
            error => (Class::Request, format!("the request cannot be made: {error}")),
        };
        Self { class, message }
    }

    fn of_connect(error: ConnectError, fresh: bool, host: &str) -> Self {
        use FailureClass as Class;
        let (class, message) = match error {
            ConnectError::Resolver(error) => (Class::Dns, crate::egress::unresolved(host, &*error)),
            ConnectError::NoRecords => (Class::Dns, format!("the name {host} has no address")),
            ConnectError::Disconnected => (Class::Broken, "connection closed before an answer came".into()),
            ConnectError::Io(error) => {
                match error.get_ref().and_then(|inner| inner.downcast_ref::<Forbidden>()) {
                    Some(forbidden) => (Class::Egress, forbidden.to_string()),
                    None if fresh && error.kind() == io::ErrorKind::InvalidInput => {
                        (Class::Tls, format!("https needs a host name in the URL; {host} cannot be checked"))
                    }
                    None if fresh => (Class::Tls, format!("TLS failed: {}", io_in_words(&error))),
                    None => (Class::Connect, io_in_words(&error)),
                }
            }
            error => (Class::Connect, error.to_string()),
        };
        Self { class, message }
    }
}

/// Whether the connection was found closed, without a byte of an answer.
fn is_closed(error: &SendRequestError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let error = match error {
        SendRequestError::Connect(ConnectError::Disconnected) => return true,
        SendRequestError::Send(error) => Some(error),
        SendRequestError::Response(error) => io_source(error),
        _ => None,
    };
    let closed = |kind| {
        matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
    };
    error.is_some_and(|error| closed(error.kind()))
}

/// The error of the connection inside one of parsing, whose type the HTTP client does not export.
fn io_source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    error.source()?.downcast_ref()
}

fn io_in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "connection reset by the receiver".into()
        }
        io::ErrorKind::UnexpectedEof => "connection closed by the receiver".into(),
        io::ErrorKind::HostUnreachable => "no route to the host".into(),
        io::ErrorKind::NetworkUnreachable => "no route to the network".into(),
        io::ErrorKind::TimedOut => "the host does not accept connections".into(),
        _ => error.to_string(),
    }
}

fn in_words(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests;
