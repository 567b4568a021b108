//! What could never be sent is refused when it is published, and what passes there can be sent.

use super::*;
use crate::limits;

#[test]
fn a_value_that_cannot_stand_in_a_header_is_refused_at_publish() {
    let own = changed(&[("webhook-id = \"$id\"", "webhook-id = \"$id\"\nX-Name = \"$actor.name\"")]);
    let json = |name: &str| format!(r#"{{"type":"a.b","data":1,"actor":{{"kind":"ui","name":"{name}"}}}}"#);
    own.express(&Tenant::default(), &read(&json("plain")), &Params::default()).unwrap();
    own.express(&Tenant::default(), &read(r#"{"type":"a.b","data":1}"#), &Params::default()).unwrap();
    let long = "a".repeat(limits::HEADER_VALUE_BYTES_MAX + 1);
    for name in ["a\\r\\nX: y", "é", " a", &long] {
        let error = own.express(&Tenant::default(), &read(&json(name)), &Params::default()).unwrap_err();
        assert_eq!(error.field_errors()[0].field, "actor.name", "{error}");
    }
}

/// Also where only the attempt, or the event, makes the header whole.
#[test]
fn a_param_that_cannot_stand_in_a_header_is_refused_when_it_is_given() {
    for around in ["$params.court", "$timestamp/$params.court", "$type $params.court"] {
        let header = format!("webhook-id = \"$id\"\nX-Court = \"{around}\"");
        let param = "[params.court]\nsummary = \"its number\"\n\n[headers]";
        let own = changed(&[("webhook-id = \"$id\"", &header), ("[headers]", param)]);
        let check = |value: &str| own.check_params(&[("court".to_owned(), value.to_owned())].into());
        check("No. 7").unwrap();
        for wrong in ["7\r\nX: y", "é", " 7", "7 "] {
            let error = check(wrong).expect_err(wrong);
            assert_eq!(error.field_errors()[0].field, "params.court", "{around} {wrong:?}: {error}");
        }
        assert!(!own.may_refuse(), "so no event needs to be asked about");
    }
}

#[test]
fn an_event_without_what_its_signature_covers_is_refused_at_publish() {
    let text = dialect("standard@1").text().to_owned();
    let inbound = &text[text.find("[inbound]").unwrap()..text.find("[[assumptions]]").unwrap()];
    let own = changed(&[(inbound, ""), ("$id.$timestamp.$body", "$agency.$timestamp.$body")]);
    assert!(own.may_refuse() && !dialect("standard@1").may_refuse());
    let mut event = read(r#"{"type":"a.b","data":1}"#);
    let error = own.express(&Tenant::default(), &event, &Params::default()).unwrap_err();
    assert_eq!(error.field_errors()[0].field, "agency", "{error}");
    event.agency = Some("north".to_owned());
    own.express(&Tenant::default(), &event, &Params::default()).unwrap();

    let own = changed(&[(inbound, ""), ("$id.$timestamp.$body", "$timestamp.$body.data.number")]);
    let error = own.express(&Tenant::default(), &event, &Params::default()).unwrap_err();
    assert_eq!(error.field_errors()[0].field, "body.data.number", "{error}");
    let numbered = read(r#"{"type":"a.b","data":{"number":7}}"#);
    own.express(&Tenant::default(), &numbered, &Params::default()).unwrap();
}

/// The id and the time that an event gets when it is published make no body larger than the one that was measured.
#[test]
fn what_passes_at_publish_is_not_too_large_when_it_is_sent() {
    let own = |most: usize| {
        let body = "[limits]\nbody_bytes_max = MOST\n\n[body]\ntemplate = '{\"at\":$published_at:epoch_millis,\"of\":$occurred_at:epoch_millis,\"id\":$id,\"data\":$data}'\n";
        let text = dialect("standard@1").text().to_owned();
        let standard = &text[text.find("[body]").unwrap()..text.find("[headers]").unwrap()];
        changed(&[(standard, &body.replace("MOST", &most.to_string()))])
    };
    let stored = event(read(r#"{"type":"a.b","data":"x"}"#));
    let bytes = own(1_000).body(&stored, &Params::default()).unwrap().len();
    for (most, passes) in [(bytes, true), (bytes - 1, false)] {
        let own = own(most);
        let published = own.express(&stored.tenant, &stored.content, &Params::default());
        assert_eq!(published.is_ok(), passes, "{most}: {published:?}");
        assert_eq!(own.body(&stored, &Params::default()).is_ok(), passes);
    }
}
