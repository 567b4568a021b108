//! One request, told to a person or to a program.

use casewire_data::{Timestamp, event::NewEvent};
use serde_json::{Map, Value, json};

use crate::cli::{
    output::{self, printable},
    receiver::{Content, Received, Signature},
};

/// Tells a person.
pub(super) fn print(received: &Received) {
    let request = format!("{} {}", received.method, received.path);
    let replied = received.replied.as_u16();
    let signature = match (&received.content, &received.signature) {
        (Content::Handshake { adopted }, _) => {
            let adopted = if *adopted { "; the secret that it brought is trusted from now on" } else { "" };
            return say(&format!("handshake  {request}  -> {replied}, welcome{adopted}"));
        }
        (_, Signature::Verified) => "signature verified".to_owned(),
        (_, Signature::Bad(reason)) => format!("BAD SIGNATURE: {reason}"),
        (_, Signature::Unverified(why)) => format!("signature not verified: {why}"),
        (_, Signature::Unsigned) => "unsigned".to_owned(),
    };
    let (number, bytes) = (received.number, received.body.len());
    say(&format!("#{number} {request}  {bytes} bytes  {signature}  -> {replied}"));
    if let Content::Event(event) = &received.content {
        return print_event(event);
    }
    if !received.id.is_empty() {
        say(&format!("  {:<11}  {}", "id", received.id));
    }
    if let (Content::Refused(reason), Signature::Verified | Signature::Unverified(_) | Signature::Unsigned) =
        (&received.content, &received.signature)
    {
        say(&format!("  NOT AN EVENT: {reason}"));
    }
    print_json(&received.body, "  ");
}

fn print_event(event: &NewEvent) {
    let object = as_event(event);
    for name in ["idempotency_key", "type", "occurred_at", "actor", "resource"] {
        let shown = match &object[name] {
            Value::Null => continue,
            Value::Object(parts) => parts.values().map(output::text).collect::<Vec<_>>().join(" "),
            value => output::text(value),
        };
        let name = if name == "idempotency_key" { "id" } else { name };
        say(&format!("  {name:<11}  {shown}"));
    }
    say("  data");
    print_json(&event.data, "    ");
}

fn print_json(bytes: &[u8], indent: &str) {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => format!("{value:#}").lines().for_each(|line| say(&format!("{indent}{line}"))),
        Err(_) if bytes.is_empty() => {}
        Err(_) => say(&format!("{indent}{}", String::from_utf8_lossy(bytes))),
    }
}

fn say(line: &str) {
    output::line(&printable(line));
}

/// One request as one object; `body` is the exact text, `json` what it says if it is JSON, `event` what has happened,
/// in the form in which it could be published, and `error` why that is not known.
pub(super) fn as_json(received: &Received) -> Value {
    let headers: Map<String, Value> =
        received.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let (event, error, handshake) = match &received.content {
        Content::Event(event) => (Some(as_event(event)), None, false),
        Content::Refused(reason) => (None, Some(reason), false),
        Content::Unread => (None, None, false),
        Content::Handshake { .. } => (None, None, true),
    };
    let mut object = json!({
        "number": received.number,
        "handshake": handshake,
        "method": received.method,
        "path": received.path,
        "id": received.id,
        "headers": headers,
        "body": String::from_utf8_lossy(&received.body),
        "json": serde_json::from_slice::<Value>(&received.body).ok(),
        "event": event,
        "error": error,
        "replied": received.replied.as_u16(),
    });
    if let (Some(object), Ok(Value::Object(signature))) =
        (object.as_object_mut(), serde_json::to_value(&received.signature))
    {
        object.extend(signature);
    }
    object
}

/// The event as `POST /events` takes it; what it does not say is null.
fn as_event(event: &NewEvent) -> Value {
    json!({
        "type": event.event_type,
        "data": serde_json::from_slice::<Value>(&event.data).ok(),
        "idempotency_key": event.idempotency_key,
        "occurred_at": event.occurred_at.map(time),
        "actor": event.actor,
        "resource": event.resource,
    })
}

/// With the fractions of a second that there are.
fn time(at: Timestamp) -> String {
    let text = at.to_rfc3339_micros();
    text.strip_suffix(".000000Z").map_or_else(|| text.clone(), |seconds| format!("{seconds}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_fractions_only_if_there_are_some() {
        let shown = |text| time(Timestamp::parse(text).unwrap());
        assert_eq!(shown("2026-04-29T09:10:00Z"), "2026-04-29T09:10:00Z");
        assert_eq!(shown("2024-03-26T18:53:16.818040Z"), "2024-03-26T18:53:16.818040Z");
    }
}
