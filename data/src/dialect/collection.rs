//! All dialects that an engine speaks.

use std::{collections::BTreeMap, sync::Arc};

use super::{Dialect, Mistake};
use crate::{
    embedded,
    error::{Error, Result},
    limits,
};

/// See the module.
#[derive(Clone, Debug)]
pub struct Dialects {
    by_id: BTreeMap<String, Arc<Dialect>>,
}

impl Dialects {
    /// The dialects that Casewire brings along.
    pub fn builtin() -> Self {
        let dialects = embedded::DIALECTS.iter().map(|(name, text)| match Dialect::parse(text) {
            Ok(dialect) => dialect,
            Err(mistakes) => {
                unreachable!("a test compiles every file that is embedded: {name}: {mistakes:?}")
            }
        });
        Self { by_id: dialects.map(|dialect| (dialect.id.clone(), Arc::new(dialect))).collect() }
    }

    /// Adds an operator's own dialect from its file; one with the id of another takes its place.
    pub fn add(&mut self, text: &str) -> std::result::Result<Arc<Dialect>, Vec<Mistake>> {
        let dialect = Arc::new(Dialect::parse(text)?);
        self.by_id.insert(dialect.id.clone(), Arc::clone(&dialect));
        Ok(dialect)
    }

    /// The dialect of an id such as `xpath@1`; the error names all that there are.
    pub fn get(&self, id: &str) -> Result<Arc<Dialect>> {
        self.by_id.get(id).cloned().ok_or_else(|| {
            let known: Vec<_> = self.ids().collect();
            let message =
                format!("there is no dialect `{}`; choose from {}", limits::shorten(id), known.join(", "));
            Error::field("dialect", message)
        })
    }

    /// The ids of all dialects, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }

    /// All dialects, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Dialect>> {
        self.by_id.values()
    }

    /// Whether a dialect sets this header, on a delivery or to shake hands, so that nobody may pose as its system by
    /// configuration.
    pub fn sets_header(&self, name: &str) -> bool {
        self.all().any(|dialect| {
            let handshake = dialect.handshake.iter().flat_map(|handshake| handshake.headers.names());
            dialect.header_names().chain(handshake).any(|known| known.eq_ignore_ascii_case(name))
        })
    }
}
