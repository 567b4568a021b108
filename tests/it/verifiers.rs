//! Signatures: the verifiers of Standard Webhooks that others wrote take ours, and no others.
//!
//! The one in Rust judges every signature of a property test in `data/src/signature.rs`.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use crate::binary::{Attempt, Receiver, Server, skip};

const JAVASCRIPT: &str = include_str!("verifiers/verify.js");
const PYTHON: &str = include_str!("verifiers/verify.py");

/// A delivery as a receiver got it, and the secret that signed it.
fn delivery() -> (Attempt, String) {
    let dir = TempDir::new().unwrap();
    let receiver = Receiver::start(|_| 200);
    let server = Server::start(dir.path(), &[]);
    let (_, secret) = server.endpoint(&receiver.url("/"), &["*"]);
    // Not ASCII, and spaced as no encoder would: what is signed is bytes.
    let event = r#"{"type":"cases.created","data":{ "name" : "Žofia\u00e9 😀", "n": 1.0 }}"#;
    server.connect().request("POST", "/events", event).unwrap().id(202);
    let attempt = receiver.wait("the event", |attempts| !attempts.is_empty()).remove(0);
    (attempt, secret)
}

/// The delivery as the verifiers take it, as it came or with a byte changed.
fn input(attempt: &Attempt, secret: &str, changed: bool) -> String {
    let mut body = String::from_utf8(attempt.body.clone()).unwrap();
    if changed {
        body.push(' ');
    }
    json!({ "secret": secret, "headers": attempt.headers, "body": body }).to_string()
}

/// Whether a verifier takes a delivery. Its program ends with 0 for yes and 3 for no.
fn takes(mut verifier: Command, input: &str) -> bool {
    let mut child = verifier.stdin(Stdio::piped()).spawn().expect("the verifier starts");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    match child.wait().unwrap().code() {
        Some(0) => true,
        Some(3) => false,
        other => panic!("the verifier ended with {other:?}"),
    }
}

/// Whether a program is there and ends well.
pub fn can(probe: &mut Command) -> bool {
    probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn agrees(verifier: impl Fn() -> Command) {
    let (attempt, secret) = delivery();
    assert!(takes(verifier(), &input(&attempt, &secret, false)), "a true delivery is taken");
    assert!(!takes(verifier(), &input(&attempt, &secret, true)), "a changed body is not");
    let (_, other) = delivery();
    assert!(!takes(verifier(), &input(&attempt, &other, false)), "another secret's signature is not");
}

/// `CASEWIRE_NODE_MODULES` names a folder into which `npm install standardwebhooks` was done.
#[test]
fn the_javascript_library_takes_our_signatures() {
    let modules = std::env::var("CASEWIRE_NODE_MODULES").unwrap_or_default();
    let node = |script: &str| {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules).args(["-e", script]);
        command
    };
    if !can(&mut node("require('standardwebhooks')")) {
        return skip("node does not have the package standardwebhooks (CASEWIRE_NODE_MODULES)");
    }
    agrees(|| node(JAVASCRIPT));
}

/// `CASEWIRE_PYTHON` names a Python into which `pip install standardwebhooks` was done.
#[test]
fn the_python_library_takes_our_signatures() {
    let interpreter = std::env::var("CASEWIRE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let python = |script: &str| {
        let mut command = Command::new(&interpreter);
        command.args(["-c", script]);
        command
    };
    if !can(&mut python("import standardwebhooks")) {
        return skip("python does not have the package standardwebhooks (CASEWIRE_PYTHON)");
    }
    agrees(|| python(PYTHON));
}
