//! Sample events of each system, for the demo, test sends and tests: `samples/<system>/<event type>.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Timestamp,
    embedded::SAMPLES,
    error::{Error, Result},
    event::{Actor, NewEvent, Resource},
};

/// The systems that there are samples of, ascending: `casebook`, `xpath`.
pub fn systems() -> impl Iterator<Item = &'static str> {
    SAMPLES.chunk_by(|one, next| one.0 == next.0).map(|samples| samples[0].0)
}

/// Event type and event of a system's samples, by type; each event as `POST /events` takes it.
pub fn of(system: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    SAMPLES.iter().filter(move |sample| sample.0 == system).map(|&(_, event_type, json)| (event_type, json))
}

/// A system's sample of an event type, as `POST /events` takes it.
pub fn event(system: &str, event_type: &str) -> Option<&'static str> {
    of(system).find_map(|(own, json)| (own == event_type).then_some(json))
}

/// A body of `POST /events`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    r#type: String,
    #[serde(borrow)]
    data: &'a RawValue,
    occurred_at: Option<String>,
    actor: Option<Actor>,
    resource: Option<Resource>,
    agency: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    idempotency_key: Option<String>,
}

/// Reads an event in the form that `POST /events` takes, `data` verbatim. A file's own reader: the error names line and
/// column, or the field; the limits are [`NewEvent::check`]'s.
pub fn parse(json: &str) -> Result<NewEvent> {
    let body: Body<'_> = serde_json::from_str(json).map_err(|error| {
        Error::field("event", format!("is not an event as POST /events takes it: {error}"))
    })?;
    let occurred_at = body.occurred_at.map(|at| Timestamp::parse(&at)).transpose();
    Ok(NewEvent {
        occurred_at: occurred_at.map_err(|error| Error::field("occurred_at", error.message()))?,
        actor: body.actor,
        resource: body.resource,
        agency: body.agency,
        tags: body.tags,
        idempotency_key: body.idempotency_key,
        ..NewEvent::new(&body.r#type, body.data.get().to_owned())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::Dialects, event::ActorId, pattern::Pattern};

    #[test]
    fn every_sample_is_an_event_that_can_be_published_and_named_after_its_type() {
        assert!(systems().any(|system| system == "xpath"));
        for system in systems() {
            for (event_type, json) in of(system) {
                let event = parse(json).unwrap_or_else(|error| panic!("{system}/{event_type}: {error}"));
                assert_eq!(event.event_type.as_str(), event_type, "{system}");
                event.check().unwrap_or_else(|error| panic!("{system}/{event_type}: {error}"));
            }
        }
    }

    #[test]
    fn every_token_of_xpath_has_a_sample_and_every_sample_can_be_subscribed_to() {
        let dialect = Dialects::builtin().get("xpath@1").unwrap();
        for token in dialect.tokens() {
            let pattern = Pattern::new(token).unwrap();
            assert!(of("xpath").any(|(event_type, _)| pattern.matches(event_type)), "{token}");
        }
        for (event_type, _) in of("xpath") {
            dialect.check_patterns(&[event_type.to_owned()]).unwrap();
        }
    }

    #[test]
    fn a_sample_is_found_by_system_and_type() {
        assert!(event("xpath", "cases.created").is_some_and(|json| json.contains("cases.created")));
        assert!(event("xpath", "cases.reopened").is_none() && event("none", "cases.created").is_none());
    }

    #[test]
    fn all_that_publishing_takes_is_read_and_nothing_else() {
        let event = parse(
            r#"{"type":"people.create","data":{ "n": 1.0 },"occurred_at":"2024-03-26T18:53:16.818040Z",
                "actor":{"kind":"ui","id":7,"name":"A"},"resource":{"type":"people","id":"p"},
                "agency":"g","tags":{"a":"b"},"idempotency_key":"k"}"#,
        )
        .unwrap();
        assert_eq!(event.data, "{ \"n\": 1.0 }");
        assert_eq!(event.occurred_at.unwrap().to_rfc3339_micros(), "2024-03-26T18:53:16.818040Z");
        assert_eq!(event.actor.unwrap().id, Some(ActorId::Integer(7)));
        assert_eq!(event.resource.unwrap().id, "p");
        assert_eq!((event.agency.as_deref(), event.idempotency_key.as_deref()), (Some("g"), Some("k")));
        assert_eq!(event.tags["a"], "b");
        for (bad, said) in [
            (r#"{"type":"a"}"#, "data"),
            (r#"{"type":"a","data":1,"more":2}"#, "more"),
            (r#"{"type":"a..b","data":1}"#, "a..b"),
            (r#"{"type":"a","data":1,"occurred_at":"today"}"#, "today"),
        ] {
            assert!(parse(bad).unwrap_err().to_string().contains(said), "{bad}");
        }
    }
}
