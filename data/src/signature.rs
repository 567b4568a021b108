//! Signing and checking signatures.
//!
//! The only place that knows `hmac`, `sha2` and Ed25519. What is signed, and how a signature is written, is said by a
//! dialect; [`Signer`] and [`verify`] are Standard Webhooks 1.0.0 (`v1`) for hosts and receivers that speak it.

use std::fmt;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    Timestamp,
    error::{Error, Result},
    secret::{BASE64, Secret, SecretForm},
};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256, 32 bytes (RFC 2104).
    HmacSha256,
    /// Ed25519, 64 bytes (RFC 8032).
    Ed25519,
}

/// The bytes of a signature, as no header takes them yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawSignature {
    /// An HMAC with SHA-256.
    Hmac([u8; 32]),
    /// An Ed25519 signature.
    Ed25519([u8; 64]),
}

impl AsRef<[u8]> for RawSignature {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Hmac(bytes) => bytes,
            Self::Ed25519(bytes) => bytes,
        }
    }
}

/// A secret, ready to sign: whatever can be computed before there is a message is.
#[derive(Clone)]
pub struct SigningKey {
    keyed: Keyed,
}

#[derive(Clone)]
enum Keyed {
    Hmac(Hmac<Sha256>),
    /// The key that verifies, and the seed that signs unless this is the receiver's side.
    Ed25519 {
        public: [u8; 32],
        seed: Option<[u8; 32]>,
    },
}

impl SigningKey {
    /// A key from a secret; absent if the secret's form does not go with the algorithm.
    pub fn new(secret: &Secret, algorithm: Algorithm) -> Option<Self> {
        let keyed = match (algorithm, secret.form()) {
            (Algorithm::HmacSha256, SecretForm::Whsec | SecretForm::Text) => {
                Keyed::Hmac(Hmac::new_from_slice(secret.key()).expect("HMAC takes a key of any length"))
            }
            (Algorithm::Ed25519, SecretForm::Whsk) => {
                let seed: [u8; 32] = secret.key().try_into().ok()?;
                Keyed::Ed25519 { public: ed25519_public_key(&seed), seed: Some(seed) }
            }
            (Algorithm::Ed25519, SecretForm::Whpk) => {
                Keyed::Ed25519 { public: secret.key().try_into().ok()?, seed: None }
            }
            _ => return None,
        };
        Some(Self { keyed })
    }

    /// The signature over all that `feed` hands on; absent if it says false, or if the key can only verify.
    pub fn sign(&self, feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> bool) -> Option<RawSignature> {
        match &self.keyed {
            Keyed::Hmac(keyed) => hmac_of(keyed, feed).map(RawSignature::Hmac),
            Keyed::Ed25519 { seed, .. } => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&(*seed)?).ok()?;
                pair.sign(&whole(feed)?).as_ref().try_into().ok().map(RawSignature::Ed25519)
            }
        }
    }

    /// Whether one of several signatures fits all that `feed` hands on, which is read once however many there are.
    /// Always looks at all of them, and takes the same time for any wrong one of the right length.
    pub fn verifies_any(
        &self,
        signatures: &[Vec<u8>],
        feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> bool,
    ) -> bool {
        let any = |fits: &dyn Fn(&[u8]) -> bool| {
            signatures.iter().fold(false, |found, signature| fits(signature) | found)
        };
        match &self.keyed {
            Keyed::Hmac(keyed) => {
                hmac_of(keyed, feed).is_some_and(|mac| any(&|signature| constant_time_eq(&mac, signature)))
            }
            Keyed::Ed25519 { public, .. } => {
                let public = UnparsedPublicKey::new(&ED25519, public);
                whole(feed)
                    .is_some_and(|message| any(&|signature| public.verify(&message, signature).is_ok()))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The public key of an Ed25519 seed.
pub(crate) fn ed25519_public_key(seed: &[u8; 32]) -> [u8; 32] {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
    pair.public_key().as_ref().try_into().expect("a public key has 32 bytes")
}

fn hmac_of(keyed: &Hmac<Sha256>, feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> bool) -> Option<[u8; 32]> {
    let mut keyed = keyed.clone();
    feed(&mut |bytes| keyed.update(bytes)).then(|| keyed.finalize().into_bytes().into())
}

fn whole(feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> bool) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    feed(&mut |bytes| message.extend_from_slice(bytes)).then_some(message)
}

/// Secrets (`whsec_…`), ready to sign as Standard Webhooks says.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<SigningKey>,
}

impl Signer {
    /// A signer that signs with every secret, in the order given: the newest first.
    pub fn new(secrets: &[Secret]) -> Self {
        let key = |secret| SigningKey::new(secret, Algorithm::HmacSha256);
        Self { keys: secrets.iter().filter_map(key).collect() }
    }

    /// The value of `webhook-signature`: one `v1,<base64>` a secret, over `id.timestamp.body`.
    ///
    /// `id` must not contain a dot, or two messages could have one signature.
    pub fn sign(&self, id: &str, timestamp_secs: i64, body: &[u8]) -> String {
        debug_assert!(!id.contains('.'), "a message id has no dot");
        let timestamp = timestamp_secs.to_string();
        let mut signatures = String::new();
        for key in &self.keys {
            let Some(signature) = key.sign(|take| standard(take, id, &timestamp, body)) else { continue };
            if !signatures.is_empty() {
                signatures.push(' ');
            }
            signatures.push_str("v1,");
            BASE64.encode_string(signature, &mut signatures);
        }
        signatures
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.keys.len())
    }
}

/// Checks a signed request as its receiver must: the time is near, and one of the signatures is ours.
///
/// A `whsec_` verifies `v1` signatures, a `whpk_` (or the `whsk_` of it) those by Ed25519, `v1a`. Takes the three header
/// values as they came. Compares in constant time, and always all of them.
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
    let (algorithm, prefix) = match secret.form() {
        SecretForm::Whsk | SecretForm::Whpk => (Algorithm::Ed25519, "v1a,"),
        SecretForm::Whsec | SecretForm::Text => (Algorithm::HmacSha256, "v1,"),
    };
    let Some(key) = SigningKey::new(secret, algorithm) else {
        return Err(Error::field("secret", "signs nothing; give the one that begins with whsec_ or whpk_"));
    };
    let given = signatures.split(' ').filter_map(|signature| signature.strip_prefix(prefix));
    let given: Vec<_> = given.map(|digits| BASE64.decode(digits).unwrap_or_default()).collect();
    if key.verifies_any(&given, |take| standard(take, id, timestamp, body)) {
        Ok(())
    } else {
        Err(Error::field("webhook-signature", "no signature fits; check the secret, and verify the raw body"))
    }
}

/// What Standard Webhooks signs.
fn standard(take: &mut dyn FnMut(&[u8]), id: &str, timestamp: &str, body: &[u8]) -> bool {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].into_iter().for_each(take);
    true
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
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
