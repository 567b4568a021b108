//! How long the matcher takes for an event type: one that it remembers, and one that it sees for the first time.

use std::{hint::black_box, sync::Arc, time::Instant};

use casewire_actors::matcher::{Match, Matcher, Subscribe};
use casewire_data::{
    Timestamp,
    address::EgressPolicy,
    dialect::Dialects,
    endpoint::{EndpointContext, EndpointDraft, EndpointIdentity},
    event::{EventType, Tenant},
    id::EndpointId,
    route::Terms,
};

use super::{
    super::Failure,
    Args,
    report::{Report, figure, median},
};

/// Endpoints with a pattern each, no two the same; and event types.
const COUNT: u32 = 10_000;
/// Types that are timed together. A chunk takes far less than the machine's time slice, so that the median of all is of
/// those during which nobody else had the core.
const CHUNK: usize = 250;
/// How often each type is asked for when it is remembered.
const REPETITIONS: u32 = 20;
/// Nanoseconds of a remembered type, at most.
const CACHED_NS_MAX: f64 = 100.0;
/// Microseconds of a type seen for the first time, at most.
const COLD_US_MAX: f64 = 5.0;

/// One round's figures.
struct Run {
    subscribed_us: f64,
    cold_us: f64,
    cached_ns: f64,
}

/// See the module.
pub(super) fn measure(args: &Args) -> Result<Report, Failure> {
    let terms = (0..COUNT).map(terms()).collect::<Result<Vec<_>, _>>()?;
    let questions = (0..COUNT).map(question).collect::<Result<Vec<_>, _>>()?;
    let runs: Vec<Run> = (0..args.rounds).map(|_| run(&terms, &questions)).collect();
    let part = |part: fn(&Run) -> f64| median(runs.iter().map(part));
    let columns: [fn(&Run) -> f64; 3] = [|run| run.subscribed_us, |run| run.cold_us, |run| run.cached_ns];
    let mut report = Report {
        scenario: "match",
        settings: format!(
            "medians of {} rounds; {COUNT} endpoints with a pattern each, exact, `a.*`, `*.b.*` and with `?` and \
             sets; {COUNT} event types, asked for one by one as a publish does, without the message to the actor",
            args.rounds
        ),
        headings: vec!["subscribing us", "first time us", "remembered ns"],
        rows: vec![columns.map(|column| figure(part(column))).into()],
        ..Report::default()
    };
    report.at_most("cached: a type that is remembered, ns", part(|run| run.cached_ns), CACHED_NS_MAX);
    report.at_most("cold: a type seen for the first time, us", part(|run| run.cold_us), COLD_US_MAX);
    Ok(report)
}

#[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
fn run(terms: &[Terms], questions: &[Match]) -> Run {
    let mut matcher = Matcher::default();
    let begun = Instant::now();
    for terms in terms {
        let (tenant, ordinal) = (Tenant::default(), terms.ordinal());
        matcher.subscribe(Subscribe { tenant, ordinal, terms: Some(terms.clone()) });
    }
    let subscribed_us = 1e6 * begun.elapsed().as_secs_f64() / terms.len() as f64;
    let mut ask = |questions: &[Match]| {
        let begun = Instant::now();
        for question in questions {
            drop(black_box(matcher.answer(black_box(question))));
        }
        begun.elapsed().as_secs_f64() / questions.len() as f64
    };
    let cold_us = 1e6 * median(questions.chunks(CHUNK).map(&mut ask));
    let again = || (0..REPETITIONS).flat_map(|_| questions.chunks(CHUNK));
    let cached_ns = 1e9 * median(again().map(&mut ask));
    Run { subscribed_us, cold_us, cached_ns }
}

/// What is asked at the publishing of an event of the type by its number.
fn question(number: u32) -> Result<Match, Failure> {
    let event_types = vec![EventType::new(&event_type(number))?];
    Ok(Match { tenant: Tenant::default(), event_types })
}

fn event_type(number: u32) -> String {
    format!("area{:02}.thing{number:04}.created", number % 100)
}

/// A pattern by its number, and none like another: 40 % exact, 30 % begin with a name, 20 % hold one, 10 % have `?` and
/// sets. The first hundred take a whole area.
fn pattern(number: u32) -> String {
    let area = number % 100;
    match number {
        0..100 => format!("area{area:02}.*"),
        _ => match number % 10 {
            0..4 => event_type(number),
            4..7 => format!("area{area:02}.thing{number:04}.*"),
            7 | 8 => format!("*.thing{number:04}.*"),
            _ if number % 20 == 9 => format!("area{area:02}.thing{:03}?.[cu]*", number / 10),
            _ => format!("area?{}.thing{number:04}.created", area % 10),
        },
    }
}

/// Makes an endpoint by its number, and what the matcher knows of it.
fn terms() -> impl FnMut(u32) -> Result<Terms, Failure> {
    let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
    move |number| {
        let id = EndpointId::from_u128(number.into());
        let identity = EndpointIdentity { id, ordinal: number, tenant: Tenant::default(), random: [0; 32] };
        let draft = EndpointDraft {
            url: "https://bench.example".to_owned(),
            events: vec![pattern(number)],
            ..EndpointDraft::default()
        };
        let (default_dialect, now) = ("standard@1", Timestamp::default());
        let context = EndpointContext { dialects: &dialects, default_dialect, egress: &egress, now };
        Ok(Terms::new(Arc::new(draft.into_endpoint(identity, &context)?), &dialects))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_patterns_are_the_same_and_each_takes_a_type() {
        let patterns: HashSet<String> = (0..COUNT).map(pattern).collect();
        assert_eq!(patterns.len(), COUNT as usize);
        for number in 0..COUNT {
            let pattern = casewire_data::pattern::Pattern::new(&pattern(number)).unwrap();
            assert!(pattern.matches(&event_type(number)), "{pattern}");
        }
    }
}
