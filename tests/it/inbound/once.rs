//! A request that comes again, by a retry or by a replay, is one event.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use casewire::EndpointDraft;

use super::*;
use crate::support::{Embedded, Receiver, Reply, Request, wait_until};

/// Both attempts of a delivery whose first one failed, as they were on the wire.
async fn attempts(system: &System, home: &Embedded) -> Vec<Sent> {
    let (event, tries) = (system.events().remove(0), Arc::new(AtomicUsize::new(0)));
    let receiver = Receiver::start(move |request: &Request| {
        if request.body.is_empty() {
            return echoing(request, Reply::status(200).with("WebHook-Allowed-Origin", "*"));
        }
        let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
        echoing(request, Reply::status(if first { 500 } else { 204 }))
    });
    let tenant = home.engine.tenant(Tenant::new(&system.name()).unwrap());
    let draft = EndpointDraft {
        url: receiver.at(&format!("/inbound/{}{}", system.name(), system.query(&event))),
        events: vec![event.event_type.to_string()],
        dialect: Some(system.dialect.to_owned()),
        secret: system.secret.map(str::to_owned),
        params: system.params(),
        ..EndpointDraft::default()
    };
    tenant.create_endpoint(draft).await.unwrap();
    tenant.publish(event).await.unwrap();
    let deliveries = async || -> Vec<_> {
        receiver.requests().into_iter().filter(|request| !request.body.is_empty()).collect()
    };
    let both = wait_until(deliveries, |sent| sent.len() == 2).await;
    both.into_iter().map(as_sent).collect()
}

/// The reply with the secret that the request asks to have back.
fn echoing(request: &Request, reply: Reply) -> Reply {
    let asked = request.headers.iter().find(|(name, _)| name == "x-secret" || name == "x-hook-secret");
    if let Some((name, value)) = asked { reply.with(name, value) } else { reply }
}

fn as_sent(request: Request) -> Sent {
    let of_the_connection = |name: &str| ["host", "content-length"].contains(&name);
    let headers = request.headers.into_iter().filter(|(name, _)| !of_the_connection(name));
    Sent { path: request.path, headers: headers.collect(), body: request.body }
}

#[actix_web::test]
async fn a_retry_and_a_replay_are_duplicates_of_the_first() {
    let (door, home) = (Door::open().await, Embedded::start());
    for (number, system) in SYSTEMS.iter().enumerate() {
        door.source(&system.draft()).await;
        let attempts = attempts(system, &home).await;
        let first = door.send_of(system, &attempts[0]).await;
        assert_eq!(first.status, 202, "{}: {}", system.dialect, first.text);
        assert_eq!(first.data()["duplicate"], false, "{}", system.dialect);
        for again in [&attempts[1], &attempts[0], &attempts[1]] {
            let answer = door.send_of(system, again).await;
            assert_eq!(answer.status, 202, "{}: {}", system.dialect, answer.text);
            assert_eq!(answer.data()["duplicate"], true, "{}", system.dialect);
            assert_eq!(answer.data()["id"], first.data()["id"], "{}", system.dialect);
        }
        assert_eq!(door.stored().await, number as u64 + 1, "{}", system.dialect);
    }
    home.shutdown().await;
    door.close().await;
}

#[actix_web::test]
async fn the_same_id_with_other_content_is_a_conflict_and_another_source_has_ids_of_its_own() {
    let (system, door) = (system("github@1"), Door::of(system("github@1")).await);
    let genuine = system.genuine();
    let first = door.send(&genuine).await;
    let mut other = system.request(system.events().remove(1), now());
    *other.header("x-github-delivery") = genuine.clone().header("x-github-delivery").clone();
    door.send(&other).await.problem(409);

    let twin = json!({ "name": "twin", "dialect": system.dialect, "secret": system.secret }).to_string();
    door.source(&twin).await;
    let answer = door.send(&genuine.clone().at("/inbound/twin")).await;
    assert_eq!(answer.data()["duplicate"], false);
    assert_ne!(answer.data()["id"], first.data()["id"]);
    door.close().await;
}
