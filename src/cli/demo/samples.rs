//! What the demo publishes: the sample events of the XPath dialect.

use casewire_data::{event::NewEvent, samples};

/// The events, always the same ones in the same order.
pub(super) fn events() -> Vec<NewEvent> {
    samples::of("xpath").map(|(_, json)| samples::parse(json).expect("a test reads every sample")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_something_to_publish() {
        assert!(!super::events().is_empty());
    }
}
