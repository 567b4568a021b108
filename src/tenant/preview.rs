//! Which of the events so far an endpoint would have taken, before there is one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use casewire_actors::clock;
use casewire_data::{
    Result,
    endpoint::{EndpointContext, EndpointDraft},
    event::Event,
    route::{Choice, Terms},
    store::Store,
};

use super::{EventQuery, TenantHandle};

/// Events whose payloads are read at once: no reader keeps the others waiting for longer.
const EVENTS_AT_ONCE: usize = 50;
/// How long events are looked for in a log that is mostly others'.
const SEARCH_MAX: Duration = Duration::from_secs(1);

/// What an endpoint would have made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previewed {
    /// The event, without its payload.
    pub event: Event,
    /// Whether the endpoint would have taken it, or why not.
    pub choice: Choice,
}

impl TenantHandle {
    /// What an endpoint made of this draft would take of the tenant's last events, newest first, at most `last` of them.
    ///
    /// The draft is checked as at creation, but needs no URL and no secret, and nothing is stored or sent. Fewer events are
    /// looked at if there are no more, or the tenant's are so rare in the log that looking takes longer than a second.
    pub async fn preview_endpoint(&self, draft: EndpointDraft, last: usize) -> Result<Vec<Previewed>> {
        let config = &self.tree.config;
        let context = EndpointContext {
            dialects: &config.dialects,
            default_dialect: &config.default_dialect,
            egress: &config.egress,
            now: clock::wall(),
        };
        let endpoint = draft.into_preview(self.name.clone(), &context)?;
        let terms = Arc::new(Terms::new(Arc::new(endpoint), &config.dialects));

        let (mut previewed, mut after, begun) = (Vec::new(), None, Instant::now());
        while previewed.len() < last && begun.elapsed() < SEARCH_MAX {
            let limit = EVENTS_AT_ONCE.min(last - previewed.len());
            let page = self.events(EventQuery::default(), after, limit).await?;
            let terms = terms.clone();
            let choose = move |store: &Store| {
                page.items.into_iter().map(|event| choose(store, &terms, event)).collect::<Result<Vec<_>>>()
            };
            previewed.extend(self.tree.journal.read(choose).await??.into_iter().flatten());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(previewed)
    }
}

/// Nothing of an event that retention takes meanwhile.
fn choose(store: &Store, terms: &Terms, event: Event) -> Result<Option<Previewed>> {
    if !terms.takes_type(&event.content) {
        return Ok(Some(Previewed { event, choice: Choice::Pattern }));
    }
    let Some((whole, _)) = store.event(event.id)? else { return Ok(None) };
    let choice = terms.choose(&whole.content);
    Ok(Some(Previewed { event, choice }))
}
