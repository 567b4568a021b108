//! Why there is no answer, in a class for machines and in plain words for people.

use std::{io, time::Duration};

use casewire_data::delivery::FailureClass;
use rustls::AlertDescription;

use super::{certificate, progress::Stage};
use crate::egress::ConnectError;

/// See the module.
#[derive(Debug)]
pub(super) struct Failure {
    /// The class.
    pub class: FailureClass,
    /// The words.
    pub message: String,
    /// The connection was found closed without a byte of an answer, as happens to one that has lain idle.
    pub unheard: bool,
}

impl Failure {
    /// A failure that the receiver took part in, or that was over before it could.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), unheard: false }
    }

    /// What came back is not HTTP/1.1.
    pub fn protocol(why: &str) -> Self {
        Self::new(FailureClass::Protocol, format!("what came back is not HTTP/1.1: {why}"))
    }

    /// No connection was made.
    pub fn connect(error: ConnectError) -> Self {
        match error {
            ConnectError::Forbidden(forbidden) => Self::new(FailureClass::Egress, forbidden.to_string()),
            ConnectError::Unresolved(message) => Self::new(FailureClass::Dns, message),
            ConnectError::Io(error) => Self::new(FailureClass::Connect, in_words(&error)),
        }
    }

    /// A connection was made, but no TLS over it.
    pub fn tls(error: &io::Error) -> Self {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let message = match cause {
            Some(rustls::Error::InvalidCertificate(wrong)) => certificate::in_words(wrong),
            Some(rustls::Error::InvalidMessage(_)) => "what came back is not TLS".to_owned(),
            Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
                "the receiver demands a client certificate; give the endpoint one in tls.client_cert_pem"
                    .to_owned()
            }
            _ => format!("TLS failed: {}", in_words(error)),
        };
        Self::new(FailureClass::Tls, message)
    }

    /// The connection broke before an answer came. `heard`: after a part of one.
    pub fn broken(error: &io::Error, heard: bool) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            return Self::tls(error);
        }
        let closed = matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
        );
        Self { unheard: closed && !heard, ..Self::new(FailureClass::Broken, in_words(error)) }
    }

    /// The deadline passed while the attempt waited at a stage.
    pub fn timeout(deadline: Duration, stage: Stage) -> Self {
        let time = match deadline.subsec_millis() {
            0 => format!("{} s", deadline.as_secs()),
            _ => format!("{} ms", deadline.as_millis()),
        };
        let message = match stage.in_words() {
            None => format!("no answer in {time}"),
            Some(cause) => format!("no answer in {time} ({cause})"),
        };
        Self::new(FailureClass::Timeout, message)
    }
}

fn in_words(error: &io::Error) -> String {
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
