//! The course of a replay: behind live events, called off, over pauses, restarts and kills.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use casewire::{
    DeliveryStatus, EndpointDraft, EndpointId, EndpointStatus, ErrorKind, EventId, ReplayQuery, ReplayState,
    ReplayStatus,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{begin, home, receiver_behind, until_dead, until_over};
use crate::{
    binary::{self, Server, TOKEN},
    support::{Embedded, Gate, Receiver, Reply, to, work_for},
};

/// An endpoint with dead letters. Its receiver works from now on, and holds every request up at a gate.
struct Dead {
    home: Embedded,
    receiver: Receiver,
    gate: Gate,
    endpoint: EndpointId,
    events: Vec<EventId>,
    /// Requests so far.
    before: usize,
}

impl Dead {
    async fn letters(count: usize, max_in_flight: u32) -> Self {
        let (home, works, gate) = (home(), Gate::shut(), Gate::shut());
        let (at_receiver, held_up) = (works.clone(), gate.clone());
        let receiver = Receiver::start(move |request| {
            if !at_receiver.is_open() {
                return Reply::status(if request.text().contains("tasks.done") { 204 } else { 500 });
            }
            held_up.pass();
            work_for(Duration::from_millis(1));
            Reply::status(204)
        });
        let draft = EndpointDraft { max_in_flight: Some(max_in_flight), ..to(receiver.url(), &["*"]) };
        let endpoint = home.subscribe(draft).await;
        let mut events = Vec::new();
        for _ in 0..count.div_ceil(10) {
            let lot = home.publish_many("cases.created", 10).await;
            until_dead(&home, endpoint, &lot).await;
            events.extend(lot);
            // A success in between, or the endpoint counts as down and is spared.
            let done = home.publish("tasks.done").await;
            home.until(done, endpoint, DeliveryStatus::Delivered).await;
        }
        works.open();
        let before = receiver.count();
        Self { home, receiver, gate, endpoint, events, before }
    }

    /// The events that came since, in the order in which they came.
    fn came(&self) -> Vec<EventId> {
        self.receiver.events().split_off(self.before)
    }

    /// Waits until so many requests have come since, and answers the events in publish order: requests that are under
    /// way together come in any.
    async fn until_came(&self, count: usize) -> Vec<EventId> {
        self.receiver.received(self.before + count).await;
        let mut came = self.came();
        came.sort_unstable();
        came
    }

    /// How often each of its events came since.
    fn counts(&self) -> Vec<usize> {
        let mut counts = HashMap::<_, usize>::new();
        self.came().into_iter().for_each(|event| *counts.entry(event).or_default() += 1);
        self.events.iter().map(|event| counts.get(event).copied().unwrap_or(0)).collect()
    }
}

#[tokio::test]
async fn live_events_find_a_place_beside_a_replay_and_go_before_it() {
    let dead = Dead::letters(150, 8).await;
    let replay = begin(&dead.home, dead.endpoint, ReplayQuery::default()).await;
    assert_eq!(dead.until_came(6).await, dead.events[..6], "all but a quarter of the places, oldest first");
    let live = dead.home.publish_many("cases.live", 30).await;
    assert_eq!(dead.until_came(8).await[6..], live[..2], "the places that were left are for live events");
    dead.gate.open();
    until_over(&dead.home, dead.endpoint, replay.id).await;

    let came = dead.came();
    let last = came.iter().position(|event| *event == live[29]).expect("it came before the replay's end");
    let replayed = came[..last].iter().filter(|event| dead.events.contains(event)).count();
    assert!(
        replayed <= 6 + 30 / 3 + 2,
        "{replayed} went before the last live event: every fourth turn at most"
    );
    assert!(dead.receiver.concurrent_max() <= 8);
    assert!(dead.counts().iter().all(|count| *count == 1));
}

#[tokio::test]
async fn a_replay_that_is_called_off_sends_nothing_more_and_another_can_take_its_place() {
    let dead = Dead::letters(150, 4).await;
    let tenant = dead.home.tenant();
    let replay = begin(&dead.home, dead.endpoint, ReplayQuery::default()).await;
    assert_eq!(dead.until_came(3).await, dead.events[..3]);
    let second = tenant.replay(dead.endpoint, ReplayQuery::default()).await.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Conflict);
    assert!(second.message().contains(&replay.id.to_string()), "{second}");

    let cancelled = tenant.cancel_replay(dead.endpoint, replay.id).await.unwrap();
    assert_eq!((cancelled.state, cancelled.count, cancelled.sent), (ReplayState::Cancelled, 150, 0));
    assert_eq!(tenant.cancel_replay(dead.endpoint, replay.id).await.unwrap(), cancelled, "it is over");
    dead.gate.open();
    // Whatever was to come goes before what is published now.
    let live = dead.home.publish("cases.live").await;
    dead.home.until(live, dead.endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(dead.until_came(4).await, [&dead.events[..3], &[live]].concat());

    let rest = begin(&dead.home, dead.endpoint, ReplayQuery::default()).await;
    let rest = until_over(&dead.home, dead.endpoint, rest.id).await;
    assert_eq!((rest.count, rest.delivered), (147, 147));
    let listed = tenant.replays(dead.endpoint).await.unwrap();
    assert_eq!(listed, [rest, cancelled], "newest first");
    assert!(dead.counts().iter().all(|count| *count == 1));
}

#[tokio::test]
async fn a_replay_waits_for_a_paused_endpoint_and_ends_with_a_deleted_one() {
    let dead = Dead::letters(20, 4).await;
    dead.gate.open();
    dead.home.set_status(dead.endpoint, EndpointStatus::Paused).await;
    let replay = begin(&dead.home, dead.endpoint, ReplayQuery::default()).await;
    let home = dead.home.restart().await;
    let report = home.tenant().replay_report(dead.endpoint, replay.id).await.unwrap();
    assert_eq!((report.state, report.count, report.sent), (ReplayState::Running, 20, 0));
    assert_eq!(dead.receiver.count(), dead.before);
    home.set_status(dead.endpoint, EndpointStatus::Active).await;
    let report = until_over(&home, dead.endpoint, replay.id).await;
    assert_eq!((report.state, report.delivered), (ReplayState::Finished, 20));

    home.set_status(dead.endpoint, EndpointStatus::Paused).await;
    let query = ReplayQuery { statuses: [ReplayStatus::Delivered].into(), ..ReplayQuery::default() };
    let again = begin(&home, dead.endpoint, query).await;
    home.tenant().delete_endpoint(dead.endpoint).await.unwrap();
    let gone = home.tenant().replay_report(dead.endpoint, again.id).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    home.shutdown().await;
    assert_eq!(dead.receiver.count(), dead.before + 20);
}

#[tokio::test]
async fn a_replay_spares_an_endpoint_that_is_down_and_goes_on_when_it_answers() {
    const EVENTS: usize = 200;
    let (home, works) = (home(), Gate::shut());
    let receiver = receiver_behind(&works);
    let missed = home.publish_many("cases.created", EVENTS).await;
    let hours = EndpointDraft { retry_schedule_seconds: Some(vec![3_600]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(hours).await;
    let query = ReplayQuery { statuses: [ReplayStatus::Missing].into(), ..ReplayQuery::default() };
    let replay = begin(&home, endpoint, query).await;
    // It counts as down after 32 failures in a row; by then as many more may be under way, and two probes follow.
    receiver.received(34).await;
    works.open();
    let report = until_over(&home, endpoint, replay.id).await;
    assert_eq!((report.state, report.sent, report.skipped), (ReplayState::Finished, EVENTS as u64, 0));
    assert!(report.failed < 100, "{} were wasted on an endpoint that is down", report.failed);
    for event in missed {
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
    }
}

#[tokio::test]
async fn a_replay_goes_on_where_it_was_after_restarts() {
    let Dead { mut home, receiver, gate, endpoint, events, before } = Dead::letters(300, 4).await;
    gate.open();
    let replay = begin(&home, endpoint, ReplayQuery::default()).await;
    receiver.received(before + 40).await;
    home = home.restart().await;
    receiver.received(before + 150).await;
    home = home.drop_and_restart().await;
    let report = until_over(&home, endpoint, replay.id).await;
    assert_eq!(
        (report.state, report.count, report.delivered, report.skipped),
        (ReplayState::Finished, 300, 300, 0)
    );
    home.shutdown().await;
    let came = receiver.events().split_off(before);
    let times = |event: &EventId| came.iter().filter(|it| *it == event).count();
    assert!(events.iter().all(|event| times(event) >= 1), "nothing is lost");
    assert!(came.len() <= 300 + 2 * 4, "{} came: repeated is what was in flight, if anything", came.len());
}

/// By the command line, of what an endpoint missed.
#[test]
fn kills_in_the_middle_of_a_replay_lose_nothing_and_repeat_only_what_was_in_flight() {
    const EVENTS: usize = 300;
    const IN_FLIGHT: usize = 32;
    let receiver = binary::Receiver::start(|_| {
        work_for(Duration::from_millis(1));
        200
    });
    let dir = TempDir::new().unwrap();
    let mut server = Server::start(dir.path(), &[]);
    let lot: Vec<_> = (0..EVENTS).map(|n| json!({"type": "cases.created", "data": n})).collect();
    let lot = json!({ "events": lot }).to_string();
    let published = server.connect().request("POST", "/events/batch", &lot).unwrap().data(202);
    let (endpoint, _) = server.endpoint(&receiver.url("/hook"), &["cases.*"]);

    let endpoints = |server: &Server, arguments: &[&str]| -> Value {
        let all = [&["--json", "endpoints"], arguments].concat();
        let url = server.url();
        let ended = binary::run(&all, &[("CASEWIRE_SERVER", url.as_str()), ("CASEWIRE_TOKEN", TOKEN)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    let counted = endpoints(&server, &["replay", &endpoint, "--status", "missing", "--dry-run"]);
    assert_eq!((&counted["data"]["count"], &counted["data"]["dry_run"]), (&json!(EVENTS), &json!(true)));
    let begun = endpoints(&server, &["replay", &endpoint, "--status", "missing", "--type", "cases.*"]);
    let replay = begun["data"]["id"].as_str().unwrap().to_owned();
    for kill in 1..=3 {
        receiver.wait("part of the replay", |attempts| attempts.len() >= kill * EVENTS / 5);
        server.kill();
        server = Server::start(dir.path(), &[]);
    }

    let deadline = Instant::now() + binary::PATIENCE;
    let report = loop {
        let report = endpoints(&server, &["replays", "show", &endpoint, &replay])["data"].clone();
        if report["state"] == "finished" {
            break report;
        }
        assert!(Instant::now() < deadline, "it never ended: {report}");
    };
    assert_eq!((&report["count"], &report["delivered"]), (&json!(EVENTS), &json!(EVENTS)), "{report}");
    let attempts = receiver.wait("every event", |attempts| attempts.len() >= EVENTS);
    let came: HashSet<_> = attempts.iter().map(|attempt| attempt.id().to_owned()).collect();
    let ids = published.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned());
    assert_eq!(came, ids.collect());
    assert!(attempts.len() <= EVENTS + 3 * IN_FLIGHT, "{} requests for {EVENTS} events", attempts.len());
    let listed = endpoints(&server, &["replays", "list", &endpoint]);
    assert_eq!(listed["data"], json!([report]));
}
