//! Takes in a JSON body: of the right type, within its limits, in time, and text.

use std::{str::Utf8Error, time::Duration};

use actix_rt::time::timeout;
use actix_web::{
    HttpRequest,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName},
    web::{Bytes, BytesMut, Payload},
};
use casewire_data::limits;
use futures_util::StreamExt;

use super::problem::Problem;

const DEPTH_MAX: usize = limits::JSON_DEPTH_MAX;
/// How long a body may take to come in, to its last byte. Whoever sends it a byte at a time must not
/// hold a connection and memory for longer; the largest body there is comes in time over 3 Mbit/s.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Reads a request's body. To be called when the caller is authorized and not before.
///
/// The text is not known to be JSON yet; it is known not to nest deeper than [`DEPTH_MAX`].
pub(super) async fn read(request: &HttpRequest, payload: Payload) -> Result<String, Problem> {
    read_within(request, payload, TIME_MAX).await
}

/// Reads a body that may be left out. Without a byte of it nothing was sent, whatever type is announced: many clients
/// announce one with everything.
pub(super) async fn read_if_sent(request: &HttpRequest, payload: Payload) -> Result<Option<String>, Problem> {
    if request.headers().contains_key(CONTENT_TYPE) {
        return read(request, payload).await.map(|text| Some(text).filter(|text| !text.is_empty()));
    }
    // A body without a type is refused for that.
    if read_bytes(payload).await?.is_empty() {
        Ok(None)
    } else {
        check_type(request, &["application/json"]).map(|()| None)
    }
}

async fn read_within(request: &HttpRequest, payload: Payload, limit: Duration) -> Result<String, Problem> {
    check_head(request, &["application/json"])?;
    let body = bytes_within(payload, limit).await?;
    let text =
        String::from_utf8(body.into()).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error()))?;
    check_depth(&text)?;
    Ok(text)
}

/// Reads a body as it is, byte for byte. To be called after [`check_head`].
pub(super) async fn read_bytes(payload: Payload) -> Result<Bytes, Problem> {
    bytes_within(payload, TIME_MAX).await.map(BytesMut::freeze)
}

/// The bytes of a body as text, known not to nest deeper than [`DEPTH_MAX`].
pub(super) fn text(body: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error))?;
    check_depth(text).map(|()| text)
}

/// Whether a body of one of these types is announced that is not too large.
pub(super) fn check_head(request: &HttpRequest, types: &[&str]) -> Result<(), Problem> {
    check_type(request, types)?;
    let announced =
        header(request, &actix_web::http::header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limits::ADMIN_BODY_BYTES_MAX as u64) {
        return Err(Problem::too_large());
    }
    Ok(())
}

async fn bytes_within(payload: Payload, limit: Duration) -> Result<BytesMut, Problem> {
    timeout(limit, collect(payload)).await.map_err(|_| Problem::too_slow(limit))?
}

fn not_utf8(body: &[u8], error: Utf8Error) -> Problem {
    let (line, column) = place(body, error.valid_up_to());
    Problem::malformed(format!("the body is not UTF-8 at line {line} column {column}; JSON is sent in UTF-8"))
}

/// All of the body, unless it is too large.
async fn collect(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed("the body broke off; send the request again"))?;
        if body.len() + chunk.len() > limits::ADMIN_BODY_BYTES_MAX {
            return Err(Problem::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn check_type(request: &HttpRequest, types: &[&str]) -> Result<(), Problem> {
    let wrong = || Problem::unsupported_media("send JSON, with `Content-Type: application/json`");
    let mut parts = header(request, &CONTENT_TYPE).ok_or_else(wrong)?.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if !types.iter().any(|allowed| essence.eq_ignore_ascii_case(allowed)) {
        return Err(wrong());
    }
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        let utf8 =
            ["utf-8", "utf8", "us-ascii"].iter().any(|set| value.trim_matches('"').eq_ignore_ascii_case(set));
        if name.eq_ignore_ascii_case("charset") && !utf8 {
            return Err(Problem::unsupported_media("send JSON in UTF-8 (RFC 8259, 8.1)"));
        }
    }
    match request.headers().get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            Err(Problem::unsupported_media("send the body as it is, without Content-Encoding"))
        }
        _ => Ok(()),
    }
}

fn check_depth(text: &str) -> Result<(), Problem> {
    let Some(at) = limits::too_deep(text) else { return Ok(()) };
    let (line, column) = place(text.as_bytes(), at);
    Err(Problem::malformed(format!(
        "the body nests deeper than {DEPTH_MAX} levels at line {line} column {column}; send it flatter"
    )))
}

/// Line and column, both from 1 and the column in bytes, of the byte at `at`.
fn place(body: &[u8], at: usize) -> (usize, usize) {
    let before = &body[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, at - line_start + 1)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        thread,
    };

    use actix_web::{
        App, FromRequest as _, HttpServer, ResponseError, dev,
        test::TestRequest,
        web::{self, Bytes},
    };
    use futures_util::stream;

    use super::super::unread;
    use super::*;

    /// Long for a test's own body, short for a person.
    const SHORT: Duration = Duration::from_millis(200);

    fn type_status(content_type: Option<&str>) -> u16 {
        let request = TestRequest::post();
        let request = match content_type {
            Some(value) => request.insert_header((CONTENT_TYPE, value)),
            None => request,
        };
        check_type(&request.to_http_request(), &["application/json"])
            .map_or_else(|problem| problem.status_code().as_u16(), |()| 200)
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert_eq!(type_status(Some(good)), 200, "{good}");
        }
        for bad in
            ["text/plain", "application/json; charset=utf-16", "application/jsonp", "application/ld+json", ""]
        {
            assert_eq!(type_status(Some(bad)), 415, "{bad}");
        }
        assert_eq!(type_status(None), 415);
    }

    #[test]
    fn nesting_is_counted_outside_of_strings_and_a_bomb_is_named_by_its_place() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        check_depth(&nested(DEPTH_MAX)).unwrap();
        check_depth(&format!(r#"{{"a":"\"{}"}}"#, "[".repeat(10_000))).unwrap();
        let problem = check_depth(&format!("\n{}", nested(10_000))).unwrap_err();
        assert!(problem.to_string().contains("line 2 column 128"), "{problem}");
    }

    #[actix_web::test]
    async fn a_body_that_trickles_in_is_read_until_its_time_is_over_and_no_longer() {
        let trickle = stream::repeat(()).then(|()| async {
            actix_rt::time::sleep(SHORT / 20).await;
            Ok(Bytes::from_static(b" "))
        });
        let request = TestRequest::post().insert_header((CONTENT_TYPE, "application/json")).to_http_request();
        let mut payload: dev::Payload = dev::Payload::Stream { payload: Box::pin(trickle) };
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        let problem = read_within(&request, payload, SHORT).await.unwrap_err();
        assert_eq!(problem.status_code(), 408, "{problem}");
    }

    #[actix_web::test]
    async fn a_connection_whose_body_never_came_is_answered_and_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let read = |request: HttpRequest, payload| async move { read_within(&request, payload, SHORT).await };
        let app =
            move || App::new().service(web::scope("").wrap_fn(unread::keep).default_service(web::to(read)));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let stop = server.handle();
        actix_rt::spawn(server);

        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let head =
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.to_ascii_lowercase()
        });
        let answer = actix_rt::task::spawn_blocking(|| client.join().unwrap()).await.unwrap();
        assert!(answer.starts_with("http/1.1 408 "), "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        stop.stop(false).await;
    }
}
