//! What a dialect must know of an endpoint beyond its events: the tables `[params.NAME]` of its file.

use std::collections::BTreeMap;

use super::{condition::Kind, context::Params, file::Section};
use crate::{
    error::{Error, FieldError, Result},
    limits,
};

/// One parameter that endpoints of the dialect give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name: `tenant_id`.
    pub name: Box<str>,
    /// What it is for, in a line.
    pub summary: String,
    /// What stands in for it where an endpoint leaves it out; without one it must be given.
    pub default: Option<String>,
    kind: Kind,
}

impl Param {
    /// What its values are like, in words: "a UUID".
    pub fn kind(&self) -> String {
        self.kind.to_string()
    }
}

pub(super) fn read(section: Section<'_, '_>) -> Vec<Param> {
    let read = |(name, value): (super::file::Text<'_, '_>, super::file::Value<'_, '_>)| {
        let mut section = value.section()?;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let bytes_max = limits::PARAM_NAME_BYTES_MAX;
        if !(1..=bytes_max).contains(&name.value.len()) || !name.value.bytes().all(allowed) {
            name.wrong(format!("is not a parameter's name; use 1 to {bytes_max} of a-z, 0-9 and _"));
        }
        let summary = section.words("summary");
        let kind = section.text("kind");
        let kind = kind.map_or(Some(Kind::Text), |kind| Kind::read(&kind));
        let default = section.text("default");
        section.finish();
        let kind = kind?;
        if let Some(default) = default.as_ref().filter(|default| !kind.fits(&default.value)) {
            default.wrong(format!("is not {kind}"));
        }
        Some(Param {
            name: name.value.as_str().into(),
            summary: summary?.value,
            default: default.map(|default| default.value),
            kind,
        })
    };
    section.entries().into_iter().filter_map(read).collect()
}

/// Checks the parameters that an endpoint gives, and names every one that is missing, unknown or wrong.
pub(super) fn check(params: &[Param], given: &BTreeMap<String, String>, dialect: &str) -> Result<()> {
    let mut wrong = Vec::new();
    let mut note = |name: &str, message: String| {
        let field = format!("params.{}", limits::shorten(name));
        wrong.push(FieldError { field, message });
    };
    for param in params {
        match given.get(&*param.name) {
            None if param.default.is_none() => {
                note(&param.name, format!("is missing; {dialect} needs it: {}", param.summary));
            }
            Some(value) if !param.kind.fits(value) => {
                note(&param.name, format!("is not {}; it is: {}", param.kind, param.summary));
            }
            _ => {}
        }
    }
    for name in given.keys().filter(|name| params.iter().all(|param| *param.name != ***name)) {
        let known: Vec<_> = params.iter().map(|param| &*param.name).collect();
        let choice = match known[..] {
            [] => format!("{dialect} takes none; leave it out"),
            _ => format!("{dialect} takes {}", known.join(", ")),
        };
        note(name, format!("is not a parameter here; {choice}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
}

/// What was given, with defaults for the rest.
pub(super) fn complete(params: &[Param], given: &BTreeMap<String, String>) -> Params {
    let value = |param: &Param| given.get(&*param.name).or(param.default.as_ref()).cloned();
    Params(params.iter().filter_map(|param| Some((param.name.clone(), value(param)?))).collect())
}
