//! Rendering an event of 1 KB in each dialect of the house: its body, and its headers with the signature in them.

use std::{collections::BTreeMap, hint::black_box};

use casewire_data::{
    Timestamp,
    dialect::{Dialect, Dialects, Recipient},
    event::{Event, NewEvent, Tenant},
    id::EventId,
    samples,
    secret::Secret,
};
use criterion::Criterion;

/// Bytes of an event's payload.
const PAYLOAD_BYTES: usize = 1_024;
/// What every parameter is given: its spelling fits all kinds.
const PARAM: &str = "be461bd7-2d91-41c6-ab29-4389066bcc71";

/// Body and headers, by dialect.
pub fn rendering(criterion: &mut Criterion) {
    let at = Timestamp::from_millis(1_777_453_800_000);
    let mut group = criterion.benchmark_group("render");
    for dialect in Dialects::builtin().all() {
        let recipient = recipient(dialect);
        let event = sayable(dialect, &recipient);
        let body = dialect.body(&event, recipient.params()).unwrap();
        group.bench_function(format!("{}, body of {} bytes", dialect.id(), body.len()), |bencher| {
            bencher.iter(|| dialect.body(black_box(&event), recipient.params()));
        });
        group.bench_function(format!("{}, headers", dialect.id()), |bencher| {
            bencher.iter(|| dialect.headers(black_box(&event), &body, &recipient, at));
        });
    }
}

fn recipient(dialect: &Dialect) -> Recipient {
    let params: BTreeMap<_, _> =
        dialect.params().iter().map(|param| (param.name.to_string(), PARAM.to_owned())).collect();
    let secret =
        dialect.secret(None, [7; 32]).or_else(|_| dialect.secret(Some("bench-shared-secret"), [7; 32]));
    dialect.recipient(&params, &Vec::<Secret>::from_iter(secret.unwrap()))
}

/// The first sample of the dialect's system that it can say, filled up.
fn sayable(dialect: &Dialect, recipient: &Recipient) -> Event {
    let (tenant, system) = (Tenant::default(), dialect.id().split('@').next().unwrap());
    let mut events = samples::of(system).map(|(_, json)| filled(samples::parse(json).unwrap()));
    let content = events.find(|event| dialect.express(&tenant, event, recipient.params()).is_ok());
    Event {
        seq: 1,
        position: 0,
        id: EventId::from_u128(1),
        tenant,
        published_at: Timestamp::default(),
        erased_at: None,
        content: content.expect("each dialect has a sample that it can say"),
    }
}

/// The event with a payload of [`PAYLOAD_BYTES`]: one more field in the first object within it, or in itself, where
/// every dialect passes it on.
fn filled(event: NewEvent) -> NewEvent {
    let data: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
    let mut data = data.to_string();
    let at = 1 + data.match_indices('{').take(2).last().unwrap().0;
    let comma = if data[at..].starts_with('}') { "" } else { "," };
    let padding = "x".repeat(PAYLOAD_BYTES.saturating_sub(data.len() + 13));
    data.insert_str(at, &format!("\"padding\":\"{padding}\"{comma}"));
    NewEvent { data: data.into(), ..event }
}
