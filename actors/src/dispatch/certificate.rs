//! What is wrong with a receiver's certificate, in plain words.

use std::net::IpAddr;

use casewire_data::{Timestamp, limits::shorten};
use rustls::{CertificateError, OtherError, pki_types::UnixTime};

/// Names of a certificate that are told of one that is for others.
const NAMES_MAX: usize = 3;

/// `certificate expired on 2026-01-01`.
pub(super) fn in_words(error: &CertificateError) -> String {
    let what = match error {
        CertificateError::ExpiredContext { not_after, .. } => format!("expired on {}", day(*not_after)),
        CertificateError::Expired => "expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is not valid before {}", day(*not_before))
        }
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("is not for {}, {}", expected.to_str(), named(presented))
        }
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::UnknownIssuer => {
            "has an issuer that is not trusted; have it signed by one that is, or send the chain with it"
                .to_owned()
        }
        CertificateError::Revoked => "was revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers; have one issued for server authentication".to_owned()
        }
        // The verifier's own errors come as a value without a type that could be named here.
        CertificateError::Other(OtherError(own)) if own.to_string() == "CaUsedAsEndEntity" => {
            "is an authority's (CA:TRUE), not a server's; have one issued with CA:FALSE".to_owned()
        }
        CertificateError::BadSignature => "has a signature that does not match".to_owned(),
        other => return format!("certificate is not accepted: {}", shorten(&other.to_string())),
    };
    format!("certificate {what}")
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let written = Timestamp::from_millis(seconds.saturating_mul(1_000)).to_rfc3339_seconds();
    written.split('T').next().unwrap_or_default().to_owned()
}

/// The names that it is for, which rustls hands over as `DnsName("a.example")` and `IpAddress(0::1)`.
fn named(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        let inner = inner.trim_matches('"');
        inner.parse::<IpAddr>().map_or_else(|_| shorten(inner), |ip| ip.to_string())
    };
    let names: Vec<_> = presented.iter().take(NAMES_MAX).map(bare).collect();
    match (names.as_slice(), presented.len().saturating_sub(NAMES_MAX)) {
        ([], _) => "but names nobody".to_owned(),
        (names, 0) => format!("but for {}", names.join(", ")),
        (names, more) => format!("but for {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn dates_and_names_are_told_where_they_are_known() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (time, new_year) = (at(1_800_000_000), at(1_767_225_600));
        let names = |count: usize| (0..count).map(|n| format!("DnsName(\"{n}.example\")")).collect();
        let other_name = |presented| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("crm.example").unwrap(),
            presented,
        };
        for (error, words) in [
            (
                CertificateError::ExpiredContext { time, not_after: new_year },
                "certificate expired on 2026-01-01",
            ),
            (
                CertificateError::NotValidYetContext { time: at(0), not_before: new_year },
                "certificate is not valid before 2026-01-01",
            ),
            (other_name(names(0)), "certificate is not for crm.example, but names nobody"),
            (other_name(names(1)), "certificate is not for crm.example, but for 0.example"),
            (
                other_name(vec!["IpAddress(0::1)".to_owned(), "odd".to_owned()]),
                "certificate is not for crm.example, but for ::1, odd",
            ),
            (
                other_name(names(5)),
                "certificate is not for crm.example, but for 0.example, 1.example, 2.example and 2 more",
            ),
            (CertificateError::Revoked, "certificate was revoked"),
            (
                CertificateError::InvalidPurpose,
                "certificate is not for servers; have one issued for server authentication",
            ),
        ] {
            assert_eq!(in_words(&error), words);
        }
        let odd = in_words(&CertificateError::BadEncoding);
        assert!(odd.starts_with("certificate is not accepted: "), "{odd}");
    }
}
