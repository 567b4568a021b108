//! Receivers that speak TLS, rightly, wrongly or not at all.

use std::io::{Read, Write};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{super::tls::tls_trusting, *};

#[actix_rt::test]
async fn a_receiver_that_speaks_no_tls_is_a_matter_of_tls() {
    for answer in [b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), b""] {
        let receiver = Receiver::start(move |_, mut stream| async move {
            stream.read_exact(&mut [0; 16]).await?;
            stream.write_all(answer).await
        })
        .await;
        let url = format!("https://localhost:{}/", receiver.address.port());
        let outcome = dispatcher().outcome(&request(&url), AMPLE).await;
        assert_eq!(class(&outcome), FailureClass::Tls, "{outcome:?}");
    }
}

/// Speaks TLS as `localhost` to one connection, and answers each request on it. Also: whom to trust for that.
fn speaking_tls() -> (u16, RootCertStore) {
    speaking_tls_on("127.0.0.1", include_bytes!("localhost.crt"))
}

fn speaking_tls_on(address: &str, certificate: &[u8]) -> (u16, RootCertStore) {
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("localhost.key")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = std::net::TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || -> io::Result<()> {
        let (stream, _) = listener.accept()?;
        drop(listener);
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
        let mut buffer = [0; 4_096];
        while stream.read(&mut buffer)? > 0 {
            if buffer.windows(7).any(|window| window == b"{\"a\":1}") {
                buffer.fill(0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
        }
        Ok(())
    });
    (port, roots)
}

#[actix_rt::test]
async fn https_goes_to_whom_the_certificate_names_and_over_one_connection() {
    let (port, roots) = speaking_tls();
    let trusting = Dispatcher::new(&DispatchConfig { tls: tls_trusting(roots), ..config("127.0.0.1") });
    for _ in 0..3 {
        let request = request(&format!("https://localhost:{port}/"));
        let (outcome, transit) = trusting.attempt(&request, AMPLE).await;
        assert_eq!(body(&outcome), b"ok");
        assert_eq!(transit.tls_us.is_some(), transit.dns_us.is_some(), "once");
    }
}

#[actix_rt::test]
async fn a_certificate_of_nobody_trusted_or_of_another_name_is_refused() {
    let (port, _) = speaking_tls();
    let outcome = dispatcher().outcome(&request(&format!("https://localhost:{port}/")), AMPLE).await;
    assert_eq!(class(&outcome), FailureClass::Tls, "{outcome:?}");
    assert!(outcome.summary().starts_with("certificate has an issuer that is not trusted"), "{outcome:?}");

    let (port, roots) = speaking_tls();
    let trusting = DispatchConfig { tls: tls_trusting(roots), ..config("127.0.0.1") };
    let other = Dispatcher::with_resolver(&trusting, Scripted::new(&["127.0.0.1"]));
    let outcome = other.outcome(&request(&format!("https://crm.example:{port}/")), AMPLE).await;
    assert_eq!(class(&outcome), FailureClass::Tls, "{outcome:?}");
    let words = "certificate is not for crm.example, but for localhost, 127.0.0.1, ::1";
    assert_eq!(outcome.summary(), words);
}

#[actix_rt::test]
async fn a_certificate_out_of_its_time_is_refused_with_the_date() {
    let expired: &[u8] = include_bytes!("expired.crt");
    let early: &[u8] = include_bytes!("early.crt");
    for (certificate, words) in [
        (expired, "certificate expired on 2026-01-01"),
        (early, "certificate is not valid before 2100-01-01"),
    ] {
        let (port, roots) = speaking_tls_on("127.0.0.1", certificate);
        let trusting = Dispatcher::new(&DispatchConfig { tls: tls_trusting(roots), ..config("127.0.0.1") });
        let request = request(&format!("https://localhost:{port}/"));
        let (outcome, transit) = trusting.attempt(&request, AMPLE).await;
        let message = words.to_owned();
        assert_eq!(outcome, Outcome::Failed { class: FailureClass::Tls, message });
        assert!(transit.tls_us.is_some() && transit.first_byte_us.is_none(), "{transit:?}");
    }
}

#[actix_rt::test]
async fn an_address_in_the_url_is_checked_against_the_certificate_as_well() {
    for (address, host) in [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")] {
        let (port, roots) = speaking_tls_on(address, include_bytes!("localhost.crt"));
        let trusting =
            Dispatcher::new(&DispatchConfig { tls: tls_trusting(roots), ..config("127.0.0.1, ::1") });
        for _ in 0..2 {
            let outcome = trusting.outcome(&request(&format!("https://{host}:{port}/")), AMPLE).await;
            assert_eq!(body(&outcome), b"ok", "{host}");
        }
    }
    let (port, roots) = speaking_tls_on("127.0.0.2", include_bytes!("localhost.crt"));
    let trusting = Dispatcher::new(&DispatchConfig { tls: tls_trusting(roots), ..config("127.0.0.2") });
    let outcome = trusting.outcome(&request(&format!("https://127.0.0.2:{port}/")), AMPLE).await;
    assert_eq!(class(&outcome), FailureClass::Tls, "{outcome:?}");
}

#[actix_rt::test]
async fn a_receiver_that_never_greets_is_waited_for_until_the_deadline_only() {
    let receiver = Receiver::start(|_, mut stream| async move { hold(&mut stream).await }).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    assert_eq!(class(&dispatcher().outcome(&request(&url), SHORT).await), FailureClass::Timeout);
}

#[actix_rt::test]
async fn a_receiver_that_is_its_own_authority_is_told_what_is_wrong_with_that() {
    let (port, roots) = speaking_tls_on("127.0.0.1", include_bytes!("self.crt"));
    let trusting = Dispatcher::new(&DispatchConfig { tls: tls_trusting(roots), ..config("127.0.0.1") });
    let outcome = trusting.outcome(&request(&format!("https://localhost:{port}/")), AMPLE).await;
    assert_eq!(
        outcome.summary(),
        "certificate is an authority's (CA:TRUE), not a server's; have one issued with CA:FALSE"
    );
}

#[actix_rt::test]
async fn plain_http_to_whom_speaks_tls_is_told_to_be_that() {
    let (port, _) = speaking_tls();
    let outcome = dispatcher().outcome(&request(&format!("http://localhost:{port}/")), AMPLE).await;
    assert_eq!(class(&outcome), FailureClass::Protocol);
    assert_eq!(outcome.summary(), "what came back is not HTTP/1.1: it is TLS; let the URL begin with https");
}
