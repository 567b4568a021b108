//! Requests, byte for byte.

use super::*;

/// What a receiver sees of a request.
async fn on_the_wire(change: impl FnOnce(&mut Request)) -> (String, SocketAddr) {
    let seen = Rc::new(RefCell::new(String::new()));
    let keep = Rc::clone(&seen);
    let receiver = Receiver::start(move |_, mut stream| {
        let keep = Rc::clone(&keep);
        async move {
            keep.replace(read_request(&mut stream).await?);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
        }
    })
    .await;
    let mut request = receiver.request();
    change(&mut request);
    assert_eq!(status(&dispatcher().outcome(&request, AMPLE).await), 204);
    (seen.take(), receiver.address)
}

#[actix_rt::test]
async fn the_request_on_the_wire_is_exactly_this() {
    let (seen, address) = on_the_wire(|request| {
        request.headers.add("X-ECD-Signature", "abc");
        request.headers.add("a", "1");
        request.headers.add("a", "");
    })
    .await;
    let expected = format!(
        "POST /hook?a=b HTTP/1.1\r\nHost: {address}\r\nWebhook-Id: evt_1\r\nX-ECD-Signature: abc\r\na: 1\r\na: \r\n\
         Content-Type: application/json\r\nUser-Agent: Casewire/test\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}"
    );
    assert_eq!(seen, expected);
}

#[actix_rt::test]
async fn what_a_request_brings_itself_is_not_added() {
    let (seen, address) = on_the_wire(|request| {
        request.headers = [("user-agent", "Other"), ("CONTENT-TYPE", "text/xml")].into_iter().collect();
        request.body = Bytes::new();
    })
    .await;
    let expected = format!(
        "POST /hook?a=b HTTP/1.1\r\nHost: {address}\r\nuser-agent: Other\r\nCONTENT-TYPE: text/xml\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert_eq!(seen, expected);
}

#[actix_rt::test]
async fn a_probe_without_a_body_says_nothing_of_one() {
    let probe = |request: &mut Request| {
        request.method = Method::Options;
        request.headers = [("WebHook-Request-Origin", "casewire.example")].into_iter().collect();
        request.body = Bytes::new();
    };
    let (seen, address) = on_the_wire(probe).await;
    let expected = format!(
        "OPTIONS /hook?a=b HTTP/1.1\r\nHost: {address}\r\nWebHook-Request-Origin: casewire.example\r\n\
         User-Agent: Casewire/test\r\n\r\n"
    );
    assert_eq!(seen, expected);

    let (seen, _) = on_the_wire(|request| request.method = Method::Options).await;
    assert!(seen.ends_with(
        "Content-Type: application/json\r\nUser-Agent: Casewire/test\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
    ));
}

#[test]
fn a_target_is_what_its_url_says() {
    let targets = [
        ("https://crm.example", " / HTTP/1.1\r\nHost: crm.example\r\n"),
        ("https://crm.example:443/a%20b?", " /a%20b? HTTP/1.1\r\nHost: crm.example\r\n"),
        ("http://crm.example:443/#top", " / HTTP/1.1\r\nHost: crm.example:443\r\n"),
        ("https://[::1]:8443/x?y=z", " /x?y=z HTTP/1.1\r\nHost: [::1]:8443\r\n"),
        ("https://user:secret@crm.example/a b", " /a%20b HTTP/1.1\r\nHost: crm.example\r\n"),
    ];
    for (url, opening) in targets {
        assert_eq!(Target::new(url).unwrap().opening(), opening);
    }
    for url in ["", "/x", "crm.example", "mailto:a@b", "https://"] {
        assert_eq!(Target::new(url).unwrap_err().field_errors()[0].field, "url", "{url}");
    }
}

#[actix_rt::test]
async fn headers_that_would_change_the_message_are_not_sent() {
    let receiver = Receiver::answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let wrong = [
        ("Host", "crm.example"),
        ("transfer-encoding", "chunked"),
        ("Content-Length", "1"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "a\0"),
        ("X-A", "a\r\n b"),
        ("X-A", "\u{7f}"),
        ("X-A", "\u{e9}"),
        ("X A", "a"),
        ("X-\u{e9}", "a"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic YTpi"),
        ("X-A: b\r\nX-C", "d"),
        ("", "a"),
    ];
    for (name, value) in wrong {
        let mut request = receiver.request();
        request.headers.add(name, value);
        assert_eq!(
            class(&dispatcher().outcome(&request, AMPLE).await),
            FailureClass::Request,
            "{name}: {value:?}"
        );
    }
    assert_eq!(receiver.accepted.get(), 0);
}
