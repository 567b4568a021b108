//! Sample events of each system, for the demo, test sends and tests: `samples/<system>/<event type>.json`.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
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
    #[serde(default, deserialize_with = "object")]
    actor: Option<Actor>,
    #[serde(default, deserialize_with = "object")]
    resource: Option<Resource>,
    agency: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    idempotency_key: Option<String>,
}

/// Reads an event in the form that `POST /events` takes, `data` verbatim. A file's own reader: the error names line and
/// column, or the field; the limits are [`NewEvent::check`]'s.
pub fn parse(json: &str) -> Result<NewEvent> {
    let wrong = |why: &dyn fmt::Display| {
        Error::field("event", format!("is not an event as POST /events takes it: {why}"))
    };
    let mut reader = serde_json::Deserializer::from_str(json);
    let body: Option<Body<'_>> = object(&mut reader).map_err(|error| wrong(&error))?;
    reader.end().map_err(|error| wrong(&error))?;
    let body = body.ok_or_else(|| wrong(&"null, expected an object"))?;
    let occurred_at = body.occurred_at.map(|at| Timestamp::parse(&at)).transpose();
    Ok(NewEvent {
        occurred_at: occurred_at.map_err(|error| Error::field("occurred_at", error.message()))?,
        actor: body.actor,
        resource: body.resource,
        agency: body.agency,
        tags: body.tags.unwrap_or_default(),
        idempotency_key: body.idempotency_key,
        ..NewEvent::new(&body.r#type, body.data.get().to_owned())?
    })
}

/// An object, or nothing for null. What is derived would take a list of the fields' values for the object, too.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }

        fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Object(PhantomData))
}

#[cfg(test)]
mod tests;
