//! How a host hands its events over.

use casewire_data::{
    Error, ErrorKind, Result, Timestamp,
    event::{Actor, NewEvent, Resource, Tenant},
    id::EventId,
    limits, operational,
    schema::Effort,
    store::{Publication, Published},
};
use serde::Serialize;

use crate::engine::gone;

/// An event of the host's own: its fields, serialised as JSON, are the payload.
pub trait Event: Serialize {
    /// What happened, as a dotted name: `cases.created`.
    fn event_type(&self) -> &str;

    /// When it happened; the time of publishing unless overridden.
    fn occurred_at(&self) -> Option<Timestamp> {
        None
    }

    /// Who caused it.
    fn actor(&self) -> Option<Actor> {
        None
    }

    /// What it is about: deliveries can be kept in order by it.
    fn resource(&self) -> Option<Resource> {
        None
    }

    /// The agency that it belongs to.
    fn agency(&self) -> Option<String> {
        None
    }

    /// Publishing again with this key within 24 h stores the event once.
    fn idempotency_key(&self) -> Option<String> {
        None
    }
}

/// Publishes for one tenant. Cheap to clone; usable from any thread and any runtime.
#[derive(Clone)]
pub struct Publisher {
    tree: casewire_actors::Tree,
    tenant: Tenant,
}

/// The answer to a publish: the event is on disk and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event's id; the first one's if this is a duplicate.
    pub id: EventId,
    /// How many endpoints it matched.
    pub deliveries: usize,
    /// Whether the idempotency key was seen before, within 24 h.
    pub duplicate: bool,
}

impl Publisher {
    pub(crate) fn new(tree: casewire_actors::Tree, tenant: Tenant) -> Self {
        Self { tree, tenant }
    }

    /// Publishes an event; answers when it and the list of endpoints that it matched are on disk and synced.
    ///
    /// `Invalid` names the fields at fault, those that do not fit the type's schema among them, and the endpoint if it is one whose dialect could not say the event without
    /// them; `Conflict` is an idempotency key used for another event, `Busy` a full queue (publish again shortly),
    /// `Storage` a disk that fails. After an error other than `Invalid`, `Conflict` or
    /// `Busy` the event may or may not be stored; publish it again with the same idempotency key.
    pub async fn publish(&self, event: &impl Event) -> Result<Receipt> {
        let data = serde_json::to_vec(event).map_err(|error| {
            Error::field("data", format!("the event does not serialise as JSON: {error}"))
        })?;
        let mut new = NewEvent::new(event.event_type(), data)?;
        new.occurred_at = event.occurred_at();
        new.actor = event.actor();
        new.resource = event.resource();
        new.agency = event.agency();
        new.idempotency_key = event.idempotency_key();
        self.publish_event(new).await
    }

    /// Publishes a payload that is JSON already; it is passed on byte for byte. Answers as [`Publisher::publish`].
    pub async fn publish_json(&self, event_type: &str, data: &str) -> Result<Receipt> {
        self.publish_event(NewEvent::new(event_type, data.to_owned())?).await
    }

    /// Publishes an event with all that can be said of it. Answers as [`Publisher::publish`].
    pub async fn publish_event(&self, event: NewEvent) -> Result<Receipt> {
        check(&event)?;
        let mut receipts = self.commit(vec![event], |_, error| error).await?;
        receipts.pop().ok_or_else(gone)
    }

    /// Publishes up to 1,000 events, all or nothing, with one durable write. The error names the events at fault, and the first
    /// of them in its message.
    pub async fn publish_batch(&self, events: Vec<NewEvent>) -> Result<Vec<Receipt>> {
        if events.is_empty() || events.len() > limits::BATCH_EVENTS_MAX {
            let message =
                format!("a batch has 1 to {} events, not {}", limits::BATCH_EVENTS_MAX, events.len());
            return Err(Error::field("events", message));
        }
        let refusal = |(index, event)| Some(check(event).err()?.under(&format!("events[{index}]")));
        let refused: Vec<_> = events.iter().enumerate().filter_map(refusal).collect();
        if !refused.is_empty() {
            return Err(Error::of_batch(refused, events.len()));
        }
        self.commit(events, |index, error| error.under(&format!("events[{index}]"))).await
    }

    /// `place` says of an error which of the events it is about.
    async fn commit(
        &self,
        events: Vec<NewEvent>,
        place: impl Fn(usize, Error) -> Error,
    ) -> Result<Vec<Receipt>> {
        if let Some(failure) = self.tree.failure() {
            return Err(match failure.kind() {
                ErrorKind::Closed => failure,
                // Whatever failed, to the publisher it is the disk that takes nothing.
                _ => Error::new(
                    ErrorKind::Storage,
                    format!("nothing is accepted since the journal failed: {failure}"),
                ),
            });
        }
        let event_types = events.iter().map(|event| &event.event_type);
        let matched = self.tree.matcher.matches(&self.tenant, event_types).await.map_err(|_| gone())?;
        let mut effort = Effort::default();
        let routed = events.into_iter().zip(matched).enumerate().map(|(index, (event, matched))| {
            // Refused with the event in hand, since one that repeats an earlier event by its key is not refused.
            let routes = self.check_schema(&event, &mut effort).and_then(|()| matched.routes(&event));
            (event, routes.map_err(|error| place(index, error)))
        });
        let events = routed.collect();
        let published =
            self.tree.journal.publish(Publication { tenant: self.tenant.clone(), events }).await?;
        Ok(published.into_iter().map(receipt).collect())
    }

    /// Whether an event is as the schema has it that is registered for its type now.
    fn check_schema(&self, event: &NewEvent, effort: &mut Effort) -> Result<()> {
        let registered = self.tree.directory.with_schema(&self.tenant, &event.event_type);
        registered.map_or(Ok(()), |registered| registered.check(&event.data, effort))
    }
}

/// Whether a host may publish it.
fn check(event: &NewEvent) -> Result<()> {
    event.check()?;
    operational::refuse_reserved(&event.event_type)
}

fn receipt(published: Published) -> Receipt {
    Receipt { id: published.id, deliveries: published.deliveries, duplicate: published.fresh.is_none() }
}
