//! The matcher: which endpoints an event type is for. Knows no HTTP and no disk.
//!
//! Types repeat, so an answer is nearly always one look-up in a cache, dropped when the tenant's endpoints change. What
//! depends on more of an event than its type, the answer itself decides where the event is: see [`Matched`].

mod cache;

use std::{collections::HashMap, sync::Arc};

use actix::{Actor, Context, Handler, Message, MessageResult};
use casewire_data::{
    event::{EventType, Tenant},
    pattern::PatternIndex,
    route::{Matched, Terms},
};

use self::cache::Cache;

/// See the module.
#[derive(Debug, Default)]
pub struct Matcher {
    tenants: HashMap<Tenant, Subscriptions>,
    nothing: Arc<Matched>,
}

/// What the endpoints of one tenant subscribe to.
#[derive(Debug, Default)]
struct Subscriptions {
    endpoints: HashMap<u32, Arc<Terms>>,
    index: PatternIndex,
    cache: Cache,
}

impl Matcher {
    /// A matcher that has heard of these endpoints already.
    pub fn new(subscriptions: impl IntoIterator<Item = Subscribe>) -> Self {
        let mut matcher = Self::default();
        subscriptions.into_iter().for_each(|subscribe| matcher.subscribe(subscribe));
        matcher
    }

}

impl Subscriptions {
    fn matches(&mut self, event_type: &EventType) -> Arc<Matched> {
        if let Some(matched) = self.cache.get(event_type) {
            return matched.clone();
        }
        let ordinals = self.index.matches(event_type.as_str());
        let matched = Arc::new(Matched::new(ordinals.iter().filter_map(|it| self.endpoints.get(it))));
        self.cache.insert(event_type.clone(), matched.clone(), ordinals.len());
        matched
    }

    /// Takes a change in; whatever is remembered is forgotten unless the change makes no difference to it.
    fn change(&mut self, ordinal: u32, terms: Option<Terms>) {
        match (self.endpoints.get(&ordinal), &terms) {
            (None, None) => return,
            (Some(before), Some(now)) if before.agree_with(now) => return,
            _ => {}
        }
        if let Some(terms) = &terms {
            terms.patterns().iter().for_each(|pattern| self.index.insert(pattern, ordinal));
        }
        let before = match terms {
            Some(terms) => self.endpoints.insert(ordinal, Arc::new(terms)),
            None => self.endpoints.remove(&ordinal),
        };
        if let Some(before) = before {
            before.patterns().iter().for_each(|pattern| self.index.remove(pattern, ordinal));
        }
        self.cache.clear();
    }
}

impl Actor for Matcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // Every publisher's message passes here; the bound is the journal's queue, not this mailbox.
        context.set_mailbox_capacity(1_024);
    }
}

/// Which endpoints are these event types for?
#[derive(Debug, Message)]
#[rtype(result = "Vec<Arc<Matched>>")]
pub struct Match {
    /// Whose endpoints.
    pub tenant: Tenant,
    /// The types, answered in order.
    pub event_types: Vec<EventType>,
}

impl Matcher {
    /// What its actor answers.
    pub fn answer(&mut self, question: &Match) -> Vec<Arc<Matched>> {
        let types = question.event_types.iter();
        match self.tenants.get_mut(&question.tenant) {
            Some(tenant) => types.map(|event_type| tenant.matches(event_type)).collect(),
            None => types.map(|_| self.nothing.clone()).collect(),
        }
    }

    /// Takes in what its actor is told.
    pub fn subscribe(&mut self, message: Subscribe) {
        self.tenants.entry(message.tenant).or_default().change(message.ordinal, message.terms);
    }
}

impl Handler<Match> for Matcher {
    type Result = MessageResult<Match>;

    fn handle(&mut self, message: Match, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.answer(&message))
    }
}

/// An endpoint subscribes on these terms from now on; to nothing if it is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// Whose endpoint.
    pub tenant: Tenant,
    /// Its number.
    pub ordinal: u32,
    /// Its patterns, and what else decides on what it takes.
    pub terms: Option<Terms>,
}

impl Handler<Subscribe> for Matcher {
    type Result = ();

    fn handle(&mut self, message: Subscribe, _: &mut Self::Context) {
        self.subscribe(message);
    }
}

#[cfg(test)]
mod tests;
