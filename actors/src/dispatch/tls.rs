//! TLS as deliveries speak it.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, client::Resumption};

/// TLS sessions that are remembered to make the next handshake short.
const SESSIONS_MAX: usize = 4_096;

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
