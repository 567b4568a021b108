//! Receivers that speak TLS, with a certificate of an authority that nobody knows.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoClientAuth, WebPkiClientVerifier},
};

/// The authority that has signed for [`receiver`] and for [`CLIENT`].
pub const AUTHORITY: &str = include_str!("../tls/authority.crt");
/// Another one, which has signed for nobody.
pub const OTHER_AUTHORITY: &str = include_str!("../tls/other.crt");
/// A client's certificate and its private key.
pub const CLIENT: &str = include_str!("../tls/client.pem");

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: cases.example.org\r\nContent-Length: 0\r\n\r\n";

/// Whom a receiver lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetsIn {
    Everybody,
    /// Who has a certificate of the authority's.
    Known,
}

/// The address of a receiver that agrees to everything and takes everything, until the test is over.
pub fn receiver(lets_in: LetsIn) -> String {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/receiver.key")).unwrap();
    let provider = Arc::new(ring::default_provider());
    let asking = match lets_in {
        LetsIn::Everybody => Arc::new(NoClientAuth),
        LetsIn::Known => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(AUTHORITY)).unwrap();
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap()
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(asking)
        .with_single_cert(vec![certificate(include_str!("../tls/receiver.crt"))], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            thread::spawn(move || serve(config, stream));
        }
    });
    format!("https://127.0.0.1:{port}/")
}

fn serve(config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => request.extend_from_slice(&buffer[..read]),
            Err(_) => {
                // The alert is sent. Closing while something is on its way would call it back.
                stream.sock.shutdown(Shutdown::Write)?;
                while stream.sock.read(&mut buffer)? > 0 {}
                return Ok(());
            }
        }
        if is_whole(&request) {
            request.clear();
            stream.write_all(ANSWER)?;
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}
