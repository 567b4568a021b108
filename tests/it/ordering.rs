//! The order that an endpoint asks for: within each case, or among all that it takes.

mod judge;

use casewire::{
    DeliveryId, DeliveryOrder, DeliveryQuery, DeliveryStatus, EndpointDraft, EndpointId, EndpointPatch,
    EndpointStatus, EventId, Limits, NewEvent, Resource,
};
use serde_json::json;
use tempfile::TempDir;

use self::judge::Judge;
use crate::{
    binary::{self, Dice, Server, setting},
    support::{Down, Embedded, Gate, Receiver, Reply, to, wait_until},
};

/// Percent of attempts that fail.
const FAILURES: u64 = 10;
/// Events of one batch.
const BATCH: usize = 500;

/// How many events a run has; `CASEWIRE_ORDER_EVENTS=100000` for those who have more time.
fn events_of_a_run() -> usize {
    setting("CASEWIRE_ORDER_EVENTS", 2_000)
}

/// The case and the number in it of the n-th event: cases come in turns, and some oftener than others.
fn case_of(number: usize, cases: usize) -> (usize, usize) {
    (number % cases, number / cases)
}

fn event(case: &str, number: usize) -> NewEvent {
    let data = json!({ "case": case, "number": number }).to_string();
    let resource = Some(Resource { kind: "cases".to_owned(), id: case.to_owned() });
    NewEvent { resource, ..NewEvent::new("cases.updated", data).unwrap() }
}

fn events(numbers: std::ops::Range<usize>, cases: usize) -> Vec<NewEvent> {
    let named = |number| {
        let (case, number) = case_of(number, cases);
        event(&format!("C-{case}"), number)
    };
    numbers.map(named).collect()
}

async fn publish(home: &Embedded, events: Vec<NewEvent>) -> Vec<EventId> {
    let mut ids = Vec::new();
    for batch in events.chunks(BATCH) {
        let receipts = home.engine.publisher().publish_batch(batch.to_vec()).await.unwrap();
        ids.extend(receipts.into_iter().map(|receipt| receipt.id));
    }
    ids
}

fn ordered(url: String, ordering: DeliveryOrder) -> EndpointDraft {
    EndpointDraft { ordering, retry_schedule_seconds: Some(vec![0; 60]), ..to(url, &["*"]) }
}

async fn reorder(home: &Embedded, endpoint: EndpointId, ordering: DeliveryOrder) {
    let patch = EndpointPatch { ordering: Some(ordering), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, patch).await.unwrap();
}

/// Whether the n-th attempt fails, by chance.
fn failures(dice: &mut Dice) -> impl Fn(u64) -> bool + Send + Sync + use<> {
    let seed = dice.next() | 1;
    move |nth| ((nth.wrapping_mul(seed) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % 100 < FAILURES
}

/// A receiver whose every request is judged.
fn judged(judge: &Judge) -> Receiver {
    let judge = judge.clone();
    Receiver::start(move |request| Reply::status(judge.status(&request.body)))
}

async fn order_holds_in_an_engine(ordering: DeliveryOrder) {
    let (count, cases) = (events_of_a_run(), 40);
    let mut dice = Dice::thrown();
    let judge = Judge::of(ordering, failures(&mut dice));
    let receiver = judged(&judge);
    let limits = Limits { window_deliveries_max: 128, ..Limits::default() };
    let mut home = Embedded::with(move |builder| builder.limits(limits.clone()));
    let endpoint = home.subscribe(ordered(receiver.url(), ordering)).await;
    for quarter in 0..4 {
        let cases = if ordering == DeliveryOrder::Endpoint { 1 } else { cases };
        publish(&home, events(quarter * count / 4..(quarter + 1) * count / 4, cases)).await;
        judge.wait_for(quarter * count / 4 + dice.below(count / 4));
        home = match quarter {
            0 => home.restart().await,
            1 => home.drop_and_restart().await,
            2 => {
                home.set_status(endpoint, EndpointStatus::Paused).await;
                let home = home.restart().await;
                home.set_status(endpoint, EndpointStatus::Active).await;
                home
            }
            _ => home,
        };
    }
    judge.wait_for(count);
    judge.rule();
    home.shutdown().await;
}

#[tokio::test]
async fn each_case_keeps_its_order_over_failures_restarts_and_a_pause() {
    order_holds_in_an_engine(DeliveryOrder::Resource).await;
}

#[tokio::test]
async fn an_endpoint_keeps_its_order_over_failures_restarts_and_a_pause() {
    order_holds_in_an_engine(DeliveryOrder::Endpoint).await;
}

#[test]
fn each_case_keeps_its_order_over_kills() {
    let (count, cases) = (events_of_a_run(), 40);
    let mut dice = Dice::thrown();
    let judge = Judge::of(DeliveryOrder::Resource, failures(&mut dice));
    let replies = judge.clone();
    let receiver = binary::Receiver::start(move |attempt| replies.status(&attempt.body));
    let dir = TempDir::new().unwrap();
    let schedule = vec!["0"; 60].join(",");
    let settings = [("CASEWIRE_RETRY_SCHEDULE_SECONDS", schedule.as_str())];
    let mut server = Server::start(dir.path(), &settings);
    let endpoint = json!({ "url": receiver.url("/"), "events": ["cases.*"],
        "dialect": "standard@1", "ordering": "resource" });
    server.connect().request("POST", "/endpoints", &endpoint.to_string()).unwrap().id(201);
    for quarter in 0..4 {
        let (from, to) = (quarter * count / 4, (quarter + 1) * count / 4);
        for first in (from..to).step_by(BATCH) {
            let batch: Vec<_> = (first..to.min(first + BATCH))
                .map(|number| {
                    let (case, number) = case_of(number, cases);
                    json!({ "type": "cases.updated", "data": { "case": format!("C-{case}"), "number": number },
                        "resource": { "type": "cases", "id": format!("C-{case}") } })
                })
                .collect();
            let answer =
                server.connect().request("POST", "/events/batch", &json!(batch).to_string()).unwrap();
            assert_eq!(answer.status, 202, "{}", answer.text);
        }
        judge.wait_for(from + dice.below(count / 4));
        if quarter < 3 {
            server.kill();
            server = Server::start(dir.path(), &settings);
        }
    }
    judge.wait_for(count);
    judge.rule();
}

/// The cases and numbers of a receiver's requests.
fn seen(receiver: &Receiver) -> Vec<(String, u64)> {
    let told = |body: &[u8]| judge::told(body);
    receiver.requests().iter().map(|request| told(&request.body)).collect()
}

#[tokio::test]
async fn a_failing_case_blocks_itself_alone_and_goes_on_when_it_is_through() {
    let works = Gate::shut();
    let open = works.clone();
    let receiver = Receiver::start(move |request| {
        let fails = judge::told(&request.body).0 == "stuck" && !open.is_open();
        Reply::status(if fails { 500 } else { 204 })
    });
    let limits = Limits { window_deliveries_max: 32, ..Limits::default() };
    let home = Embedded::with(move |builder| builder.limits(limits.clone()));
    let draft = EndpointDraft {
        retry_schedule_seconds: Some(vec![3_600]),
        ..ordered(receiver.url(), DeliveryOrder::Resource)
    };
    let endpoint = home.subscribe(draft).await;
    // More than the window holds of the case that is stuck, and among them those of others.
    let all: Vec<_> = (0..200)
        .flat_map(|number| [event("stuck", number), event(&format!("C-{}", number % 7), number / 7)])
        .collect();
    let ids = publish(&home, all).await;
    let others: Vec<_> = ids.iter().copied().skip(1).step_by(2).collect();
    let stuck: Vec<_> = ids.into_iter().step_by(2).collect();
    receiver.received_all(&others).await;
    let first = home.until_retrying(stuck[0], endpoint).await;
    assert!(first.next_attempt_at.is_some());
    assert_eq!(seen(&receiver).iter().filter(|(case, _)| case == "stuck").count(), 1);
    let behind = home.delivery(stuck[1], endpoint).await;
    assert_eq!((behind.status, behind.next_attempt_at), (DeliveryStatus::Pending, None));

    let home = home.restart().await;
    works.open();
    home.tenant().retry_delivery(DeliveryId { event: stuck[0], endpoint }).await.unwrap();
    receiver.received_all(&stuck).await;
    let mut numbers = seen(&receiver);
    numbers.retain(|(case, _)| case == "stuck");
    let expected: Vec<u64> = std::iter::once(0).chain(0..200).collect();
    assert_eq!(numbers.into_iter().map(|(_, number)| number).collect::<Vec<_>>(), expected);
    home.until(stuck[199], endpoint, DeliveryStatus::Delivered).await;
}

#[tokio::test]
async fn what_is_given_up_blocks_nothing_any_more() {
    for ordering in [DeliveryOrder::Resource, DeliveryOrder::Endpoint] {
        let receiver = Receiver::start(|request| {
            Reply::status(if judge::told(&request.body).1.is_multiple_of(3) { 500 } else { 204 })
        });
        let home = Embedded::start();
        let draft =
            EndpointDraft { retry_schedule_seconds: Some(vec![0, 0]), ..ordered(receiver.url(), ordering) };
        let endpoint = home.subscribe(draft).await;
        let ids = publish(&home, (0..12).map(|number| event("C", number)).collect()).await;
        for (number, id) in ids.into_iter().enumerate() {
            let dead = number.is_multiple_of(3);
            home.until(id, endpoint, if dead { DeliveryStatus::Dead } else { DeliveryStatus::Delivered })
                .await;
        }
        let numbers: Vec<u64> = seen(&receiver).into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, [0, 0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6, 7, 8, 9, 9, 9, 10, 11]);
        assert_eq!(receiver.concurrent_max(), 1);
    }
}

#[tokio::test]
async fn an_outage_is_followed_by_what_waited_in_order() {
    for ordering in [DeliveryOrder::Resource, DeliveryOrder::Endpoint] {
        let cases = if ordering == DeliveryOrder::Endpoint { 1 } else { 60 };
        let down = Down::reserve();
        let home = Embedded::start();
        let draft =
            EndpointDraft { retry_schedule_seconds: Some(vec![1; 60]), ..ordered(down.url(), ordering) };
        let endpoint = home.subscribe(draft).await;
        let ids = publish(&home, events(0..600, cases)).await;
        home.until_retrying(ids[0], endpoint).await;
        let home = home.drop_and_restart().await;
        home.until_retrying(ids[0], endpoint).await;
        let judge = Judge::of(ordering, |_| false);
        let replies = judge.clone();
        let _receiver = down.start(move |request| Reply::status(replies.status(&request.body)));
        judge.wait_for(600);
        judge.rule();
    }
}

#[tokio::test]
async fn a_change_of_order_holds_for_what_waits() {
    use DeliveryOrder::{Endpoint, None, Resource};
    for (before, after) in
        [(None, Resource), (None, Endpoint), (Endpoint, Resource), (Resource, Endpoint), (Resource, None)]
    {
        let works = Gate::shut();
        let judge = Judge::of(after, |_| false);
        let (replies, open) = (judge.clone(), works.clone());
        let receiver = Receiver::start(move |request| {
            Reply::status(if open.is_open() { replies.status(&request.body) } else { 500 })
        });
        let home = Embedded::start();
        let draft =
            EndpointDraft { retry_schedule_seconds: Some(vec![1; 60]), ..ordered(receiver.url(), before) };
        let endpoint = home.subscribe(draft).await;
        let ids = publish(&home, events(0..90, if after == Endpoint { 1 } else { 30 })).await;
        home.until_retrying(ids[0], endpoint).await;
        reorder(&home, endpoint, after).await;
        // All that was begun in the earlier order is answered.
        let under_way = DeliveryQuery { status: Some(DeliveryStatus::InFlight), ..DeliveryQuery::default() };
        let look =
            async || home.tenant().deliveries(under_way.clone(), Option::None, 200).await.unwrap().items;
        wait_until(look, Vec::is_empty).await;
        works.open();
        judge.wait_for(90);
        judge.rule();
        let shown = home.tenant().endpoint(endpoint).await.unwrap();
        assert_eq!(shown.endpoint.ordering, after);
    }
}

#[tokio::test]
async fn an_operator_sends_again_now_but_never_two_of_a_case_at_once() {
    let works = Gate::shut();
    let open = works.clone();
    let receiver = Receiver::start(move |request| {
        if request.attempt == 1 && judge::told(&request.body).1 == 1 {
            open.pass();
        }
        Reply::status(204)
    });
    let home = Embedded::start();
    let endpoint = home.subscribe(ordered(receiver.url(), DeliveryOrder::Resource)).await;
    let ids = publish(&home, (0..4).map(|number| event("C", number)).collect()).await;
    home.until(ids[0], endpoint, DeliveryStatus::Delivered).await;
    receiver.received(2).await;
    home.tenant().retry_delivery(DeliveryId { event: ids[0], endpoint }).await.unwrap();
    home.until(ids[0], endpoint, DeliveryStatus::Retrying).await;
    works.open();
    receiver.received(5).await;
    home.until(ids[3], endpoint, DeliveryStatus::Delivered).await;
    let numbers: Vec<u64> = seen(&receiver).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers.iter().filter(|number| **number == 0).count(), 2, "{numbers:?}");
    assert_eq!(numbers[..2], [0, 1]);
    assert_eq!(receiver.concurrent_max(), 1);
    assert_eq!(home.shutdown().await.pending, 0);
}
