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
            Some(rustls::Error::AlertReceived(alert)) => refused(*alert),
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

/// Why the receiver broke the handshake off, as far as its alert tells (RFC 8446, 6.2).
fn refused(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let why = match alert {
        Alert::CertificateRequired => {
            "demands a client certificate; give the endpoint one in tls.client_cert_pem"
        }
        // Of TLS 1.2, this is also the answer to a client without the certificate that is asked of it.
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "shares no cipher with this client, or demands a client certificate (tls.client_cert_pem)"
        }
        Alert::ProtocolVersion => "speaks neither TLS 1.2 nor 1.3; have it brought up to date",
        Alert::UnknownCA => "does not know who signed the client certificate; have its authority sign one",
        Alert::CertificateExpired => "says that the client certificate has expired",
        Alert::CertificateRevoked => "says that the client certificate was revoked",
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => {
            "does not accept the client certificate"
        }
        Alert::AccessDenied => "does not let this client in",
        Alert::UnrecognisedName => "does not know the host name of the URL",
        Alert::NoApplicationProtocol => "does not speak HTTP/1.1",
        Alert::InternalError => "had an error of its own",
        other => return format!("the receiver refused TLS with the alert {}", u8::from(other)),
    };
    format!("the receiver {why}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_receiver_refuses_tls_is_told_in_plain_words() {
        let words = |alert| {
            let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
            Failure::tls(&error).message
        };
        for alert in (0..=u8::MAX).map(AlertDescription::from) {
            let told = words(alert);
            assert!(told.starts_with("the receiver ") && !told.contains(&format!("{alert:?}")), "{told}");
        }
        assert!(words(AlertDescription::HandshakeFailure).contains("tls.client_cert_pem"));
        assert_eq!(words(AlertDescription::from(255)), "the receiver refused TLS with the alert 255");
    }
}
