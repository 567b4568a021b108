//! A signing secret, in the form in which its system writes it.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    error::{Error, Result},
    limits,
    signature::{constant_time_eq, ed25519_public_key, hex},
};

/// Writes padding, as the reference libraries of Standard Webhooks do; reads base64 with or without it.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a text secret is marked where secrets of all forms are stored.
const STORED_TEXT: &str = "text:";

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretForm {
    /// `whsec_` and the base64 of 24 to 64 bytes (Standard Webhooks, HMAC).
    Whsec,
    /// `whsk_` and the base64 of an Ed25519 private key: its seed, alone or followed by the public key.
    Whsk,
    /// `whpk_` and the base64 of an Ed25519 public key, which verifies and cannot sign.
    Whpk,
    /// Any visible ASCII; its bytes are the key.
    Text,
}

impl SecretForm {
    /// As a dialect's file names it, and how a secret of the form begins.
    const NAMES: [(Self, &'static str, &'static str); 4] = [
        (Self::Whsec, "whsec", "whsec_"),
        (Self::Whsk, "whsk", "whsk_"),
        (Self::Whpk, "whpk", "whpk_"),
        (Self::Text, "text", ""),
    ];

    /// The form that a dialect's file names so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known, _)| *known == name).map(|(form, ..)| *form)
    }

    /// As a dialect's file names it.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(form, ..)| *form == self).map_or("", |(_, name, _)| name)
    }

    /// How a secret of the form begins; empty for text.
    pub(crate) fn prefix(self) -> &'static str {
        Self::NAMES.iter().find(|(form, ..)| *form == self).map_or("", |(_, _, prefix)| prefix)
    }

    /// What a secret of the form is like, for people to read.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Whsec => "`whsec_` followed by the base64 of 24 to 64 random bytes",
            Self::Whsk => "`whsk_` followed by the base64 of an Ed25519 private key",
            Self::Whpk => "`whpk_` followed by the base64 of an Ed25519 public key",
            Self::Text => "visible ASCII characters without spaces",
        }
    }
}

/// What an endpoint's deliveries are signed with.
///
/// It can be stored and, by [`Secret::expose`] alone, shown; it never reaches a log by accident.
#[derive(Clone, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Secret {
    form: SecretForm,
    key: Vec<u8>,
}

/// A secret that another one has followed, and that is in force for some time yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringSecret {
    /// The secret.
    pub secret: Secret,
    /// When it ends, by the wall's clock: an attempt made at this time or later knows nothing of it.
    pub until: Timestamp,
}

impl Secret {
    /// Bytes of the shortest key of a `whsec_` (Standard Webhooks: 24).
    pub const KEY_BYTES_MIN: usize = 24;
    /// Bytes of the longest key of a `whsec_` (Standard Webhooks: 64).
    pub const KEY_BYTES_MAX: usize = 64;

    /// A new `whsec_…` from bytes that the caller drew at random.
    pub fn generate(random: [u8; 32]) -> Self {
        Self::generate_as(SecretForm::Whsec, random)
    }

    /// A new secret of a form from bytes that the caller drew at random. As text, they are written in hex.
    pub fn generate_as(form: SecretForm, random: [u8; 32]) -> Self {
        let key = match form {
            SecretForm::Whsec | SecretForm::Whsk => random.to_vec(),
            SecretForm::Whpk => ed25519_public_key(&random).to_vec(),
            SecretForm::Text => hex(&random).into_bytes(),
        };
        Self { form, key }
    }

    /// Reads `whsec_…`, `whsk_…` or `whpk_…`. The error never repeats the secret, nor a part of it.
    pub fn parse(text: &str) -> Result<Self> {
        let forms = [SecretForm::Whsec, SecretForm::Whsk, SecretForm::Whpk];
        let form = forms.into_iter().find(|form| text.starts_with(form.prefix()));
        Self::parse_as(form.unwrap_or(SecretForm::Whsec), text)
    }

    /// Reads a secret of a form. The error never repeats the secret, nor a part of it.
    pub fn parse_as(form: SecretForm, text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!("is not a signing secret here; give {}", form.described());
            Error::field("secret", message)
        };
        if form == SecretForm::Text {
            let fits = (1..=limits::SECRET_CHARS_MAX).contains(&text.len());
            let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
            return if fits && visible { Ok(Self { form, key: text.into() }) } else { Err(wrong()) };
        }
        let digits = text.strip_prefix(form.prefix()).ok_or_else(wrong)?;
        let mut key = BASE64.decode(digits).map_err(|_| wrong())?;
        let fits = match form {
            SecretForm::Whsec => (Self::KEY_BYTES_MIN..=Self::KEY_BYTES_MAX).contains(&key.len()),
            SecretForm::Whsk => cut_to_seed(&mut key),
            SecretForm::Whpk | SecretForm::Text => key.len() == 32,
        };
        if fits { Ok(Self { form, key }) } else { Err(wrong()) }
    }

    /// The secret as it is written. For the one answer that shows it; never for a log.
    pub fn expose(&self) -> String {
        match self.form {
            SecretForm::Text => String::from_utf8_lossy(&self.key).into_owned(),
            form => format!("{}{}", form.prefix(), BASE64.encode(&self.key)),
        }
    }

    /// How it is written.
    pub fn form(&self) -> SecretForm {
        self.form
    }

    /// The `whpk_…` that verifies what this one signs; absent if whoever verifies needs the secret itself.
    pub fn public_key(&self) -> Option<Self> {
        match (self.form, <[u8; 32]>::try_from(&self.key[..])) {
            (SecretForm::Whsk, Ok(seed)) => {
                Some(Self { form: SecretForm::Whpk, key: ed25519_public_key(&seed).to_vec() })
            }
            _ => None,
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// Leaves the seed of a private key; false if it is none, or if the public key behind it is another one's.
fn cut_to_seed(key: &mut Vec<u8>) -> bool {
    let Some((seed, public)) = key.split_first_chunk::<32>() else { return false };
    let fits = public.is_empty() || ed25519_public_key(seed) == *public;
    key.truncate(32);
    fits
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && constant_time_eq(&self.key, &other.key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        match secret.form {
            SecretForm::Text => format!("{STORED_TEXT}{}", secret.expose()),
            _ => secret.expose(),
        }
    }
}

impl TryFrom<String> for Secret {
    type Error = Error;

    fn try_from(stored: String) -> Result<Self> {
        match stored.strip_prefix(STORED_TEXT) {
            Some(text) => Self::parse_as(SecretForm::Text, text),
            None => Self::parse(&stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whsec_has_24_to_64_bytes_and_reads_back_what_it_writes() {
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
    fn a_private_key_tells_its_public_one_and_one_that_does_not_fit_it_is_refused() {
        // RFC 8032, 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let key = |parts: &[&str]| format!("whsk_{}", BASE64.encode(bytes(&parts.concat())));
        let secret = Secret::parse(&key(&[seed])).unwrap();
        assert_eq!(secret.public_key().unwrap().expose(), format!("whpk_{}", BASE64.encode(bytes(public))));
        assert_eq!(Secret::parse(&key(&[seed, public])).unwrap(), secret);
        assert!(Secret::parse(&key(&[seed, seed])).is_err());
        assert!(Secret::parse(&key(&["00"])).is_err());
        assert_eq!(Secret::generate([1; 32]).public_key(), None);
    }

    #[test]
    fn what_is_stored_comes_back_in_its_form() {
        let forms = [SecretForm::Whsec, SecretForm::Whsk, SecretForm::Whpk, SecretForm::Text];
        let mut secrets: Vec<_> = forms.map(|form| Secret::generate_as(form, [9; 32])).into();
        // A text is a text, whatever it looks like.
        secrets.push(Secret::parse_as(SecretForm::Text, "whsec_x").unwrap());
        for secret in secrets {
            let stored = serde_json::to_string(&secret).unwrap();
            assert_eq!(serde_json::from_str::<Secret>(&stored).unwrap(), secret);
        }
        for wrong in ["", "a b", "a\n", "é", &"x".repeat(limits::SECRET_CHARS_MAX + 1)] {
            assert!(Secret::parse_as(SecretForm::Text, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn neither_an_error_nor_a_debug_print_repeats_a_secret() {
        let canary = "Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ";
        for wrong in [canary.to_owned(), format!("whsec_{canary}!"), format!("whsk_{canary}")] {
            assert!(!format!("{:?}", Secret::parse(&wrong).unwrap_err()).contains("Q0FO"));
        }
        let secret = Secret::parse(&format!("whsec_{canary}")).unwrap();
        let printed = format!("{secret:?}");
        assert!(
            !printed.contains("Q0FO") && !printed.contains("CANARY") && !printed.contains("67"),
            "{printed}"
        );
    }
}
