//! The headers on the wire are the dialect's, in its order and its letters, and what HTTP needs; nothing else.

use super::{ALL, obliging};
use crate::support::{Embedded, Receiver, Request};

/// Names as they were written, in the order in which they came.
fn names(request: &Request) -> Vec<&str> {
    let lines = request.head.lines().skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.split_once(": ").expect(line).0).collect()
}

#[tokio::test]
async fn a_delivery_carries_the_headers_of_its_dialect_and_no_other() {
    let (home, receiver) = (Embedded::start(), Receiver::start(|request| obliging(request, 200)));
    for spoken in &ALL {
        let path = format!("/{}", spoken.dialect);
        spoken.subscribe(&home, receiver.at(&path)).await;
        spoken.tenant(&home).publish(spoken.event()).await.unwrap();
        let before = receiver.count();
        let is_delivery = |request: &&Request| request.path == path && !request.body.is_empty();
        let requests = receiver.received(before.max(1)).await;
        let delivery = match requests.iter().find(is_delivery) {
            Some(delivery) => delivery.clone(),
            None => receiver.received(before + 1).await.iter().find(is_delivery).unwrap().clone(),
        };
        let expected = [&["Host"], spoken.headers, &["User-Agent", "Content-Length"]].concat();
        assert_eq!(names(&delivery), expected, "{}", spoken.dialect);
        let (host, first) = (receiver.at(""), format!("POST {path} HTTP/1.1\r\n"));
        assert!(delivery.head.starts_with(&first), "{}", delivery.head);
        assert_eq!(format!("http://{}", delivery.header("host")), host);
        assert_eq!(delivery.header("content-length"), delivery.body.len().to_string());
        let content_type = match spoken.dialect {
            "cloudevents@1" => "application/cloudevents+json; charset=utf-8",
            _ => "application/json",
        };
        assert_eq!(delivery.header("content-type"), content_type);
        assert!(delivery.header("user-agent").starts_with("Casewire/"), "{}", delivery.head);
    }
    home.shutdown().await;
}

#[tokio::test]
async fn static_headers_of_an_endpoint_follow_and_none_poses_as_a_system() {
    let (home, receiver) = (Embedded::start(), Receiver::start(|request| obliging(request, 200)));
    for spoken in &ALL {
        let of_handshakes = ["X-Hook-Secret"];
        for header in ALL.iter().flat_map(|spoken| spoken.headers).chain(&of_handshakes) {
            for name in [header.to_string(), header.to_uppercase()] {
                let mut draft = spoken.draft(receiver.url());
                draft.headers.insert(name.clone(), "x".to_owned());
                let error = spoken.tenant(&home).create_endpoint(draft).await.unwrap_err();
                let expected = format!("headers.{name}");
                assert!(super::fields(&error).contains(&expected.as_str()), "{}: {error:?}", spoken.dialect);
            }
        }
    }
    assert_eq!(receiver.count(), 0, "a receiver is not asked for what is refused anyway");
    let spoken = super::Spoken::of("claimable@1");
    let mut draft = spoken.draft(receiver.url());
    draft.headers.insert("X-Partner".to_owned(), "7".to_owned());
    spoken.tenant(&home).create_endpoint(draft).await.unwrap();
    spoken.tenant(&home).publish(spoken.event()).await.unwrap();
    let delivery = receiver.received(1).await.remove(0);
    assert_eq!(
        names(&delivery),
        ["Host", "Content-Type", "Event-Name", "X-Partner", "User-Agent", "Content-Length"]
    );
}
