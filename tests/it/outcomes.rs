//! What an answer means: only a 2xx delivers, whatever its body; all else is tried again.

use std::{io::Write, net::TcpStream, time::Duration};

use casewire::{DeliveryStatus, FailureClass, Outcome};

use crate::support::{Embedded, Receiver, Reply, to, work_for};

#[tokio::test]
async fn any_2xx_delivers_at_the_first_attempt() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| Reply::status(request.path[1..].parse().unwrap()));
    for status in [200, 201, 202, 204, 206, 226, 299] {
        let event_type = format!("cases.{status}");
        let endpoint = home.subscribe(to(receiver.at(&format!("/{status}")), &[&event_type])).await;
        let event = home.publish(&event_type).await;
        let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
        let statuses: Vec<_> = record.attempts.iter().map(|attempt| attempt.outcome.status()).collect();
        assert_eq!(statuses, [Some(status)]);
    }
}

#[tokio::test]
async fn anything_but_a_2xx_is_tried_again_and_no_redirect_is_followed() {
    let (home, elsewhere) = (Embedded::start(), Receiver::willing());
    let location = elsewhere.url();
    let receiver = Receiver::start(move |request| match request.attempt {
        1 => Reply::status(request.path[1..].parse().unwrap()).with("Location", &location),
        _ => Reply::status(200),
    });
    let mut events = Vec::new();
    let statuses = [
        300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504,
        599,
    ];
    for status in statuses {
        let event_type = format!("cases.{status}");
        let endpoint = home.subscribe(to(receiver.at(&format!("/{status}")), &[&event_type])).await;
        events.push((home.publish(&event_type).await, endpoint, status));
    }
    for (event, endpoint, status) in events {
        let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
        let statuses: Vec<_> = record.attempts.iter().map(|attempt| attempt.outcome.status()).collect();
        assert_eq!(statuses, [Some(status), Some(200)]);
    }
    assert_eq!(elsewhere.count(), 0, "a redirect was followed");
}

#[tokio::test]
async fn no_answer_is_tried_again_and_says_why() {
    let home = Embedded::with(|builder| {
        builder.limits(casewire::Limits { attempt_timeout_ms: 300, ..Default::default() })
    });
    let receiver = Receiver::start(|request| match (request.attempt, request.path.as_str()) {
        (1, "/silent") => Reply::raw(await_end),
        (1, "/closes") => Reply::raw(|_| ()),
        (1, "/babbles") => Reply::raw(|connection| drop(connection.write_all(b"SSH-2.0-OpenSSH_9.6\r\n"))),
        _ => Reply::status(200),
    });
    for (path, class) in [
        ("/silent", FailureClass::Timeout),
        ("/closes", FailureClass::Broken),
        ("/babbles", FailureClass::Protocol),
    ] {
        let event_type = format!("cases.{}", &path[1..]);
        let endpoint = home.subscribe(to(receiver.at(path), &[&event_type])).await;
        let event = home.publish(&event_type).await;
        let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
        let classes: Vec<_> = record.attempts.iter().map(|attempt| attempt.outcome.failure_class()).collect();
        assert_eq!(classes, [Some(class), None], "{path}");
    }
}

#[tokio::test]
async fn a_2xx_delivers_whatever_its_body_does() {
    let home = Embedded::start();
    let receiver = Receiver::start(|request| match request.path.as_str() {
        "/endless" => Reply::raw(|connection| {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
            while connection.write_all(b"x").is_ok() {
                work_for(Duration::from_millis(20));
            }
        }),
        "/huge" => Reply::status(200).body(vec![b'x'; 10_000_000]),
        "/gzip" => Reply::status(200).with("Content-Encoding", "gzip").body("\x1f\u{8b}not gzip"),
        "/short" => Reply::raw(|connection| {
            drop(connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"));
        }),
        "/chunks" => Reply::raw(|connection| {
            drop(connection.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n"));
        }),
        path => panic!("{path}"),
    });
    let mut events = Vec::new();
    for path in ["/endless", "/huge", "/gzip", "/short", "/chunks"] {
        let mut draft = to(receiver.at(path), &[&format!("cases.{}", &path[1..])]);
        draft.timeout_seconds = Some(1);
        let endpoint = home.subscribe(draft).await;
        events.push((home.publish(&format!("cases.{}", &path[1..])).await, endpoint, path));
    }
    for (event, endpoint, path) in events {
        let record = home.until(event, endpoint, DeliveryStatus::Delivered).await;
        let [attempt] = record.attempts.as_slice() else { panic!("{path}: {record:?}") };
        let Outcome::Answered { status: 200, body, .. } = &attempt.outcome else {
            panic!("{path}: {record:?}")
        };
        assert!(body.len() <= 4_096, "{path} keeps {} bytes", body.len());
        match path {
            "/huge" => assert_eq!(body.len(), 4_096),
            "/gzip" => assert_eq!(body, "\x1f\u{8b}not gzip".as_bytes(), "kept as it came"),
            "/short" => assert_eq!(body, b"short"),
            _ => {}
        }
    }
}

/// Says nothing until the other side has had enough.
fn await_end(connection: &mut TcpStream) {
    let _ = std::io::copy(connection, &mut std::io::sink());
}
