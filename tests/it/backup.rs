//! Backups: nothing acknowledged before the call is missing from a restored one, and half a backup restores never.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use casewire::{Engine, ErrorKind, restore};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Attempt, Connection, PATIENCE, Receiver, Server, TOKEN, run, skip};

const PUBLISHERS: usize = 3;
const BACKUPS: usize = 3;
/// So small that retention takes segments and new ones begin all the time.
const SEGMENTS: (&str, &str) = ("CASEWIRE_SEGMENT_BYTES_MAX", "65536");

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The names in a folder.
fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).collect()
}

fn back_up(connection: &mut Connection) -> PathBuf {
    let made = connection.request("POST", "/backup", "").unwrap().data(201);
    made["path"].as_str().unwrap().into()
}

/// What was acknowledged so far, by everybody.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<String>>>);

impl Acknowledged {
    fn add(&self, id: String) {
        self.0.lock().unwrap().push(id);
    }

    fn now(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until so many more are.
    fn grow(&self, by: usize) {
        let (begun, before) = (Instant::now(), self.now().len());
        while self.now().len() < before + by {
            assert!(begun.elapsed() < PATIENCE, "nothing is acknowledged any more");
            thread::yield_now();
        }
    }
}

#[test]
fn a_backup_taken_in_a_burst_has_all_that_was_acknowledged_before_the_call() {
    let dir = TempDir::new().unwrap();
    let up = Arc::new(AtomicBool::new(false));
    let is_up = up.clone();
    let receiver = Receiver::start(move |_| if is_up.load(Ordering::SeqCst) { 200 } else { 500 });
    let retries = ["1"; 60].join(",");
    let settings = [SEGMENTS, ("CASEWIRE_RETRY_SCHEDULE_SECONDS", retries.as_str())];
    let server = Server::start(&dir.path().join("data"), &settings);
    server.endpoint(&receiver.url("/"), &["cases.*"]);

    let (events, endpoints, over) =
        (Acknowledged::default(), Acknowledged::default(), Arc::new(AtomicBool::new(false)));
    let mut threads: Vec<_> = (0..PUBLISHERS)
        .map(|_| {
            let (mut connection, events, over) = (server.connect(), events.clone(), over.clone());
            thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let event = json!({ "type": "cases.created", "data": "x".repeat(1_000) });
                    events.add(connection.request("POST", "/events", &event.to_string()).unwrap().id(202));
                }
            })
        })
        .collect();
    let (mut connection, made, ended) = (server.connect(), endpoints.clone(), over.clone());
    threads.push(thread::spawn(move || {
        while !ended.load(Ordering::SeqCst) {
            let endpoint = json!({ "url": "https://partner.example", "events": ["assignments.*"] });
            made.add(connection.request("POST", "/endpoints", &endpoint.to_string()).unwrap().id(201));
        }
    }));
    let mut admin = server.connect();
    let backups: Vec<_> = (0..BACKUPS)
        .map(|_| {
            events.grow(200);
            let before = (events.now(), endpoints.now());
            (before, back_up(&mut admin))
        })
        .collect();
    over.store(true, Ordering::SeqCst);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    server.kill();

    for (number, ((events, endpoints), backup)) in backups.iter().enumerate() {
        let into = dir.path().join(format!("restored-{number}"));
        let restored = run(&["restore", text(backup), "--data-dir", text(&into)], &[]);
        assert_eq!(restored.code, Some(0), "{restored:?}");
        let last = number + 1 == backups.len();
        up.store(last, Ordering::SeqCst);
        let server = Server::start(&into, &settings);
        let mut connection = server.connect();
        for id in events {
            let path = format!("/events/{id}/deliveries");
            let deliveries = connection.request("GET", &path, "").unwrap().data(200);
            assert_eq!(deliveries.as_array().unwrap().len(), 1, "backup {number}: {id}");
        }
        for id in endpoints {
            let answer = connection.request("GET", &format!("/endpoints/{id}"), "").unwrap();
            assert_eq!(answer.status, 200, "backup {number}: {id}");
        }
        if last {
            receiver.wait("every event of the backup", |attempts| {
                let taken = taken(attempts);
                events.iter().all(|id| taken.contains(id.as_str()))
            });
        }
    }
}

fn taken(attempts: &[Attempt]) -> BTreeSet<&str> {
    attempts.iter().filter(|attempt| attempt.status == 200).map(Attempt::id).collect()
}

#[test]
fn a_kill_while_a_backup_is_made_leaves_none_that_restores_and_the_next_one_clears_up() {
    let dir = TempDir::new().unwrap();
    let (data, backups) = (dir.path().join("data"), dir.path().join("backups"));
    let settings = [SEGMENTS, ("CASEWIRE_BACKUP_DIR", text(&backups))];
    let server = Server::start(&data, &settings);
    let event = json!({ "type": "cases.created", "data": "x".repeat(5_000) });
    let batch = json!({ "events": vec![event; 1_000] }).to_string();
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.request("POST", "/events/batch", &batch).unwrap().data(202);
    }
    let asked = thread::spawn(move || connection.request("POST", "/backup", r#"{"name":"one"}"#).is_ok());
    let begun = Instant::now();
    while names(&backups).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no backup was ever begun");
        thread::yield_now();
    }
    server.kill();
    let _ = asked.join().unwrap();
    let left = names(&backups);
    println!("left: {left:?}");

    for name in &left {
        let into = dir.path().join("restored");
        let restored = run(&["restore", text(&backups.join(name)), "--data-dir", text(&into)], &[]);
        let whole = backups.join(name).join("backup.json").exists();
        assert_eq!(restored.code, Some(i32::from(!whole)), "{restored:?}");
        assert_eq!(into.exists(), whole);
    }
    let server = Server::start(&data, &settings);
    let made = back_up(&mut server.connect());
    assert!(names(&backups).iter().all(|name| !name.starts_with('.')), "{:?}", names(&backups));
    let into = dir.path().join("again");
    let restored = run(&["restore", text(&made), "--data-dir", text(&into), "--json"], &[]);
    let report: Value = serde_json::from_str(&restored.stdout).unwrap();
    assert_eq!((restored.code, &report["events"]), (Some(0), &json!(3_000)));
}

#[tokio::test]
async fn one_backup_is_made_at_a_time() {
    let dir = TempDir::new().unwrap();
    let engine = Engine::builder(dir.path().join("data")).start().unwrap();
    let (first, second) = tokio::join!(engine.backup(None), engine.backup(None));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Busy);
    assert!(first.unwrap().path.exists());
    engine.backup(None).await.expect("the first one is over");
}

#[tokio::test]
async fn a_stop_waits_for_no_backup_and_leaves_no_half_of_one() {
    let dir = TempDir::new().unwrap();
    for round in 0..5 {
        let backups = dir.path().join(round.to_string());
        let engine = Engine::builder(dir.path().join("data")).backup_dir(&backups).start().unwrap();
        let data = format!("\"{}\"", "x".repeat(100_000));
        engine.publisher().publish_json("cases.created", &data).await.unwrap();
        let (made, _) = tokio::join!(engine.backup(None), engine.shutdown(Duration::ZERO));
        match made {
            Ok(made) => drop(restore(&made.path, &dir.path().join(format!("restored-{round}"))).unwrap()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                assert_eq!(names(&backups), BTreeSet::new());
            }
        }
    }
}

#[test]
fn a_disk_that_fills_while_a_backup_is_made_is_told_and_stops_nothing_else() {
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        return skip("there is no strace to let a write fail");
    }
    let dir = TempDir::new().unwrap();
    let backups = dir.path().join("backups");
    let full = backups.join(".one.unfinished/registry/0000000000000000.segment");
    let mut failing = Command::new("strace");
    failing.args(["-D", "-f", "-qq", "-e", "trace=write", "-e", "inject=write:error=ENOSPC"]);
    failing.args(["-e", "signal=none", "-o", "/dev/null", "-P", text(&full)]);
    let settings = [("CASEWIRE_BACKUP_DIR", text(&backups))];
    let server = Server::start_through(failing, &dir.path().join("data"), &settings);
    let mut connection = server.connect();
    connection.request("POST", "/events", r#"{"type":"cases.created","data":1}"#).unwrap().data(202);
    let refused = connection.request("POST", "/backup", r#"{"name":"one"}"#).unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.text.contains("No space left") && refused.text.contains("make room"), "{}", refused.text);
    assert_eq!(names(&backups), BTreeSet::new());

    connection.request("POST", "/events", r#"{"type":"cases.created","data":2}"#).unwrap().data(202);
    assert_eq!(connection.request("POST", "/backup", r#"{"name":"two"}"#).unwrap().status, 201);
}

#[test]
fn the_commands_make_and_restore_backups_and_say_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let (data, backups) = (dir.path().join("data"), dir.path().join("backups"));
    let server = Server::start(&data, &[("CASEWIRE_BACKUP_DIR", text(&backups))]);
    let url = server.url();
    let env = [("CASEWIRE_SERVER", url.as_str()), ("CASEWIRE_TOKEN", TOKEN)];
    server.connect().request("POST", "/events", r#"{"type":"cases.created","data":1}"#).unwrap().data(202);

    let told = run(&["backup", "--name", "one"], &env);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains(text(&backups.join("one"))), "{told:?}");
    let again = run(&["backup", "--name", "one"], &env);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("choose another name"), "{again:?}");
    let told = run(&["backup", "--json"], &env);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert!(Path::new(told["data"]["path"].as_str().unwrap()).starts_with(&backups), "{told}");

    let copy = dir.path().join("copy");
    let offline = ["backup", "--json", "--data-dir", text(&data), "--to", text(&copy)];
    let held = run(&offline, &[]);
    assert!(held.code == Some(1) && held.stderr.contains("another process uses"), "{held:?}");
    assert_eq!(server.terminate().code, Some(0));
    let told = run(&offline, &[]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["data"]["path"], &told["data"]["events"]), (&json!(text(&copy)), &json!(1)));

    for backup in [backups.join("one"), copy.clone()] {
        let into = dir.path().join("restored").join(backup.file_name().unwrap());
        let restored = run(&["restore", text(&backup), "--data-dir", text(&into)], &[]);
        assert_eq!(restored.code, Some(0), "{restored:?}");
        assert!(restored.stdout.contains("every checksum holds"), "{restored:?}");
        let verified = run(&["journal", "verify", "--data-dir", text(&into)], &[]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let onto = run(&["restore", text(&backup), "--data-dir", text(&into)], &[]);
        assert!(onto.code == Some(1) && onto.stderr.contains("is not empty"), "{onto:?}");
    }
    let segment = copy.join("log/0000000000000000.segment");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let into = dir.path().join("none");
    let damaged = run(&["restore", text(&copy), "--data-dir", text(&into)], &[]);
    assert!(damaged.code == Some(1) && damaged.stderr.contains(text(&segment)), "{damaged:?}");
    assert!(!into.exists());
    let started = Server::try_start(&backups.join("one"), &[]).err().expect("a backup is no data directory");
    assert!(started.stderr.contains("casewire restore"), "{started:?}");
    for wrong in [&["backup", "--data-dir", "x"][..], &["backup", "--to", "x"], &["restore", "x"]] {
        assert_eq!(run(wrong, &env).code, Some(2), "{wrong:?}");
    }
}
