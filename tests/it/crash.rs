//! Durability and identity: what was acknowledged survives `kill -9` at any moment (guarantees 1, 3 and 4).

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::mpsc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use casewire::{Secret, Timestamp, verify};
use tempfile::TempDir;

use crate::binary::{Attempt, Connection, Dice, Receiver, Server, setting};

const PUBLISHERS: usize = 4;
/// Requests in flight to one endpoint (`max_in_flight`).
const IN_FLIGHT: usize = 32;
/// The paths of the receivers, and what each subscribed to.
const ENDPOINTS: [(&str, &str); 3] = [("/all", "*"), ("/cases", "cases.*"), ("/closed", "cases.closed")];
const TYPES: [&str; 4] = ["cases.created", "cases.closed", "cases.updated", "assignments.created"];

/// An event that was acknowledged.
struct Acknowledged {
    id: String,
    event_type: &'static str,
    marker: String,
}

#[test]
fn a_kill_in_a_burst_loses_nothing_acknowledged_and_repeats_only_what_was_in_flight() {
    let mut dice = Dice::thrown();
    let salt = dice.next();
    let receiver = Receiver::start(move |attempt| if fails(attempt, salt) { 500 } else { 200 });
    let dir = TempDir::new().unwrap();
    let mut secrets = HashMap::new();
    let mut acknowledged = Vec::new();
    let mut kills = Vec::new();
    for round in 0..setting("CASEWIRE_CRASH_ROUNDS", 5) {
        let server = Server::start(dir.path(), &[]);
        if round == 0 {
            for (path, pattern) in ENDPOINTS {
                secrets.insert(path, server.endpoint(&receiver.url(path), &[pattern]).1);
            }
        }
        acknowledged.extend(burst(server, round, 20 + dice.below(600)));
        kills.push(receiver.count());
    }
    assert!(acknowledged.len() > kills.len() * 20, "bursts of {} events", acknowledged.len());

    let server = Server::start(dir.path(), &[]);
    let attempts = receiver.wait("every acknowledged event", |attempts| {
        let arrived = arrived(attempts);
        acknowledged
            .iter()
            .all(|event| expected(event).all(|path| arrived.contains(&(path, event.id.as_str()))))
    });
    drop(server);
    only_one_id_and_one_body(&attempts, &acknowledged);
    signed(&attempts, &secrets);
    only_repeats_of_what_was_in_flight(&attempts, &kills);
}

/// Publishes from several connections until so many events are acknowledged, then kills the server among them.
fn burst(server: Server, round: usize, until: usize) -> Vec<Acknowledged> {
    let (told, acknowledgements) = mpsc::channel();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let (connection, told) = (server.connect(), told.clone());
            thread::spawn(move || publish(connection, &format!("{round}-{publisher}"), &told))
        })
        .collect();
    drop(told);
    let mut acknowledged: Vec<_> = acknowledgements.iter().take(until).collect();
    server.kill();
    acknowledged.extend(acknowledgements);
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    acknowledged
}

fn publish(mut connection: Connection, name: &str, told: &mpsc::Sender<Acknowledged>) {
    for number in 0.. {
        let (event_type, marker) = (TYPES[number % TYPES.len()], format!("marker-{name}-{number}."));
        let body = format!(r#"{{"type":"{event_type}","data":{{"marker":"{marker}"}}}}"#);
        // A lost connection says nothing of the event: it may or may not be stored.
        let Ok(answer) = connection.request("POST", "/events", &body) else { return };
        told.send(Acknowledged { id: answer.id(202), event_type, marker }).unwrap();
    }
}

/// Whether an attempt is one of the 5 % that fail: by chance, but the next attempt is another throw.
fn fails(attempt: &Attempt, salt: u64) -> bool {
    let timestamp = attempt.headers["webhook-timestamp"].parse::<u64>().unwrap();
    let text = [attempt.id(), &attempt.path].concat();
    let seed = text
        .bytes()
        .fold(salt ^ timestamp, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (seed >> 32) % 100 < 5
}

/// The receivers that an event matches.
fn expected(event: &Acknowledged) -> impl Iterator<Item = &'static str> {
    let event_type = event.event_type;
    let matches = move |pattern: &str| match pattern.strip_suffix('*') {
        Some(stem) => event_type.starts_with(stem),
        None => event_type == pattern,
    };
    ENDPOINTS.into_iter().filter(move |(_, pattern)| matches(pattern)).map(|(path, _)| path)
}

/// Path and id of what was taken.
fn arrived(attempts: &[Attempt]) -> BTreeSet<(&str, &str)> {
    let taken = attempts.iter().filter(|attempt| attempt.status == 200);
    taken.map(|attempt| (attempt.path.as_str(), attempt.id())).collect()
}

fn only_one_id_and_one_body(attempts: &[Attempt], acknowledged: &[Acknowledged]) {
    let mut bodies = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for attempt in attempts {
        let body = bodies.entry(attempt.id()).or_insert(&attempt.body);
        assert_eq!(*body, &attempt.body, "every attempt and receiver sees the same bytes");
        let text = std::str::from_utf8(&attempt.body).unwrap();
        let marker = &text[text.find("marker-").unwrap()..];
        let marker = &marker[..=marker.find('.').unwrap()];
        let id = ids.entry(marker).or_insert_with(|| attempt.id());
        assert_eq!(*id, attempt.id(), "an event has one id");
    }
    assert_eq!(ids.len(), bodies.len(), "an id has one event");
    for event in acknowledged {
        assert_eq!(ids[event.marker.as_str()], event.id, "it came under the id that was acknowledged");
    }
}

fn signed(attempts: &[Attempt], secrets: &HashMap<&str, String>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = Timestamp::from_millis(now.try_into().unwrap());
    let secrets: HashMap<_, _> =
        secrets.iter().map(|(path, text)| (*path, Secret::parse(text).unwrap())).collect();
    for attempt in attempts {
        let header = |name: &str| attempt.headers[name].as_str();
        let (id, timestamp, signature) =
            (attempt.id(), header("webhook-timestamp"), header("webhook-signature"));
        verify(&secrets[attempt.path.as_str()], id, timestamp, signature, &attempt.body, now, 3_600).unwrap();
    }
}

/// `kills` are the counts of attempts at which the server was killed.
fn only_repeats_of_what_was_in_flight(attempts: &[Attempt], kills: &[usize]) {
    for (path, _) in ENDPOINTS {
        let mut taken = BTreeSet::new();
        let mut repeated = BTreeMap::new();
        let here = |attempt: &Attempt| attempt.path == path && attempt.status == 200;
        for (index, attempt) in attempts.iter().enumerate().filter(|(_, attempt)| here(attempt)) {
            let again = !taken.insert(attempt.id());
            let kill = kills.partition_point(|at| *at <= index);
            assert!(kill > 0 || !again, "nothing is sent twice before there was a kill");
            *repeated.entry(kill).or_insert(0) += usize::from(again);
        }
        println!("{path}: repeats by kill {repeated:?}");
        assert!(repeated.values().all(|count| *count <= IN_FLIGHT), "{path}: {repeated:?}");
    }
}
