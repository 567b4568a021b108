//! Bodies of requests, from the program's arguments: what is not given is left out.

use serde_json::{Map, Value, json};

/// Puts a value in, unless it is not given.
pub(super) fn insert(body: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value);
    }
}

/// Values as a list.
pub(super) fn list_of(given: &[String]) -> Option<Value> {
    (!given.is_empty()).then(|| json!(given))
}

/// Pairs as an object.
pub(super) fn object_of(pairs: &[(String, String)]) -> Option<Value> {
    let object: Map<_, _> = pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    (!object.is_empty()).then_some(Value::Object(object))
}
