//! Sample events of each system, for the demo, test sends and tests: `samples/<system>/<event type>.json`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Timestamp,
    embedded::SAMPLES,
    error::{Error, Result},
    event::NewEvent,
    limits,
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

/// A body of `POST /events`; what each field holds is read when its name is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    r#type: &'a RawValue,
    data: &'a RawValue,
    occurred_at: Option<&'a RawValue>,
    actor: Option<&'a RawValue>,
    resource: Option<&'a RawValue>,
    agency: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
    idempotency_key: Option<&'a RawValue>,
}

const TEXT: &str = "a text";
const ACTOR: &str =
    "an object with `kind`, a text, and at most `id`, a text or a whole number, and `name`, a text";
const RESOURCE: &str = "an object with `type` and `id`, both of them texts";

/// Reads an event in the form that `POST /events` takes, `data` verbatim. A file's own reader: the error names line and
/// column, or the field; the limits are [`NewEvent::check`]'s.
pub fn parse(json: &str) -> Result<NewEvent> {
    let wrong = |why: String| Error::field("event", why);
    if limits::too_deep(json).is_some() {
        return Err(wrong(format!("nests deeper than {} levels; make it flatter", limits::JSON_DEPTH_MAX)));
    }
    if !json.trim_start().starts_with('{') {
        return Err(wrong("is not a JSON object in braces, with `type` and `data`".to_owned()));
    }
    let body: Body<'_> = serde_json::from_str(json)
        .map_err(|error| wrong(format!("is not an event as POST /events takes it: {error}")))?;
    let occurred_at: Option<String> = field("occurred_at", body.occurred_at, TEXT)?;
    let occurred_at = occurred_at.map(|at| Timestamp::parse(&at)).transpose();
    let event_type: Option<String> = field("type", Some(body.r#type), TEXT)?;
    Ok(NewEvent {
        occurred_at: occurred_at.map_err(|error| Error::field("occurred_at", error.message()))?,
        actor: field("actor", body.actor, ACTOR)?,
        resource: field("resource", body.resource, RESOURCE)?,
        agency: field("agency", body.agency, TEXT)?,
        tags: field("tags", body.tags, "an object of texts")?.unwrap_or_default(),
        idempotency_key: field("idempotency_key", body.idempotency_key, TEXT)?,
        ..NewEvent::new(&event_type.unwrap_or_default(), body.data.get().to_owned())?
    })
}

/// What a field holds; absent if it is not there. The error says what it is to be like.
fn field<'a, T: Deserialize<'a>>(name: &str, json: Option<&'a RawValue>, like: &str) -> Result<Option<T>> {
    let wrong = || Error::field(name, format!("is not {like}"));
    match json.map(RawValue::get) {
        None => Ok(None),
        // What is derived would take a list of the fields' values for an object, too.
        Some(json) if json.starts_with('[') => Err(wrong()),
        Some(json) => serde_json::from_str(json).map(Some).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests;
