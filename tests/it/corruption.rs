//! Corruption: damage is named, or does no harm; never a silently empty or altered store (guarantee 10).

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use casewire_data::{
    ErrorKind, Timestamp,
    limits::Limits,
    store::{self, DeliveryStanding},
};
use serde_json::json;
use tempfile::TempDir;

use crate::binary::{Dice, Receiver, Server, run, setting};

const EVENTS: usize = 40;

/// What a data directory holds: for each event its bytes, whom it goes to and what became of it.
type Content = BTreeMap<String, (Vec<u8>, Vec<(u32, DeliveryStanding)>)>;

/// A data directory with events that were delivered and events that wait, left by a clean stop; of half of those that
/// were delivered the content may be erased.
struct Original {
    dir: TempDir,
    ids: Vec<String>,
    content: Content,
}

impl Original {
    fn make(erased: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let receiver = Receiver::start(|attempt| if attempt.path == "/good" { 200 } else { 500 });
        let server = Server::start(dir.path(), &[("CASEWIRE_RETRY_SCHEDULE_SECONDS", "86400")]);
        server.endpoint(&receiver.url("/good"), &["*"]);
        server.endpoint(&receiver.url("/bad"), &["cases.closed"]);
        let mut connection = server.connect();
        let ids: Vec<_> = (0..EVENTS)
            .map(|number| {
                let event_type = if number % 4 == 0 { "cases.closed" } else { "cases.created" };
                let resource = json!({ "type": "people", "id": (number % 2).to_string() });
                let event = json!({ "type": event_type, "data": { "number": number }, "resource": resource });
                connection.request("POST", "/events", &event.to_string()).unwrap().id(202)
            })
            .collect();
        receiver.wait("every attempt", |attempts| attempts.len() == EVENTS + EVENTS / 4);
        if erased {
            // Their file is packed then, and another one is begun.
            let answer = connection.request("DELETE", "/events?resource=people/1", "").unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        assert_eq!(server.terminate().code, Some(0));
        let content = open(copy(dir.path()).path(), &ids).expect("nothing is damaged yet").0;
        assert_eq!(content.len(), EVENTS);
        Self { dir, ids, content }
    }

    /// Every file, with its path below the directory.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let into = if path.is_dir() { &mut folders } else { &mut files };
                into.push(path);
            }
        }
        files.iter().map(|path| path.strip_prefix(self.dir.path()).unwrap().to_owned()).collect()
    }

    /// A copy in which one file has other content.
    fn with(&self, file: &Path, content: &[u8]) -> TempDir {
        let image = copy(self.dir.path());
        fs::write(image.path().join(file), content).unwrap();
        image
    }
}

fn copy(from: &Path) -> TempDir {
    fn into(from: &Path, to: &Path) {
        for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                fs::create_dir(&target).unwrap();
                into(&path, &target);
            } else {
                fs::copy(&path, &target).unwrap();
            }
        }
    }
    // In memory if there is such a place: thousands of stores are opened, and none of these is to last.
    let image = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    into(from, image.path());
    image
}

/// The events that the store knows, and how many endpoints.
fn open(dir: &Path, ids: &[String]) -> casewire::Result<(Content, usize)> {
    let options = Limits::default().store_options();
    let (writer, store) = store::open(dir, options, Timestamp::from_millis(0))?;
    let mut content = Content::new();
    for id in ids {
        let Some((event, routes)) = store.event(id.parse().unwrap())? else { continue };
        let standing = |endpoint: &u32| Ok((*endpoint, store.trace(&event, *endpoint)?.standing));
        let standings = routes.iter().map(standing).collect::<casewire::Result<_>>()?;
        content.insert(id.clone(), (event.content.data.to_vec(), standings));
    }
    Ok((content, writer.documents().endpoints.len()))
}

#[test]
fn a_flipped_bit_is_named_or_does_no_harm() {
    flips(&Original::make(false));
}

#[test]
fn a_flipped_bit_is_named_or_does_no_harm_where_contents_were_erased() {
    flips(&Original::make(true));
}

fn flips(original: &Original) {
    let mut dice = Dice::thrown();
    let mut named = 0;
    for file in original.files() {
        let bytes = fs::read(original.dir.path().join(&file)).unwrap();
        let flips = setting("CASEWIRE_BIT_FLIPS", 40).min(bytes.len() * 8);
        for _ in 0..flips {
            let (at, bit) = (dice.below(bytes.len()), dice.below(8));
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let image = original.with(&file, &flipped);
            let place = format!("bit {bit} of byte {at} of {}", file.display());
            match open(image.path(), &original.ids) {
                Ok((content, endpoints)) => {
                    assert!(content == original.content && endpoints == 2, "{place}: altered, and not said");
                }
                Err(error) => {
                    named += 1;
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{place}: {error}");
                }
            }
        }
    }
    assert!(named > 0, "no flip was noticed at all");
}

#[test]
fn a_file_cut_short_is_named_or_loses_its_last_entries_alone() {
    cuts(&Original::make(false));
}

#[test]
fn a_file_cut_short_is_named_or_loses_its_last_entries_alone_where_contents_were_erased() {
    cuts(&Original::make(true));
}

fn cuts(original: &Original) {
    let span = setting("CASEWIRE_TRUNCATIONS", 400);
    let segments =
        original.files().into_iter().filter(|file| file.extension().is_some_and(|it| it == "segment"));
    for file in segments {
        let bytes = fs::read(original.dir.path().join(&file)).unwrap();
        let mut known = usize::MAX;
        for keep in (0..bytes.len()).rev().take(span) {
            let image = original.with(&file, &bytes[..keep]);
            // The retry journal would give the cut away; as after a loss of power, there is none to believe.
            fs::write(image.path().join("run"), "doubtful\n").unwrap();
            let place = format!("{} cut to {keep} bytes", file.display());
            match open(image.path(), &original.ids) {
                Ok((content, endpoints)) if file.starts_with("log") => {
                    assert_eq!(endpoints, 2, "{place}");
                    assert!(content.len() <= known, "{place}: an event came back");
                    known = content.len();
                    let kept = original.ids.iter().take(known).all(|id| {
                        content.get(id).map(|it| &it.0) == original.content.get(id).map(|it| &it.0)
                    });
                    assert!(kept, "{place}: lost another event than the last, or altered one");
                }
                Ok((content, _)) => assert_eq!(content.len(), EVENTS, "{place}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{place}: {error}"),
            }
        }
    }
}

#[test]
fn after_a_clean_stop_a_cut_log_is_named() {
    let original = Original::make(false);
    let file = Path::new("log/0000000000000000.segment");
    let bytes = fs::read(original.dir.path().join(file)).unwrap();
    for keep in [bytes.len() - 1, bytes.len() / 2, 64, 0] {
        let image = original.with(file, &bytes[..keep]);
        let error = open(image.path(), &original.ids).expect_err("a clean stop leaves nothing torn");
        assert_eq!(error.kind(), ErrorKind::Damaged, "cut to {keep}: {error}");
    }
}

/// An image with a bit flipped in the middle of the log, and the segment's path.
fn damaged(original: &Original) -> (TempDir, &'static str) {
    let file = "log/0000000000000000.segment";
    let mut bytes = fs::read(original.dir.path().join(file)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    (original.with(Path::new(file), &bytes), file)
}

#[test]
fn the_program_names_the_damage_and_does_not_start() {
    let original = Original::make(false);
    let (image, file) = damaged(&original);
    let ended = Server::try_start(image.path(), &[]).err().expect("it does not start");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let path = image.path().to_str().unwrap();
    let verified = run(&["journal", "verify", "--data-dir", path], &[]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    for told in [&ended.stderr, &verified.stderr] {
        assert!(told.contains(file) && told.contains("is damaged"), "{told}");
    }
}

#[test]
fn a_retry_journal_that_is_gone_or_rubbish_is_made_anew() {
    let original = Original::make(false);
    let gone = copy(original.dir.path());
    fs::remove_dir_all(gone.path().join("retry")).unwrap();
    assert!(open(gone.path(), &original.ids).unwrap().0 == original.content, "the retry journal was gone");
    for file in ["retry/db", "retry/conf", "run"] {
        let image = original.with(Path::new(file), b"rubbish");
        assert!(open(image.path(), &original.ids).unwrap().0 == original.content, "{file} was rubbish");
    }
}
