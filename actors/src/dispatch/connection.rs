//! One connection, plain or under TLS, as a stream of bytes.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use actix_rt::net::TcpStream;
use casewire_data::delivery::FailureClass;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    failure::Failure,
    progress::{Progress, Stage, micros},
    request::Target,
};
use crate::egress::{ConnectError, Egress, Origin};

/// A connection to a target's origin.
pub(super) struct Connection {
    pub stream: Stream,
    pub opened: Instant,
    /// The address that accepted it.
    pub remote: SocketAddr,
    target: Target,
}

impl Connection {
    /// A new connection, through egress and through the TLS handshake. Has no deadline of its own; notes what each
    /// step took, whatever it came to.
    pub async fn open(
        target: &Target,
        egress: &Egress,
        tls: &TlsConnector,
        progress: &mut Progress,
    ) -> Result<Self, Failure> {
        let (origin, begun) = (target.origin(), Instant::now());
        progress.stage = Stage::Resolving;
        let permitted = egress.resolve(origin).await;
        let resolved = Instant::now();
        progress.transit.dns_us = Some(micros(begun, resolved));
        let permitted = permitted.map_err(Failure::connect)?;

        progress.stage = Stage::Dialling;
        let dialled = permitted.dial(&mut progress.transit.remote).await;
        let connected = Instant::now();
        progress.transit.connect_us = Some(micros(resolved, connected));
        let (plain, remote) = dialled.map_err(|error| Failure::connect(ConnectError::Io(error)))?;
        if !origin.https {
            let stream = Stream::Plain(plain);
            return Ok(Self { stream, opened: connected, remote, target: target.clone() });
        }

        progress.stage = Stage::Securing;
        let name = target.server_name().ok_or_else(|| {
            let message = format!("no certificate can name the host {}; change the URL", origin.host);
            Failure::new(FailureClass::Tls, message)
        })?;
        let secured = tls.connect(name, plain).await;
        let opened = Instant::now();
        progress.transit.tls_us = Some(micros(connected, opened));
        let stream = Stream::Tls(Box::new(secured.map_err(|error| Failure::tls(&error))?));
        Ok(Self { stream, opened, remote, target: target.clone() })
    }

    /// Where it leads.
    pub fn origin(&self) -> &Origin {
        self.target.origin()
    }

    /// Whether something came while nothing was asked: an end, a failure, or bytes that answer no request.
    pub fn has_spoken(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_ready()
    }
}

impl Drop for Connection {
    /// Says goodbye under TLS, if that can be said at once.
    fn drop(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            let _ = Pin::new(stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// The bytes of a connection. TLS is boxed: its state is large, and most of a future's size otherwise.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
