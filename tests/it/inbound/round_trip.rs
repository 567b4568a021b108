//! From one Casewire to another, in every dialect: what arrives is what was published, as far as the format carries it.

use casewire::{Actor, ActorId, DeliveryId, EndpointDraft, EventId, Outcome, TenantHandle};

use super::*;
use crate::support::{Embedded, PATIENCE, wait_until};

/// What of an event a dialect's requests tell besides its type and payload.
struct Carried {
    /// Digits of a second, where the time is told at all.
    occurred_at: Option<fn(Timestamp) -> String>,
    actor: fn(&Actor) -> Option<Actor>,
    resource: bool,
    /// Whether the payload arrives byte for byte.
    verbatim: bool,
}

const NOTHING_ELSE: Carried = Carried { occurred_at: None, actor: |_| None, resource: false, verbatim: true };

fn carried(dialect: &str) -> Carried {
    match dialect.split('@').next().unwrap() {
        "xpath" | "standard" => Carried { occurred_at: Some(|at| at.to_rfc3339_seconds()), ..NOTHING_ELSE },
        "cloudevents" => Carried { occurred_at: Some(|at| at.to_rfc3339_micros()), ..NOTHING_ELSE },
        "casebook" => Carried {
            occurred_at: Some(|at| at.to_rfc3339_micros()),
            actor: |actor| Some(Actor { kind: "user".to_owned(), id: actor.id.clone(), name: None }),
            resource: true,
            ..NOTHING_ELSE
        },
        "claimable" => Carried {
            actor: |actor| {
                let id =
                    actor.id.clone().filter(|id| actor.kind == "ui" && matches!(id, ActorId::Integer(_)));
                Some(Actor { id, ..actor.clone() })
            },
            ..NOTHING_ELSE
        },
        "hivelight" => Carried { resource: true, verbatim: false, ..NOTHING_ELSE },
        "ecourtdate" => Carried { verbatim: false, ..NOTHING_ELSE },
        "clio" | "github" => NOTHING_ELSE,
        other => panic!("{other} is new; say what it carries"),
    }
}

/// Publishes at home, to an endpoint that leads to the door, and answers what the door said.
async fn delivered(home: &TenantHandle, system: &System, door: &Door, event: &NewEvent) -> (EventId, Value) {
    let url =
        format!("http://{}{}/inbound/{}", door.host.address(), crate::support::host::PREFIX, system.name());
    let mut draft = EndpointDraft {
        url: url + &system.query(event),
        events: vec![event.event_type.to_string()],
        dialect: Some(system.dialect.to_owned()),
        secret: system.secret.map(str::to_owned),
        params: system.params(),
        ..EndpointDraft::default()
    };
    if system.secret.is_none() {
        draft.headers.insert("Authorization".to_owned(), format!("Bearer {}", door.publisher));
    }
    let endpoint = home.create_endpoint(draft).await.unwrap().endpoint.id;
    let id = home.publish(event.clone()).await.unwrap().id;
    let delivery = DeliveryId { event: id, endpoint };
    let settled = async || home.delivery(delivery).await.unwrap().attempts;
    let attempts = wait_until(settled, |attempts| !attempts.is_empty()).await;
    let status = home.endpoint(endpoint).await.unwrap().endpoint.status;
    assert_eq!(status, casewire::EndpointStatus::Active, "{}: the answer was as it must be", system.dialect);
    home.delete_endpoint(endpoint).await.unwrap();
    let Outcome::Answered { status, body, .. } = &attempts[0].outcome else { panic!("{attempts:?}") };
    let text = String::from_utf8_lossy(body);
    assert_eq!(*status, 202, "{} {}: {text}", system.dialect, event.event_type);
    (id, serde_json::from_str::<Value>(&text).unwrap()["data"].clone())
}

fn assert_arrived(system: &System, published: &casewire::StoredEvent, arrived: &casewire::StoredEvent) {
    let (told, carried) = (&arrived.content, carried(system.dialect));
    let content = &published.content;
    let what = format!("{} {}", system.dialect, content.event_type);
    assert_eq!(told.event_type, content.event_type, "{what}");
    let json = |data: &[u8]| serde_json::from_slice::<Value>(data).unwrap();
    assert_eq!(json(&told.data), json(&content.data), "{what}");
    if carried.verbatim {
        assert_eq!(told.data, content.data, "{what}");
    }
    if let Some(spelled) = carried.occurred_at {
        assert_eq!(spelled(arrived.occurred_at()), spelled(published.occurred_at()), "{what}");
    }
    assert_eq!(told.actor, content.actor.as_ref().and_then(carried.actor), "{what}");
    assert_eq!(told.resource, content.resource.clone().filter(|_| carried.resource), "{what}");
    let key = told.idempotency_key.as_deref().unwrap();
    assert!(key.starts_with("src_"), "{what}: {key}");
}

#[actix_web::test]
async fn every_sample_arrives_in_every_dialect() {
    let (door, home) = (Door::open().await, Embedded::start());
    for system in SYSTEMS {
        door.source(&system.draft()).await;
        let tenant = home.engine.tenant(Tenant::new(&system.name()).unwrap());
        for event in system.events() {
            let (id, receipt) = delivered(&tenant, system, &door, &event).await;
            assert_eq!(
                (&receipt["type"], &receipt["duplicate"]),
                (&json!(event.event_type.as_str()), &json!(false))
            );
            assert_eq!(receipt["deliveries"], 1, "the observer's");
            let (published, arrived) = (tenant.event(id).await.unwrap(), door.event(&receipt["id"]).await);
            assert_arrived(system, &published, &arrived);
        }
    }
    home.shutdown().await;
    door.close().await;
}

#[actix_web::test]
async fn a_payload_arrives_byte_for_byte_where_the_dialect_passes_it_on() {
    let (door, home) = (Door::open().await, Embedded::start());
    // Spelled as no encoder would.
    let data = r#"{ "n" : 1.0,"big":12345678901234567890123, "\u00e9":"é😀\/", "b":1 , "a" : [ ] }"#;
    for dialect in ["xpath@1", "standard@1", "cloudevents@1", "clio@1", "claimable@1"] {
        let system = system(dialect);
        door.source(&system.draft()).await;
        let mut event = system.events().remove(0);
        event.data = data.as_bytes().to_vec().into();
        let tenant = home.engine.tenant(Tenant::new(&system.name()).unwrap());
        let (_, receipt) = delivered(&tenant, system, &door, &event).await;
        assert_eq!(door.event(&receipt["id"]).await.content.data, data, "{dialect}");
    }
    home.engine.shutdown(PATIENCE).await;
    door.close().await;
}
