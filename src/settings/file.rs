//! The TOML file of settings: flat but for `[tenants.NAME]`, and every key known.

use std::{fs, ops::Range, path::Path};

use casewire_data::{Error, ErrorKind, event::Tenant};
use toml::de::{DeTable, DeValue};

use super::{
    KEYS, Key,
    tenants::{TENANT_KEYS, TenantKey},
};

/// One line of the file, its value as the other sources would write it.
pub(super) struct Entry {
    pub(super) setting: Setting,
    pub(super) value: String,
    /// The file, the line and the key, for an error.
    pub(super) source: String,
}

/// What a line sets.
pub(super) enum Setting {
    Engine(&'static Key),
    Tenant(Tenant, &'static TenantKey),
}

/// The table of tenants, each a table of its settings.
const TENANTS: &str = "tenants";

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
        let key = key_of(&text, line).map(|key| format!(", {key}")).unwrap_or_default();
        Error::new(ErrorKind::Invalid, format!("{shown} line {line}{key}: {}", error.message()))
    })?;
    let mut entries = Vec::new();
    let mut add = |path: &[&str], span, value: &DeValue<'_>| {
        let line = line_of(&text, span);
        let source = format!("{shown} line {line}, {}", path.join("."));
        let read = setting(path).and_then(|setting| {
            let value = plain(value)
                .ok_or_else(|| format!("is a {}; give a plain value or a list of them", value.type_str()))?;
            Ok(Entry { setting, value, source: source.clone() })
        });
        let entry = read.map_err(|why| Error::new(ErrorKind::Invalid, format!("{source}: {why}")))?;
        entries.push((line, entry));
        Ok(())
    };
    for (name, value) in table.get_ref() {
        match value.get_ref() {
            DeValue::Table(tenants) if name.get_ref() == TENANTS => {
                for (tenant, settings) in tenants {
                    match settings.get_ref() {
                        DeValue::Table(settings) => {
                            for (setting, value) in settings {
                                let path = [TENANTS, tenant.get_ref(), setting.get_ref()];
                                add(&path, setting.span(), value.get_ref())?;
                            }
                        }
                        value => add(&[TENANTS, tenant.get_ref()], tenant.span(), value)?,
                    }
                }
            }
            value => add(&[name.get_ref()], name.span(), value)?,
        }
    }
    entries.sort_by_key(|(line, _)| *line);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn setting(path: &[&str]) -> Result<Setting, String> {
    let choose = |known: Vec<String>| format!("there is no such setting; choose from {}", known.join(", "));
    match path {
        [TENANTS, tenant, name] => {
            let tenant = Tenant::new(tenant).map_err(|error| error.message().to_owned())?;
            let key = TENANT_KEYS.iter().find(|key| key.name == *name);
            let known = || choose(TENANT_KEYS.iter().map(|key| key.name.to_owned()).collect());
            key.map(|key| Setting::Tenant(tenant, key)).ok_or_else(known)
        }
        [TENANTS, ..] => Err("write a tenant's settings under [tenants.NAME]".to_owned()),
        path => {
            let name = path.concat();
            let key = KEYS.iter().find(|key| key.name() == name);
            key.map(Setting::Engine).ok_or_else(|| choose(KEYS.iter().map(Key::name).collect()))
        }
    }
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

/// The key before the `=` of a line, which is not TOML. Never what stands behind it: that may be a token.
fn key_of(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line - 1)?.split_once('=')?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    Some(key.trim()).filter(|key| !key.is_empty() && key.chars().all(is_key))
}

/// Lines count from 1.
fn line_of(text: &str, span: Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
}
