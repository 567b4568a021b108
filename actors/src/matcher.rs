//! The matcher: which endpoints an event type is for. Knows no HTTP and no disk.
//!
//! Types repeat, so an answer is nearly always one look-up in a cache, dropped when the tenant's endpoints change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use actix::{Actor, Context, Handler, Message, MessageResult};
use casewire_data::{
    event::{EventType, Tenant},
    pattern::{Pattern, PatternIndex},
};

/// Event types of one tenant whose matches are remembered.
const CACHED_TYPES_MAX: usize = 10_000;

/// The endpoints that an event is for, by number, ascending.
pub type Routes = Arc<[u32]>;

/// See the module.
#[derive(Debug, Default)]
pub struct Matcher {
    tenants: HashMap<Tenant, TenantPatterns>,
}

#[derive(Debug, Default)]
struct TenantPatterns {
    patterns: BTreeMap<u32, Vec<Pattern>>,
    /// Built at the first match after a change.
    index: Option<PatternIndex>,
    cache: HashMap<EventType, Routes>,
}

impl TenantPatterns {
    fn matches(&mut self, event_type: &EventType) -> Routes {
        if let Some(routes) = self.cache.get(event_type) {
            return routes.clone();
        }
        let index = self.index.get_or_insert_with(|| {
            let each = self.patterns.iter();
            PatternIndex::new(
                each.flat_map(|(ordinal, patterns)| patterns.iter().map(|one| (one.clone(), *ordinal))),
            )
        });
        let routes: Routes = index.matches(event_type.as_str()).into();
        if self.cache.len() >= CACHED_TYPES_MAX {
            self.cache.clear();
        }
        self.cache.insert(event_type.clone(), routes.clone());
        routes
    }

    fn changed(&mut self) {
        self.index = None;
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
#[rtype(result = "Vec<Routes>")]
pub struct Match {
    /// Whose endpoints.
    pub tenant: Tenant,
    /// The types, answered in order.
    pub event_types: Vec<EventType>,
}

impl Handler<Match> for Matcher {
    type Result = MessageResult<Match>;

    fn handle(&mut self, message: Match, _: &mut Self::Context) -> Self::Result {
        let routes = match self.tenants.get_mut(&message.tenant) {
            Some(tenant) => message.event_types.iter().map(|event_type| tenant.matches(event_type)).collect(),
            None => message.event_types.iter().map(|_| Routes::default()).collect(),
        };
        MessageResult(routes)
    }
}

/// An endpoint subscribes to these patterns from now on; to none if it is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// Whose endpoint.
    pub tenant: Tenant,
    /// Its number.
    pub ordinal: u32,
    /// Its patterns.
    pub patterns: Vec<Pattern>,
}

impl Handler<Subscribe> for Matcher {
    type Result = ();

    fn handle(&mut self, message: Subscribe, _: &mut Self::Context) {
        let tenant = self.tenants.entry(message.tenant).or_default();
        if tenant.patterns.get(&message.ordinal) == Some(&message.patterns) {
            return;
        }
        if message.patterns.is_empty() {
            tenant.patterns.remove(&message.ordinal);
        } else {
            tenant.patterns.insert(message.ordinal, message.patterns);
        }
        tenant.changed();
    }
}
