//! The matcher: which endpoints an event type is for. Knows no HTTP and no disk.
//!
//! The actor owns the endpoints' patterns and works answers out, one after the other with the changes. What it has
//! answered every thread can read (`matcher/answers.rs`), until the tenant's endpoints change. What depends on more of an
//! event than its type, the answer itself decides where the event is: see [`Matched`].

mod answers;
mod cache;

use std::{collections::HashMap, sync::Arc};

use actix::{Actor, Addr, Context, Handler, MailboxError, Message, MessageResult};
use casewire_data::{
    event::{EventType, Tenant},
    pattern::PatternIndex,
    route::{Matched, Terms},
};

use self::answers::Answers;

/// The way to the matcher, for publishers and for whoever changes endpoints. Clones share it.
#[derive(Clone, Debug)]
pub struct Matching {
    matcher: Addr<Matcher>,
    answers: Arc<Answers>,
}

impl Matching {
    /// Starts the matcher, which has heard of these endpoints already. Must be called within an actix `System`.
    pub fn start(subscriptions: impl IntoIterator<Item = Subscribe>) -> Self {
        let matcher = Matcher::new(subscriptions);
        Self { answers: matcher.answers.clone(), matcher: matcher.start() }
    }

    /// Which endpoints these event types are for, in order. Every change sent before is in.
    pub async fn matches<'a>(
        &self,
        tenant: &Tenant,
        types: impl Iterator<Item = &'a EventType> + Clone,
    ) -> Result<Vec<Arc<Matched>>, MailboxError> {
        if let Some(remembered) = self.answers.all(tenant, types.clone()) {
            return Ok(remembered);
        }
        self.matcher.send(Match { tenant: tenant.clone(), event_types: types.cloned().collect() }).await
    }

    /// Whether it is remembered that an event type is for nobody. `false` may also mean that nobody has asked yet.
    pub fn is_known_to_match_nothing(&self, tenant: &Tenant, event_type: &EventType) -> bool {
        let remembered = self.answers.all(tenant, std::iter::once(event_type));
        remembered.is_some_and(|matched| matched.iter().all(|matched| matched.is_nothing()))
    }

    /// Sends a change; whoever asks after that is answered by it.
    pub fn change(&self, change: Subscribe) {
        self.answers.change_begins();
        self.matcher.do_send(change);
    }
}

/// The actor; see the module.
#[derive(Debug, Default)]
pub struct Matcher {
    tenants: HashMap<Tenant, Subscriptions>,
    answers: Arc<Answers>,
}

impl Matcher {
    /// A matcher that has heard of these endpoints already.
    pub fn new(subscriptions: impl IntoIterator<Item = Subscribe>) -> Self {
        let mut matcher = Self::default();
        subscriptions.into_iter().for_each(|subscribe| matcher.subscribe(subscribe));
        matcher
    }

    /// What the actor answers: read as publishers read it if all of it is remembered, else worked out.
    pub fn answer(&mut self, Match { tenant, event_types }: &Match) -> Vec<Arc<Matched>> {
        let remembered = self.answers.all(tenant, event_types.iter());
        remembered.unwrap_or_else(|| event_types.iter().map(|one| self.matches(tenant, one)).collect())
    }

    /// Takes a change in; whatever is remembered is forgotten unless the change makes no difference to it.
    pub fn subscribe(&mut self, Subscribe { tenant, ordinal, terms }: Subscribe) {
        if self.tenants.entry(tenant.clone()).or_default().change(ordinal, terms) {
            self.answers.forget(&tenant);
        }
    }

    fn matches(&mut self, tenant: &Tenant, event_type: &EventType) -> Arc<Matched> {
        if let Some(remembered) = self.answers.remembered(tenant, event_type) {
            return remembered;
        }
        let Some(subscriptions) = self.tenants.get(tenant) else { return self.answers.nothing() };
        let (matched, endpoints) = subscriptions.matches(event_type);
        self.answers.remember(tenant, event_type, &matched, endpoints);
        matched
    }
}

/// What the endpoints of one tenant subscribe to.
#[derive(Debug, Default)]
struct Subscriptions {
    endpoints: HashMap<u32, Arc<Terms>>,
    index: PatternIndex,
}

impl Subscriptions {
    /// What a type matches, and how many endpoints that is.
    fn matches(&self, event_type: &EventType) -> (Arc<Matched>, usize) {
        let ordinals = self.index.matches(event_type.as_str());
        let matched = Matched::new(ordinals.iter().filter_map(|it| self.endpoints.get(it)));
        (Arc::new(matched), ordinals.len())
    }

    /// Tells whether the change can make a difference to an answer.
    fn change(&mut self, ordinal: u32, terms: Option<Terms>) -> bool {
        match (self.endpoints.get(&ordinal), &terms) {
            (None, None) => return false,
            (Some(before), Some(now)) if before.agree_with(now) => return false,
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
        true
    }
}

impl Actor for Matcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // Publishers' messages pass here after a change; the bound is the journal's queue, not this mailbox.
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

impl Handler<Match> for Matcher {
    type Result = MessageResult<Match>;

    fn handle(&mut self, question: Match, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.answer(&question))
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
        self.answers.change_ends();
    }
}

#[cfg(test)]
mod tests;
