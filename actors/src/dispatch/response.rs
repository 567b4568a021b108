//! The head of a response: what it says, and how the body that follows it is framed.

use std::mem::MaybeUninit;

use casewire_data::limits::{RESPONSE_HEADERS_JUDGED_BYTES_MAX, RESPONSE_HEADERS_KEPT_BYTES_MAX};
use httparse::{Header, ParserConfig, Status};

use super::body::Framing;

/// Bytes of a response's head.
pub(super) const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Headers of a response.
const HEADERS_MAX: usize = 128;
/// How an alert begins, the answer to plain HTTP of whoever speaks TLS: its type, and the major version of all.
const TLS_ALERT: &[u8] = &[21, 3];

/// What has come of an answer so far.
pub(super) struct Answer {
    pub status: u16,
    /// Those that are judged, then those that fit, names in lower case, `Retry-After` before all others, since
    /// something follows from it.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What the bytes that have come make up.
pub(super) enum Parsed {
    /// More must come. The status is there once its line is complete.
    Unfinished { status: Option<u16> },
    /// A 1xx before the answer itself, of that many bytes.
    Interim { bytes: usize },
    /// A complete head, of that many bytes.
    Complete { answer: Answer, framing: Framing, keep_alive: bool, bytes: usize },
    /// What no more bytes can make right.
    Wrong { status: Option<u16>, why: String },
}

/// Reads the head of a response from the first bytes that came. `judged` are names in lower case.
pub(super) fn parse(bytes: &[u8], judged: &[Box<str>]) -> Parsed {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let result = ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    // The reason phrase, be it empty, is there when the line has ended.
    let status = response.code.filter(|_| response.reason.is_some());
    match (result, status) {
        (_, Some(status)) if status < 100 => {
            Parsed::Wrong { status: None, why: format!("the status {status:03}") }
        }
        (Ok(Status::Partial), status) => Parsed::Unfinished { status },
        (Err(_), None) if bytes.starts_with(TLS_ALERT) => {
            Parsed::Wrong { status: None, why: "it is TLS; let the URL begin with https".to_owned() }
        }
        (Err(error), status) => Parsed::Wrong { status, why: error.to_string() },
        (Ok(Status::Complete(_)), Some(101)) => {
            Parsed::Wrong { status, why: "another protocol (101), which nobody asked for".to_owned() }
        }
        (Ok(Status::Complete(bytes)), Some(100..=199)) => Parsed::Interim { bytes },
        (Ok(Status::Complete(bytes)), status) => {
            let status = status.expect("a complete head has a status line");
            let (framing, keep_alive) = frame(status, response.version == Some(1), response.headers);
            let answer = Answer { status, headers: kept(response.headers, judged), body: Vec::new() };
            Parsed::Complete { answer, framing, keep_alive, bytes }
        }
    }
}

/// How the body is framed (RFC 9112, 6.3), and whether the connection can be used again after it.
fn frame(status: u16, is_http_11: bool, headers: &[Header<'_>]) -> (Framing, bool) {
    let (mut length, mut encoding) = (None, None);
    let (mut clear, mut close, mut keep) = (true, false, is_http_11);
    for Header { name, value } in headers {
        if name.eq_ignore_ascii_case("content-length") {
            for item in items(value) {
                let number = decimal(item);
                clear &= number.is_some() && (length.is_none() || length == number);
                length = number;
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            encoding = items(value).last().or(encoding);
        } else if name.eq_ignore_ascii_case("connection") {
            for item in items(value) {
                close |= item.eq_ignore_ascii_case(b"close");
                keep |= item.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
    // Nothing but a length, or nothing but an encoding: with both, two readers see two different messages.
    clear &= encoding.is_none() || (length.is_none() && is_http_11);
    let framing = match (status, encoding, length) {
        (204, encoding, length) => {
            clear &= encoding.is_none() && length.unwrap_or(0) == 0;
            Framing::Length(0)
        }
        (304, _, _) => Framing::Length(0),
        (_, Some(encoding), _) if encoding.eq_ignore_ascii_case(b"chunked") => Framing::chunked(),
        (_, None, Some(length)) if clear => Framing::Length(length),
        _ => Framing::UntilClose,
    };
    let keep_alive = clear && keep && !close && !matches!(framing, Framing::UntilClose);
    (framing, keep_alive)
}

/// The items of a header that is a list, without those that are empty.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

fn kept(headers: &[Header<'_>], judged: &[Box<str>]) -> Vec<(String, String)> {
    let is_named = |header: &Header<'_>, name: &str| header.name.eq_ignore_ascii_case(name);
    // Of several headers of one name the first one is judged.
    let mut first_of_each = Vec::new();
    for name in judged {
        let place = headers.iter().position(|header| is_named(header, name));
        first_of_each.extend(place.filter(|place| !first_of_each.contains(place)));
    }
    let rest = |asks_for_a_rest: bool| {
        let rest = headers.iter().enumerate().filter(|(place, _)| !first_of_each.contains(place));
        let rest = rest.map(|(_, header)| header);
        rest.filter(move |header| is_named(header, "retry-after") == asks_for_a_rest)
    };
    let mut kept = Vec::with_capacity(headers.len());
    let mut room = RESPONSE_HEADERS_JUDGED_BYTES_MAX;
    first_of_each.iter().for_each(|place| keep(&headers[*place], &mut kept, &mut room));
    room = RESPONSE_HEADERS_KEPT_BYTES_MAX;
    rest(true).chain(rest(false)).for_each(|header| keep(header, &mut kept, &mut room));
    kept
}

/// Keeps a header if there is room for it.
fn keep(Header { name, value }: &Header<'_>, kept: &mut Vec<(String, String)>, room: &mut usize) {
    let mut value = String::from_utf8_lossy(value);
    if value.contains(['\r', '\n']) {
        // An obsolete fold stands for a space (RFC 9112, 5.2).
        value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ").into();
    }
    if let Some(left) = room.checked_sub(name.len() + value.len()) {
        *room = left;
        kept.push((name.to_ascii_lowercase(), value.into_owned()));
    }
}
