//! From an event whose type has matched to the endpoints that it goes to.
//!
//! Patterns are decided once per event type. What depends on the rest of the event is decided here, per event: scopes,
//! filters, and whether every dialect that is to say the event can say it. Both hold from publishing on, so that nothing is
//! stored that could never be delivered, and a receipt counts only what will be.

use std::{collections::HashMap, sync::Arc};

use crate::{
    dialect::{Dialect, Dialects, Params},
    endpoint::Endpoint,
    error::{Error, FieldError, Result},
    event::NewEvent,
    filter::{Lookout, Subject},
    pattern::Pattern,
};

/// The endpoints that an event goes to, by number, ascending.
pub type Routes = Arc<[u32]>;

/// On which terms an endpoint takes events, besides their types.
#[derive(Clone, Debug)]
pub struct Terms {
    endpoint: Arc<Endpoint>,
    /// Its dialect and what it brings to it. `None` if that is gone. It refuses nothing then: what the endpoint takes
    /// waits until the dialect is back.
    speaks: Option<(Arc<Dialect>, Arc<Params>)>,
}

impl Terms {
    /// The terms of an endpoint as it stands.
    pub fn new(endpoint: Arc<Endpoint>, dialects: &Dialects) -> Self {
        let speaks = dialects.get(&endpoint.dialect).ok().map(|dialect| {
            let params = dialect.complete_params(&endpoint.params);
            (dialect, params)
        });
        Self { endpoint, speaks }
    }

    /// The endpoint's number in routes.
    pub fn ordinal(&self) -> u32 {
        self.endpoint.ordinal
    }

    /// The event types that it takes.
    pub fn patterns(&self) -> &[Pattern] {
        &self.endpoint.events
    }

    /// Whether every event is answered as by these other terms: a change in between was about something else.
    pub fn agree_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (&*self.endpoint, &*other.endpoint);
        ours.events == theirs.events
            && ours.dialect == theirs.dialect
            && ours.params == theirs.params
            && ours.scope == theirs.scope
            && ours.filter == theirs.filter
    }

    /// Whether the endpoint takes every event of a type that it takes.
    fn take_all(&self) -> bool {
        self.endpoint.scope.is_everything() && self.endpoint.filter.is_none()
    }

    /// Whether the endpoint's dialect must be asked about each event.
    fn may_refuse(&self) -> bool {
        self.speaks.as_ref().is_some_and(|(dialect, _)| dialect.may_refuse())
    }

    fn takes(&self, subject: &Subject<'_>) -> bool {
        let is_fit = || self.endpoint.filter.as_ref().is_none_or(|filter| filter.takes(subject));
        self.is_within_scope(subject.event()) && is_fit()
    }

    fn is_within_scope(&self, event: &NewEvent) -> bool {
        let scope = &self.endpoint.scope;
        // What a sandbox takes nobody can tell without its dialect, and live data must not end there.
        let in_sandbox = || {
            let speaks = self.speaks.as_ref();
            speaks.is_some_and(|(dialect, _)| dialect.sandbox_takes(&self.endpoint.tenant, event))
        };
        scope.takes(event) && (!scope.sandbox || in_sandbox())
    }

    /// What the endpoint makes of an event, asked by itself.
    pub fn choose(&self, event: &NewEvent) -> Choice {
        if !self.takes_type(event) {
            return Choice::Pattern;
        }
        if !self.is_within_scope(event) {
            return Choice::Scope;
        }
        if let Some(filter) = &self.endpoint.filter {
            let lookout = Lookout::new([&**filter]);
            if let Some(path) = filter.unmet(&Subject::new(event, &lookout)) {
                return Choice::Filter(path.to_owned());
            }
        }
        match self.express(event) {
            Ok(()) => Choice::Taken,
            Err(error) => Choice::Dialect(error.message().to_owned()),
        }
    }

    /// Whether one of its patterns is for the event's type.
    pub fn takes_type(&self, event: &NewEvent) -> bool {
        self.patterns().iter().any(|pattern| pattern.matches(event.event_type.as_str()))
    }

    fn express(&self, event: &NewEvent) -> Result<()> {
        let Some((dialect, params)) = &self.speaks else { return Ok(()) };
        dialect.express(&self.endpoint.tenant, event, params)
    }

    /// What a publisher is told of fields that the endpoint's dialect cannot do without.
    fn refusal(&self, error: &Error) -> Error {
        let Endpoint { id, dialect, .. } = &*self.endpoint;
        let reword = |FieldError { field, message }: &FieldError| FieldError {
            field: field.clone(),
            message: format!(
                "endpoint {id} ({dialect}) could never be sent this event, as its `{field}` {message}; publish the \
                 event complete, or take its type out of the endpoint's `events`, or delete the endpoint"
            ),
        };
        Error::fields(error.field_errors().iter().map(reword).collect())
    }
}

/// What an endpoint makes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It takes it.
    Taken,
    /// None of its patterns is for the event's type.
    Pattern,
    /// The event is of another agency or source than those that it takes, or none for its sandbox.
    Scope,
    /// At this path the event has not what the filter asks for.
    Filter(String),
    /// Its dialect could never say the event; why. Publishing it would be refused.
    Dialect(String),
}

/// The endpoints whose patterns match one event type, arranged so that one event touches few of them.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// Those that take every event of the type.
    plain: Routes,
    /// Those that take some, ascending.
    scoped: Vec<Arc<Terms>>,
    /// Who has to say the event and may be unable to: a group for each dialect with the same params. Whoever of a group
    /// takes the event asks for all of it; one that takes every event does so alone.
    speakers: Vec<Vec<Arc<Terms>>>,
    /// Where the filters among them look.
    lookout: Lookout,
}

impl Matched {
    /// Arranges endpoints, given in ascending order.
    pub fn new<'a>(endpoints: impl IntoIterator<Item = &'a Arc<Terms>>) -> Self {
        let (mut plain, mut scoped, mut speakers) = (Vec::new(), Vec::new(), Vec::<Vec<Arc<Terms>>>::new());
        let mut groups = HashMap::new();
        for terms in endpoints {
            let Endpoint { dialect, params, .. } = &*terms.endpoint;
            let takes_all = terms.take_all();
            if takes_all {
                plain.push(terms.ordinal());
            } else {
                scoped.push(terms.clone());
            }
            if !terms.may_refuse() {
                continue;
            }
            let group = *groups.entry((dialect, params)).or_insert_with(|| {
                speakers.push(Vec::new());
                speakers.len() - 1
            });
            let group = &mut speakers[group];
            if group.last().is_some_and(|last| last.take_all()) {
                continue;
            }
            if takes_all {
                group.clear();
            }
            group.push(terms.clone());
        }
        let filters = scoped.iter().filter_map(|terms: &Arc<Terms>| terms.endpoint.filter.as_deref());
        Self { lookout: Lookout::new(filters), plain: plain.into(), scoped, speakers }
    }

    /// Whether no endpoint takes any event of the type.
    pub fn is_nothing(&self) -> bool {
        self.plain.is_empty() && self.scoped.is_empty()
    }

    /// Where an event goes. `Invalid` if a dialect that is to say it cannot: names the fields at fault, the endpoint and
    /// what to do.
    pub fn routes(&self, event: &NewEvent) -> Result<Routes> {
        self.routes_if(event, Terms::express)
    }

    fn routes_if(
        &self,
        event: &NewEvent,
        express: impl Fn(&Terms, &NewEvent) -> Result<()>,
    ) -> Result<Routes> {
        let subject = Subject::new(event, &self.lookout);
        for group in &self.speakers {
            if let Some(terms) = group.iter().find(|terms| terms.takes(&subject)) {
                express(terms, event).map_err(|error| terms.refusal(&error))?;
            }
        }
        Ok(self.taken_by(&subject))
    }

    /// Where an event of the engine's own goes, which has no publisher who could complete it: a dialect that cannot say
    /// it fails at that, for its endpoint alone.
    pub fn own_routes(&self, event: &NewEvent) -> Routes {
        self.taken_by(&Subject::new(event, &self.lookout))
    }

    fn taken_by(&self, subject: &Subject<'_>) -> Routes {
        let taken = self.scoped.iter().filter(|terms| terms.takes(subject)).map(|terms| terms.ordinal());
        let mut taken = taken.peekable();
        if taken.peek().is_none() {
            return self.plain.clone();
        }
        let mut routes: Vec<u32> = self.plain.iter().copied().chain(taken).collect();
        routes.sort_unstable();
        routes.into()
    }
}

#[cfg(test)]
mod tests;
