//! Durability: what was acknowledged survives a loss of power at any moment (guarantee 1).
//!
//! `strace` writes down what the real binary does to its disk and when it acknowledges. From that, the disk is rebuilt
//! as it may be found after power was lost at each sync, and the store is opened on it. Taking the `sync_data` out of
//! `data/src/store/segment.rs` makes these tests fail.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

mod disk;
mod trace;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use casewire_data::{
    Timestamp,
    limits::Limits,
    store::{self, StoreOptions},
};
use tempfile::TempDir;

use self::{
    disk::{Disk, Loss},
    trace::{Call, Step, calls, steps},
};
use crate::binary::{Dice, Receiver, Server, setting, skip};

const SYSCALLS: &str = "trace=open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,ftruncate,truncate,\
    fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,fsync,\
    fdatasync,sync,syncfs,copy_file_range,sendfile,mmap,lseek";
const PUBLISHERS: usize = 3;
const EVENTS_BY_PUBLISHER: usize = 60;

/// What the outside was promised at some moment.
#[derive(Clone, Default)]
struct Promised {
    /// Marker by event id.
    events: BTreeMap<String, String>,
    endpoints: BTreeSet<String>,
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power_at_every_sync() {
    if !strace_is_there() {
        return skip("there is no strace to write down what the disk is told");
    }
    let mut dice = Dice::thrown();
    let dir = TempDir::new().unwrap();
    let traces = TempDir::new().unwrap();
    let receiver = Receiver::start(|_| 200);
    let mut promised = Promised::default();
    // A first start, a start after SIGTERM and one after SIGKILL: reopening is where stores have lost data before.
    for (run, terminate) in [true, false, false].into_iter().enumerate() {
        let trace = traces.path().join(run.to_string());
        let server =
            Server::start_through(strace(&trace), dir.path(), &[("CASEWIRE_SEGMENT_BYTES_MAX", "65536")]);
        promised.endpoints.insert(server.endpoint(&receiver.url("/hook"), &["cases.*"]).0);
        publish(&server, run, &mut promised);
        // Files that hold some of what was promised are written anew.
        let erased = server.connect().request("DELETE", "/events?resource=people/7", "").unwrap();
        assert_eq!(erased.status, 200, "{}", erased.text);
        let ended = if terminate { server.terminate() } else { server.kill() };
        assert_eq!(ended.code, terminate.then_some(0), "{ended:?}");
    }
    let calls: Vec<Call> = (0..3)
        .flat_map(|run| calls(&fs::read_to_string(traces.path().join(run.to_string())).unwrap()))
        .collect();
    lose_power(dir.path(), &calls, &promised, &mut dice);
}

#[test]
fn after_a_sync_that_failed_nothing_is_acknowledged() {
    if !strace_is_there() {
        return skip("there is no strace to let a sync fail");
    }
    let dir = TempDir::new().unwrap();
    let mut failing = Command::new("strace");
    failing.args(["-D", "-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=20+"]);
    failing.args(["-e", "signal=none", "-o", "/dev/null"]);
    let server = Server::start_through(failing, dir.path(), &[]);
    let mut connection = server.connect();
    let mut acknowledged = Vec::new();
    let refused = loop {
        let answer = connection.request("POST", "/events", r#"{"type":"cases.created","data":1}"#).unwrap();
        if answer.status != 202 {
            break answer;
        }
        acknowledged.push(answer.id(202));
        assert!(acknowledged.len() < 1_000, "no sync ever failed");
    };
    assert_eq!(refused.status, 503, "{}", refused.text);
    let after = connection.request("POST", "/events", r#"{"type":"cases.created","data":2}"#);
    assert!(after.is_err() || after.is_ok_and(|answer| answer.status == 503), "it fails for good");
    let ended = server.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("could not sync"), "{}", ended.stderr);

    let server = Server::start(dir.path(), &[]);
    let mut connection = server.connect();
    for id in &acknowledged {
        assert_eq!(connection.request("GET", &format!("/events/{id}"), "").unwrap().status, 200, "{id}");
    }
}

fn strace_is_there() -> bool {
    Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A tracer that is the binary's child, so that signals reach the binary itself.
fn strace(trace: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args([
        "-D",
        "-f",
        "-y",
        "-xx",
        "-qq",
        "-s",
        "16777216",
        "-e",
        SYSCALLS,
        "-e",
        "signal=none",
        "-o",
    ]);
    command.arg(trace);
    command
}

fn publish(server: &Server, run: usize, promised: &mut Promised) {
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let mut connection = server.connect();
            thread::spawn(move || {
                let one = |number: usize| {
                    if number.is_multiple_of(12) {
                        let erasable =
                            r#"{"type":"cases.created","data":1,"resource":{"type":"people","id":"7"}}"#;
                        connection.request("POST", "/events", erasable).unwrap().id(202);
                    }
                    // Now and then an event of more than a sector, and one of more than a page of the retry journal.
                    let filler = "x".repeat([10, 700, 9_000][number % 3]);
                    let data = format!(r#"{{"marker":"{run}-{publisher}-{number}","filler":"{filler}"}}"#);
                    let body = format!(r#"{{"type":"cases.created","data":{data}}}"#);
                    (connection.request("POST", "/events", &body).unwrap().id(202), data)
                };
                (0..EVENTS_BY_PUBLISHER).map(one).collect::<Vec<_>>()
            })
        })
        .collect();
    promised.events.extend(publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()));
}

/// Plays the trace, and stops at syncs to look at what a loss of power would have left.
fn lose_power(dir: &Path, calls: &[Call], promised: &Promised, dice: &mut Dice) {
    let steps = steps(calls, dir);
    let syncs = steps.iter().filter(|step| matches!(step, Step::SyncEnded { .. })).count();
    let looks = setting("CASEWIRE_POWER_LOSS_POINTS", 40).min(syncs);
    println!("{syncs} syncs, {looks} of them looked at");
    let mut disk = Disk::default();
    let mut told = Promised::default();
    let mut seen = 0;
    for step in &steps {
        // Just before a sync ends, its writes may all be missing; everything acknowledged must be there already.
        if matches!(step, Step::SyncEnded { .. }) {
            // Spread evenly over all syncs.
            if seen * looks / syncs != (seen + 1) * looks / syncs {
                look(&disk, &told, promised, Loss::Unsynced, &format!("before sync {seen}"));
                look(&disk, &told, promised, Loss::Torn(dice), &format!("before sync {seen}, torn"));
            }
            seen += 1;
        }
        match step {
            Step::Acknowledged { ids } => {
                for id in ids {
                    if let Some(data) = promised.events.get(id) {
                        told.events.insert(id.clone(), data.clone());
                    } else if promised.endpoints.contains(id) {
                        told.endpoints.insert(id.clone());
                    }
                }
            }
            step => disk.take(step),
        }
    }
    look(&disk, &told, promised, Loss::Unsynced, "at the end");
    let untold: Vec<_> = promised.events.keys().filter(|id| !told.events.contains_key(*id)).collect();
    assert!(untold.is_empty(), "the trace shows every acknowledgement, but not {untold:?}");
    assert_eq!(told.endpoints, promised.endpoints);
}

fn look(disk: &Disk, told: &Promised, promised: &Promised, loss: Loss<'_>, place: &str) {
    // In memory if there is such a place: hundreds of stores are opened, and none of these is to last.
    let image = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    disk.write_to(image.path(), loss);
    let options = StoreOptions { segment_bytes_max: 65_536, ..Limits::default().store_options() };
    let opened = store::open(image.path(), options, Timestamp::from_millis(0));
    let (writer, store) = opened.unwrap_or_else(|error| panic!("{place}: does not open: {error}"));
    for (id, data) in &told.events {
        let found = store.event(id.parse().unwrap()).unwrap_or_else(|error| panic!("{place}: {id}: {error}"));
        let (event, routes) = found.unwrap_or_else(|| panic!("{place}: lost {id}, which was acknowledged"));
        assert_eq!(event.content.data, data.as_bytes(), "{place}: {id}");
        assert!(!routes.is_empty(), "{place}: {id} lost its endpoints");
    }
    let endpoints: BTreeSet<_> =
        writer.documents().endpoints.values().map(|endpoint| endpoint.id.to_string()).collect();
    assert!(endpoints.is_superset(&told.endpoints), "{place}: lost an endpoint of {:?}", told.endpoints);
    assert!(endpoints.is_subset(&promised.endpoints), "{place}: invented an endpoint");
}
