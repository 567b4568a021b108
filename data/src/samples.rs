//! Sample events of each system, for the demo, test sends and tests.

/// Pairs each event type with the file that is named after it.
macro_rules! samples {
    ($folder:literal: $($event_type:literal,)*) => {
        &[$(($event_type, include_str!(concat!("../samples/", $folder, "/", $event_type, ".json")))),*]
    };
}

/// One event of each concrete type of the XPath dialect, and one of each family that it leaves open.
const XPATH: &[(&str, &str)] = samples!["xpath":
    "cases.created",
    "cases.updated",
    "cases.closed",
    "cases.archived",
    "cases.unarchived",
    "cases.tasks.created",
    "cases.expenses.created",
    "assignments.created",
    "assignments.updated",
    "assignments.status.updated",
    "assignments.archived",
    "assignments.unarchived",
    "assignments.extensions.created",
    "assignments.contacts.created",
    "assignments.billing-details.updated",
];

/// Event type and event of the XPath samples, each a JSON body as `POST /events` takes it.
pub fn xpath() -> impl Iterator<Item = (&'static str, &'static str)> {
    XPATH.iter().copied()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;
    use crate::{
        dialect::Dialects,
        event::{Actor, NewEvent, Resource},
        pattern::Pattern,
    };

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        r#type: String,
        data: Box<RawValue>,
        actor: Actor,
        resource: Resource,
    }

    #[test]
    fn every_sample_is_an_event_that_can_be_published_and_subscribed_to() {
        let dialect = Dialects::builtin().get("xpath@1").unwrap();
        for (event_type, json) in xpath() {
            let sample: Sample = serde_json::from_str(json).expect(event_type);
            assert_eq!(sample.r#type, event_type);
            dialect.check_patterns(&[event_type.to_owned()]).unwrap();
            let mut event = NewEvent::new(event_type, sample.data.get().to_owned()).unwrap();
            (event.actor, event.resource) = (Some(sample.actor), Some(sample.resource));
            event.check().unwrap();
        }
    }

    #[test]
    fn every_token_of_the_dialect_has_a_sample_and_no_type_has_two() {
        let dialect = Dialects::builtin().get("xpath@1").unwrap();
        for token in dialect.tokens() {
            let pattern = Pattern::new(token).unwrap();
            assert!(xpath().any(|(event_type, _)| pattern.matches(event_type)), "{token}");
        }
        let types: std::collections::BTreeSet<_> = xpath().map(|(event_type, _)| event_type).collect();
        assert_eq!(types.len(), xpath().count());
    }
}
