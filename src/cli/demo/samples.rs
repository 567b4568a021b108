//! What the demo publishes: the sample events of the XPath dialect.

use casewire_data::{
    event::{Actor, NewEvent, Resource},
    samples,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A sample, written as POST /events takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample<'a> {
    r#type: &'a str,
    resource: Option<Resource>,
    actor: Option<Actor>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The events, always the same ones in the same order.
pub(super) fn events() -> Vec<NewEvent> {
    let event = |(_, text)| {
        let sample: Sample<'_> = serde_json::from_str(text).expect("a test reads every sample");
        let mut event = NewEvent::new(sample.r#type, sample.data.get().to_owned()).expect("as above");
        event.resource = sample.resource;
        event.actor = sample.actor;
        event
    };
    samples::xpath().map(event).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sample_can_be_published() {
        assert!(!super::events().is_empty());
    }
}
