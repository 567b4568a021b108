//! An endpoint with agencies or sources is sent those events and no others, and a receipt counts only what will be sent.

use casewire::{
    Actor, DeliveryStatus, EndpointDraft, EndpointId, EndpointPatch, EndpointStatus, ErrorKind, NewEvent,
    Source,
};

use crate::support::{Embedded, Receiver, to};

fn event(agency: Option<&str>, kind: Option<&str>) -> NewEvent {
    let mut event = NewEvent::new("claim.assigned", r#"{"id":"C-1"}"#).unwrap();
    event.agency = agency.map(str::to_owned);
    event.actor = kind.map(|kind| Actor { kind: kind.to_owned(), id: None, name: None });
    event
}

fn of(agency: &str) -> NewEvent {
    event(Some(agency), None)
}

/// For the agencies, at a path of the receiver's.
fn scoped(receiver: &Receiver, path: &str, agencies: &[&str], sources: &[Source]) -> EndpointDraft {
    let agencies = agencies.iter().map(|&agency| agency.to_owned()).collect();
    EndpointDraft { agencies, sources: sources.to_vec(), ..to(receiver.at(path), &["claim.*"]) }
}

impl Embedded {
    async fn deliveries(&self, event: NewEvent) -> usize {
        self.engine.publisher().publish_event(event).await.unwrap().deliveries
    }

    async fn change(&self, endpoint: EndpointId, patch: EndpointPatch) {
        self.tenant().update_endpoint(endpoint, patch).await.unwrap();
    }
}

#[tokio::test]
async fn each_endpoint_is_sent_the_events_of_its_agencies_and_a_receipt_counts_no_others() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    for (path, agencies) in [("/all", &[][..]), ("/north", &["north"]), ("/both", &["north", "south"])] {
        home.subscribe(scoped(&receiver, path, agencies, &[])).await;
    }
    let mut expected = Vec::new();
    for (agency, paths) in [
        (Some("north"), &["/all", "/both", "/north"][..]),
        (Some("south"), &["/all", "/both"]),
        (Some("west"), &["/all"]),
        (None, &["/all"]),
    ] {
        let receipt = home.engine.publisher().publish_event(event(agency, None)).await.unwrap();
        assert_eq!(receipt.deliveries, paths.len(), "{agency:?}");
        expected.extend(paths.iter().map(|&path| (receipt.id, path.to_owned())));
    }
    receiver.received(expected.len()).await;
    home.shutdown().await;
    let mut came: Vec<_> = receiver.requests().iter().map(|it| (it.event(), it.path.clone())).collect();
    came.sort_unstable();
    expected.sort_unstable();
    assert_eq!(came, expected);
}

#[tokio::test]
async fn sources_choose_by_the_kind_of_actor() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(scoped(&receiver, "/ui", &[], &[Source::Ui])).await;
    home.subscribe(scoped(&receiver, "/two", &[], &[Source::Ui, Source::Api])).await;
    home.subscribe(scoped(&receiver, "/north-api", &["north"], &[Source::Api])).await;
    for (agency, kind, deliveries) in [
        (None, Some("ui"), 2),
        (None, Some("api"), 1),
        (Some("north"), Some("api"), 2),
        (Some("north"), Some("ui"), 2),
        (None, Some("robot"), 0),
        (Some("north"), None, 0),
    ] {
        assert_eq!(home.deliveries(event(agency, kind)).await, deliveries, "{agency:?} {kind:?}");
    }
}

#[tokio::test]
async fn a_new_scope_holds_from_its_answer_on_and_after_a_restart() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let endpoint = home.subscribe(scoped(&receiver, "/", &["north"], &[])).await;
    assert_eq!((home.deliveries(of("north")).await, home.deliveries(of("south")).await), (1, 0));
    // A race of change and cache would show only now and then.
    for _ in 0..50 {
        for (now, before) in [("south", "north"), ("north", "south")] {
            let agencies = Some(vec![now.to_owned()]);
            home.change(endpoint, EndpointPatch { agencies, ..EndpointPatch::default() }).await;
            assert_eq!((home.deliveries(of(now)).await, home.deliveries(of(before)).await), (1, 0));
        }
    }
    let sources = EndpointPatch { sources: Some(vec![Source::Ui]), ..EndpointPatch::default() };
    home.change(endpoint, sources).await;
    assert_eq!(home.deliveries(of("north")).await, 0, "sources in addition to agencies");
    let home = home.restart().await;
    assert_eq!(home.deliveries(of("north")).await, 0);
    assert_eq!(home.deliveries(event(Some("north"), Some("ui"))).await, 1);
    assert_eq!(home.deliveries(event(Some("south"), Some("ui"))).await, 0);

    let everything =
        EndpointPatch { agencies: Some(vec![]), sources: Some(vec![]), ..EndpointPatch::default() };
    home.change(endpoint, everything).await;
    assert_eq!(home.deliveries(event(None, None)).await, 1);
}

#[tokio::test]
async fn the_events_of_one_batch_go_each_their_own_way() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let north = home.subscribe(scoped(&receiver, "/north", &["north"], &[])).await;
    let all = home.subscribe(scoped(&receiver, "/all", &[], &[])).await;
    let batch = vec![of("north"), of("south"), event(None, None), of("north")];
    let receipts = home.engine.publisher().publish_batch(batch).await.unwrap();
    assert_eq!(receipts.iter().map(|it| it.deliveries).collect::<Vec<_>>(), [2, 1, 1, 2]);
    for (receipt, to_north) in receipts.iter().zip([true, false, false, true]) {
        home.until(receipt.id, all, DeliveryStatus::Delivered).await;
        if to_north {
            home.until(receipt.id, north, DeliveryStatus::Delivered).await;
        } else {
            let delivery = casewire::DeliveryId { event: receipt.id, endpoint: north };
            assert_eq!(home.tenant().delivery(delivery).await.unwrap_err().kind(), ErrorKind::NotFound);
        }
    }
}

#[tokio::test]
async fn a_paused_endpoint_holds_what_its_scope_takes_and_nothing_else() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let paused =
        EndpointDraft { status: Some(EndpointStatus::Paused), ..scoped(&receiver, "/", &["north"], &[]) };
    let endpoint = home.subscribe(paused).await;
    let held = home.engine.publisher().publish_event(of("north")).await.unwrap();
    assert_eq!((held.deliveries, home.deliveries(of("south")).await), (1, 0));
    assert_eq!(home.tenant().endpoint(endpoint).await.unwrap().held, 1);
    home.set_status(endpoint, EndpointStatus::Active).await;
    home.until(held.id, endpoint, DeliveryStatus::Delivered).await;
    home.shutdown().await;
    assert_eq!(receiver.events(), [held.id]);
}
