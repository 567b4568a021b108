//! The trial of an endpoint: which event it is sent, and that it is sent.

use std::sync::Arc;

use casewire_actors::registry::Try;
use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action},
    catalogue,
    endpoint::Endpoint,
    event::{Event, EventType, NewEvent, TEST_TAG},
    id::EndpointId,
    samples,
    store::Publication,
};

use super::TenantHandle;
use crate::engine::gone;

pub use casewire_actors::trial::TrialReport;

/// What an endpoint was sent as a test, and how that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTrial {
    /// The event, which is stored and tagged `casewire.test`.
    pub event: Arc<Event>,
    /// How it went.
    pub report: TrialReport,
}

impl TenantHandle {
    /// Sends an endpoint a sample event, signed and in its dialect like any other, at once and once: whatever waits for it,
    /// and even if it is paused. Answers when the attempt is over.
    ///
    /// The event is of the type given, or of the first that the endpoint takes; it is the catalogue's sample, if there is
    /// one. It is stored, tagged `casewire.test`, and goes to no other endpoint. From the answer on its delivery is listed
    /// like any other, delivered or dead, which it is after one attempt: it is not retried, no replay sends it again, and
    /// it neither heeds the endpoint's limits nor throttles, disables or warns of the endpoint. `Invalid` for a type that the
    /// endpoint does not take or that its dialect cannot say, `Busy` if too many tests are under way.
    pub async fn test_endpoint(
        &self,
        id: EndpointId,
        event_type: Option<EventType>,
    ) -> Result<EndpointTrial> {
        let endpoint = self.endpoint(id).await?.endpoint;
        let event = self.sample_event(&endpoint, event_type)?;
        let act = Act::new(&self.name, self.by.clone(), Action::EndpointTest, id);
        self.tree.journal.audited(act, None).await?;
        let events = vec![(event, Ok(Arc::from([])))];
        let mut published =
            self.tree.journal.publish(Publication { tenant: self.name.clone(), events }).await?;
        let (event, _) = published.pop().and_then(|published| published.fresh).ok_or_else(gone)?;
        let attempt = Try { tenant: self.name.clone(), id, event: event.clone() };
        let report = self.tree.registry.send(attempt).await.map_err(|_| gone())??;
        Ok(EndpointTrial { event, report })
    }

    /// The event that an endpoint is tested with.
    fn sample_event(&self, endpoint: &Endpoint, event_type: Option<EventType>) -> Result<NewEvent> {
        let dialect = self.tree.config.dialects.get(&endpoint.dialect).map_err(|error| {
            Error::new(ErrorKind::Conflict, format!("the endpoint cannot be sent anything: {error}"))
        })?;
        let takes = |one: &EventType| endpoint.events.iter().any(|pattern| pattern.matches(one.as_str()));
        let event_type = match event_type {
            Some(one) if !takes(&one) => {
                let message =
                    format!("`{one}` is not what the endpoint takes; choose a type of its `events`");
                return Err(Error::field("type", message));
            }
            Some(one) => one,
            None => {
                let registered = self.tree.directory.event_types(&self.name).into_iter();
                let registered = registered.map(|registered| registered.event_type.clone());
                let shipped = catalogue::shipped(&dialect).map(|shipped| shipped.event_type);
                let named = endpoint.events.iter().filter_map(|it| EventType::new(it.as_str()).ok());
                let mut known = named.chain(registered).chain(shipped).filter(|it| takes(it));
                known.find(|it| dialect.can_be_sent(it)).ok_or_else(|| {
                    Error::field("type", "is required: the catalogue knows no type that the endpoint takes")
                })?
            }
        };
        let registered = self.tree.directory.event_type(&self.name, &event_type);
        let system = endpoint.dialect.split('@').next().unwrap_or_default();
        let sample = samples::event(system, event_type.as_str()).map(samples::parse).transpose()?;
        let mut event = match sample {
            Some(sample) => sample,
            None => NewEvent::new(event_type.as_str(), r#"{"test":true}"#)?,
        };
        if let Some(sample) = registered.as_ref().and_then(|registered| registered.sample.clone()) {
            event.data = sample.into();
        }
        event.idempotency_key = None;
        event.tags.insert(TEST_TAG.to_owned(), "true".to_owned());
        let params = dialect.complete_params(&endpoint.params);
        dialect.express(&self.name, &event, &params).map_err(|error| {
            let places: Vec<_> = error
                .field_errors()
                .iter()
                .map(|wrong| format!("`{}` {}", wrong.field, wrong.message))
                .collect();
            let message = format!(
                "`{event_type}` has no sample that {} can say ({}); register one, or choose another type",
                dialect.id(),
                places.join("; ")
            );
            Error::field("type", message)
        })?;
        Ok(event)
    }
}
