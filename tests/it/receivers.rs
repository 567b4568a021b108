//! Receivers that know only the vendor's document take every sample event of their system, and no forgery.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use casewire::{EndpointDraft, NewEvent};
use casewire_data::samples;
use serde_json::Value;

use crate::{
    binary::skip,
    support::{Embedded, Receiver, Reply, Request, wait_until},
    verifiers::can,
};

/// A system's dialect, and the receiver that judges it.
struct System {
    dialect: &'static str,
    /// The program, in `examples/receivers`.
    receiver: &'static str,
    secret: Option<&'static str>,
    params: &'static [(&'static str, &'static str)],
    /// Whether endpoints choose their events.
    picks: bool,
    /// Whether an event is of this revision of the dialect.
    has: fn(&str) -> bool,
    /// What the receiver calls an event.
    told: fn(&NewEvent) -> String,
    /// Makes a genuine request one that must be refused.
    forge: fn(&mut Request),
}

/// The dialects that are tested.
const SPOKEN: &[&str] =
    &["xpath@1", "ecourtdate@1", "casebook@1", "hivelight@1", "claimable@1", "claimable@2"];

const SYSTEMS: &[System] = &[
    System {
        dialect: "xpath@1",
        receiver: "xpath.mjs",
        secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        params: &[],
        picks: true,
        has: |_| true,
        told: |event| event.event_type.to_string(),
        forge: |request| flip(request, r#""type""#),
    },
    System {
        dialect: "ecourtdate@1",
        receiver: "ecourtdate.mjs",
        secret: Some("ecd-shared-secret-24char"),
        params: &[],
        picks: true,
        has: |_| true,
        told: |event| text(&data(event)["uuid"]),
        forge: |request| flip(request, r#""created_at""#),
    },
    System {
        dialect: "casebook@1",
        receiver: "casebook.py",
        secret: None,
        params: &[("tenant_id", "be461bd7-2d91-41c6-ab29-4389066bcc71")],
        picks: false,
        has: |_| true,
        told: |event| {
            let (noun, verb) = event.event_type.as_str().split_once('.').unwrap();
            format!("{noun} {}", verb.to_uppercase())
        },
        forge: |request| flip(request, r#""resource_id""#),
    },
    System {
        dialect: "hivelight@1",
        receiver: "hivelight.mjs",
        secret: Some("a-value-that-comes-back"),
        params: &[],
        picks: true,
        has: |_| true,
        told: |event| {
            let resource = event.resource.as_ref().unwrap();
            format!("{} {}", resource.kind, resource.id)
        },
        forge: |request| set(request, "x-secret", "another-that-comes-back"),
    },
    System {
        dialect: "claimable@1",
        receiver: "claimable.py",
        secret: None,
        params: &[],
        picks: true,
        has: |name| !SECOND_REVISION.contains(&name),
        told: |event| event.event_type.to_string(),
        forge: |request| set(request, "event-name", "claim.merged"),
    },
    System {
        dialect: "claimable@2",
        receiver: "claimable.py",
        secret: None,
        params: &[],
        picks: true,
        has: |name| !RENAMED.contains(&name),
        told: |event| event.event_type.to_string(),
        forge: |request| set(request, "event-name", "claim.merged"),
    },
];

/// Event names of Claimable that its first document does not have.
const SECOND_REVISION: &[&str] = &[
    "claim.label.added",
    "claim.label.removed",
    "claim.deleted",
    "claim.damage.created",
    "claim.damage.deleted",
];
/// Those that its second one renames.
const RENAMED: &[&str] = &["claim.label_added", "claim.label_removed"];

impl System {
    fn events(&self) -> Vec<NewEvent> {
        let name = self.dialect.split('@').next().unwrap();
        let own = samples::of(name).filter(|(event_type, _)| (self.has)(event_type));
        own.map(|(_, json)| samples::parse(json).unwrap()).collect()
    }

    fn draft(&self, url: String) -> EndpointDraft {
        let events = if self.picks { self.events() } else { Vec::new() };
        EndpointDraft {
            url,
            events: events.into_iter().map(|event| event.event_type.to_string()).collect(),
            secret: self.secret.map(str::to_owned),
            dialect: Some(self.dialect.to_owned()),
            params: self.params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ..EndpointDraft::default()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_written_from_the_vendors_documents_take_every_sample_and_no_forgery() {
    for dialect in SPOKEN {
        let system = SYSTEMS.iter().find(|system| system.dialect == *dialect).expect("SPOKEN names a row");
        let interpreter = Program::interpreter(system);
        if can(Command::new(&interpreter).arg("--version")) {
            takes_every_sample_and_no_forgery(system).await;
        } else {
            skip(&format!("{interpreter} is not installed, which runs {}", system.receiver));
        }
    }
}

async fn takes_every_sample_and_no_forgery(system: &System) {
    let (program, home) = (Program::start(system), Embedded::start());
    let witness = Receiver::start(echo);
    for url in [program.url.clone(), witness.url()] {
        home.subscribe(system.draft(url)).await;
    }
    let events = system.events();
    home.engine.publisher().publish_batch(events.clone()).await.unwrap();

    let expected: BTreeSet<_> = events.iter().map(system.told).collect();
    let settled = |lines: &Vec<Value>| taken(lines).is_superset(&expected) || refused(lines) > 0;
    let lines = wait_until(async || program.lines(), settled).await;
    assert_eq!((taken(&lines), refused(&lines)), (expected, 0), "{}: {lines:?}", system.dialect);

    let mut request = witness.received(events.len()).await.remove(0);
    assert_eq!(program.send(&request) / 100, 2, "{}: as it came", system.dialect);
    (system.forge)(&mut request);
    let status = program.send(&request);
    assert!([400, 401].contains(&status), "{}: the forged one got {status}", system.dialect);
    wait_until(async || refused(&program.lines()), |count| *count == 1).await;
    home.shutdown().await;
}

/// Acknowledges, and gives `X-Secret` back where there is one.
fn echo(request: &Request) -> Reply {
    let secret = request.headers.iter().find(|(name, _)| name == "x-secret");
    let reply = Reply::status(200);
    if let Some((name, value)) = secret { reply.with(name, value) } else { reply }
}

/// The events that a receiver took.
fn taken(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().filter(|line| line["ok"] == true).map(|line| text(&line["event"])).collect()
}

fn refused(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["ok"] != true).count()
}

fn data(event: &NewEvent) -> Value {
    serde_json::from_slice(&event.data).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Changes a digit in the body, the first one after a mark, so that it stays JSON.
fn flip(request: &mut Request, mark: &str) {
    let after = request.text().find(mark).expect(mark) + mark.len();
    let digit = request.body[after..].iter().position(u8::is_ascii_digit).expect("a digit");
    request.body[after + digit] ^= 1;
}

fn set(request: &mut Request, name: &str, value: &str) {
    request.headers.iter_mut().find(|(own, _)| own == name).expect(name).1 = value.to_owned();
}

/// A receiver at work; ends with the test.
struct Program {
    url: String,
    lines: Arc<Mutex<Vec<Value>>>,
    child: Child,
}

impl Program {
    /// `CASEWIRE_PYTHON` names another Python than `python3`.
    fn interpreter(system: &System) -> String {
        if system.receiver.ends_with(".py") {
            std::env::var("CASEWIRE_PYTHON").unwrap_or_else(|_| "python3".to_owned())
        } else {
            "node".to_owned()
        }
    }

    fn start(system: &System) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/receivers").join(system.receiver);
        let mut command = Command::new(Self::interpreter(system));
        command.arg(path).env("PORT", "0").env("SECRET", system.secret.unwrap_or_default());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the receiver starts");
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = printed.next().unwrap_or_default();
        let url = first.strip_prefix("listening on ").expect("it says where it listens").to_owned();
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let seen = lines.clone();
        thread::spawn(move || {
            for line in printed {
                seen.lock().unwrap().push(serde_json::from_str(&line).expect("a line of JSON"));
            }
        });
        Self { url, lines, child }
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Sends a request as it stands and answers with the status.
    fn send(&self, request: &Request) -> u16 {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut head = format!("POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        for (name, value) in &request.headers {
            if !["host", "connection"].contains(&name.as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
