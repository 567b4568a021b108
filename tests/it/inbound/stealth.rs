//! A secret is shown when its source is created and nowhere else; the program does what the API does.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use tempfile::TempDir;

use super::*;
use crate::binary::{Server, TOKEN, run};

const CANARY: &str = "canary-of-a-source-that-nobody-prints";

#[test]
fn the_secret_of_a_source_is_in_no_log_and_no_answer_but_the_first() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[("CASEWIRE_LOG", "trace")]);
    let mut api = server.connect();
    let mut call = |method: &str, path: &str, body: &str| api.request(method, path, body).unwrap();

    let draft = json!({ "name": "court", "dialect": "github@1", "secret": CANARY }).to_string();
    let created = call("POST", "/sources", &draft);
    assert_eq!(created.data(201)["secret"], CANARY);
    let path = format!("/sources/{}", created.data(201)["id"].as_str().unwrap());
    let patch = json!({ "secret": CANARY }).to_string();
    for answer in [
        call("GET", "/sources", ""),
        call("GET", &path, ""),
        call("PATCH", &path, &patch),
        call("PATCH", &path, &json!({ "secret": format!("{CANARY} ") }).to_string()),
        call("POST", "/sources", &draft),
        call("POST", "/inbound/court", "{}"),
    ] {
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    call("POST", "/sources", &draft.replace("github", "hivelight").replace("court", "desk")).data(201);
    // Twice its request proves itself by the secret alone, once in vain.
    for (secret, status) in [(CANARY, "422"), (CANARY, "422"), ("another-canary", "401")] {
        let mut connection = TcpStream::connect(&server.address).unwrap();
        let head = "POST /v2.3/webhooks/inbound/desk HTTP/1.1\r\nHost: casewire\r\nConnection: close";
        let body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        write!(connection, "{head}\r\nX-Secret: {secret}\r\n{body}").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let log = server.terminate().stderr;
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "it logs all that there is");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn the_program_creates_lists_shows_and_deletes_sources() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let casewire = |arguments: &[&str]| {
        let all = [arguments, &["--server", &url, "--token", TOKEN]].concat();
        run(&all, &[("CASEWIRE_SOURCE_SECRET", CANARY)])
    };
    let created = casewire(&["sources", "create", "court", "--dialect", "github@1", "--json"]);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let source = serde_json::from_str::<Value>(&created.stdout).unwrap()["data"].clone();
    assert_eq!((&source["secret"], &source["url"]), (&json!(CANARY), &json!("/v2.3/webhooks/inbound/court")));
    let id = source["id"].as_str().unwrap();

    for arguments in [&["sources", "list"][..], &["sources", "show", id]] {
        let told = casewire(arguments);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        assert!(told.stdout.contains(id) && told.stdout.contains("inbound/court"), "{}", told.stdout);
        assert!(!told.stdout.contains(CANARY), "{}", told.stdout);
    }
    assert_eq!(casewire(&["sources", "delete", id]).stdout, format!("deleted {id}\n"));
    assert_eq!(casewire(&["sources", "show", id]).code, Some(1));
    assert_eq!(casewire(&["sources", "create", "A b", "--dialect", "github@1"]).code, Some(1));
    server.terminate();
}
