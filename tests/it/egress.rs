//! Egress: no delivery reaches an address that it may not, however it is spelt.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{net::TcpListener, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Receiver, Reply, Server};

/// A server whose deliveries may go nowhere private, and give up after the first attempt at the second.
fn strict(dir: &Path) -> Server {
    Server::start(
        dir,
        &[("CASEWIRE_EGRESS_ALLOW", "127.0.0.2/32"), ("CASEWIRE_RETRY_SCHEDULE_SECONDS", "86400")],
    )
}

/// Counts connections to a loopback port by taking them off the backlog at the end.
struct Trap(TcpListener);

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn connections(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

/// Publishes to an endpoint and answers its first attempt.
fn attempt(server: &Server, endpoint: &str) -> Value {
    let mut connection = server.connect();
    let event = connection.request("POST", "/events", r#"{"type":"a.b","data":1}"#).unwrap().id(202);
    let path = format!("/deliveries/{event}.{endpoint}");
    let begun = std::time::Instant::now();
    loop {
        let delivery = connection.request("GET", &path, "").unwrap().data(200);
        if delivery["attempts"][0].is_object() {
            return delivery["attempts"][0].clone();
        }
        assert!(begun.elapsed() < crate::binary::PATIENCE, "{delivery}");
    }
}

#[test]
fn no_spelling_of_a_forbidden_address_is_connected_to() {
    let dir = TempDir::new().unwrap();
    let server = strict(dir.path());
    let trap = Trap::set();
    let hosts = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "2852039166",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "ip6-localhost",
    ];
    let mut delivered_to = 0;
    for (host, scheme) in hosts.iter().flat_map(|host| [(host, "http"), (host, "https")]) {
        let url = format!("{scheme}://{host}:{}/", trap.port());
        let body = json!({ "url": url, "events": ["*"], "dialect": "standard@1" }).to_string();
        let made = server.connect().request("POST", "/endpoints", &body).unwrap();
        if made.status == 422 {
            continue;
        }
        // What is a name only when it is saved is judged by what it resolves to.
        delivered_to += 1;
        let id = made.id(201);
        let attempt = attempt(&server, &id);
        let class = attempt["error"]["class"].as_str().unwrap_or_default();
        assert!(["egress", "dns"].contains(&class), "{url}: {attempt}");
        server.connect().request("DELETE", &format!("/endpoints/{id}"), "").unwrap();
    }
    println!("{delivered_to} were accepted and refused at delivery");
    assert_eq!(trap.connections(), 0);
}

#[test]
fn a_redirect_is_a_failure_and_nobody_follows_it() {
    let dir = TempDir::new().unwrap();
    let server = strict(dir.path());
    let trap = Trap::set();
    let port = trap.port();
    for target in [
        format!("http://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/".to_owned(),
        "/again".to_owned(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let location = target.clone();
            let receiver =
                Receiver::start_on("127.0.0.2", move |_| Reply { status, location: Some(location.clone()) });
            let (id, _) = server.endpoint(&receiver.url("/"), &["*"]);
            assert_eq!(attempt(&server, &id)["status_code"], status);
            assert_eq!(receiver.count(), 1);
            server.connect().request("DELETE", &format!("/endpoints/{id}"), "").unwrap();
        }
    }
    assert_eq!(trap.connections(), 0);
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let dir = TempDir::new().unwrap();
    let trap = Trap::set();
    let proxy = format!("http://127.0.0.1:{}", trap.port());
    let variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let env: Vec<_> = variables.iter().map(|name| (*name, proxy.as_str())).collect();
    let server = Server::start(dir.path(), &env);
    let receiver = Receiver::start(|_| 200);
    let (id, _) = server.endpoint(&receiver.url("/"), &["*"]);
    assert_eq!(attempt(&server, &id)["status_code"], 200);
    assert_eq!(trap.connections(), 0);
}
