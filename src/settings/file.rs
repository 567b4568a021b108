//! The TOML file of settings: flat, and every key known.

use std::{fs, ops::Range, path::Path};

use casewire_data::{Error, ErrorKind};
use toml::de::{DeTable, DeValue};

use super::{KEYS, Key};

/// One line of the file, its value as the other sources would write it.
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) value: String,
    /// The file, the line and the key, for an error.
    pub(super) source: String,
}

/// Reads the file, in the order of its lines. An unknown key is an error with its line.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            format!("cannot read {shown}: {error}; name the file of settings with --config"),
        )
    })?;
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line_of(&text, error.span().unwrap_or_default());
        Error::new(ErrorKind::Invalid, format!("{shown} line {line}: {}", error.message()))
    })?;
    let mut entries = Vec::new();
    for (name, value) in table.get_ref() {
        let line = line_of(&text, name.span());
        let source = format!("{shown} line {line}, {}", name.get_ref());
        let entry = entry(name.get_ref(), value.get_ref(), source.clone())
            .map_err(|why| Error::new(ErrorKind::Invalid, format!("{source}: {why}")))?;
        entries.push((line, entry));
    }
    entries.sort_by_key(|(line, _)| *line);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn entry(name: &str, value: &DeValue<'_>, source: String) -> Result<Entry, String> {
    let key = KEYS.iter().find(|key| key.name() == name).ok_or_else(|| {
        let known: Vec<_> = KEYS.iter().map(Key::name).collect();
        format!("there is no such setting; choose from {}", known.join(", "))
    })?;
    let value = plain(value)
        .ok_or_else(|| format!("is a {}; give a plain value or a list of them", value.type_str()))?;
    Ok(Entry { key, value, source })
}

/// A value as an environment variable would spell it; a list is joined with commas.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i128::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| plain(item.get_ref())).collect();
            items.map(|items| items.join(","))
        }
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// Lines count from 1.
fn line_of(text: &str, span: Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
}
