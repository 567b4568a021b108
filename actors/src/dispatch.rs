//! One signed request on the wire and what it came to: a small client of HTTP/1.1, so that the header set is
//! exactly what a dialect says. Nothing else sends deliveries.
//!
//! A failed attempt is data: [`Dispatcher::attempt`] has no error. What follows from an outcome is
//! decided elsewhere.

mod request;
mod tls;

mod buffers;
mod exchange;

mod body;
mod response;

mod connection;
mod pool;

mod certificate;
mod failure;

mod progress;

use std::{rc::Rc, sync::Arc, time::Duration};

use casewire_data::{
    address::EgressPolicy,
    delivery::{Outcome, Transit},
    dialect::is_visible,
};
use rustls::ClientConfig;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use self::{
    buffers::Buffers,
    connection::Connection,
    exchange::Exchange,
    failure::Failure,
    pool::Pool,
    progress::{Progress, Stage},
    response::Answer,
};
use crate::egress::{Egress, Resolve, SystemResolver};

pub use self::{
    request::{Method, Request, Target},
    tls::{endpoint_tls, tls_config},
};

/// Bytes of a body that are sent in one piece with the head.
const JOINED_BYTES_MAX: usize = 2 * 1024;

/// What a [`Dispatcher`] is made from.
#[derive(Clone, Debug)]
pub struct DispatchConfig {
    /// Requests in flight at once; more wait, within their deadline.
    pub max_in_flight: u32,
    /// Where deliveries may go.
    pub policy: Arc<EgressPolicy>,
    /// From [`endpoint_tls`] or [`tls_config`]; must offer HTTP/1.1 only.
    pub tls: Arc<ClientConfig>,
    /// The `User-Agent` of requests that bring none of their own.
    pub user_agent: String,
}

/// The HTTP client of one active endpoint. Dropping it closes its idle connections.
///
/// One each, because a pool shared by several endpoints lets one that hangs take all its places.
pub struct Dispatcher {
    user_agent: Option<String>,
    egress: Egress,
    tls: TlsConnector,
    /// As many as connections are allowed. Each idle one was left by an attempt that gave its place back,
    /// and an attempt opens one only if it found none, so that idle ones are within the bound as well.
    places: Semaphore,
    pool: Pool,
}

impl Dispatcher {
    /// A client with no connection yet.
    pub fn new(config: &DispatchConfig) -> Self {
        Self::with_resolver(config, Rc::new(SystemResolver))
    }

    /// A client that resolves names by other means than the operating system's.
    pub fn with_resolver(config: &DispatchConfig, resolver: Rc<dyn Resolve>) -> Self {
        Self {
            user_agent: Some(config.user_agent.clone()).filter(|agent| is_visible(agent.as_bytes())),
            egress: Egress::new(Arc::clone(&config.policy), resolver),
            tls: TlsConnector::from(Arc::clone(&config.tls)),
            places: Semaphore::new(config.max_in_flight.max(1) as usize),
            pool: Pool::default(),
        }
    }

    /// Sends a request once. Over by the deadline, whatever the receiver does.
    ///
    /// The deadline covers everything: the wait for a place, name, connection, TLS, request, response. What
    /// decides is the head of the response, and its first line alone if that tells of success and no header is
    /// judged; a body that is huge, slow or broken changes nothing.
    pub async fn attempt(&self, request: &Request, deadline: Duration) -> (Outcome, Transit) {
        let begun = Instant::now();
        let mut buffers = Buffers::take();
        let mut progress = Progress::default();
        let ended =
            timeout_at(begun + deadline, self.send(request, begun, &mut buffers, &mut progress)).await;
        buffers.give_back();
        let failure = match (progress.answer, ended) {
            (Some(Answer { status, headers, body }), _) => {
                return (Outcome::Answered { status, headers, body }, progress.transit);
            }
            (None, Ok(Err(failure))) => failure,
            (None, _) => Failure::timeout(deadline, progress.stage),
        };
        (Outcome::Failed { class: failure.class, message: failure.message }, progress.transit)
    }

    /// Sends, and once more if a connection from the pool turned out to be closed by the receiver before it
    /// can have seen the request: that race says nothing about the receiver.
    async fn send(
        &self,
        request: &Request,
        begun: Instant,
        buffers: &mut Buffers,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let Buffers { head, incoming } = buffers;
        request.write_head(self.user_agent.as_deref(), head)?;
        let mut body = &request.body[..];
        let _place = self.places.acquire().await;
        let mut kept = self.pool.take(request.target.origin(), begun);
        loop {
            let is_fresh = kept.is_none();
            let (mut connection, ready) = match kept.take() {
                Some(connection) => (connection, begun),
                // Boxed, because it is large and seldom: every attempt would carry room for it.
                None => {
                    let opening = Connection::open(&request.target, &self.egress, &self.tls, progress);
                    let connection = Box::pin(opening).await?;
                    let opened = connection.opened;
                    (connection, opened)
                }
            };
            progress.ready = Some(ready);
            progress.stage = Stage::Asked;
            progress.transit.remote = Some(connection.remote);
            // One piece is cheaper to send than two, and a copy of this little costs next to nothing. Only now: those who
            // wait for a connection hold no copy.
            if body.len() <= JOINED_BYTES_MAX {
                head.extend_from_slice(body);
                body = &[];
            }
            let mut exchange =
                Exchange::new(&mut connection.stream, (head, body), &request.judged_headers, incoming);
            match exchange.run(progress).await {
                Ok(true) => {
                    // No later than it became idle, and spares a look at the clock.
                    self.pool.put(connection, progress.heard.unwrap_or(ready));
                    return Ok(());
                }
                Ok(false) => return Ok(()),
                Err(failure) if failure.unheard && !is_fresh => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

#[cfg(test)]
mod tests;
