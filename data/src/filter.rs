//! A filter: which events an endpoint takes by what they contain.
//!
//! It is a JSON object of paths, each beside what must stand there; all of it must hold:
//!
//! ```json
//! {"data.status": ["open", "reopened"], "data.amount": {"gte": 1000, "lt": 5000}, "tags.region": {"ne": "north"}}
//! ```
//!
//! - A path is names with dots between them: into the payload, `data.items.0.kind` (an array's elements are numbered from
//!   0), or `type`, `resource.type`, `resource.id`, `actor.kind`, `actor.id`, `actor.name`, `agency`, `tags.<name>`. Names
//!   that have dots are reached by a JSON Pointer: `/data/a.b`.
//! - Beside it stands a value, which must be equal; a list of values, one of which must be; or an object of operators, each
//!   of which must hold: `eq`, `ne`, `in`, `not_in`, `gt`, `gte`, `lt`, `lte`, `exists`, `prefix`, `suffix`, `contains`.
//! - Nothing is made to fit: 1 is not "1". Numbers are compared by what they are worth, to the last digit; texts by their
//!   characters' numbers, case and all.
//! - Of an array it is enough that one element fits. `ne` and `not_in` are the opposites of `eq` and `in`: no element may
//!   fit. `contains` is a part of a text, or an element of an array.
//! - Where nothing stands, only `ne`, `not_in` and `{"exists": false}` hold. `null` is something.

use std::cell::OnceCell;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use self::{
    condition::Condition,
    place::Place,
    seek::{Sought, Value},
};
use crate::{
    error::{Error, FieldError, Result},
    event::NewEvent,
    limits,
};

mod condition;
mod part;
mod place;
mod seek;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Filter {
    text: Box<str>,
    clauses: Box<[Clause]>,
}

/// A path and what must hold there.
#[derive(Clone, Debug)]
struct Clause {
    /// As it was written.
    path: Box<str>,
    place: Place,
    conditions: Box<[Condition]>,
}

impl Filter {
    /// Reads a filter; `None` for one that takes everything. The error names every path that is wrong, below `filter`.
    pub fn new(json: &str) -> Result<Option<Self>> {
        Self::read(json, |clause| clause.mistake())
    }

    /// `mistake` is what is wrong with a clause that can be read.
    fn read(json: &str, mistake: impl Fn(&Clause) -> Option<&'static str>) -> Result<Option<Self>> {
        let refuse = |message: String| Err(Error::field("filter", message));
        if json.len() > limits::FILTER_BYTES_MAX {
            return refuse(format!(
                "has {} bytes; at most {} are allowed",
                json.len(),
                limits::FILTER_BYTES_MAX
            ));
        }
        let raw: &RawValue = match serde_json::from_str(json) {
            Ok(raw) => raw,
            Err(error) => return refuse(format!("is not JSON: {error}")),
        };
        if !raw.get().starts_with('{') {
            return refuse("must be an object of paths, like {\"data.status\":\"open\"}".to_owned());
        }
        let mut wrong = Wrong::default();
        let members = members("filter", raw, &mut wrong);
        if members.len() > limits::FILTER_CLAUSES_MAX {
            let most = limits::FILTER_CLAUSES_MAX;
            return refuse(format!("has {} paths; at most {most} are allowed", members.len()));
        }
        let read = |(path, raw): (String, &RawValue)| {
            let field = format!("filter.{}", limits::shorten(&path));
            let place = Place::read(&path).map_err(|message| wrong.note(&field, message)).ok();
            let conditions = Condition::read(&field, raw, &mut wrong).into();
            let clause = Clause { path: path.into(), place: place?, conditions };
            match mistake(&clause) {
                Some(message) => wrong.refuse(&field, message),
                None => Some(clause),
            }
        };
        let clauses: Box<[Clause]> = members.into_iter().filter_map(read).collect();
        let values: usize = clauses.iter().flat_map(|clause| &clause.conditions).map(Condition::values).sum();
        if values > limits::FILTER_VALUES_MAX {
            let most = limits::FILTER_VALUES_MAX;
            wrong.note("filter", format!("has {values} values; at most {most} are allowed"));
        }
        wrong.into_result()?;
        Ok((!clauses.is_empty()).then(|| Self { text: raw.get().into(), clauses }))
    }

    /// The filter as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it looks at the payload, so that it could tell of it.
    pub fn reads_data(&self) -> bool {
        self.clauses.iter().any(|clause| matches!(clause.place, Place::Data(_)))
    }

    /// Whether an event has all that is asked of it.
    pub fn takes(&self, subject: &Subject<'_>) -> bool {
        self.unmet(subject).is_none()
    }

    /// The first path at which an event has not what is asked of it; absent if it is taken.
    pub fn unmet(&self, subject: &Subject<'_>) -> Option<&str> {
        self.clauses.iter().find(|clause| !subject.has(clause)).map(|clause| &*clause.path)
    }
}

impl Clause {
    /// What nobody can mean, as no event ever has it, or every one.
    fn mistake(&self) -> Option<&'static str> {
        if let Some(message) = self.place.mistake(&self.path) {
            return Some(message);
        }
        let compares_texts = self.conditions.iter().all(Condition::compares_texts);
        (self.place.is_text() && !compares_texts).then_some(
            "is a string in every event that has it; compare it with strings, like \"5\", or ask whether it \"exists\"",
        )
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.text.into()
    }
}

impl TryFrom<String> for Filter {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        // What was accepted once stays readable.
        Self::read(&text, |_| None)?.ok_or_else(|| Error::field("filter", "is stored without a path"))
    }
}

/// The places in payloads that some filters look at, so that one pass finds them for all.
#[derive(Clone, Debug, Default)]
pub struct Lookout {
    sought: Sought,
    count: usize,
}

impl Lookout {
    /// What these filters look at.
    pub fn new<'a>(filters: impl IntoIterator<Item = &'a Filter>) -> Self {
        let mut lookout = Self::default();
        for clause in filters.into_iter().flat_map(|filter| &filter.clauses) {
            if let Place::Data(names) = &clause.place {
                let number = lookout.sought.insert(names, lookout.count);
                lookout.count = lookout.count.max(number + 1);
            }
        }
        lookout
    }
}

/// An event that filters are asked about. Its payload is read when the first of them asks for it, and once.
#[derive(Debug)]
pub struct Subject<'a> {
    event: &'a NewEvent,
    lookout: &'a Lookout,
    found: OnceCell<Vec<Found<'a>>>,
}

/// What stands at a place that is looked for: as it is written, and read when it is asked for first.
#[derive(Debug)]
struct Found<'a> {
    json: Option<&'a [u8]>,
    value: OnceCell<Option<Value<'a>>>,
}

impl<'a> Found<'a> {
    fn at(json: Option<&'a [u8]>) -> Self {
        Self { json, value: OnceCell::new() }
    }

    fn value(&self) -> Option<&Value<'a>> {
        self.value.get_or_init(|| self.json.map(Value::of)).as_ref()
    }
}

impl<'a> Subject<'a> {
    /// An event, and what the filters look at that will be asked about it.
    pub fn new(event: &'a NewEvent, lookout: &'a Lookout) -> Self {
        Self { event, lookout, found: OnceCell::new() }
    }

    /// The event.
    pub fn event(&self) -> &'a NewEvent {
        self.event
    }

    /// Whether all that is asked of a place holds there.
    fn has(&self, Clause { place, conditions, .. }: &Clause) -> bool {
        let holds = |value: Option<&Value<'_>>| conditions.iter().all(|condition| condition.holds(value));
        let Place::Data(names) = place else { return holds(place.beside(self.event).as_ref()) };
        let found = self.found.get_or_init(|| {
            let mut found = vec![None; self.lookout.count];
            self.lookout.sought.find(&self.event.data, &mut found);
            found.into_iter().map(Found::at).collect()
        });
        holds(self.lookout.sought.number_of(names).and_then(|number| found[number].value()))
    }
}

/// What is wrong with a filter, all of it.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

impl Wrong {
    fn note(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    fn refuse<T>(&mut self, field: &str, message: impl Into<String>) -> Option<T> {
        self.note(field, message);
        None
    }

    fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::fields(self.0)) }
    }
}

/// The members of an object; those whose name comes twice are noted.
fn members<'a>(field: &str, raw: &'a RawValue, wrong: &mut Wrong) -> Vec<(String, &'a RawValue)> {
    let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
        wrong.note(field, "has a name with half of a surrogate pair; write whole characters");
        return Vec::new();
    };
    let mut known = std::collections::BTreeSet::new();
    for (name, _) in &members {
        if !known.insert(name) {
            wrong.note(&format!("{field}.{}", limits::shorten(name)), "is given twice; give it once");
        }
    }
    members
}

/// The members of an object in their order, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests;
