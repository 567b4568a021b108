//! TLS that an endpoint speaks otherwise than all do: whom its receiver must be signed by, and what it is shown of us.
//!
//! Here is read what stands in the PEM. Whether a certificate is one, and its key the right one, is for those to say who
//! speak TLS.

use std::{fmt, sync::Arc};

use base64::Engine as _;
use rustls_pki_types::pem::{PemObject, SectionKind};
use serde::{Deserialize, Serialize};

use super::rules::Wrong;
use crate::{
    error::{Error, Result},
    limits,
    secret::BASE64,
};

/// Characters of one line of PEM (RFC 7468, section 2).
const LINE_CHARS: usize = 64;

/// TLS of an endpoint's own, as it is stored: blocks of PEM written anew, with nothing between them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointTls {
    ca_pem: Option<String>,
    client: Option<ClientCertificate>,
}

/// What a receiver knows us by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    certificates_pem: String,
    private_key_pem: String,
}

/// TLS of a new endpoint's own, before it is checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsDraft {
    /// The certificates of the authorities that its receiver may be signed by. They alone: not those that all trust.
    pub ca_pem: Option<String>,
    /// The client's certificate, those between it and its authority, and its private key (PKCS#8, SEC1 or PKCS#1).
    pub client_cert_pem: Option<String>,
}

/// A change of an endpoint's TLS: what is `None` stays as it is, `Some(None)` takes the value away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsPatch {
    /// New authorities, as in [`TlsDraft::ca_pem`].
    pub ca_pem: Option<Option<String>>,
    /// New certificate and key, as in [`TlsDraft::client_cert_pem`].
    pub client_cert_pem: Option<Option<String>>,
}

impl From<TlsDraft> for TlsPatch {
    fn from(TlsDraft { ca_pem, client_cert_pem }: TlsDraft) -> Self {
        Self { ca_pem: Some(ca_pem), client_cert_pem: Some(client_cert_pem) }
    }
}

impl EndpointTls {
    /// What a change makes of the TLS of before; nothing if nothing is left of it. The error names every field that is
    /// wrong.
    pub(super) fn patched(before: Option<&Self>, patch: Option<TlsPatch>) -> Result<Option<Arc<Self>>> {
        let Some(TlsPatch { ca_pem, client_cert_pem }) = patch else { return Ok(None) };
        let (mut wrong, none) = (Wrong::default(), Self { ca_pem: None, client: None });
        let mut tls = before.cloned().unwrap_or(none);
        if let Some(pem) = ca_pem {
            wrong.or_set(&mut tls.ca_pem, pem.as_deref().map(authorities).transpose());
        }
        if let Some(pem) = client_cert_pem {
            wrong.or_set(&mut tls.client, pem.as_deref().map(ClientCertificate::read).transpose());
        }
        wrong.into_result()?;
        Ok((tls.ca_pem.is_some() || tls.client.is_some()).then(|| Arc::new(tls)))
    }

    /// Certificates of the authorities of which one must have signed for the receiver, whatever else is trusted.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// What the receiver is shown if it asks who calls.
    pub fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_ref()
    }
}

impl ClientCertificate {
    fn read(pem: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::field("tls.client_cert_pem", why));
        let Blocks { certificates, mut keys, others } = Blocks::read("tls.client_cert_pem", pem)?;
        if others > 0 {
            return refuse("holds a block that is neither certificate nor private key; leave it out");
        }
        if certificates.is_empty() {
            return refuse("holds no certificate; put the client's in front of its private key");
        }
        match (keys.pop(), keys.is_empty()) {
            (Some(private_key_pem), true) => {
                Ok(Self { certificates_pem: certificates.concat(), private_key_pem })
            }
            (None, _) => refuse("holds no private key; put the key's PEM block behind the certificates"),
            _ => refuse("holds several private keys; leave that of the first certificate"),
        }
    }

    /// The client's certificate, then those between it and its authority.
    pub fn certificates_pem(&self) -> &str {
        &self.certificates_pem
    }

    /// Its private key: for TLS, and never to be shown.
    pub fn expose_private_key_pem(&self) -> &str {
        &self.private_key_pem
    }
}

fn authorities(pem: &str) -> Result<String> {
    let refuse = |why: &str| Err(Error::field("tls.ca_pem", why));
    let Blocks { certificates, keys, others } = Blocks::read("tls.ca_pem", pem)?;
    if !keys.is_empty() {
        return refuse("holds a private key, which an authority keeps to itself; send its certificate alone");
    }
    if certificates.is_empty() || others > 0 {
        return refuse("holds something else than certificates; send blocks of -----BEGIN CERTIFICATE-----");
    }
    Ok(certificates.concat())
}

/// What stands in a PEM, block by block.
struct Blocks {
    certificates: Vec<String>,
    keys: Vec<String>,
    others: usize,
}

impl Blocks {
    fn read(field: &str, pem: &str) -> Result<Self> {
        if pem.len() > limits::TLS_PEM_BYTES_MAX {
            let most = limits::TLS_PEM_BYTES_MAX;
            return Err(Error::field(field, format!("has {} bytes; at most {most} are allowed", pem.len())));
        }
        if pem.contains("ENCRYPTED") {
            let why = "holds an encrypted private key, which nobody here can open; write it without its \
                       password: openssl pkey -in FILE";
            return Err(Error::field(field, why));
        }
        let mut blocks = Self { certificates: Vec::new(), keys: Vec::new(), others: 0 };
        for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            // What is wrong is not quoted: it may be the key.
            let (kind, der) =
                block.map_err(|_| Error::field(field, "is not PEM: a block has no end, or is not base64"))?;
            match kind {
                SectionKind::Certificate => blocks.certificates.push(written("CERTIFICATE", &der)),
                SectionKind::PrivateKey => blocks.keys.push(written("PRIVATE KEY", &der)),
                SectionKind::RsaPrivateKey => blocks.keys.push(written("RSA PRIVATE KEY", &der)),
                SectionKind::EcPrivateKey => blocks.keys.push(written("EC PRIVATE KEY", &der)),
                _ => blocks.others += 1,
            }
        }
        let (count, most) = (blocks.certificates.len(), limits::TLS_CERTIFICATES_MAX);
        if count > most {
            return Err(Error::field(field, format!("has {count} certificates; at most {most} are allowed")));
        }
        Ok(blocks)
    }
}

/// A block anew, so that nothing is kept, or shown, that stood beside it.
fn written(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE_CHARS) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

// A private key never reaches a log: none of these prints what it holds.

impl fmt::Debug for EndpointTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointTls").field("ca_pem", &self.ca_pem).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDraft").finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPatch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = include_str!("../../../tests/it/tls/client.pem");
    const AUTHORITY: &str = include_str!("../../../tests/it/tls/authority.crt");

    fn client(pem: &str) -> TlsPatch {
        TlsPatch { client_cert_pem: Some(Some(pem.to_owned())), ..TlsPatch::default() }
    }

    fn ca(pem: &str) -> TlsPatch {
        TlsPatch { ca_pem: Some(Some(pem.to_owned())), ..TlsPatch::default() }
    }

    fn key() -> &'static str {
        &CLIENT[CLIENT.find("-----BEGIN PRIVATE").unwrap()..]
    }

    #[test]
    fn certificates_and_key_are_kept_and_what_stands_beside_them_is_not() {
        let noisy = format!("Bag Attributes: secret\n{}\nfriendlyName: x\n", CLIENT.replace('\n', "\r\n"));
        let tls = EndpointTls::patched(None, Some(client(&noisy))).unwrap().unwrap();
        let kept = tls.client().unwrap();
        assert_eq!(format!("{}{}", kept.certificates_pem(), kept.expose_private_key_pem()), CLIENT);
        assert!(!kept.certificates_pem().contains("PRIVATE"));
        assert_eq!(format!("{tls:?}{kept:?}"), "EndpointTls { ca_pem: None, .. }ClientCertificate { .. }");
        assert_eq!(format!("{:?}", client(CLIENT)), "TlsPatch { .. }");
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let both = EndpointTls::patched(None, Some(client(CLIENT))).unwrap().unwrap();
        let both = EndpointTls::patched(Some(&both), Some(ca(AUTHORITY))).unwrap().unwrap();
        assert_eq!((both.ca_pem(), both.client().is_some()), (Some(AUTHORITY), true));
        let without = TlsPatch { client_cert_pem: Some(None), ..TlsPatch::default() };
        let one = EndpointTls::patched(Some(&both), Some(without)).unwrap().unwrap();
        assert_eq!((one.ca_pem(), one.client()), (Some(AUTHORITY), None));
        let none = TlsPatch { ca_pem: Some(None), ..TlsPatch::default() };
        assert_eq!(EndpointTls::patched(Some(&one), Some(none)).unwrap(), None);
        assert_eq!(EndpointTls::patched(Some(&both), None).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_path_and_without_the_key() {
        let many = AUTHORITY.repeat(limits::TLS_CERTIFICATES_MAX + 1);
        let long = " ".repeat(limits::TLS_PEM_BYTES_MAX + 1);
        let cut = &CLIENT[..CLIENT.len() - 30];
        let encrypted = key().replace("PRIVATE", "ENCRYPTED PRIVATE");
        for (patch, field, words) in [
            (client(AUTHORITY), "tls.client_cert_pem", "holds no private key; put"),
            (client(key()), "tls.client_cert_pem", "holds no certificate; put"),
            (client(&format!("{CLIENT}{}", key())), "tls.client_cert_pem", "holds several private keys"),
            (client(cut), "tls.client_cert_pem", "is not PEM"),
            (client(&encrypted), "tls.client_cert_pem", "holds an encrypted private key"),
            (client(""), "tls.client_cert_pem", "holds no certificate"),
            (client(&long), "tls.client_cert_pem", "has 65537 bytes; at most 65536"),
            (ca(CLIENT), "tls.ca_pem", "holds a private key"),
            (ca("nothing"), "tls.ca_pem", "holds something else than certificates"),
            (ca(&many), "tls.ca_pem", "has 17 certificates; at most 16"),
        ] {
            let error = EndpointTls::patched(None, Some(patch)).unwrap_err();
            let [wrong] = error.field_errors() else { panic!("{error}") };
            assert_eq!(wrong.field, field);
            assert!(wrong.message.starts_with(words), "{wrong:?}");
            assert!(!key().lines().any(|line| wrong.message.contains(line)), "{wrong:?}");
        }
    }
}
