//! What an event costs in each dialect: rendering its body, checking it at publish, headers and signature.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use casewire_data::{
    Error, Timestamp,
    dialect::{Dialect, Dialects, Recipient},
    event::{Event, NewEvent, Tenant},
    id::EventId,
    samples,
    secret::Secret,
};
use serde_json::json;

use super::{Args, Report};
use crate::cli::Failure;

/// A body of 1 KB must not cost more than this many microseconds.
const BODY_MICROS_MAX: f64 = 5.0;
/// Repetitions of one measured run.
const REPETITIONS: u32 = 2_000;
/// Where parameters are asked for, in the spelling that fits all kinds.
const PARAM: &str = "be461bd7-2d91-41c6-ab29-4389066bcc71";

/// Renders a sample of each system, filled up to the payload's size, in each dialect; the rounds alternate.
pub(super) fn measure(args: &Args) -> Result<Report, Failure> {
    let mut report = Report {
        scenario: "render",
        settings: format!("{} bytes of payload, medians of {} rounds", args.payload_bytes, args.rounds),
        headings: vec!["dialect", "body bytes", "body us", "check at publish us", "headers and signature us"],
        ..Report::default()
    };
    let dialects = Dialects::builtin();
    let stages = dialects.all().map(|dialect| Stage::new(dialect, args.payload_bytes as usize));
    let stages = stages.collect::<Result<Vec<_>, Error>>()?;
    let mut micros: Vec<[Vec<f64>; 3]> = vec![<[Vec<f64>; 3]>::default(); stages.len()];
    for _ in 0..args.rounds {
        for (stage, micros) in stages.iter().zip(&mut micros) {
            for (taken, micros) in stage.run().into_iter().zip(micros) {
                micros.push(taken);
            }
        }
    }
    let mut slowest = 0.0_f64;
    for (stage, micros) in stages.iter().zip(micros) {
        let [body, check, headers] = micros.map(median);
        slowest = slowest.max(body);
        report.rows.push(vec![
            json!(stage.dialect.id()),
            json!(stage.body.len()),
            rounded(body),
            rounded(check),
            rounded(headers),
        ]);
    }
    let wanted = format!("below {BODY_MICROS_MAX} us for 1 KB");
    report.judged("slowest body, us", rounded(slowest), wanted, slowest < BODY_MICROS_MAX);
    Ok(report)
}

/// One dialect with an event that it can say and somebody to say it to.
struct Stage<'a> {
    dialect: &'a Dialect,
    recipient: Recipient,
    event: Event,
    body: Vec<u8>,
}

impl<'a> Stage<'a> {
    fn new(dialect: &'a Dialect, payload_bytes: usize) -> Result<Self, Error> {
        let params: BTreeMap<String, String> =
            dialect.params().iter().map(|param| (param.name.to_string(), PARAM.to_owned())).collect();
        let secret = dialect
            .secret(None, [7; 32])
            .or_else(|_| dialect.secret(Some("bench-shared-secret"), [7; 32]))?;
        let recipient = dialect.recipient(&params, &Vec::<Secret>::from_iter(secret));
        let tenant = Tenant::default();
        let system = dialect.id().split('@').next().unwrap_or_default();
        let filled =
            samples::of(system).filter_map(|(_, json)| fill(samples::parse(json).ok()?, payload_bytes));
        let mut sayable = filled.filter(|event| dialect.express(&tenant, event, recipient.params()).is_ok());
        let content = sayable.next().ok_or_else(|| {
            Error::field("samples", format!("{} has no sample that it can say", dialect.id()))
        })?;
        let event = Event {
            seq: 1,
            position: 0,
            id: EventId::from_u128(1),
            tenant,
            published_at: Timestamp::default(),
            erased_at: None,
            content,
        };
        let body = dialect.body(&event, recipient.params())?.to_vec();
        Ok(Self { dialect, recipient, event, body })
    }

    /// Microseconds of a body, a check, and a set of headers.
    fn run(&self) -> [f64; 3] {
        let Self { dialect, recipient, event, body } = self;
        let at = Timestamp::from_millis(1_777_453_800_000);
        [
            timed(|| drop(black_box(dialect.body(black_box(event), recipient.params())))),
            timed(|| {
                drop(black_box(dialect.express(&event.tenant, black_box(&event.content), recipient.params())))
            }),
            timed(|| drop(black_box(dialect.headers(black_box(event), body, recipient, at)))),
        ]
    }
}

/// The event with its payload filled up in its innermost place that every dialect passes on: the first object within
/// it, or the payload itself.
fn fill(event: NewEvent, payload_bytes: usize) -> Option<NewEvent> {
    let data: serde_json::Value = serde_json::from_slice(&event.data).ok()?;
    let mut data = data.to_string();
    let mut braces = data.match_indices('{').map(|(at, _)| at + 1);
    let at = [braces.next(), braces.next()].into_iter().flatten().last()?;
    let comma = if data[at..].starts_with('}') { "" } else { "," };
    let padding = "x".repeat(payload_bytes.saturating_sub(data.len() + 13));
    data.insert_str(at, &format!("\"padding\":\"{padding}\"{comma}"));
    Some(NewEvent { data: data.into(), ..event })
}

fn timed(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..REPETITIONS).for_each(|_| work());
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(REPETITIONS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn rounded(micros: f64) -> serde_json::Value {
    json!((micros * 100.0).round() / 100.0)
}
