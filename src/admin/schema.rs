//! The words of which schemas are made, and the description of a body that is read field by field.
//!
//! What is shown describes itself: views derive `JsonSchema`, and say with
//! `#[schemars(schema_with = "shown::time")]` what of a text is more than a text. What is taken in is described beside
//! its reader with [`Object`], in the reader's own words.

use casewire_data::{
    audit::Action,
    delivery::{DeliveryStatus, FailureClass},
    id::{AuditId, EndpointId, EventId, ReplayId, SourceId, TokenId},
    limits,
    order::DeliveryOrder,
    replay::{ReplayState, ReplayStatus},
    scope::Source,
    token::Scope,
};
use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

/// A ULID as it is written (Crockford's Base32, 128 bits).
const ULID: &str = "[0-7][0-9A-HJKMNP-TV-Z]{25}";

/// Text of at most so many bytes. A schema counts characters, of which there are never more.
pub(super) fn text(bytes_max: usize) -> Schema {
    json_schema!({ "type": "string", "maxLength": bytes_max })
}

/// Text of which something is there, of at most so many bytes.
pub(super) fn some_text(bytes_max: usize) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": bytes_max })
}

/// Text of a form, as a regular expression of ECMA-262.
pub(super) fn pattern(form: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": format!("^{form}$") })
}

/// One of these words.
pub(super) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    json_schema!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// A whole number within these bounds.
pub(super) fn whole(least: u64, most: u64) -> Schema {
    json_schema!({ "type": "integer", "minimum": least, "maximum": most })
}

/// True or false.
pub(super) fn yes_or_no() -> Schema {
    json_schema!({ "type": "boolean" })
}

/// A list of at most so many.
pub(super) fn list(item: Schema, most: usize) -> Schema {
    json_schema!({ "type": "array", "items": item, "maxItems": most })
}

/// A list in which what stands twice counts once.
pub(super) fn set(item: Schema) -> Schema {
    json_schema!({ "type": "array", "items": item })
}

/// Names with texts, at most so many.
fn texts_by_name(name: Schema, value: Schema, most: usize) -> Schema {
    json_schema!({
        "type": "object", "propertyNames": name, "additionalProperties": value, "maxProperties": most
    })
}

/// A schema that has more to say.
pub(super) fn with(mut schema: Schema, word: &str, value: impl Into<Value>) -> Schema {
    schema.insert(word.to_owned(), value.into());
    schema
}

fn ulid(prefix: &str) -> Schema {
    pattern(&format!("{prefix}{ULID}"))
}

fn filter_by_path() -> Schema {
    let scalar = json!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, { "const": null }] });
    let ordered = json!({ "type": ["string", "number"] });
    let list =
        json!({ "type": "array", "items": scalar, "minItems": 1, "maxItems": limits::FILTER_VALUES_MAX });
    let text = json!({ "type": "string" });
    let operators = json!({
        "type": "object",
        "properties": {
            "eq": scalar, "ne": scalar, "in": list, "not_in": list,
            "gt": ordered, "gte": ordered, "lt": ordered, "lte": ordered,
            "exists": { "type": "boolean" }, "prefix": text, "suffix": text, "contains": scalar,
        },
        "additionalProperties": false,
        "minProperties": 1,
    });
    json_schema!({
        "type": "object",
        "additionalProperties": { "anyOf": [scalar, list, operators] },
        "maxProperties": limits::FILTER_CLAUSES_MAX,
        "examples": [{ "data.status": ["open", "reopened"], "data.amount": { "gte": 1000 } }],
    })
}

/// Words of the field's own. In `shown` stand the same as `schema_with` takes them.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident = $schema:expr;)*) => {
        $($(#[$about])* pub(super) fn $name() -> Schema {
            $schema
        })*

        /// The words of the field as `#[schemars(schema_with = "…")]` takes them.
        pub(super) mod shown {
            use schemars::{Schema, SchemaGenerator};

            $($(#[$about])* #[allow(dead_code, reason = "not everything that is taken is shown")]
            pub(in crate::admin) fn $name(_: &mut SchemaGenerator) -> Schema {
                super::$name()
            })*
        }
    };
}

words! {
    /// A time: RFC 3339, in UTC where it is shown.
    time = json_schema!({ "type": "string", "format": "date-time", "examples": ["2026-04-29T09:10:00Z"] });
    /// The id of an endpoint.
    endpoint_id = ulid(EndpointId::PREFIX);
    /// The id of an event.
    event_id = ulid(EventId::PREFIX);
    /// The id of a delivery.
    delivery_id = pattern(&format!(r"{}{ULID}\.{}{ULID}", EventId::PREFIX, EndpointId::PREFIX));
    /// The id of a replay.
    replay_id = ulid(ReplayId::PREFIX);
    /// The id of a source.
    source_id = ulid(SourceId::PREFIX);
    /// The id of a token.
    token_id = ulid(TokenId::PREFIX);
    /// The id of an entry of the audit.
    audit_id = ulid(AuditId::PREFIX);
    /// What the audit says was done.
    audit_action = one_of(Action::ALL.iter().map(|action| action.as_str()));
    /// Who the audit says did it.
    audit_actor = one_of(["host", "engine", "token", "operator"]);
    /// A type of events.
    event_type = {
        let dotted = pattern(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*");
        with(with(dotted, "maxLength", limits::EVENT_TYPE_BYTES_MAX), "examples", json!(["cases.created"]))
    };
    /// Patterns of event types.
    event_patterns = {
        let glob = with(pattern(r"[A-Za-z0-9_.*?\[\]!-]+"), "maxLength", limits::PATTERN_BYTES_MAX);
        with(list(glob, limits::PATTERNS_MAX), "examples", json!([["cases.*", "cases.created"]]))
    };
    /// Whether an endpoint is delivered to.
    endpoint_status = one_of(["active", "paused"]);
    /// How a delivery stands.
    delivery_status = one_of(DeliveryStatus::ALL.map(DeliveryStatus::as_str));
    /// Whether an endpoint that fails is spared.
    breaker_state = one_of(["closed", "open", "half_open"]);
    /// Which deliveries go out one at a time.
    ordering = one_of(DeliveryOrder::ALL.map(DeliveryOrder::as_str));
    /// Requests in a second.
    rate = json_schema!({ "type": "number", "minimum": 0.01, "maximum": 10_000 });
    /// Why an attempt came to nothing.
    failure_class = one_of(FailureClass::ALL.map(FailureClass::as_str));
    /// How far an erasure has come.
    erasure_status = one_of(["erased", "erasing", "no_events"]);
    /// How a replay is doing.
    replay_state = one_of(ReplayState::ALL.map(ReplayState::as_str));
    /// How deliveries stand that are sent again.
    replay_statuses = with(set(one_of(ReplayStatus::ALL.map(ReplayStatus::as_str))), "minItems", 1);
    /// Why an endpoint would not take an event.
    choice = one_of(["pattern", "scope", "filter", "dialect"]);
    /// Scopes of a token.
    scopes = with(set(one_of(Scope::ALL.map(Scope::as_str))), "minItems", 1);
    /// The ways in which events come about.
    ways = set(one_of([Source::Ui, Source::Api].map(Source::as_str)));
    /// A tenant.
    tenant = pattern(&format!("[a-z0-9_-]{{1,{}}}", limits::TENANT_BYTES_MAX));
    /// Where deliveries go.
    url = with(with(text(limits::URL_BYTES_MAX), "format", "uri"), "pattern", "^https?://");
    /// A secret.
    secret = with(pattern("[!-~]+"), "maxLength", limits::SECRET_CHARS_MAX);
    /// A dialect, with its revision.
    dialect = {
        let named = with(pattern(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*@[0-9]+"), "maxLength", limits::LABEL_BYTES_MAX);
        with(named, "examples", json!(["xpath@1"]))
    };
    /// What a dialect must know.
    params = {
        let name = pattern(&format!("[a-z0-9_]{{1,{}}}", limits::PARAM_NAME_BYTES_MAX));
        texts_by_name(name, text(limits::PARAM_VALUE_BYTES_MAX), limits::PARAMS_MAX)
    };
    /// Request headers.
    headers = {
        let name = pattern("[A-Za-z0-9!#$%&'*+.^_`|~-]+");
        // Visible ASCII, and spaces inside of it.
        let value = pattern("([!-~]([ -~]*[!-~])?)?");
        texts_by_name(name, with(value, "maxLength", limits::HEADER_VALUE_BYTES_MAX), limits::HEADERS_MAX)
    };
    /// Labels of an event.
    tags = texts_by_name(label(), label(), limits::TAGS_MAX);
    /// Who did something, as the audit is asked for it.
    audit_principal = pattern(&format!("(host|engine|operator|{}{ULID})", TokenId::PREFIX));
    /// A source, by its name or its id.
    source_name_or_id = {
        let name = limits::SOURCE_NAME_BYTES_MAX;
        pattern(&format!("([a-z0-9-]{{1,{name}}}|{}{ULID})", SourceId::PREFIX))
    };
    /// The name of a source.
    source_name = pattern(&format!("[a-z0-9-]{{1,{}}}", limits::SOURCE_NAME_BYTES_MAX));
    /// A word of a program's.
    label = some_text(limits::LABEL_BYTES_MAX);
    /// Text for people to read.
    remark = text(limits::DESCRIPTION_BYTES_MAX);
    /// What an endpoint takes events by.
    filter = filter_by_path();
    /// A JSON Schema.
    json_schema = json_schema!({ "type": ["object", "boolean"] });
    /// Any JSON.
    anything = json_schema!({});
    /// Text or a whole number.
    text_or_whole = json_schema!({ "type": ["string", "integer"], "maxLength": limits::LABEL_BYTES_MAX });
}

/// The body of a request, or an object in it. No other fields may be in it.
pub(super) struct Object {
    name: &'static str,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    example: Option<Value>,
}

impl Object {
    /// An object without fields yet, known by this name in the document.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, properties: Map::new(), required: Vec::new(), example: None }
    }

    /// A field that must be there and not null.
    pub(super) fn required(mut self, name: &'static str, schema: Schema, about: &str) -> Self {
        self.required.push(name);
        self.given(name, schema, about)
    }

    /// A field that may be absent but not null.
    pub(super) fn given(mut self, name: &'static str, schema: Schema, about: &str) -> Self {
        self.properties.insert(name.to_owned(), with(schema, "description", about).to_value());
        self
    }

    /// A field that may be absent or null.
    pub(super) fn optional(self, name: &'static str, schema: Schema, about: &str) -> Self {
        self.given(name, or_null(schema), about)
    }

    /// One that is good; needed where a field is required.
    pub(super) fn example(self, example: Value) -> Self {
        Self { example: Some(example), ..self }
    }

    /// What it is called in the document.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// As a schema.
    pub(super) fn schema(self) -> Schema {
        let mut schema = json_schema!({
            "type": "object", "properties": self.properties, "additionalProperties": false
        });
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), json!(self.required));
        }
        if let Some(example) = self.example {
            schema.insert("examples".to_owned(), json!([example]));
        }
        schema
    }
}

fn or_null(mut schema: Schema) -> Schema {
    match schema.get_mut("type") {
        Some(Value::Array(kinds)) => kinds.push(json!("null")),
        Some(kind) => *kind = json!([kind.take(), "null"]),
        None => {}
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
    schema
}

#[cfg(test)]
mod tests {
    use casewire_data::{
        audit::PrincipalFilter, dialect::check_header, event::EventType, event::Tenant, pattern::Pattern,
    };

    use super::*;

    const TEXTS: [&str; 30] = [
        "",
        "a",
        "A",
        "a.b",
        "a..b",
        ".a",
        "a.",
        "a_b-1",
        "a b",
        "a/b",
        "ä",
        "a*",
        "*",
        "a.*",
        "a.?",
        "a.[bc]",
        "a.[!b]",
        "a\u{0}",
        "a\n",
        "\n",
        "host",
        "hosts",
        "engine",
        "operator",
        "tok_01J1C6ZGQ6FQTH2X6M2VS3P0XW",
        "tok_01J1C6ZGQ6FQTH2X6M2VS3P0X",
        "wh_01J1C6ZGQ6FQTH2X6M2VS3P0XW",
        "~",
        "(",
        "x-a",
    ];

    #[test]
    fn what_a_word_allows_its_reader_takes_and_nothing_else() {
        let long = ["a".repeat(64), "a".repeat(65), "a".repeat(128), "a".repeat(129)];
        let agree = |schema: Schema, read: &dyn Fn(&str) -> bool| {
            let schema = schema.to_value();
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            for text in TEXTS.into_iter().chain(long.iter().map(String::as_str)) {
                assert_eq!(validator.is_valid(&json!(text)), read(text), "{text:?} by {schema}");
            }
        };
        agree(tenant(), &|text| Tenant::new(text).is_ok());
        agree(event_type(), &|text| EventType::new(text).is_ok());
        agree(audit_principal(), &|text| PrincipalFilter::parse(text).is_ok());
        agree(
            with(headers().get("propertyNames").unwrap().clone().try_into().unwrap(), "maxLength", 1_000),
            &// A name may be fit for a header and yet be kept for the engine.
            |text| check_header(text, "").is_ok() || text == "host",
        );
        agree(headers().get("additionalProperties").unwrap().clone().try_into().unwrap(), &|text| {
            check_header("x", text).is_ok()
        });
    }

    #[test]
    fn a_pattern_of_event_types_is_not_refused_for_its_characters() {
        let schema = event_patterns().to_value();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for text in TEXTS {
            let told = validator.is_valid(&json!([text]));
            assert!(told || Pattern::new(text).is_err(), "{text:?}");
        }
    }
}
