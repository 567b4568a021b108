//! What an endpoint would take, as it is shown.

use casewire_data::route::Choice;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{admin::schema::shown, tenant::Previewed};

/// What an endpoint would take of the last events, newest first. Never anything of a payload.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Preview")]
pub(in crate::admin) struct PreviewView<'a> {
    data: Vec<ChoiceView<'a>>,
    /// How many events were looked at.
    events: usize,
    /// How many of them it would have taken.
    taken: usize,
}

/// One event, and whether it would be taken.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Choice")]
struct ChoiceView<'a> {
    #[schemars(schema_with = "shown::event_id")]
    id: String,
    #[serde(rename = "type")]
    #[schemars(schema_with = "shown::event_type")]
    event_type: &'a str,
    /// When it was published.
    #[schemars(schema_with = "shown::time")]
    created_at: String,
    taken: bool,
    /// What keeps it from being taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shown::choice")]
    because: Option<&'static str>,
    /// The path of the filter, or what the dialect cannot say.
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
