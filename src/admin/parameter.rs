//! The parameters of routes as the document has them: in the path, and in the query of a list.

use casewire_data::limits::LABEL_BYTES_MAX;
use schemars::Schema;
use serde_json::{Value, json};

use super::{
    page::LIMIT_MAX,
    schema::{self, text, whole, with},
};

/// One parameter.
pub(super) struct Parameter {
    place: &'static str,
    needed: bool,
    /// What it is called.
    pub(super) name: &'static str,
    schema: fn() -> Schema,
    about: &'static str,
}

impl Parameter {
    /// A part of the path.
    pub(super) const fn path(name: &'static str, schema: fn() -> Schema, about: &'static str) -> Self {
        Self { place: "path", needed: true, name, schema, about }
    }

    /// A parameter in the query, which may be left out.
    pub(super) const fn query(name: &'static str, schema: fn() -> Schema, about: &'static str) -> Self {
        Self { place: "query", needed: false, name, schema, about }
    }

    /// The same, but it may not be left out.
    pub(super) const fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    /// Whether it stands in the path.
    pub(super) fn is_in_path(&self) -> bool {
        self.place == "path"
    }

    /// As the document has it.
    pub(super) fn describe(&self) -> Value {
        json!({
            "name": self.name,
            "in": self.place,
            "required": self.needed,
            "description": self.about,
            "schema": (self.schema)(),
        })
    }
}

/// An endpoint in the path.
pub(super) const ENDPOINT: Parameter = Parameter::path("id", schema::endpoint_id, "The endpoint.");
/// An event in the path.
pub(super) const EVENT: Parameter = Parameter::path("id", schema::event_id, "The event.");
/// A delivery in the path.
pub(super) const DELIVERY: Parameter =
    Parameter::path("id", schema::delivery_id, "The delivery: its event and its endpoint.");
/// A replay in the path, behind its endpoint.
pub(super) const REPLAY: Parameter = Parameter::path("replay", schema::replay_id, "The replay.");
/// A source in the path.
pub(super) const SOURCE: Parameter = Parameter::path("id", schema::source_id, "The source.");
/// A token in the path.
pub(super) const TOKEN: Parameter = Parameter::path("id", schema::token_id, "The token.");

/// An event type in the path.
pub(super) const EVENT_TYPE: Parameter = Parameter::path("type", schema::event_type, "The event type.");

/// `force` of a schema.
pub(super) const FORCE: Parameter =
    Parameter::query("force", schema::yes_or_no, "Accept a schema that samples do not fit.");
/// `tenant` of what concerns one.
pub(super) const TENANT: Parameter = Parameter::query(
    "tenant",
    schema::tenant,
    "Whose; the caller's own if it is left out. Admins of the tenant `default` may name any.",
);
/// `type` of a filtered list.
pub(super) const TYPE: Parameter =
    Parameter::query("type", schema::event_type, "Of events of this type; one type, no pattern.");
/// `since` of a filtered list.
pub(super) const SINCE: Parameter =
    Parameter::query("since", schema::time, "Published at this time or later.");
/// `until` of a filtered list.
pub(super) const UNTIL: Parameter = Parameter::query("until", schema::time, "Published before this time.");
/// `limit` of a list that begins with the default page.
pub(super) const LIMIT: Parameter =
    Parameter::query("limit", limit, "How many at once; 50 if it is left out.");
/// `limit` of a list that is complete up to the most that a page holds.
pub(super) const LIMIT_OF_ALL: Parameter =
    Parameter::query("limit", limit, "How many at once; 200 if it is left out.");
/// `cursor` of a list.
pub(super) const CURSOR: Parameter =
    Parameter::query("cursor", cursor, "Where to go on: the `next_cursor` of the page before, unchanged.");

fn limit() -> Schema {
    whole(1, LIMIT_MAX as u64)
}

fn cursor() -> Schema {
    schema::pattern("[A-Za-z0-9_-]+")
}

/// A noun and an id: `people/7`.
pub(super) fn resource() -> Schema {
    with(with(text(2 * LABEL_BYTES_MAX + 1), "pattern", "^[^/]+/.+$"), "examples", json!(["people/7"]))
}
