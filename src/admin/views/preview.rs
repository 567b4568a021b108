//! What an endpoint would take, as it is shown.

use casewire_data::route::Choice;
use serde::Serialize;

use crate::tenant::Previewed;

/// See the module. Never anything of a payload.
#[derive(Serialize)]
pub(in crate::admin) struct PreviewView<'a> {
    data: Vec<ChoiceView<'a>>,
    /// How many events were looked at.
    events: usize,
    /// How many of them it would have taken.
    taken: usize,
}

#[derive(Serialize)]
struct ChoiceView<'a> {
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    created_at: String,
    taken: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> PreviewView<'a> {
    /// Events, newest first, and what became of each.
    pub(in crate::admin) fn new(previewed: &'a [Previewed]) -> Self {
        let data: Vec<_> = previewed.iter().map(ChoiceView::new).collect();
        Self { events: data.len(), taken: data.iter().filter(|view| view.taken).count(), data }
    }
}

impl<'a> ChoiceView<'a> {
    fn new(Previewed { event, choice }: &'a Previewed) -> Self {
        let (because, detail) = match choice {
            Choice::Taken => (None, None),
            Choice::Pattern => (Some("pattern"), None),
            Choice::Scope => (Some("scope"), None),
            Choice::Filter(path) => (Some("filter"), Some(path.as_str())),
            Choice::Dialect(why) => (Some("dialect"), Some(why.as_str())),
        };
        Self {
            id: event.id.to_string(),
            event_type: event.event_type().as_str(),
            created_at: event.published_at.to_rfc3339_seconds(),
            taken: *choice == Choice::Taken,
            because,
            detail,
        }
    }
}
