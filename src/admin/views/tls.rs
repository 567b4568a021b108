//! TLS of an endpoint's own, as it is shown: whatever is public of it.

use casewire_data::endpoint::{ClientCertificate, EndpointTls};
use schemars::JsonSchema;
use serde::Serialize;

/// TLS of an endpoint's own.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tls")]
pub(super) struct TlsView<'a> {
    /// Certificates of which one must have signed the receiver's; no others count.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_pem: Option<&'a str>,
    /// The client's certificate and its chain. Its private key is in no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_cert_pem: Option<&'a str>,
}

impl<'a> TlsView<'a> {
    /// TLS without the private key.
    pub(super) fn new(tls: &'a EndpointTls) -> Self {
        let client_cert_pem = tls.client().map(ClientCertificate::certificates_pem);
        Self { ca_pem: tls.ca_pem(), client_cert_pem }
    }
}
