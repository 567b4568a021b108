//! Answers that are judged by a header.

use super::*;

/// A request whose answer is judged by `X-Secret`.
fn judged(receiver: &Receiver) -> Request {
    Request { judged_headers: ["x-secret".into(), "x-absent".into()].into(), ..receiver.request() }
}

async fn headers_of(answer: String) -> Vec<(String, String)> {
    let receiver = Receiver::answering(answer.leak().as_bytes()).await;
    match dispatcher().outcome(&judged(&receiver), AMPLE).await {
        Outcome::Answered { headers, .. } => headers,
        failed @ Outcome::Failed { .. } => panic!("{failed:?}"),
    }
}

#[actix_rt::test]
async fn a_judged_header_is_kept_however_many_and_long_the_others_are() {
    let long = "x".repeat(1_024);
    let some = |first: usize| (first..first + 50).map(|n| format!("A-{n}: {long}\r\n")).collect::<String>();
    let around = [some(0), "X-Secret: s\r\nRetry-After: 7\r\n".to_owned(), some(50)].concat();
    let headers = headers_of(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{around}\r\n")).await;
    let [judged, retry, ..] = headers.as_slice() else { panic!("{headers:?}") };
    assert_eq!((judged.0.as_str(), judged.1.as_str()), ("x-secret", "s"));
    assert_eq!(retry.0, "retry-after");
    let bytes: usize = headers[1..].iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(bytes <= RESPONSE_HEADERS_KEPT_BYTES_MAX, "{bytes}");
}

#[actix_rt::test]
async fn of_several_the_first_one_is_judged_and_one_that_is_too_long_counts_as_absent() {
    let headers = headers_of(
        "HTTP/1.1 200 OK\r\nX-SECRET: first\r\nContent-Length: 0\r\nx-secret: second\r\n\r\n".to_owned(),
    )
    .await;
    let values: Vec<_> = headers.iter().filter(|(name, _)| name == "x-secret").map(|it| &it.1).collect();
    assert_eq!(values, ["first", "second"]);
    let huge = "s".repeat(RESPONSE_HEADERS_JUDGED_BYTES_MAX);
    let headers =
        headers_of(format!("HTTP/1.1 200 OK\r\nX-Secret: {huge}\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(headers, [("content-length".to_owned(), "0".to_owned())]);
}

#[actix_rt::test]
async fn a_status_line_of_success_is_no_answer_before_its_headers_are_complete() {
    let (closes, hangs) = (FailureClass::Broken, FailureClass::Timeout);
    let cut: &'static [u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    for expected in [closes, hangs] {
        let receiver = Receiver::start(move |_, mut stream| async move {
            read_request(&mut stream).await?;
            stream.write_all(cut).await?;
            if expected == hangs { hold(&mut stream).await } else { Ok(()) }
        })
        .await;
        assert_eq!(class(&dispatcher().outcome(&judged(&receiver), SHORT).await), expected);
        assert_eq!(status(&dispatcher().outcome(&receiver.request(), SHORT).await), 200, "nothing is judged");
    }
    let too_many: String = (0..200).map(|n| format!("A-{n}: x\r\n")).collect();
    let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{too_many}\r\n").leak().as_bytes()).await;
    assert_eq!(class(&dispatcher().outcome(&judged(&receiver), AMPLE).await), FailureClass::Protocol);
}
