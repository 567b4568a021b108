//! Picks one value out of JSON, as it is written there.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The value at a path of member names and indices, byte for byte; absent if the path leads nowhere.
///
/// Of members with the same name the last one counts, as in most readers of JSON.
pub(super) fn pick<'a>(json: &'a [u8], path: &[Box<str>]) -> Option<&'a str> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Pick(path).deserialize(&mut deserializer).ok().flatten()
}

struct Pick<'p>(&'p [Box<str>]);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return serde::Deserialize::deserialize(deserializer).map(|raw: &RawValue| Some(raw.get()));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((name, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(wanted) = map.next_key_seed(Is(name))? {
            if wanted {
                found = map.next_value_seed(Pick(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Some((name, rest)) = self.0.split_first() else { return Ok(None) };
        let wanted = name.parse().unwrap_or(usize::MAX);
        let mut found = None;
        for index in 0_usize.. {
            let item = if index == wanted {
                items.next_element_seed(Pick(rest))?.map(|item| found = item)
            } else {
                items.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if item.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a member has this name.
struct Is<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(json: &'a str, path: &str) -> Option<&'a str> {
        let path: Vec<Box<str>> = path.split('.').filter(|name| !name.is_empty()).map(Into::into).collect();
        pick(json.as_bytes(), &path)
    }

    #[test]
    fn what_is_picked_is_what_is_written() {
        let json = r#" {"a":{"b":[1.0, {"c" : "\u00e9\/"}],"b2":1e400},"n":null, "u\u0062":7} "#;
        for (path, value) in [
            ("a.b", r#"[1.0, {"c" : "\u00e9\/"}]"#),
            ("a.b.0", "1.0"),
            ("a.b.1.c", r#""\u00e9\/""#),
            ("a.b2", "1e400"),
            ("n", "null"),
            ("ub", "7"),
            ("", json.trim()),
        ] {
            assert_eq!(at(json, path), Some(value), "{path}");
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_picks_nothing() {
        let json = r#"{"a":{"b":[1]},"s":"x","f":1.5,"t":true,"i":-1}"#;
        for path in ["b", "a.c", "a.b.1", "a.b.x", "s.x", "f.x", "t.x", "i.x", "a.b.0.c"] {
            assert_eq!(at(json, path), None, "{path}");
        }
        assert_eq!(at("{\"a\":1,\"a\":2}", "a"), Some("2"));
        assert_eq!(at("1e400", "a"), None);
        assert_eq!(at("{\"a\"", "a"), None);
    }
}
