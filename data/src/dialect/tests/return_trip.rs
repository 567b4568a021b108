//! What is sent is taken in again, and nothing else is.

use super::*;

/// What one engine sends another one takes in, in every dialect.
#[test]
fn what_is_sent_can_be_taken_in_again() {
    for dialect in Dialects::builtin().all() {
        let id = dialect.id();
        let (system, ours) = (id.split('@').next().unwrap(), recipient(id));
        for (event_type, json) in samples::of(system) {
            if dialect.tokens().next().is_some() && dialect.check_patterns(&[event_type.to_owned()]).is_err()
            {
                continue;
            }
            let published = read(json);
            let (headers, body) = sent(id, &published);
            let typed = [("type".to_owned(), event_type.to_owned())];
            let guessed = system != "ecourtdate" || event_type.starts_with("messages.");
            let request = Message {
                headers: &headers,
                body: body.as_bytes(),
                query: if guessed { &[] } else { &typed },
                ..Message::default()
            };
            dialect.verify(&ours, request, AT).unwrap_or_else(|error| panic!("{id} {event_type}: {error:?}"));
            let received = dialect.receive(request, "source").unwrap();
            assert_eq!(received.event_type, published.event_type, "{id}");
            let json = |data: &[u8]| serde_json::from_slice::<serde_json::Value>(data).unwrap();
            assert_eq!(json(&received.data), json(&published.data), "{id} {event_type}");
            assert!(received.idempotency_key.as_ref().is_some_and(|key| key.starts_with("source:")));
            assert_eq!(dialect.receive(request, "source").unwrap(), received);

            let tampered = body.replacen('"', " \"", 1);
            let tampered = Message { body: tampered.as_bytes(), ..request };
            if dialect.signature.is_some() {
                assert!(dialect.verify(&ours, tampered, AT).is_err(), "{id}");
            }
            if dialect.proves_its_sender() {
                let other = dialect
                    .recipient(&BTreeMap::new(), &[Secret::parse_as(SecretForm::Text, "other").unwrap()]);
                assert!(dialect.verify(&other, request, AT).is_err(), "{id}");
                assert!(
                    dialect.verify(&dialect.recipient(&BTreeMap::new(), &[]), request, AT).is_err(),
                    "{id}"
                );
                assert!(dialect.verify(&ours, Message { headers: &[], ..request }, AT).is_err(), "{id}");
            }
        }
    }
}

/// A chat has a direction too.
#[test]
fn what_names_no_type_is_taken_for_a_message_only_if_it_came_by_a_channel_of_messages() {
    let ecourtdate = dialect("ecourtdate@1");
    for (event_type, json) in samples::of("ecourtdate") {
        let (headers, body) = sent("ecourtdate@1", &read(json));
        let request = Message { headers: &headers, body: body.as_bytes(), ..Message::default() };
        let told = ecourtdate.receive(request, "source").ok().map(|event| event.event_type.to_string());
        assert_eq!(told.as_deref(), event_type.starts_with("messages.").then_some(event_type));
    }
}

#[test]
fn a_signed_time_must_be_near() {
    let (xpath, ours) = (dialect("xpath@1"), recipient("xpath@1"));
    let (headers, body) = sent("xpath@1", &read(r#"{"type":"cases.created","data":1}"#));
    let request = Message { headers: &headers, body: body.as_bytes(), ..Message::default() };
    xpath.verify(&ours, request, AT.plus_millis(300_000)).unwrap();
    for off in [301_000, -301_900] {
        assert!(xpath.verify(&ours, request, AT.plus_millis(off)).is_err());
    }
}

/// Otherwise all requests without an id would be one and the same event.
#[test]
fn null_is_no_id_and_nobody() {
    let cloudevents = dialect("cloudevents@1");
    let receive =
        |body: &str| cloudevents.receive(Message { body: body.as_bytes(), ..Message::default() }, "source");
    let error = receive(r#"{"id":null,"type":"a.b","data":1}"#).unwrap_err();
    assert_eq!(error.field_errors()[0].field, "body.id", "{error}");
    assert!(receive(r#"{"id":"null","type":"a.b","data":null}"#).is_ok_and(|event| event.data == "null"));

    let casebook = samples::of("casebook").next().unwrap().1;
    let (headers, body) = sent("casebook@1", &read(casebook));
    let user = r#""user_id":""#;
    let (before, after) = body.split_once(user).unwrap();
    let rest = after.split_once('"').unwrap().1;
    let nobody = format!("{before}\"user_id\":null{rest}");
    let request = Message { headers: &headers, body: nobody.as_bytes(), ..Message::default() };
    let actor = dialect("casebook@1").receive(request, "source").unwrap().actor;
    assert_eq!(actor.and_then(|actor| actor.id), None);
}

/// In another format it is no less a time.
#[test]
fn a_signed_time_must_be_near_in_whatever_format_it_is_signed() {
    let own = changed(&[("$id.$timestamp.$body", "$id.${timestamp:lower}.$body")]);
    let secret = own.secret(None, [3; 32]).unwrap();
    let ours = own.recipient(&BTreeMap::new(), secret.as_slice());
    let event = event(read(r#"{"type":"a.b","data":1}"#));
    let body = own.body(&event, ours.params()).unwrap();
    let headers = own.headers(&event, &body, &ours, AT).to_pairs();
    let request = Message { headers: &headers, body: &body, ..Message::default() };
    own.verify(&ours, request, AT).unwrap();
    assert!(own.verify(&ours, request, AT.plus_millis(301_000)).is_err());
}
