//! Reads a JSON object field by field, so that every mistake in it can be named at once.
//!
//! A derived `Deserialize` stops at the first mistake, does not say in which field it is, and can't
//! tell a field that is null from one that is absent. The values stay as they were written until
//! someone asks for them, so that a payload is passed on byte for byte.

use std::{collections::BTreeMap, fmt};

use casewire_data::{Error, FieldError, limits::shorten};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::problem::{FIELD_ERRORS_MAX, Problem};

/// Fields that most objects have at most.
const FIELDS_USUAL: usize = 16;

/// What is wrong with a value: each path is relative to it, and empty for the value itself.
pub(super) type Wrong = Vec<FieldError>;

/// A type that can be read from a JSON value.
pub(super) trait Read<'a>: Sized {
    /// Reads it, or says everything that is wrong.
    fn read(raw: &'a RawValue) -> Result<Self, Wrong>;
}

/// The fields of one object that nobody has asked for yet, and what was wrong with the others.
pub(super) struct Fields<'a> {
    members: Vec<(String, &'a RawValue)>,
    known: Vec<&'static str>,
    wrong: Wrong,
}

impl<'a> Fields<'a> {
    /// The fields of an object; wrong if the value is none.
    pub(super) fn of(raw: &'a RawValue) -> Result<Self, Wrong> {
        if !raw.get().starts_with('{') {
            return Err(mistyped(raw, "an object"));
        }
        let Members(members) = serde_json::from_str(raw.get()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { members, known: Vec::with_capacity(FIELDS_USUAL), wrong: Vec::new() })
    }

    /// A field that must be there and not null; `None` only when it is wrong, which [`Fields::finish`] tells.
    pub(super) fn required<T: Read<'a>>(&mut self, name: &'static str) -> Option<T> {
        match self.ask(name) {
            Some(raw) => self.read(name, raw),
            None => {
                self.note(name, wrong("is required"));
                None
            }
        }
    }

    /// A field that may be absent but not null.
    pub(super) fn given<T: Read<'a>>(&mut self, name: &'static str) -> Option<T> {
        self.ask(name).and_then(|raw| self.read(name, raw))
    }

    /// A field that may be absent; null means the same.
    pub(super) fn optional<T: Read<'a>>(&mut self, name: &'static str) -> Option<T> {
        self.clearable(name).flatten()
    }

    /// A field that may be absent, which changes nothing, or null, which takes the value away.
    pub(super) fn clearable<T: Read<'a>>(&mut self, name: &'static str) -> Option<Option<T>> {
        let raw = self.ask(name)?;
        if raw.get() == "null" { Some(None) } else { self.read(name, raw).map(Some) }
    }

    /// Says of a field that is there that it must not be, and why.
    pub(super) fn refuse(&mut self, name: &str, why: &str) {
        if self.take(name).is_some() {
            self.note(name, wrong(why));
        }
    }

    /// Everything that was wrong, fields that nobody asked for among it.
    pub(super) fn finish(mut self) -> Result<(), Wrong> {
        for (name, _) in std::mem::take(&mut self.members).into_iter().take(FIELD_ERRORS_MAX) {
            let message = format!("is not a field here; there are {}", self.known.join(", "));
            self.note(&shorten(&name), wrong(message));
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong) }
    }

    fn ask(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.known.push(name);
        self.take(name)
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let mut found = self.members.extract_if(.., |(member, _)| member == name).map(|(_, raw)| raw);
        let first = found.next();
        let twice = found.count() > 0;
        if twice {
            self.note(name, wrong("is given twice; give it once"));
        }
        first
    }

    fn read<T: Read<'a>>(&mut self, name: &str, raw: &'a RawValue) -> Option<T> {
        T::read(raw).map_err(|wrong| self.note(name, wrong)).ok()
    }

    fn note(&mut self, name: &str, wrong: Wrong) {
        self.wrong.extend(below(name, wrong));
    }
}

/// The JSON value that is a request's body; 400 if it is none.
pub(super) fn parse(text: &str) -> Result<&RawValue, Problem> {
    serde_json::from_str(text)
        .map_err(|error| Problem::malformed(format!("the body is not valid JSON: {error}")))
}

/// Reads an object that is a request's whole body: 400 if it isn't JSON, 422 with all that is wrong in it.
pub(super) fn read_body<'a, T: Read<'a>>(text: &'a str) -> Result<T, Problem> {
    T::read(parse(text)?).map_err(|mut wrong| {
        for error in wrong.iter_mut().filter(|error| error.field.is_empty()) {
            error.field = "body".to_owned();
        }
        wrong.into()
    })
}

/// The same mistakes, with paths from one level further out.
pub(super) fn below(prefix: &str, wrong: Wrong) -> impl Iterator<Item = FieldError> {
    wrong.into_iter().map(move |FieldError { field, message }| {
        let dot = if field.is_empty() || field.starts_with('[') { "" } else { "." };
        FieldError { field: format!("{prefix}{dot}{field}"), message }
    })
}

/// One mistake, in the value itself.
pub(super) fn wrong(message: impl Into<String>) -> Wrong {
    vec![FieldError { field: String::new(), message: message.into() }]
}

/// What a constructor of the data crate found wrong, now with the value itself as its place.
pub(super) fn refused(error: Error) -> Wrong {
    wrong(error.message())
}

fn mistyped(raw: &RawValue, expected: &str) -> Wrong {
    let found = match raw.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        _ => "a number",
    };
    wrong(format!("is {found}; send {expected}"))
}

impl<'a> Read<'a> for &'a RawValue {
    fn read(raw: &'a RawValue) -> Result<Self, Wrong> {
        Ok(raw)
    }
}

impl Read<'_> for String {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        if !raw.get().starts_with('"') {
            return Err(mistyped(raw, "a string"));
        }
        // Valid as JSON, so all that can be wrong is half of a surrogate pair, which is no character.
        serde_json::from_str(raw.get())
            .map_err(|_| wrong("holds half of a surrogate pair; send whole characters"))
    }
}

impl Read<'_> for bool {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        match raw.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(mistyped(raw, "true or false")),
        }
    }
}

macro_rules! read_whole_number {
    ($($number:ty),*) => {$(
        impl Read<'_> for $number {
            fn read(raw: &RawValue) -> Result<Self, Wrong> {
                let range = format!("a whole number from {} to {}", <$number>::MIN, <$number>::MAX);
                match raw.get().as_bytes() {
                    [b'-' | b'0'..=b'9', ..] => serde_json::from_str(raw.get())
                        .ok()
                        .or_else(|| Self::try_from(whole(raw.get())?).ok())
                        .ok_or_else(|| wrong(format!("is {}; send {range}", shorten(raw.get())))),
                    _ => Err(mistyped(raw, &range)),
                }
            }
        }
    )*};
}

/// The whole number that is written like `30.0` or `3e1`. To JSON Schema it is an integer, and some programs write all
/// numbers so.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and within 53 bits")]
fn whole(text: &str) -> Option<i64> {
    /// Up to here every whole number has a double of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    let number: f64 = serde_json::from_str(text).ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
}

read_whole_number!(u32, u64, i64);

impl Read<'_> for f64 {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        match raw.get().as_bytes() {
            [b'-' | b'0'..=b'9', ..] => serde_json::from_str(raw.get())
                .map_err(|_| wrong(format!("is {}; send a smaller number", shorten(raw.get())))),
            _ => Err(mistyped(raw, "a number")),
        }
    }
}

impl<'a, T: Read<'a>> Read<'a> for Vec<T> {
    fn read(raw: &'a RawValue) -> Result<Self, Wrong> {
        if !raw.get().starts_with('[') {
            return Err(mistyped(raw, "an array"));
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(raw.get()).map_err(|error| wrong(error.to_string()))?;
        let (mut values, mut wrong) = (Vec::with_capacity(items.len()), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            match T::read(item) {
                Ok(value) => values.push(value),
                Err(in_item) => wrong.extend(below(&format!("[{index}]"), in_item)),
            }
            if wrong.len() >= FIELD_ERRORS_MAX {
                break;
            }
        }
        if wrong.is_empty() { Ok(values) } else { Err(wrong) }
    }
}

impl Read<'_> for BTreeMap<String, String> {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let (members, mut wrong) = (Fields::of(raw)?.members, Vec::new());
        let mut map = Self::new();
        for (name, raw) in members {
            let place = shorten(&name);
            match String::read(raw) {
                Ok(value) => {
                    if map.insert(name, value).is_some() {
                        wrong.extend(below(&place, self::wrong("is given twice; give it once")));
                    }
                }
                Err(in_value) => wrong.extend(below(&place, in_value)),
            }
            if wrong.len() >= FIELD_ERRORS_MAX {
                break;
            }
        }
        if wrong.is_empty() { Ok(map) } else { Err(wrong) }
    }
}

/// All members of an object in their order, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
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
mod tests {
    use super::*;

    /// Reads fields of every sort and answers the paths of those that are wrong.
    fn wrong_in(text: &str) -> Vec<String> {
        let mut fields = Fields::of(parse(text).unwrap()).unwrap();
        fields.required::<String>("text");
        fields.given::<u32>("number");
        fields.optional::<Vec<String>>("list");
        fields.optional::<BTreeMap<String, String>>("map");
        fields.finish().err().unwrap_or_default().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn every_mistake_is_named_by_its_path() {
        for (text, expected) in [
            (r#"{"text":"t","number":1,"list":["a"],"map":{"a":"b"}}"#, &[][..]),
            (r#"{"text":"t","list":null}"#, &[]),
            (r#"{"number":null}"#, &["text", "number"]),
            (r#"{"text":"t","number":4294967296}"#, &["number"]),
            (r#"{"text":"t","number":-1}"#, &["number"]),
            (r#"{"text":"t","number":1e400}"#, &["number"]),
            (r#"{"text":"t","number":1.5}"#, &["number"]),
            (r#"{"text":"t","number":30.0}"#, &[]),
            (r#"{"text":"t","number":3e1}"#, &[]),
            (r#"{"text":"t","number":4294967296.0}"#, &["number"]),
            (
                r#"{"text":"t","list":["a",1,[]],"map":{"a":1,"b":"2","b":"3"}}"#,
                &["list[1]", "list[2]", "map.a", "map.b"],
            ),
            (r#"{"text":"t","te\u0078t":"t"}"#, &["text"]),
            (r#"{"text":"\udc00","other":1}"#, &["text", "other"]),
        ] {
            assert_eq!(wrong_in(text), expected, "{text}");
        }
    }

    #[test]
    fn absent_null_and_given_are_three_things() {
        let mut fields = Fields::of(parse(r#"{"null":null,"given":"g"}"#).unwrap()).unwrap();
        assert_eq!(fields.clearable::<String>("absent"), None);
        assert_eq!(fields.clearable::<String>("null"), Some(None));
        assert_eq!(fields.clearable::<String>("given"), Some(Some("g".to_owned())));
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn who_sends_an_unknown_field_is_told_which_there_are() {
        let mut fields = Fields::of(parse(r#"{"urls":[]}"#).unwrap()).unwrap();
        fields.given::<String>("url");
        fields.clearable::<String>("name");
        fields.refuse("dialect", "can't be changed");
        let wrong = fields.finish().unwrap_err();
        assert_eq!(wrong[0].message, "is not a field here; there are url, name");
    }

    #[test]
    fn millions_of_mistakes_are_answered_with_the_first_of_them() {
        let many: String = (0..100_000).map(|n| format!(r#","{n}":0"#)).collect();
        assert_eq!(wrong_in(&format!(r#"{{"text":"t"{many}}}"#)).len(), FIELD_ERRORS_MAX);
        let items = vec!["0"; 100_000].join(",");
        assert_eq!(wrong_in(&format!(r#"{{"text":"t","list":[{items}]}}"#)).len(), FIELD_ERRORS_MAX);
    }
}
