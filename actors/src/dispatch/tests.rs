//! Receivers of every kind, on loopback, and what an attempt against each of them comes to.

mod answers;
mod judged;
mod reuse;
mod tls;
mod transit;
mod wire;

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
};

use actix_rt::net::{TcpListener, TcpStream};
use bytes::Bytes;
use casewire_data::{
    delivery::FailureClass,
    limits::{RESPONSE_HEADERS_JUDGED_BYTES_MAX, RESPONSE_HEADERS_KEPT_BYTES_MAX, RESPONSE_KEPT_BYTES_MAX},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::egress::tests::Scripted;

/// Long enough for any answer on loopback, however busy the machine is.
const AMPLE: Duration = Duration::from_secs(10);
/// For receivers that never answer.
const SHORT: Duration = Duration::from_millis(300);

/// Counts the connections that it accepts, and serves each of them by a script.
struct Receiver {
    address: SocketAddr,
    accepted: Rc<Cell<usize>>,
    task: actix_rt::task::JoinHandle<()>,
}

impl Receiver {
    /// `serve` is handed each connection with its number, from 1.
    async fn start<F, Served>(serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Served + 'static,
        Served: Future<Output = io::Result<()>> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Rc::new(Cell::new(0));
        let counter = Rc::clone(&accepted);
        let task = actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.set(counter.get() + 1);
                actix_rt::spawn(serve(counter.get(), stream));
            }
        });
        Self { address, accepted, task }
    }

    /// Answers every request on every connection with the same bytes, and keeps the connection open.
    async fn answering(answer: &'static [u8]) -> Self {
        Self::start(move |_, mut stream| async move {
            while !read_request(&mut stream).await?.is_empty() {
                stream.write_all(answer).await?;
            }
            Ok(())
        })
        .await
    }

    fn request(&self) -> Request {
        request(&format!("http://{}/hook?a=b", self.address))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request with its body; empty if the sender closed the connection instead.
async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        if stream.read_buf(&mut text).await? == 0 {
            return Ok(String::new());
        }
        let so_far = String::from_utf8_lossy(&text);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Ok(so_far.into_owned());
        }
    }
}

/// Holds a connection open until the sender closes it.
async fn hold(stream: &mut TcpStream) -> io::Result<()> {
    let mut ignored = [0; 1_024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn request(url: &str) -> Request {
    let headers = [("Webhook-Id", "evt_1")].into_iter().collect();
    let (method, target) = (Method::Post, Target::new(url).unwrap());
    Request { method, target, headers, body: Bytes::from_static(b"{\"a\":1}"), judged_headers: [].into() }
}

fn config(allow: &str) -> DispatchConfig {
    DispatchConfig {
        max_in_flight: 2,
        policy: Arc::new(EgressPolicy::parse(allow).unwrap()),
        tls: tls_config(),
        user_agent: "Casewire/test".to_owned(),
    }
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(&config("127.0.0.0/8"))
}

impl Dispatcher {
    /// What an attempt comes to, where its way there does not matter.
    async fn outcome(&self, request: &Request, deadline: Duration) -> Outcome {
        self.attempt(request, deadline).await.0
    }
}

fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Answered { status, .. } => *status,
        Outcome::Failed { .. } => panic!("{outcome:?}"),
    }
}

fn body(outcome: &Outcome) -> &[u8] {
    match outcome {
        Outcome::Answered { body, .. } => body,
        Outcome::Failed { .. } => panic!("{outcome:?}"),
    }
}

fn class(outcome: &Outcome) -> FailureClass {
    match outcome {
        Outcome::Failed { class, .. } => *class,
        Outcome::Answered { .. } => panic!("{outcome:?}"),
    }
}

#[actix_rt::test]
async fn the_status_is_taken_as_it_comes_and_the_connection_is_used_again() {
    let answers: [(&[u8], u16); 5] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", 301),
        (b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 410),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 500),
    ];
    for (answer, expected) in answers {
        let receiver = Receiver::answering(answer).await;
        let dispatcher = dispatcher();
        for _ in 0..3 {
            assert_eq!(status(&dispatcher.outcome(&receiver.request(), AMPLE).await), expected);
        }
        assert_eq!(receiver.accepted.get(), 1, "{expected}: one connection for three requests");
    }
}

#[actix_rt::test]
async fn what_is_not_http_is_named_so() {
    let endless: &'static [u8] =
        [b"HTTP/1.1 500 Oh\r\n".as_slice(), &b"X-Endless: yes\r\n".repeat(20_000)].concat().leak();
    let answers: [&[u8]; 8] = [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 099 Early\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nno header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n".repeat(20).leak(),
        endless,
    ];
    for answer in answers {
        let receiver = Receiver::answering(answer).await;
        let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
        assert_eq!(class(&outcome), FailureClass::Protocol, "{outcome:?}");
    }
}

#[actix_rt::test]
async fn a_connection_that_breaks_before_the_answer_is_named_so_and_not_tried_again() {
    let answers: [&[u8]; 4] =
        [b"", b"HTTP/1.1 200", b"HTTP/1.1 500 Oh\r\nContent-", b"HTTP/1.1 100 Continue\r\n\r\n"];
    for answer in answers {
        let receiver = Receiver::start(move |_, mut stream| async move {
            read_request(&mut stream).await?;
            stream.write_all(answer).await
        })
        .await;
        let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
        assert_eq!(class(&outcome), FailureClass::Broken, "{outcome:?}");
        assert_eq!(receiver.accepted.get(), 1);
    }
}

#[actix_rt::test]
async fn a_receiver_that_never_answers_holds_its_place_until_the_deadline_only() {
    let receiver = Receiver::start(|_, mut stream| async move { hold(&mut stream).await }).await;
    let dispatcher = dispatcher();
    let (request, started) = (receiver.request(), Instant::now());
    // The last one finds no place before its deadline, which covers the wait for one.
    let deadlines = [SHORT, SHORT, SHORT / 2];
    let attempts = deadlines.map(|deadline| dispatcher.outcome(&request, deadline));
    let words = ["no answer in 300 ms", "no answer in 300 ms", "no answer in 150 ms"];
    for (outcome, message) in futures_util::future::join_all(attempts).await.into_iter().zip(words) {
        let message = message.to_owned();
        assert_eq!(outcome, Outcome::Failed { class: FailureClass::Timeout, message });
    }
    assert!(started.elapsed() < SHORT + Duration::from_millis(500));
    assert_eq!(receiver.accepted.get(), 2, "never more than max_in_flight");

    let healthy = Receiver::answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(
        status(&dispatcher.outcome(&healthy.request(), AMPLE).await),
        204,
        "the places are free again"
    );
}

#[actix_rt::test]
async fn a_body_that_crawls_changes_nothing_but_ends_with_the_deadline() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await?;
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        loop {
            beat.tick().await;
            stream.write_all(b"x").await?;
        }
    })
    .await;
    let started = Instant::now();
    let outcome = dispatcher().outcome(&receiver.request(), SHORT).await;
    assert_eq!(status(&outcome), 200);
    assert!(body(&outcome).starts_with(b"x"), "what had come is kept");
    assert!(started.elapsed() < SHORT + Duration::from_millis(500));
}

#[actix_rt::test]
async fn of_a_huge_body_the_beginning_is_read_and_the_connection_dropped() {
    const HUGE: usize = 10 * 1024 * 1024;
    let written = Rc::new(Cell::new(0));
    let counter = Rc::clone(&written);
    let receiver = Receiver::start(move |_, mut stream| {
        let counter = Rc::clone(&counter);
        async move {
            read_request(&mut stream).await?;
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n").as_bytes()).await?;
            while counter.get() < HUGE {
                stream.write_all(&[b'x'; 4_096]).await?;
                counter.set(counter.get() + 4_096);
            }
            Ok(())
        }
    })
    .await;
    let dispatcher = dispatcher();
    let outcome = dispatcher.outcome(&receiver.request(), AMPLE).await;
    assert_eq!((status(&outcome), body(&outcome).len()), (200, RESPONSE_KEPT_BYTES_MAX));
    assert!(written.get() < HUGE, "the rest was never sent");
    dispatcher.outcome(&receiver.request(), AMPLE).await;
    assert_eq!(receiver.accepted.get(), 2);
}

#[actix_rt::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 202 OK\r\nContent-Length: 100\r\n\r\nhalf").await?;
        // With nothing lingering, the close that follows is a reset.
        stream.set_zero_linger()
    })
    .await;
    let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
    assert_eq!(status(&outcome), 202);
    let broken = Receiver::answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    assert_eq!(status(&dispatcher().outcome(&broken.request(), AMPLE).await), 200);
}

#[actix_rt::test]
async fn a_compressed_body_is_kept_as_it_came() {
    let receiver = Receiver::answering(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00\x00",
    )
    .await;
    let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
    assert_eq!((status(&outcome), body(&outcome)), (200, b"\x1f\x8b\x08\x00\x00".as_slice()));
}

#[actix_rt::test]
async fn kept_headers_are_bounded_and_retry_after_is_always_among_them() {
    let mut answer = "HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n".to_owned();
    for number in 0..60 {
        answer += &format!("A-{number}: {}\r\n", "x".repeat(100));
    }
    answer += "Retry-After: 7\r\n\r\n";
    let receiver = Receiver::answering(answer.leak().as_bytes()).await;
    let Outcome::Answered { headers, .. } = dispatcher().outcome(&receiver.request(), AMPLE).await else {
        panic!("an answer")
    };
    assert_eq!(headers[0], ("retry-after".to_owned(), "7".to_owned()));
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!((1_900..=RESPONSE_HEADERS_KEPT_BYTES_MAX).contains(&bytes), "{bytes}");
}

#[actix_rt::test]
async fn nobody_listening_is_a_refused_connection() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = dispatcher().outcome(&request(&format!("http://{free}/")), AMPLE).await;
    let message = "connection refused".to_owned();
    assert_eq!(outcome, Outcome::Failed { class: FailureClass::Connect, message });
}

#[actix_rt::test]
async fn a_forbidden_address_gets_no_connection_and_says_what_to_do() {
    let receiver = Receiver::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = receiver.address.port();
    let closed = Dispatcher::with_resolver(&config("10.0.0.1"), Scripted::new(&["127.0.0.1"]));
    for host in ["127.0.0.1", "crm.example", "localhost"] {
        let outcome = closed.outcome(&request(&format!("http://{host}:{port}/")), AMPLE).await;
        assert_eq!(class(&outcome), FailureClass::Egress, "{outcome:?}");
        let Outcome::Failed { message, .. } = outcome else { unreachable!() };
        assert!(message.contains("CASEWIRE_EGRESS_ALLOW"), "{message}");
    }
    assert_eq!(receiver.accepted.get(), 0);
}

#[actix_rt::test]
async fn a_name_without_an_address_is_a_matter_of_dns() {
    let nowhere = Dispatcher::with_resolver(&config(""), Scripted::new(&[""]));
    assert_eq!(class(&nowhere.outcome(&request("https://crm.example/"), AMPLE).await), FailureClass::Dns);
}
