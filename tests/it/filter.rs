//! An endpoint with a filter is sent what fits and nothing else, from the answer to the change on and over restarts.

use casewire::{EndpointDraft, EndpointPatch, NewEvent};

use crate::support::{Embedded, Receiver, to};

fn filtered(receiver: &Receiver, path: &str, filter: &str) -> EndpointDraft {
    EndpointDraft { filter: Some(filter.to_owned()), ..to(receiver.at(path), &["cases.*"]) }
}

fn case(amount: &str) -> NewEvent {
    NewEvent::new("cases.created", format!(r#"{{"amount":{amount}}}"#)).unwrap()
}

#[tokio::test]
async fn what_fits_is_delivered_and_nothing_else() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    let large = home.subscribe(filtered(&receiver, "/large", r#"{"data.amount":{"gte":1000}}"#)).await;
    home.subscribe(filtered(&receiver, "/small", r#"{"data.amount":{"lt":1000}}"#)).await;
    let batch = vec![case("5"), case("1000.0"), case("null"), case("99999999999999999999")];
    let receipts = home.engine.publisher().publish_batch(batch).await.unwrap();
    assert_eq!(receipts.iter().map(|it| it.deliveries).collect::<Vec<_>>(), [1, 1, 0, 1]);
    let paths: Vec<_> = receiver.received(3).await.into_iter().map(|it| (it.event(), it.path)).collect();
    for (event, path) in [(0, "/small"), (1, "/large"), (3, "/large")] {
        assert!(paths.contains(&(receipts[event].id, path.to_owned())), "{paths:?}");
    }

    // A race of change and cache would show only now and then.
    for _ in 0..20 {
        for (filter, amount) in [(r#"{"data.amount":"x"}"#, r#""x""#), (r#"{"data.amount":"y"}"#, r#""y""#)] {
            let filter = Some(Some(filter.to_owned()));
            let patch = EndpointPatch { filter, ..EndpointPatch::default() };
            home.tenant().update_endpoint(large, patch).await.unwrap();
            assert_eq!(deliveries(&home, [amount, r#""z""#]).await, [1, 0]);
        }
    }
    let home = home.restart().await;
    assert_eq!(deliveries(&home, [r#""y""#, r#""x""#]).await, [1, 0]);
}

async fn deliveries(home: &Embedded, amounts: [&str; 2]) -> Vec<usize> {
    let receipts = home.engine.publisher().publish_batch(amounts.map(case).to_vec()).await.unwrap();
    receipts.iter().map(|receipt| receipt.deliveries).collect()
}
