//! What is dead, was delivered, or was missed can be sent again: bounded, seen and called off, and over any crash.

mod course;
mod turns;

use std::{collections::HashSet, time::SystemTime};

use casewire::{
    DeliveryQuery, DeliveryStatus, EndpointDraft, EndpointId, EndpointPatch, EndpointStatus, ErrorKind,
    EventId, Pattern, ReplayId, ReplayQuery, ReplayReport, ReplayState, ReplayStatus, RetrySchedule,
    Timestamp,
};

use crate::support::{Embedded, Gate, Receiver, Reply, Request, to, wait_until};

/// An engine in which a delivery is dead after two attempts.
fn home() -> Embedded {
    Embedded::with(|builder| builder.retry_schedule(RetrySchedule::new(vec![0]).unwrap()))
}

/// A receiver that fails until the gate is open.
fn receiver_behind(works: &Gate) -> Receiver {
    let works = works.clone();
    Receiver::start(move |_| Reply::status(if works.is_open() { 204 } else { 500 }))
}

fn all(statuses: &[ReplayStatus]) -> ReplayQuery {
    ReplayQuery { statuses: statuses.iter().copied().collect(), ..ReplayQuery::default() }
}

fn of_types(patterns: &[&str]) -> ReplayQuery {
    let types = patterns.iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
    ReplayQuery { types, ..ReplayQuery::default() }
}

async fn begin(home: &Embedded, endpoint: EndpointId, query: ReplayQuery) -> ReplayReport {
    home.tenant().replay(endpoint, query).await.unwrap()
}

/// The replay once it is over.
async fn until_over(home: &Embedded, endpoint: EndpointId, id: ReplayId) -> ReplayReport {
    let look = async || home.tenant().replay_report(endpoint, id).await.unwrap();
    wait_until(look, |replay| replay.state != ReplayState::Running).await
}

/// Counts what a query selects, has it sent, and answers with the report at the end. What was counted is what is sent.
async fn replayed(home: &Embedded, endpoint: EndpointId, query: ReplayQuery) -> ReplayReport {
    let counted = home.tenant().count_replay(endpoint, query.clone()).await.unwrap();
    let id = begin(home, endpoint, query).await.id;
    let report = until_over(home, endpoint, id).await;
    assert_eq!(
        (report.state, report.count, report.sent, report.skipped),
        (ReplayState::Finished, counted, counted, 0)
    );
    report
}

async fn until_dead(home: &Embedded, endpoint: EndpointId, events: &[EventId]) {
    for event in events {
        home.until(*event, endpoint, DeliveryStatus::Dead).await;
    }
}

/// When an event was published, once a later one will have a later time.
async fn published_at(home: &Embedded, event: EventId) -> Timestamp {
    let at = home.tenant().event(event).await.unwrap().published_at;
    let now = async || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    wait_until(now, |now| *now > at.as_millis() as u128 + 2).await;
    at
}

#[tokio::test]
async fn what_has_died_since_a_time_or_in_a_window_is_sent_again_under_its_id_and_nothing_else_is() {
    let (home, works) = (home(), Gate::shut());
    let receiver = receiver_behind(&works);
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let (mut events, mut times) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        events.push(home.publish("cases.created").await);
        times.push(published_at(&home, events[events.len() - 1]).await);
    }
    until_dead(&home, endpoint, &events).await;
    works.open();

    let window = ReplayQuery { since: Some(times[1]), until: Some(times[2]), ..ReplayQuery::default() };
    assert_eq!(replayed(&home, endpoint, window).await.delivered, 1);
    home.until(events[1], endpoint, DeliveryStatus::Delivered).await;
    let since = ReplayQuery { since: Some(times[1]), ..ReplayQuery::default() };
    assert_eq!(replayed(&home, endpoint, since.clone()).await.delivered, 2, "one is delivered already");
    assert_eq!(replayed(&home, endpoint, since).await.delivered, 0);

    assert_eq!(home.delivery(events[0], endpoint).await.status, DeliveryStatus::Dead, "it is older");
    for event in &events[1..] {
        let record = home.until(*event, endpoint, DeliveryStatus::Delivered).await;
        let numbers: Vec<_> = record.attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, [1, 2, 3], "they go on counting");
        let sent: Vec<_> = receiver.requests().into_iter().filter(|it| it.event() == *event).collect();
        assert!(sent.len() == 3 && sent.iter().all(|it| it.body == sent[0].body));
    }
    home.shutdown().await;
    assert_eq!(receiver.count(), 4 * 2 + 3);
}

#[tokio::test]
async fn types_and_statuses_choose_and_what_is_counted_is_what_is_sent() {
    let (home, works) = (home(), Gate::shut());
    let receiver = receiver_behind(&works);
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let mut dead = home.publish_many("cases.created", 7).await;
    dead.extend(home.publish_many("cases.status.updated", 5).await);
    dead.extend(home.publish_many("tasks.created", 3).await);
    until_dead(&home, endpoint, &dead).await;
    works.open();
    let live = home.publish_many("cases.created", 2).await;
    for event in &live {
        home.until(*event, endpoint, DeliveryStatus::Delivered).await;
    }

    let delivered = all(&[ReplayStatus::Delivered]);
    assert_eq!(replayed(&home, endpoint, delivered).await.sent, 2);
    assert_eq!(replayed(&home, endpoint, of_types(&["cases.status.updated"])).await.sent, 5);
    assert_eq!(replayed(&home, endpoint, of_types(&["tasks.*", "none"])).await.sent, 3);
    assert_eq!(replayed(&home, endpoint, of_types(&["none"])).await.sent, 0);
    let everything = all(&[ReplayStatus::Dead, ReplayStatus::Delivered, ReplayStatus::Cancelled]);
    assert_eq!(replayed(&home, endpoint, everything).await.sent, 17);
    assert_eq!(receiver.count(), 15 * 2 + 2 + 2 + 5 + 3 + 17);

    let wrong = ReplayQuery { statuses: [].into(), ..ReplayQuery::default() };
    assert_eq!(home.tenant().count_replay(endpoint, wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn what_waits_or_is_under_way_is_not_sent_twice() {
    let (home, works) = (home(), Gate::shut());
    let receiver = receiver_behind(&works);
    let hours = EndpointDraft { retry_schedule_seconds: Some(vec![3_600]), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(hours).await;
    let retrying = home.publish("cases.created").await;
    home.until_retrying(retrying, endpoint).await;
    home.set_status(endpoint, EndpointStatus::Paused).await;
    home.publish("cases.created").await;
    assert_eq!(home.tenant().count_replay(endpoint, all(&ReplayStatus::ALL)).await.unwrap(), 0);
}

#[tokio::test]
async fn what_comes_to_its_end_while_a_replay_is_under_way_is_none_of_it() {
    let (home, gate) = (home(), Gate::shut());
    let held_up = gate.clone();
    let receiver = Receiver::start(move |request| {
        if request.text().contains("tasks.slow") {
            held_up.pass();
        }
        Reply::status(204)
    });
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let delivered = home.publish("cases.created").await;
    home.until(delivered, endpoint, DeliveryStatus::Delivered).await;
    let slow = home.publish("tasks.slow").await;
    receiver.received(2).await;

    // A paused endpoint gets its replay later, so that it is counted before the slow one is delivered, and sent after.
    home.set_status(endpoint, EndpointStatus::Paused).await;
    let replay = begin(&home, endpoint, all(&[ReplayStatus::Delivered])).await;
    gate.open();
    home.until(slow, endpoint, DeliveryStatus::Delivered).await;
    home.set_status(endpoint, EndpointStatus::Active).await;
    let report = until_over(&home, endpoint, replay.id).await;
    assert_eq!((report.count, report.sent, report.skipped), (1, 1, 0));
    home.shutdown().await;
    assert_eq!(receiver.events(), [delivered, slow, delivered]);
}

#[tokio::test]
async fn a_replayed_delivery_that_fails_is_retried_by_its_schedule_from_the_beginning_and_then_dead_again() {
    let (home, works) = (home(), Gate::shut());
    let receiver = receiver_behind(&works);
    let endpoint = home.subscribe(to(receiver.url(), &["*"])).await;
    let event = home.publish("cases.created").await;
    let attempts = async |count: usize, status: DeliveryStatus| {
        let look = async || home.delivery(event, endpoint).await;
        wait_until(look, |record| record.attempts.len() == count && record.status == status).await
    };
    attempts(2, DeliveryStatus::Dead).await;
    let report = replayed(&home, endpoint, ReplayQuery::default()).await;
    assert_eq!((report.failed, report.delivered), (1, 0));
    attempts(4, DeliveryStatus::Dead).await;
    home.tenant().replay(endpoint, ReplayQuery::default()).await.unwrap();
    attempts(6, DeliveryStatus::Dead).await;
    works.open();
    let numbers = |count: u16| (1..=count).collect::<Vec<_>>();
    home.tenant().replay(endpoint, ReplayQuery::default()).await.unwrap();
    let record = attempts(7, DeliveryStatus::Delivered).await;
    assert_eq!(record.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), numbers(7));
}

/// The deliveries to an endpoint as the log lists them, newest first.
async fn listed(home: &Embedded, endpoint: EndpointId) -> Vec<(EventId, DeliveryStatus)> {
    let query = DeliveryQuery { endpoint: Some(endpoint), ..DeliveryQuery::default() };
    let page = home.tenant().deliveries(query, None, 200).await.unwrap();
    page.items.into_iter().map(|it| (it.id.event, it.status)).collect()
}

#[tokio::test]
async fn what_an_endpoint_missed_is_sent_as_it_would_be_now_and_is_in_the_delivery_log_from_then_on() {
    let (mut home, receiver) = (home(), Receiver::willing());
    let others = home.subscribe(to(receiver.at("/others"), &["*"])).await;
    let missed = home.publish_many("cases.created", 3).await;
    let foreign = home.publish_many("tasks.created", 2).await;
    for event in &foreign {
        home.until(*event, others, DeliveryStatus::Delivered).await;
    }
    let draft = EndpointDraft { max_in_flight: Some(1), ..to(receiver.at("/late"), &["cases.*"]) };
    let late = home.subscribe(draft).await;
    let live = home.publish("cases.updated").await;
    home.until(live, late, DeliveryStatus::Delivered).await;

    assert_eq!(home.tenant().count_replay(late, ReplayQuery::default()).await.unwrap(), 0, "nothing is dead");
    assert_eq!(replayed(&home, late, all(&[ReplayStatus::Missing])).await.delivered, 3);
    let came: Vec<_> =
        receiver.requests().into_iter().filter(|it| it.path == "/late").map(|it| it.event()).collect();
    assert_eq!(came, [live, missed[0], missed[1], missed[2]], "oldest first");

    for again in ["before", "after a restart", "after a rebuild"] {
        match again {
            "before" => {}
            "after a restart" => home = home.restart().await,
            _ => {
                home.shutdown().await;
                std::fs::remove_dir_all(home.dir().join("retry")).unwrap();
                home = home.restart().await;
            }
        }
        let expected: Vec<_> = std::iter::once(live).chain(missed.iter().rev().copied()).collect();
        let there = listed(&home, late).await;
        assert_eq!(there.iter().map(|(event, _)| *event).collect::<Vec<_>>(), expected, "{again}");
        assert!(there.iter().all(|(_, status)| *status == DeliveryStatus::Delivered), "{again}: {there:?}");
        assert_eq!(home.delivery(missed[0], late).await.attempts.len(), 1, "{again}");
        let of_event = home.tenant().event_deliveries(missed[0]).await.unwrap();
        assert_eq!(of_event.iter().map(|it| it.id.endpoint).collect::<Vec<_>>(), [others, late], "{again}");
        let missing = all(&[ReplayStatus::Missing]);
        assert_eq!(home.tenant().count_replay(late, missing).await.unwrap(), 0, "{again}: each once");
    }
    // From now on it is a delivery like any other.
    assert_eq!(replayed(&home, late, all(&[ReplayStatus::Delivered])).await.delivered, 4);
    let tasks = EndpointPatch { events: Some(vec!["*".into()]), ..EndpointPatch::default() };
    home.tenant().update_endpoint(late, tasks).await.unwrap();
    assert_eq!(
        replayed(&home, late, all(&[ReplayStatus::Missing])).await.delivered,
        2,
        "as its patterns are now"
    );
    home.shutdown().await;
    let late: Vec<_> = receiver.requests().into_iter().filter(|it| it.path == "/late").collect();
    assert_eq!(late.iter().map(Request::event).collect::<HashSet<_>>().len(), 6);
}

#[tokio::test]
async fn a_retry_is_made_now_whatever_the_state_of_the_delivery() {
    let (home, gate) = (Embedded::start(), Gate::shut());
    let at_receiver = gate.clone();
    let receiver = Receiver::start(move |_| {
        at_receiver.pass();
        Reply::status(204)
    });
    let draft = EndpointDraft { max_in_flight: Some(1), ..to(receiver.url(), &["*"]) };
    let endpoint = home.subscribe(draft).await;
    let (under_way, waiting) = (home.publish("cases.created").await, home.publish("cases.created").await);
    let in_flight = home.until(under_way, endpoint, DeliveryStatus::InFlight).await;
    let pending = home.until(waiting, endpoint, DeliveryStatus::Pending).await;
    for id in [in_flight.id, pending.id] {
        home.tenant().retry_delivery(id).await.unwrap();
    }
    gate.open();
    for event in [under_way, waiting] {
        home.until(event, endpoint, DeliveryStatus::Delivered).await;
    }
    home.set_status(endpoint, EndpointStatus::Paused).await;
    let held = home.publish("cases.created").await;
    let held = home.until(held, endpoint, DeliveryStatus::Held).await;
    home.tenant().retry_delivery(held.id).await.unwrap();
    home.set_status(endpoint, EndpointStatus::Active).await;
    home.until(held.id.event, endpoint, DeliveryStatus::Delivered).await;
    home.shutdown().await;
    assert_eq!(receiver.count(), 3, "each once: a retry of what is made anyhow adds nothing");
}
