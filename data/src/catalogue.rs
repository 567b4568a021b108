//! The catalogue: which event types there are, what they mean, and what their payloads are like.
//!
//! Each system's types are shipped with its dialects. A tenant registers its own besides, or in their place; with a JSON
//! Schema, what is published of a type must fit.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Timestamp,
    dialect::Dialect,
    embedded::CATALOGUES,
    endpoint::{
        changes::changed,
        rules::{Wrong, check_text},
    },
    error::{Error, ErrorKind, Result},
    event::{EventType, Tenant},
    limits, samples,
    schema::{Effort, Schema},
};

/// An event type as a tenant registered it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisteredType {
    /// Whose it is.
    pub tenant: Tenant,
    /// The type.
    pub event_type: EventType,
    /// What it means, for people to read.
    pub description: Option<String>,
    /// What it belongs to, for people to read.
    pub category: Option<String>,
    /// A payload as it may be: JSON.
    pub sample: Option<String>,
    /// What every payload must fit.
    pub schema: Option<Schema>,
    /// Whether it is not to be used any more. It is published and delivered all the same.
    pub deprecated: bool,
    /// When it was registered first.
    pub created_at: Timestamp,
    /// When it was registered last.
    pub updated_at: Timestamp,
}

/// What a caller gives to register an event type, before it is checked. What is left out, it has not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeDraft {
    /// What it means, for people to read.
    pub description: Option<String>,
    /// What it belongs to, for people to read.
    pub category: Option<String>,
    /// A payload as it may be: JSON.
    pub sample: Option<String>,
    /// A JSON Schema 2020-12; see [`Schema`] for what of it there is.
    pub schema: Option<String>,
    /// Whether it is not to be used any more.
    pub deprecated: bool,
}

/// An event type that comes with a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedType {
    /// The type.
    pub event_type: EventType,
    /// The dialect: `xpath@1`.
    pub dialect: String,
    /// What it means, for people to read.
    pub description: Option<&'static str>,
    /// What it belongs to, for people to read.
    pub category: Option<&'static str>,
    /// A payload as it may be: JSON.
    pub sample: Option<String>,
}

impl TypeDraft {
    /// The type as it is registered by this draft, in the place of what was registered before. The error names every field
    /// that is wrong.
    ///
    /// `Conflict` if the schema does not fit a sample, be it the draft's own, the one before or one of `samples`; not if
    /// `force` is set.
    pub fn into_registered(
        self,
        (tenant, event_type): (Tenant, EventType),
        before: Option<&RegisteredType>,
        samples: &[String],
        force: bool,
        now: Timestamp,
    ) -> Result<RegisteredType> {
        let created_at = before.map_or(now, |before| before.created_at);
        let updated_at = before.map_or(now, |before| now.max(before.updated_at.plus_millis(1_000)));
        let deprecated = self.deprecated;
        let mut registered = RegisteredType {
            tenant,
            event_type,
            description: None,
            category: None,
            sample: None,
            schema: None,
            deprecated,
            created_at,
            updated_at,
        };
        let mut wrong = Wrong::default();
        wrong.or_set(&mut registered.description, check_text("description", self.description));
        wrong.or_set(&mut registered.category, check_text("category", self.category));
        wrong.or_set(&mut registered.sample, self.sample.map(check_sample).transpose());
        wrong.or_set(&mut registered.schema, self.schema.as_deref().map(Schema::new).transpose());
        wrong.into_result()?;
        if let Some(schema) = registered.schema.as_ref().filter(|_| !force) {
            let former = before.and_then(|before| before.sample.as_ref());
            let given = registered.sample.iter().map(|it| ("given", it));
            let former = former.into_iter().map(|it| ("registered before", it));
            let shipped = samples.iter().map(|it| ("shipped", it));
            let mut effort = Effort::default();
            for (which, sample) in given.chain(former).chain(shipped) {
                let fits = schema.check("sample", sample.as_bytes(), &mut effort);
                fits.map_err(|error| broken(which, &error))?;
            }
        }
        Ok(registered)
    }
}

impl RegisteredType {
    /// The names of the fields in which another state of it differs.
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        changed(&[
            ("description", self.description != other.description),
            ("category", self.category != other.category),
            ("sample", self.sample != other.sample),
            ("schema", self.schema != other.schema),
            ("deprecated", self.deprecated != other.deprecated),
        ])
    }

    /// Whether a payload is as the schema has it; anything is without one. The error names what does not fit by its place.
    pub fn check(&self, data: &[u8], effort: &mut Effort) -> Result<()> {
        self.schema.as_ref().map_or(Ok(()), |schema| schema.check("data", data, effort))
    }
}

/// The types that come with a dialect, ascending: those of its system that its endpoints can subscribe to.
pub fn shipped(dialect: &Dialect) -> impl Iterator<Item = ShippedType> {
    let system = dialect.id().split('@').next().unwrap_or_default().to_owned();
    let mut types: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    types.extend(samples::of(&system).map(|(event_type, _)| (event_type, (None, None))));
    for (own, category, event_type, description) in DESCRIPTIONS.iter() {
        if *own == system {
            types.insert(event_type, (Some(category.as_str()), Some(description.as_str())));
        }
    }
    types.into_iter().filter_map(move |(name, (category, description))| {
        let event_type = EventType::new(name).ok().filter(|it| dialect.can_be_sent(it))?;
        let sample = sample(&system, name);
        Some(ShippedType { event_type, dialect: dialect.id().to_owned(), description, category, sample })
    })
}

/// The type of that name that comes with a dialect.
pub fn shipped_type(dialect: &Dialect, event_type: &EventType) -> Option<ShippedType> {
    shipped(dialect).find(|shipped| shipped.event_type == *event_type)
}

fn sample(system: &str, event_type: &str) -> Option<String> {
    let event = samples::parse(samples::event(system, event_type)?).ok()?;
    String::from_utf8(event.data.into()).ok()
}

type Description = (&'static str, String, String, String);

/// System, category, type and description of each line of the catalogues that are shipped.
static DESCRIPTIONS: LazyLock<Vec<Description>> = LazyLock::new(|| {
    let read = |(system, text): &(&'static str, &str)| {
        let categories: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(text).expect("a test has read every catalogue that is shipped");
        let system = *system;
        categories.into_iter().flat_map(move |(category, types)| {
            types.into_iter().map(move |(name, description)| (system, category.clone(), name, description))
        })
    };
    CATALOGUES.iter().flat_map(read).collect()
});

fn check_sample(sample: String) -> Result<String> {
    let refuse = |message: String| Err(Error::field("sample", message));
    if sample.len() > limits::SAMPLE_BYTES_MAX {
        return refuse(format!(
            "has {} bytes; at most {} are allowed",
            sample.len(),
            limits::SAMPLE_BYTES_MAX
        ));
    }
    if limits::too_deep(&sample).is_some() {
        return refuse(format!("nests deeper than {} levels; make it flatter", limits::JSON_DEPTH_MAX));
    }
    match serde_json::from_str::<&RawValue>(&sample) {
        Ok(_) => Ok(sample),
        Err(error) => refuse(format!("is not JSON: {error}")),
    }
}

/// A sample does not fit.
fn broken(which: &str, error: &Error) -> Error {
    const SHOWN: usize = 5;
    let wrong = error.field_errors();
    let mut places: Vec<_> =
        wrong.iter().take(SHOWN).map(|wrong| format!("{} {}", wrong.field, wrong.message)).collect();
    places.extend((wrong.len() > SHOWN).then(|| "…".to_owned()));
    let message = format!(
        "the sample {which} does not fit the schema: {}; correct one of the two, or force it (?force=true)",
        places.join("; ")
    );
    Error::new(ErrorKind::Conflict, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn register(draft: TypeDraft, before: Option<&RegisteredType>, force: bool) -> Result<RegisteredType> {
        let key = (Tenant::default(), EventType::new("cases.created").unwrap());
        draft.into_registered(key, before, &[r#"{"id":"S-1"}"#.to_owned()], force, Timestamp::default())
    }

    fn draft(schema: &str, sample: Option<&str>) -> TypeDraft {
        TypeDraft {
            schema: Some(schema.to_owned()),
            sample: sample.map(str::to_owned),
            ..TypeDraft::default()
        }
    }

    #[test]
    fn every_line_that_is_shipped_is_a_type_of_its_system_and_every_sample_has_a_line() {
        let dialects = Dialects::builtin();
        for (system, category, name, description) in DESCRIPTIONS.iter() {
            let event_type = EventType::new(name).unwrap();
            let mut own = dialects.all().filter(|it| it.id().split('@').next() == Some(system));
            assert!(own.any(|dialect| dialect.can_be_sent(&event_type)), "{system} {name}");
            assert!(!category.is_empty() && description.ends_with('.'), "{name}");
        }
        for (system, _) in CATALOGUES {
            for (name, _) in samples::of(system) {
                assert!(DESCRIPTIONS.iter().any(|it| it.0 == *system && it.2 == name), "{system} {name}");
            }
        }
    }

    #[test]
    fn a_dialect_ships_what_its_endpoints_can_subscribe_to() {
        let dialects = Dialects::builtin();
        let names = |id: &str| -> Vec<String> {
            shipped(&dialects.get(id).unwrap()).map(|it| it.event_type.to_string()).collect()
        };
        assert!(names("claimable@1").contains(&"claim.label_added".to_owned()));
        assert!(!names("claimable@2").contains(&"claim.label_added".to_owned()));
        let created = EventType::new("cases.created").unwrap();
        let created = shipped_type(&dialects.get("xpath@1").unwrap(), &created).unwrap();
        assert_eq!((created.category, created.description), (Some("Cases"), Some("A case was created.")));
        assert!(created.sample.unwrap().contains("case_48213"));
    }

    #[test]
    fn a_schema_that_breaks_a_sample_is_refused_unless_forced() {
        let strict = r#"{"required":["id","n"]}"#;
        for (draft, before) in [
            (draft(strict, None), None),
            (draft(r#"{"required":["id"]}"#, Some("{}")), None),
            (draft(r#"{"not":{"required":["old"]}}"#, None), Some(draft("true", Some(r#"{"old":1}"#)))),
        ] {
            let before = before.map(|before| register(before, None, false).unwrap());
            let error = register(draft.clone(), before.as_ref(), false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(error.message().contains("sample"), "{error}");
            assert!(register(draft, before.as_ref(), true).is_ok());
        }
        let error = register(draft(strict, None), None, false).unwrap_err();
        assert!(error.message().contains("sample.n is missing"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named_and_what_is_not_given_is_gone() {
        let long = Some("x".repeat(limits::DESCRIPTION_BYTES_MAX + 1));
        let wrong =
            TypeDraft { description: long.clone(), category: long, ..draft(r#"{"type":"x"}"#, Some("{")) };
        let error = register(wrong, None, true).unwrap_err();
        let fields: Vec<_> = error.field_errors().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["description", "category", "sample", "schema.type"]);

        // Not even what few read as it is written is altered.
        let (sample, schema) = (r#"{"a":[1e400,-0.0],"a":"\ud800"}"#, r#"{ "x-a":"\udc00","maximum":1e400}"#);
        let kept = register(draft(schema, Some(sample)), None, true).unwrap();
        assert_eq!((kept.sample.as_deref(), kept.schema.unwrap().as_str()), (Some(sample), schema));

        let first = register(draft("true", Some("1")), None, false).unwrap();
        let second =
            register(TypeDraft { deprecated: true, ..TypeDraft::default() }, Some(&first), false).unwrap();
        assert_eq!(first.changes(&second), ["sample", "schema", "deprecated"]);
        assert!(second.updated_at > first.updated_at && second.created_at == first.created_at);
    }
}
