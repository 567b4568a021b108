//! Pages of the delivery log: how long one takes at the newest, in the middle and at the oldest of many deliveries, by
//! each filter, and how a search for what is rare goes the first time.

use std::time::{Duration, Instant};

use casewire_data::{
    ErrorKind,
    delivery::DeliveryStatus,
    endpoint::EndpointDraft,
    event::{EventType, NewEvent, Resource, Tenant},
    id::{DeliveryId, EndpointId, EventId},
    limits::{BATCH_EVENTS_MAX, Limits},
};
use serde_json::json;

use super::{
    super::Failure,
    Args,
    append::micros,
    histogram::Histogram,
    report::{Report, figure},
    sink::{self, Receiver, Sink},
    stage::{self, EVENT_TYPE, Stage},
};
use crate::{
    engine::Engine,
    tenant::{DeliveryQuery, EventQuery, TenantHandle},
};

/// Endpoints that each event goes to, unless told otherwise.
const FAN_OUT: u64 = 10;
/// Items of a page.
const LIMIT: usize = 50;
/// Pages timed of each list at each depth.
const PAGES: usize = 100;
/// One event of so many is of the rare type, and one delivery of it dies.
const RARE_EVERY: usize = 20_000;
const RARE: &str = "bench.rare";
const PAGE_MS_MAX: f64 = 50.0;
/// Time that deliveries have to arrive.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a page is asked for.
#[derive(Clone)]
enum List {
    Deliveries(DeliveryQuery),
    Events(EventQuery),
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let fan_out = args.fan_out.first().copied().unwrap_or(FAN_OUT);
    let events = usize::try_from(args.events / fan_out).unwrap_or(usize::MAX);
    let sink = Sink::start()?;
    let receivers = (0..fan_out).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?;
    let stage = Stage::set(args, Limits::default(), stage::urls(&receivers)).await?;
    let tenant = stage.engine().tenant(Tenant::default());
    let dead = dying_endpoint(&tenant).await?;
    let ids = fill(args, stage.engine(), events).await?;
    let mut report = Report {
        scenario: "lists",
        settings: format!(
            "{} deliveries of {events} events of {} B payload; pages of {LIMIT}, {PAGES} of each list at each depth",
            args.events, args.payload_bytes
        ),
        headings: vec!["list", "newest p50 ms", "p99", "middle p50 ms", "p99", "oldest p50 ms", "p99"],
        ..Report::default()
    };
    report.lost = await_all(&receivers, events).await;
    await_noted(&tenant).await?;
    first_search(&tenant, &mut report).await?;
    let mut worst: f64 = 0.0;
    for (name, list) in lists(dead, ids[ids.len() / 2])? {
        let mut row = vec![json!(name)];
        for depth in [ids.len() - 1, ids.len() / 2, ids.len() / 10] {
            let times = pages(&tenant, &list, ids[depth]).await?;
            worst = worst.max(times.percentile_ms(0.99));
            row.extend([0.5, 0.99].map(|fraction| figure(times.percentile_ms(fraction))));
        }
        report.rows.push(row);
    }
    report.at_most("p99 of the slowest list, ms", worst, PAGE_MS_MAX);
    report.judged("deliveries lost", json!(report.lost), "0", report.lost == 0);
    stage.strike().await;
    Ok(report)
}

/// An endpoint that takes what is rare and dies of it.
async fn dying_endpoint(tenant: &TenantHandle) -> Result<EndpointId, Failure> {
    let draft = EndpointDraft {
        url: sink::url(sink::nobody()?),
        events: vec![RARE.to_owned()],
        retry_schedule_seconds: Some(Vec::new()),
        ..EndpointDraft::default()
    };
    Ok(tenant.create_endpoint(draft).await?.endpoint.id)
}

/// Publishes the events, each third about a resource of its own.
async fn fill(args: &Args, engine: &Engine, events: usize) -> Result<Vec<EventId>, Failure> {
    let mut ids = Vec::with_capacity(events);
    while ids.len() < events {
        let numbers = ids.len()..events.min(ids.len() + BATCH_EVENTS_MAX);
        let batch = numbers.map(|number| event(args, number)).collect::<Result<Vec<_>, Failure>>()?;
        match engine.publisher().publish_batch(batch).await {
            Ok(receipts) => ids.extend(receipts.into_iter().map(|receipt| receipt.id)),
            Err(error) if error.kind() == ErrorKind::Busy => {
                actix_rt::time::sleep(Duration::from_millis(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ids)
}

fn event(args: &Args, number: usize) -> Result<NewEvent, Failure> {
    let name = match number {
        number if number % RARE_EVERY == RARE_EVERY / 2 => RARE.to_owned(),
        number => format!("{EVENT_TYPE}.{}", number % 100),
    };
    let number_sent = u64::try_from(number).unwrap_or(u64::MAX);
    let mut event = NewEvent::new(&name, sink::payload(number_sent, sink::now_us(), args.payload_bytes))?;
    event.resource = Some(Resource { kind: "case".to_owned(), id: (number / 3).to_string() });
    Ok(event)
}

/// Waits until all is delivered; tells how many deliveries are missing.
async fn await_all(receivers: &[Receiver], events: usize) -> u64 {
    let (begun, events) = (Instant::now(), u64::try_from(events).unwrap_or(u64::MAX));
    loop {
        let missing = receivers.iter().map(|receiver| events.saturating_sub(receiver.distinct())).sum();
        if missing == 0 || begun.elapsed() > PATIENCE {
            return missing;
        }
        actix_rt::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the journal has noted all of it, so that it is lists that are measured and not its work.
async fn await_noted(tenant: &TenantHandle) -> Result<(), Failure> {
    let begun = Instant::now();
    for status in [DeliveryStatus::InFlight, DeliveryStatus::Pending] {
        let query = DeliveryQuery { status: Some(status), ..DeliveryQuery::default() };
        while !tenant.deliveries(query.clone(), None, 1).await?.items.is_empty() && begun.elapsed() < PATIENCE
        {
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// A search for what is nowhere, through a log of which nothing is remembered.
async fn first_search(tenant: &TenantHandle, report: &mut Report) -> Result<(), Failure> {
    let nowhere = EventQuery { event_type: Some(EventType::new("bench.nowhere")?), ..EventQuery::default() };
    let (begun, mut times, mut after, mut requests) = (Instant::now(), Histogram::default(), None, 0);
    loop {
        let asked = Instant::now();
        after = tenant.events(nowhere.clone(), after, LIMIT).await?.next;
        times.add(micros(asked));
        requests += 1;
        if after.is_none() {
            break;
        }
    }
    report.found("first search for a type that is nowhere: requests", json!(requests));
    report.found("all of them, s", figure(begun.elapsed().as_secs_f64()));
    report.at_most("the slowest of them, ms", times.percentile_ms(1.0), PAGE_MS_MAX);
    Ok(())
}

fn lists(dead: EndpointId, some_event: EventId) -> Result<Vec<(&'static str, List)>, Failure> {
    let deliveries = DeliveryQuery::default;
    let event_type = |name: &str| EventType::new(name).map(Some);
    let resource = Some(Resource { kind: "case".to_owned(), id: "7".to_owned() });
    let of_status = |status| List::Deliveries(DeliveryQuery { status: Some(status), ..deliveries() });
    Ok(vec![
        ("deliveries", List::Deliveries(deliveries())),
        ("of a type", {
            let event_type = event_type(&format!("{EVENT_TYPE}.7"))?;
            List::Deliveries(DeliveryQuery { event_type, ..deliveries() })
        }),
        ("of a rare type", {
            List::Deliveries(DeliveryQuery { event_type: event_type(RARE)?, ..deliveries() })
        }),
        ("to an endpoint", List::Deliveries(DeliveryQuery { endpoint: Some(dead), ..deliveries() })),
        ("of an event", List::Deliveries(DeliveryQuery { event: Some(some_event), ..deliveries() })),
        ("delivered", of_status(DeliveryStatus::Delivered)),
        ("dead", of_status(DeliveryStatus::Dead)),
        ("retrying", of_status(DeliveryStatus::Retrying)),
        ("pending", of_status(DeliveryStatus::Pending)),
        ("held", of_status(DeliveryStatus::Held)),
        ("in flight", of_status(DeliveryStatus::InFlight)),
        ("cancelled", of_status(DeliveryStatus::Cancelled)),
        ("events", List::Events(EventQuery::default())),
        ("events of a rare type", {
            List::Events(EventQuery { event_type: event_type(RARE)?, ..EventQuery::default() })
        }),
        ("events about a resource", List::Events(EventQuery { resource, ..EventQuery::default() })),
    ])
}

/// Times pages that follow each other from an event on, and from there again when there are no more.
async fn pages(tenant: &TenantHandle, list: &List, from: EventId) -> Result<Histogram, Failure> {
    let start = DeliveryId { event: from, endpoint: EndpointId::from_u128(0) };
    let (mut times, mut after) = (Histogram::default(), start);
    for _ in 0..PAGES {
        let begun = Instant::now();
        let next = match list.clone() {
            List::Deliveries(query) => tenant.deliveries(query, Some(after), LIMIT).await?.next,
            List::Events(query) => {
                let next = tenant.events(query, Some(after.event), LIMIT).await?.next;
                next.map(|event| DeliveryId { event, ..start })
            }
        };
        times.add(micros(begun));
        after = next.unwrap_or(start);
    }
    Ok(times)
}
