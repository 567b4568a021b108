//! TLS as deliveries speak it.

use std::sync::Arc;

use casewire_data::{
    Error, Result,
    endpoint::{ClientCertificate, EndpointTls},
};
use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ParsedCertificate,
    sign::{CertifiedKey, SingleCertAndKey},
};

/// TLS sessions that are remembered to make the next handshake short.
const SESSIONS_MAX: usize = 4_096;

/// The same for one endpoint.
const OWN_SESSIONS_MAX: usize = 8;

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

pub(super) fn tls_trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the ring provider knows the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Arc::new(config)
}

/// TLS as one endpoint's deliveries speak it: as all do, but for what it has of its own. The error names what is wrong
/// with that.
///
/// Its sessions are its own too: one that began under another's trust is never resumed under this.
pub fn endpoint_tls(shared: &Arc<ClientConfig>, own: Option<&EndpointTls>) -> Result<Arc<ClientConfig>> {
    let Some(own) = own else { return Ok(shared.clone()) };
    let mut config = match own.ca_pem() {
        Some(pem) => Arc::unwrap_or_clone(tls_trusting(authorities(pem)?)),
        None => ClientConfig::clone(shared),
    };
    config.resumption = Resumption::in_memory_sessions(OWN_SESSIONS_MAX);
    if let Some(client) = own.client() {
        let certified = certified(client, shared.crypto_provider())?;
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    }
    Ok(Arc::new(config))
}

fn authorities(pem: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for (place, certificate) in certificates("tls.ca_pem", pem)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|_| unreadable("tls.ca_pem", place))?;
    }
    Ok(roots)
}

fn certified(client: &ClientCertificate, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let refused = |why: &str| Error::field("tls.client_cert_pem", why);
    let chain = certificates("tls.client_cert_pem", client.certificates_pem())?;
    // What is wrong with a key is not told in the words of whoever read it: they may quote it.
    let unusable = "holds a private key that cannot be used; send RSA of 2048 bits or more, ECDSA on P-256 or P-384, \
                    or Ed25519";
    let key = PrivateKeyDer::from_pem_slice(client.expose_private_key_pem().as_bytes())
        .map_err(|_| refused(unusable))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => refused(
            "holds a private key that is not the first certificate's; put the client's own certificate first",
        ),
        _ => refused(unusable),
    })
}

fn certificates(field: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let mut all = Vec::new();
    for (place, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let certificate = certificate.map_err(|_| unreadable(field, place))?;
        ParsedCertificate::try_from(&certificate).map_err(|_| unreadable(field, place))?;
        all.push(certificate);
    }
    Ok(all)
}

fn unreadable(field: &str, place: usize) -> Error {
    Error::field(field, format!("certificate {} cannot be read; export it anew, as X.509 in PEM", place + 1))
}
