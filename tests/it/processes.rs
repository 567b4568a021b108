//! The process and its commands: one holder a directory, signals, exit codes, settings, a full disk (guarantees 1, 11).

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Attempt, PATIENCE, Receiver, Server, TOKEN, run, run_with_input};

/// A batch of events, and how many.
fn batch(events: usize, marker: &str) -> String {
    let event =
        |number| json!({ "type": "cases.created", "data": { "marker": format!("{marker}-{number}") } });
    json!({ "events": (0..events).map(event).collect::<Vec<_>>() }).to_string()
}

fn ids(receipts: &Value) -> Vec<String> {
    receipts.as_array().unwrap().iter().map(|receipt| receipt["id"].as_str().unwrap().to_owned()).collect()
}

fn taken(attempts: &[Attempt]) -> BTreeSet<&str> {
    attempts.iter().filter(|attempt| attempt.status == 200).map(Attempt::id).collect()
}

/// Every file below a directory with its bytes and when it was changed.
fn content(dir: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.path().display().to_string();
        if entry.path().is_dir() {
            files.extend(content(&entry.path()));
        } else {
            files.insert(
                name,
                (fs::read(entry.path()).unwrap(), entry.metadata().unwrap().modified().unwrap()),
            );
        }
    }
    files
}

#[test]
fn a_second_process_on_a_directory_ends_at_once_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let first = Server::start(dir.path(), &[]);
    first.endpoint("https://partner.example", &["cases.*"]);
    let path = dir.path().to_str().unwrap();
    // A checkpoint of the first process may be under way; it has an end.
    let before = settled(dir.path());

    let begun = Instant::now();
    let second = Server::try_start(dir.path(), &[]).err().expect("the directory is taken");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(second.code, Some(1));
    assert!(
        second.stderr.contains("another process uses") && second.stderr.contains(path),
        "{}",
        second.stderr
    );
    for action in ["verify", "stats"] {
        let looked = run(&["journal", action, "--data-dir", path], &[]);
        assert_eq!(looked.code, Some(1), "{looked:?}");
        assert!(looked.stderr.contains("another process uses"), "{}", looked.stderr);
    }
    assert_eq!(content(dir.path()), before);
    assert_eq!(first.connect().request("GET", "/endpoints", "").unwrap().status, 200);
}

/// The directory's content once two looks in a row agree.
fn settled(dir: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut before = content(dir);
    loop {
        // A start of the program takes longer than one of its checkpoints.
        run(&["--version"], &[]);
        let after = content(dir);
        if after == before {
            return after;
        }
        before = after;
    }
}

#[test]
fn sigterm_among_ten_thousand_queued_events_ends_in_time_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = gate.clone();
    let receiver = Receiver::start(move |_| {
        let (open, opened) = &*held;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        200
    });
    let server = Server::start(dir.path(), &[("CASEWIRE_SHUTDOWN_GRACE_SECONDS", "3")]);
    let (endpoint, _) = server.endpoint(&receiver.url("/"), &["*"]);
    let mut connection = server.connect();
    let published: Vec<_> = (0..10)
        .flat_map(|part| {
            let answer =
                connection.request("POST", "/events/batch", &batch(1_000, &part.to_string())).unwrap();
            ids(&answer.data(202))
        })
        .collect();

    let begun = Instant::now();
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(ended.stdout.contains("10000 deliveries wait for the next start"), "{}", ended.stdout);

    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let server = Server::start(dir.path(), &[]);
    let path = format!("/endpoints/{endpoint}");
    assert_eq!(server.connect().request("GET", &path, "").unwrap().status, 200);
    receiver.wait("every acknowledged event", |attempts| {
        // The set is dear to build, and pointless before.
        attempts.len() >= published.len() && {
            let taken = taken(attempts);
            published.iter().all(|id| taken.contains(id.as_str()))
        }
    });
}

#[test]
fn an_empty_directory_is_made_private_and_its_token_is_told_once() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("new/data");
    let server = Server::start(&inner, &[("CASEWIRE_ADMIN_TOKEN", "")]);
    assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    let told = server.printed().lines().find_map(|line| line.strip_prefix("admin token: "));
    let token = told.expect("a token is told").to_owned();
    let server_url = server.url();
    let list =
        |token: &str| run(&["endpoints", "list", "--server", &server_url], &[("CASEWIRE_TOKEN", token)]);
    assert_eq!(list(&token).code, Some(0));
    assert_eq!(list("not-the-token-at-all").code, Some(1));
    assert_eq!(server.terminate().code, Some(0));

    let server = Server::start(&inner, &[("CASEWIRE_ADMIN_TOKEN", "")]);
    assert!(!server.printed().contains("token"), "{}", server.printed());
    let again = run(&["endpoints", "list", "--server", &server.url()], &[("CASEWIRE_TOKEN", &token)]);
    assert_eq!(again.code, Some(0), "the token outlives the process: {again:?}");

    for entry in content(&inner).values() {
        assert!(!String::from_utf8_lossy(&entry.0).contains(&token), "the token is stored hashed");
    }
    let chosen = TempDir::new().unwrap();
    let server = Server::start(chosen.path(), &[]);
    assert!(!server.printed().contains("token"), "a token that was chosen is not told: {}", server.printed());
    server.connect().request("GET", "/endpoints", "").unwrap().data(200);
}

#[test]
fn exit_codes_are_0_good_1_failed_2_wrong_use() {
    let nowhere = [("CASEWIRE_SERVER", "http://127.0.0.1:1/v2.3/webhooks"), ("CASEWIRE_TOKEN", TOKEN)];
    let empty = TempDir::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    let cases: [(&[&str], i32); 13] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["check-url", "https://93.184.215.14/hook"], 0),
        (&["check-url", "http://127.0.0.1/hook"], 1),
        (&["check-url", "https://[::ffff:10.0.0.1]/hook"], 1),
        (&["endpoints", "list"], 1),
        (&["publish", "cases.created", "--data", "{}"], 1),
        (&["journal", "verify", "--data-dir", empty], 1),
        (&["publish", "cases.created", "--data", "{"], 2),
        (&["serve", "--listen", "nonsense"], 2),
        (&["serve", "--no-such-flag"], 2),
        (&["nonsense"], 2),
        (&[], 2),
    ];
    for (arguments, code) in cases {
        let ended = run(arguments, &nowhere);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert_eq!(
            code == 0 || !ended.stdout.is_empty(),
            !ended.stdout.is_empty(),
            "{arguments:?}: {ended:?}"
        );
        assert!(code != 2 || !ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_host_without_a_scheme_is_answered_with_the_url_to_write() {
    for bare in ["127.0.0.1", "localhost", "example.com:8443/hook", "[::1]"] {
        let ended = run(&["check-url", bare], &[]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains(&format!("write https://{bare}\n")), "{ended:?}");
    }
}

#[test]
fn every_command_speaks_json() {
    let dir = TempDir::new().unwrap();
    let receiver = Receiver::start(|_| 200);
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let env = [("CASEWIRE_SERVER", url.as_str()), ("CASEWIRE_ADMIN_TOKEN", TOKEN)];
    let json = |arguments: &[&str], input: &str| -> Value {
        let ended = run_with_input(&[arguments, &["--json"]].concat(), &env, input);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", ended.stdout))
    };
    let target = receiver.url("/");
    let made = json(&["endpoints", "create", "--url", &target, "--event", "cases.*"], "");
    let endpoint = made["data"]["id"].as_str().unwrap().to_owned();
    assert!(made["data"]["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(json(&["endpoints", "get", &endpoint], "")["data"]["id"], endpoint);
    assert_eq!(json(&["endpoints", "list"], "")["data"][0]["id"], endpoint);
    assert_eq!(json(&["endpoints", "pause", &endpoint], "")["data"]["status"], "paused");
    assert_eq!(json(&["endpoints", "resume", &endpoint], "")["data"]["status"], "active");

    let published = json(&["publish", "cases.created", "--file", "-"], r#"{"n":1}"#);
    let event = published["data"]["id"].as_str().unwrap().to_owned();
    receiver.wait("the event", |attempts| taken(attempts).contains(event.as_str()));
    let shown = json(&["events", "show", &event], "");
    assert_eq!((&shown["data"]["type"], &shown["data"]["data"]), (&json!("cases.created"), &json!({"n": 1})));
    assert_eq!(json(&["events", "list", "--type", "cases.created"], "")["data"][0]["id"], event);
    assert_eq!(json(&["events", "list", "--until", "2026-01-01T00:00:00Z"], ""), json!({"data": []}));
    let delivery = format!("{event}.{endpoint}");
    assert_eq!(json(&["events", "deliveries", &event], "")["data"][0]["id"], delivery);
    let list = ["deliveries", "list", "--endpoint", &endpoint, "--event", &event, "--limit", "1"];
    assert_eq!(json(&list, "")["data"][0]["id"], delivery);
    let token = json(&["token", "create", "--scope", "endpoints:read"], "");
    assert!(token["data"]["token"].is_string());
    assert_eq!(json(&["check-url", "https://93.184.215.14/"], "")["permitted"], true);
    assert_eq!(json(&["endpoints", "delete", &endpoint], "")["deleted"], endpoint);

    let create = ["endpoints", "create", "--url", &target, "--event", "cases.*"];
    let scope = ["--agency", "north", "--agency", "south, west", "--source", "ui", "--sandbox=false"];
    let scoped = json(&[&create[..], &scope].concat(), "")["data"].take();
    assert_eq!((&scoped["agencies"], &scoped["sources"]), (&json!(["north", "south, west"]), &json!(["ui"])));
    let (sample, schema) = (dir.path().join("sample.json"), dir.path().join("schema.json"));
    std::fs::write(&sample, r#"{"n":2}"#).unwrap();
    std::fs::write(&schema, r#"{"properties":{"n":{"type":"integer"}}}"#).unwrap();
    let files = ["--sample", sample.to_str().unwrap(), "--schema", schema.to_str().unwrap()];
    let set = [&["event-types", "set", "cases.tasks.closed", "--description", "Done."], &files[..]].concat();
    assert_eq!(json(&set, "")["data"]["schema"]["properties"]["n"]["type"], "integer");
    assert_eq!(json(&["event-types", "show", "cases.tasks.closed"], "")["data"]["sample"], json!({"n": 2}));
    let shipped = json(&["event-types", "list", "--limit", "1"], "");
    assert_eq!(shipped["data"][0]["source"], "xpath@1");
    let test = ["endpoints", "test", scoped["id"].as_str().unwrap(), "--type", "cases.tasks.closed"];
    assert_eq!(json(&test, "")["data"]["delivered"], true);
    assert_eq!(json(&["event-types", "delete", "cases.tasks.closed"], "")["deleted"], "cases.tasks.closed");
    let preview =
        json(&["endpoints", "preview", "--event", "cases.*", "--filter", r#"{"data.n":{"gt":2}}"#], "");
    assert_eq!((&preview["taken"], &preview["data"][0]["because"]), (&json!(0), &json!("filter")));
    let update = ["endpoints", "update", scoped["id"].as_str().unwrap(), "--agency", "east"];
    let changed = json(&update, "")["data"].take();
    assert_eq!((&changed["agencies"], &changed["sources"]), (&json!(["east"]), &json!(["ui"])));
    let refused = run(&[&update[..], &["--sandbox", "--param", "tenant_id=a"]].concat(), &env);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for said in ["params.tenant_id", "sandbox: xpath@1 has no sandbox"] {
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    assert_eq!(server.terminate().code, Some(0));

    let data_dir = dir.path().to_str().unwrap();
    assert_eq!(json(&["journal", "verify", "--data-dir", data_dir], "")["events"], 2);
    let stats = json(&["journal", "stats", "--data-dir", data_dir], "");
    // The event that was published, and that of the test.
    assert_eq!((&stats["events"], &stats["attempts"]["delivered"]), (&json!(2), &json!(2)));
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("casewire.toml");
    fs::write(&file, "egress_allow = \"127.0.0.1/32\"\n").unwrap();
    let file = file.to_str().unwrap();
    let permitted = |flag: Option<&str>, variable: &str| {
        let mut arguments = vec!["check-url", "http://127.0.0.1/", "--config", file];
        arguments.extend(flag.into_iter().flat_map(|value| ["--egress-allow", value]));
        run(&arguments, &[("CASEWIRE_EGRESS_ALLOW", variable)]).code == Some(0)
    };
    assert!(permitted(None, ""), "the file alone");
    assert!(!permitted(None, "127.0.0.2/32"), "the environment wins over the file");
    assert!(permitted(Some("127.0.0.1/32"), "127.0.0.2/32"), "the flag wins over both");

    fs::write(file, "egress_alow = \"127.0.0.1/32\"\n").unwrap();
    let typo = run(&["check-url", "http://127.0.0.1/", "--config", file], &[]);
    assert_eq!(typo.code, Some(2));
    assert!(typo.stderr.contains("egress_alow"), "{}", typo.stderr);
}

#[test]
fn a_full_disk_ends_acknowledging_and_the_next_start_has_all_that_was() {
    let dir = TempDir::new().unwrap();
    // A file cannot grow over 256 KiB: the disk is full for the log long before the batches are through.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "sh", "512"]);
    let server = Server::start_through(limited, dir.path(), &[]);
    let mut connection = server.connect();
    let mut acknowledged = Vec::new();
    let refused = loop {
        match connection.request("POST", "/events/batch", &batch(100, &"x".repeat(200))) {
            Ok(answer) if answer.status == 202 => acknowledged.extend(ids(&answer.data(202))),
            Ok(answer) => break answer,
            Err(error) => panic!("the last answer is a refusal, not {error}"),
        }
        assert!(acknowledged.len() < 100_000, "the disk never filled");
    };
    assert_eq!(refused.status, 503, "{}", refused.text);
    let ended = server.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("could not write"), "{}", ended.stderr);

    assert!(!acknowledged.is_empty());
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.connect_bare().request("GET", "/readyz", "").unwrap().status, 200);
    let mut connection = server.connect();
    for id in &acknowledged {
        assert_eq!(connection.request("GET", &format!("/events/{id}"), "").unwrap().status, 200, "{id}");
    }
}

#[test]
fn a_stderr_that_cannot_be_written_stops_nothing() {
    let dir = TempDir::new().unwrap();
    let receiver = Receiver::start(|attempt| match attempt.path.as_str() {
        "/healthy" => 200,
        "/failing" => 500,
        _ => 410,
    });
    let mut unwritable = Command::new("sh");
    unwritable.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"]);
    let server = Server::start_through(unwritable, dir.path(), &[]);
    server.endpoint(&receiver.url("/healthy"), &["*"]);
    server.endpoint(&receiver.url("/failing"), &["*"]);
    let (gone, _) = server.endpoint(&receiver.url("/gone"), &["*"]);

    let mut connection = server.connect();
    let mut published = Vec::new();
    for part in 0..5 {
        let answer = connection.request("POST", "/events/batch", &batch(20, &part.to_string())).unwrap();
        published.extend(ids(&answer.data(202)));
    }
    receiver.wait("every event at the healthy endpoint", |attempts| {
        let taken = taken(attempts);
        published.iter().all(|id| taken.contains(id.as_str()))
    });
    let begun = Instant::now();
    let path = format!("/endpoints/{gone}");
    while connection.request("GET", &path, "").unwrap().data(200)["status"] != "paused" {
        assert!(begun.elapsed() < PATIENCE, "the endpoint that is gone is never paused");
    }
    assert_eq!(server.terminate().code, Some(0));
}
