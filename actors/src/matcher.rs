//! The matcher: which endpoints an event type is for. Knows no HTTP and no disk.
//!
//! The actor owns the endpoints' patterns and works answers out, one after the other with the changes. What it has
//! answered every thread can read (see [`answers`]), until the tenant's endpoints change. What depends on more of an
//! event than its type, the answer itself decides where the event is: see [`Matched`].

mod answers;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

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
    /// Starts the matcher. Must be called within an actix `System`.
    pub fn start() -> Self {
        let matcher = Matcher::default();
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
    fn matches(&mut self, tenant: &Tenant, event_type: &EventType) -> Arc<Matched> {
        if let Some(remembered) = self.answers.remembered(tenant, event_type) {
            return remembered;
        }
        let Some(subscriptions) = self.tenants.get_mut(tenant) else { return self.answers.nothing() };
        let matched = subscriptions.matches(event_type);
        self.answers.remember(tenant, event_type, matched.clone());
        matched
    }

    /// Takes a change in; whatever is remembered is forgotten unless the change makes no difference to it.
    fn change(&mut self, Subscribe { tenant, ordinal, terms }: Subscribe) {
        if self.tenants.entry(tenant.clone()).or_default().change(ordinal, terms) {
            self.answers.forget(&tenant);
        }
    }
}

/// What the endpoints of one tenant subscribe to.
#[derive(Debug, Default)]
struct Subscriptions {
    endpoints: BTreeMap<u32, Arc<Terms>>,
    /// Built at the first match after a change.
    index: Option<PatternIndex>,
}

impl Subscriptions {
    fn matches(&mut self, event_type: &EventType) -> Arc<Matched> {
        let index = self.index.get_or_insert_with(|| {
            let each = self.endpoints.iter();
            PatternIndex::new(
                each.flat_map(|(ordinal, terms)| terms.patterns().iter().map(|one| (one.clone(), *ordinal))),
            )
        });
        let ordinals = index.matches(event_type.as_str());
        Arc::new(Matched::new(ordinals.iter().filter_map(|it| self.endpoints.get(it))))
    }

    /// Tells whether the change can make a difference to an answer.
    fn change(&mut self, ordinal: u32, terms: Option<Terms>) -> bool {
        match (self.endpoints.get(&ordinal), &terms) {
            (None, None) => return false,
            (Some(before), Some(now)) if before.agree_with(now) => return false,
            _ => {}
        }
        match terms {
            Some(terms) => self.endpoints.insert(ordinal, Arc::new(terms)),
            None => self.endpoints.remove(&ordinal),
        };
        self.index = None;
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
struct Match {
    /// Whose endpoints.
    tenant: Tenant,
    /// The types, answered in order.
    event_types: Vec<EventType>,
}

impl Handler<Match> for Matcher {
    type Result = MessageResult<Match>;

    fn handle(&mut self, Match { tenant, event_types }: Match, _: &mut Self::Context) -> Self::Result {
        MessageResult(event_types.iter().map(|event_type| self.matches(&tenant, event_type)).collect())
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
        self.change(message);
        self.answers.change_ends();
    }
}

#[cfg(test)]
mod tests;
