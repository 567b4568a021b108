//! A scope: which of the events that its patterns match an endpoint takes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    event::NewEvent,
    limits,
    seldom::Usual,
};

/// By which way an event came about: an actor's kind that an endpoint can choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A person, at a screen.
    Ui,
    /// A program.
    Api,
}

impl Source {
    /// The source of an actor's kind; the error names those that there are.
    pub fn parse(kind: &str) -> Result<Self> {
        Self::of(kind).ok_or_else(|| {
            let message = format!("`{}` is not a source; choose `ui` or `api`", limits::shorten(kind));
            Error::field("source", message)
        })
    }

    /// The actor's kind that it stands for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ui => "ui",
            Self::Api => "api",
        }
    }

    fn of(kind: &str) -> Option<Self> {
        [Self::Ui, Self::Api].into_iter().find(|source| source.as_str() == kind)
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventScope {
    /// The agencies whose events are taken; empty for all, and then those of no agency too.
    #[serde(default)]
    pub agencies: BTreeSet<String>,
    /// The sources whose events are taken; empty for all, and then those of other actors or none too.
    #[serde(default)]
    pub sources: BTreeSet<Source>,
    /// Whether only what the sandbox of the dialect's system takes is taken; what that is, the dialect knows.
    #[serde(default)]
    pub sandbox: bool,
}

impl Usual for EventScope {
    const USUAL: &'static Self =
        &Self { agencies: BTreeSet::new(), sources: BTreeSet::new(), sandbox: false };
}

impl EventScope {
    /// Whether it leaves nothing out.
    pub fn is_everything(&self) -> bool {
        self.agencies.is_empty() && self.sources.is_empty() && !self.sandbox
    }

    /// Whether an event is of one of its agencies and sources.
    pub fn takes(&self, event: &NewEvent) -> bool {
        let of_agency = || event.agency.as_ref().is_some_and(|agency| self.agencies.contains(agency));
        let of_source = || {
            let source = event.actor.as_ref().and_then(|actor| Source::of(&actor.kind));
            source.is_some_and(|source| self.sources.contains(&source))
        };
        (self.agencies.is_empty() || of_agency()) && (self.sources.is_empty() || of_source())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Actor;

    fn event(agency: Option<&str>, kind: Option<&str>) -> NewEvent {
        let mut event = NewEvent::new("claim.assigned", "{}").unwrap();
        event.agency = agency.map(str::to_owned);
        event.actor = kind.map(|kind| Actor { kind: kind.to_owned(), id: None, name: None });
        event
    }

    fn scope(agencies: &[&str], sources: &[Source]) -> EventScope {
        EventScope {
            agencies: agencies.iter().map(|&agency| agency.to_owned()).collect(),
            sources: sources.iter().copied().collect(),
            sandbox: false,
        }
    }

    #[test]
    fn agencies_and_sources_must_both_be_met_and_an_empty_set_is_met_by_all() {
        let north_ui = event(Some("north"), Some("ui"));
        for (scope, event, taken) in [
            (scope(&[], &[]), event(None, None), true),
            (scope(&[], &[]), event(Some("north"), Some("robot")), true),
            (scope(&["north", "south"], &[]), north_ui.clone(), true),
            (scope(&["south"], &[]), north_ui.clone(), false),
            (scope(&["North"], &[]), north_ui.clone(), false),
            (scope(&["north"], &[]), event(None, Some("ui")), false),
            (scope(&[], &[Source::Ui]), north_ui.clone(), true),
            (scope(&[], &[Source::Ui, Source::Api]), event(None, Some("api")), true),
            (scope(&[], &[Source::Api]), north_ui.clone(), false),
            (scope(&[], &[Source::Ui, Source::Api]), event(None, Some("robot")), false),
            (scope(&[], &[Source::Ui]), event(None, None), false),
            (scope(&["north"], &[Source::Ui]), north_ui.clone(), true),
            (scope(&["north"], &[Source::Api]), north_ui.clone(), false),
            (scope(&["south"], &[Source::Ui]), north_ui, false),
        ] {
            assert_eq!(scope.takes(&event), taken, "{scope:?} {event:?}");
        }
    }

    #[test]
    fn only_a_scope_without_any_condition_is_everything() {
        assert!(EventScope::default().is_everything());
        let sandbox = EventScope { sandbox: true, ..EventScope::default() };
        for narrow in [scope(&["a"], &[]), scope(&[], &[Source::Ui, Source::Api]), sandbox] {
            assert!(!narrow.is_everything(), "{narrow:?}");
        }
    }

    #[test]
    fn a_source_is_written_as_the_kind_of_actor_that_it_stands_for() {
        for source in [Source::Ui, Source::Api] {
            assert_eq!(Source::parse(source.as_str()).unwrap(), source);
        }
        let error = Source::parse("UI").unwrap_err().to_string();
        assert!(error.contains("`ui` or `api`"), "{error}");
    }
}
