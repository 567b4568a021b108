//! Signing and checking signatures: Standard Webhooks 1.0.0, symmetric (`v1`).
//!
//! The only place that knows `hmac` and `sha2`.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    Timestamp,
    error::{Error, Result},
};

/// Writes padding, as the reference libraries do; reads base64 with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an endpoint's deliveries are signed with: 24 to 64 bytes, written `whsec_` and base64.
///
/// It can be stored and, by [`Secret::expose`] alone, shown; it never reaches a log by accident.
#[derive(Clone, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Secret {
    key: Vec<u8>,
}

impl Secret {
    /// What every written secret begins with.
    pub const PREFIX: &'static str = "whsec_";
    /// Bytes of the shortest key (Standard Webhooks: 24).
    pub const KEY_BYTES_MIN: usize = 24;
    /// Bytes of the longest key (Standard Webhooks: 64).
    pub const KEY_BYTES_MAX: usize = 64;

    /// A new secret from bytes that the caller drew at random.
    pub fn generate(random: [u8; 32]) -> Self {
        Self { key: random.to_vec() }
    }

    /// Reads `whsec_…`. The error never repeats the secret, nor a part of it.
    pub fn parse(text: &str) -> Result<Self> {
        let key = text
            .strip_prefix(Self::PREFIX)
            .and_then(|digits| BASE64.decode(digits).ok())
            .filter(|key| (Self::KEY_BYTES_MIN..=Self::KEY_BYTES_MAX).contains(&key.len()));
        key.map(|key| Self { key }).ok_or_else(|| {
            let message = format!(
                "is not a signing secret; give `{}` followed by the base64 of {} to {} random bytes, or leave it out to have one made",
                Self::PREFIX,
                Self::KEY_BYTES_MIN,
                Self::KEY_BYTES_MAX
            );
            Error::field("secret", message)
        })
    }

    /// The secret as it is written. For the one answer that shows it; never for a log.
    pub fn expose(&self) -> String {
        format!("{}{}", Self::PREFIX, BASE64.encode(&self.key))
    }

    fn keyed(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.key).expect("HMAC takes a key of any length")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.key, &other.key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.expose()
    }
}

impl TryFrom<String> for Secret {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

/// An endpoint's secrets, ready to sign: the keyed state of each is computed once.
#[derive(Clone)]
pub struct Signer {
    keyed: Vec<Hmac<Sha256>>,
}

impl Signer {
    /// A signer that signs with every secret, in the order given: the newest first.
    pub fn new(secrets: &[Secret]) -> Self {
        Self { keyed: secrets.iter().map(Secret::keyed).collect() }
    }

    /// The value of `webhook-signature`: one `v1,<base64>` a secret, over `id.timestamp.body`.
    ///
    /// `id` must not contain a dot, or two messages could have one signature.
    pub fn sign(&self, id: &str, timestamp_secs: i64, body: &[u8]) -> String {
        debug_assert!(!id.contains('.'), "a message id has no dot");
        let timestamp = timestamp_secs.to_string();
        let mut signatures = String::new();
        for keyed in &self.keyed {
            if !signatures.is_empty() {
                signatures.push(' ');
            }
            signatures.push_str("v1,");
            BASE64.encode_string(mac(keyed.clone(), id, &timestamp, body), &mut signatures);
        }
        signatures
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.keyed.len())
    }
}

/// Checks a signed request as its receiver must: the time is near, and one of the signatures is ours.
///
/// Takes the three header values as they came. Compares in constant time, and always all of them.
#[expect(clippy::too_many_arguments, reason = "the parts of a signed request, as they came, and the clock")]
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
    tolerance_secs: i64,
) -> Result<()> {
    let sent: i64 = timestamp.parse().map_err(|_| {
        Error::field("webhook-timestamp", "is not whole seconds since 1970; the request is not ours")
    })?;
    if now.as_secs().abs_diff(sent) > tolerance_secs.unsigned_abs() {
        let message =
            format!("is more than {tolerance_secs} s from now; set both clocks, or take it for a replay");
        return Err(Error::field("webhook-timestamp", message));
    }
    let expected = mac(secret.keyed(), id, timestamp, body);
    let genuine = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).fold(
        false,
        |found, digits| {
            let given = BASE64.decode(digits).unwrap_or_default();
            constant_time_eq(&given, &expected) | found
        },
    );
    if genuine {
        Ok(())
    } else {
        Err(Error::field("webhook-signature", "no signature fits; check the secret, and verify the raw body"))
    }
}

fn mac(mut keyed: Hmac<Sha256>, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        keyed.update(part);
    }
    keyed.finalize().into_bytes().into()
}

/// SHA-256, as tokens are stored.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether two byte strings are equal, in a time that tells nothing but their lengths.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vector of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(signatures: &str, body: &[u8], seconds_later: i64) -> Result<()> {
        let now = Timestamp::from_millis((AT + seconds_later) * 1_000);
        verify(&Secret::parse(SECRET).unwrap(), ID, &AT.to_string(), signatures, body, now, 300)
    }

    #[test]
    fn signs_the_vector_of_the_specification() {
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(Signer::new(&[secret]).sign(ID, AT, BODY), SIGNATURE);
    }

    #[test]
    fn during_a_rotation_both_secrets_sign_and_the_newest_comes_first() {
        let (old, new) = (Secret::parse(SECRET).unwrap(), Secret::generate([7; 32]));
        let both = Signer::new(&[new.clone(), old]).sign(ID, AT, BODY);
        let newest = Signer::new(&[new]).sign(ID, AT, BODY);
        assert_eq!(both, format!("{newest} {SIGNATURE}"));
        check(&both, BODY, 0).unwrap();
    }

    #[test]
    fn only_the_exact_bytes_with_a_near_time_and_our_signature_pass() {
        for seconds in [-300, 0, 300] {
            check(SIGNATURE, BODY, seconds).unwrap();
        }
        for seconds in [-301, 301, i64::MAX / 10_000] {
            assert!(check(SIGNATURE, BODY, seconds).is_err(), "{seconds}");
        }
        assert!(check(SIGNATURE, br#"{"test":2432232314}"#, 0).is_err());
        for signatures in ["", "v1,", "v1,AAAA", &SIGNATURE[3..], &SIGNATURE.replace("v1", "v1a"), "v1,é"] {
            assert!(check(signatures, BODY, 0).is_err(), "{signatures}");
        }
        check(&format!("v1a,AAAA v2,x {SIGNATURE}"), BODY, 0).unwrap();
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_reads_back_what_it_writes() {
        for length in [24, 32, 64] {
            let text = format!("whsec_{}", BASE64.encode(vec![0xfb; length]));
            assert_eq!(Secret::parse(&text).unwrap().expose(), text);
            assert_eq!(Secret::parse(text.trim_end_matches('=')).unwrap().expose(), text);
        }
        for length in [0, 23, 65] {
            assert!(Secret::parse(&format!("whsec_{}", BASE64.encode(vec![1; length]))).is_err(), "{length}");
        }
    }

    #[test]
    fn neither_an_error_nor_a_debug_print_repeats_a_secret() {
        let canary = "Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ";
        for wrong in [canary.to_owned(), format!("whsec_{canary}!"), format!("whsk_{canary}")] {
            assert!(!format!("{:?}", Secret::parse(&wrong).unwrap_err()).contains("Q0FO"));
        }
        let secret = Secret::parse(&format!("whsec_{canary}")).unwrap();
        let printed = format!("{secret:?} {:?}", Signer::new(std::slice::from_ref(&secret)));
        assert!(
            !printed.contains("Q0FO") && !printed.contains("CANARY") && !printed.contains("67"),
            "{printed}"
        );
        let stored = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<Secret>(&stored).unwrap(), secret);
    }

    #[test]
    fn sha256_is_sha256() {
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    proptest! {
        #[test]
        fn the_reference_library_verifies_what_we_sign_and_nothing_else(
            body in any::<String>(), key: [u8; 32], id in "evt_[0-9A-Z]{26}",
        ) {
            let secret = Secret::generate(key);
            // The reference reads the clock itself, so the test must too.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let signature = Signer::new(std::slice::from_ref(&secret)).sign(&id, now.cast_signed(), body.as_bytes());
            let reference = standardwebhooks::Webhook::new(&secret.expose()).unwrap();
            let mut headers = headers_of(standardwebhooks::Webhook::verify);
            headers.insert("webhook-id", id.parse().unwrap());
            headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
            headers.insert("webhook-signature", signature.parse().unwrap());
            reference.verify(body.as_bytes(), &headers).unwrap();
            let tampered = body + " ";
            prop_assert!(reference.verify(tampered.as_bytes(), &headers).is_err());
        }
    }

    /// An empty header map of the version of `http` that the reference library uses.
    fn headers_of<E, H: Default>(
        _: impl Fn(&standardwebhooks::Webhook, &[u8], &H) -> std::result::Result<(), E>,
    ) -> H {
        H::default()
    }
}
