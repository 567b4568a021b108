//! Which static headers an operator may add to requests.

use super::lines;
use crate::{
    error::{Error, Result},
    limits,
};

/// Headers that a dialect may set and an operator may not.
const RESERVED: &[&str] = &[
    "content-encoding",
    "content-type",
    "user-agent",
    // The event's own, where the dialect passes them on.
    "traceparent",
    "tracestate",
];

const RESERVED_PREFIXES: &[&str] = &["webhook-", "casewire-"];

/// Whether a header, in lower case, belongs to the connection or frames the message.
fn frames(name: &str) -> bool {
    lines::is_framing(name) || name == "keep-alive" || name.starts_with("proxy-")
}

/// Checks the name of a header that a dialect's file sets: a token, and none that frames the message.
pub(super) fn check_name(name: &str) -> Result<()> {
    if !is_token(name) {
        return Err(Error::field("headers", "is not a header's name; use letters, digits and hyphens"));
    }
    if frames(&name.to_ascii_lowercase()) {
        return Err(Error::field(
            "headers",
            "frames the request and is set by the engine alone; take it out",
        ));
    }
    Ok(())
}

fn is_token(name: &str) -> bool {
    name.len() <= limits::LABEL_BYTES_MAX && lines::is_token(name)
}

/// Whether a text can stand as a header's value: visible ASCII and inner spaces.
pub(super) fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim() == value
}

/// Checks one static request header: a token for a name that is not reserved, and a value of visible ASCII and spaces.
///
/// Refuses CR, LF, NUL and every other control character, so that no value can begin a header or a request of its own;
/// and whatever a receiver could take for a signature. To be called at save and again before sending.
pub fn check_header(name: &str, value: &str) -> Result<()> {
    let shown: String = limits::shorten(name).escape_debug().collect();
    let wrong = |why: &str| Err(Error::field(format!("headers.{shown}"), why));
    if !is_token(name) {
        return wrong("is not a header's name; use letters, digits and hyphens");
    }
    let lower = name.to_ascii_lowercase();
    let reserved = frames(&lower)
        || RESERVED.contains(&lower.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
        || lower.contains("signature");
    if reserved {
        return wrong("is set by the engine alone; choose another name");
    }
    if value.len() > limits::HEADER_VALUE_BYTES_MAX {
        return wrong(&format!(
            "has a value of {} bytes; at most {} are allowed",
            value.len(),
            limits::HEADER_VALUE_BYTES_MAX
        ));
    }
    if !is_value(value) {
        return wrong("has a value with other than visible ASCII and inner spaces; encode it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_headers_pass() {
        for (name, value) in [("Authorization", "Bearer a.b=="), ("X-Tenant", "a b"), ("x-empty", "")] {
            check_header(name, value).unwrap();
        }
        check_header("x", &"v".repeat(limits::HEADER_VALUE_BYTES_MAX)).unwrap();
    }

    #[test]
    fn reserved_names_are_refused_in_any_spelling() {
        for name in [
            "Host",
            "content-length",
            "Content-Type",
            "TRANSFER-ENCODING",
            "connection",
            "TE",
            "trailer",
            "upgrade",
            "expect",
            "user-agent",
            "keep-alive",
            "Proxy-Authorization",
            "Webhook-Id",
            "webhook-signature",
            "X-ECD-Signature",
            "X-Hub-Signature-256",
            "Signature-Input",
            "casewire-id",
        ] {
            let error = check_header(name, "x").expect_err(name);
            assert_eq!(error.field_errors()[0].field, format!("headers.{name}"));
        }
    }

    #[test]
    fn nothing_that_could_begin_another_header_passes() {
        for name in ["", "a b", "a:", "a\r", "a\n", "a\0", "é", " a", "a\t", "a/b", &"a".repeat(257)] {
            let error = check_header(name, "x").expect_err(name);
            assert!(!error.field_errors()[0].field.chars().any(char::is_control));
        }
        let long = "v".repeat(limits::HEADER_VALUE_BYTES_MAX + 1);
        for value in
            ["a\r\nHost: b", "a\nb", "a\rb", "a\0", "a\r\n b", "a\tb", "\u{7f}", "é", " a", "a ", &long]
        {
            assert!(check_header("x-a", value).is_err(), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_one_line(name: String, value: String) {
            if check_header(&name, &value).is_ok() {
                let line = format!("{name}: {value}");
                prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
                prop_assert!(!name.contains([' ', ':']));
            }
        }
    }
}
