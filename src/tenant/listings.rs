//! A tenant's events and deliveries in pages, newest first.
//!
//! What a page costs does not depend on how deep in the log it is (see the store's `listing`). A search for what is rare
//! in a part of the log that no search has been through before takes longer; it is cut off in time, and its page then
//! has fewer items, or none, and a `next` all the same.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use casewire_data::{
    Result, Timestamp,
    delivery::{DeliveryStatus, DeliverySummary},
    endpoint::EndpointStatus,
    event::{Event, EventType, Resource},
    id::{DeliveryId, EndpointId, EventId},
    store::{Among, DeliveryFilter, EventFilter, Listed, Place, Slice, Store},
};

use super::{TenantHandle, nothing};

/// How long a page is searched for before it is handed out with what was found.
const SEARCH_MAX: Duration = Duration::from_millis(30);

/// Which events a list shows. What is absent excludes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Of this type.
    pub event_type: Option<EventType>,
    /// About this resource.
    pub resource: Option<Resource>,
    /// Published at this time or later, to the millisecond.
    pub since: Option<Timestamp>,
    /// Published before this time, to the millisecond.
    pub until: Option<Timestamp>,
}

/// Which deliveries a list shows. What is absent excludes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// To this endpoint, which may be deleted by now.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// That stand so now.
    pub status: Option<DeliveryStatus>,
    /// Of events published at this time or later, to the millisecond.
    pub since: Option<Timestamp>,
    /// Of events published before this time, to the millisecond.
    pub until: Option<Timestamp>,
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, Id> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// What to ask for the next page after; absent if this is the last one. It need not be the id of anything.
    pub next: Option<Id>,
}

impl TenantHandle {
    /// Events newest first, at most `limit`, from behind `after`: the `next` of the page before. Their payloads are
    /// left out; [`TenantHandle::event`] has them.
    pub async fn events(
        &self,
        query: EventQuery,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>> {
        let EventQuery { event_type, resource, since, until } = query;
        let filter = EventFilter { tenant: self.name.clone(), event_type, resource, since, until };
        let mut search = Search::new(limit, Whence::behind(after, 0, until));
        while let Some(whence) = search.next(after) {
            let (filter, wanted) = (filter.clone(), search.wanted());
            let slice = move |store: &Store| store.list_events(&filter, whence.place(store)?.seq, wanted);
            search.take(self.tree.journal.read(slice).await??);
        }
        Ok(search.into_page(|event| event.id, |time| time))
    }

    /// Deliveries, those of the newest event first, at most `limit`, from behind `after`: the `next` of the page before.
    /// `NotFound` if there is no such endpoint or event.
    pub async fn deliveries(
        &self,
        query: DeliveryQuery,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Page<DeliverySummary, DeliveryId>> {
        let filter = Arc::new(self.filter(&query).await?);
        // The event that the page before ended with may have deliveries to older endpoints left.
        let ordinal = after.and_then(|after| self.tree.directory.ordinal_of(&self.name, after.endpoint));
        let after_event = after.map(|after| after.event);
        let whence = Whence::behind(after_event, ordinal.unwrap_or(0), query.until);
        let mut search = Search::new(limit, whence);
        while let Some(whence) = search.next(after_event) {
            let (this, filter, wanted) = (self.clone(), filter.clone(), search.wanted());
            let slice = move |store: &Store| {
                let pick = |listed| this.summary(&listed, query.status);
                store.list_deliveries(&filter, whence.place(store)?, wanted, pick)
            };
            search.take(self.tree.journal.read(slice).await??);
        }
        let behind = |event| DeliveryId { event, endpoint: EndpointId::from_u128(0) };
        Ok(search.into_page(|summary| summary.id, behind))
    }

    async fn filter(&self, query: &DeliveryQuery) -> Result<DeliveryFilter> {
        let event = match query.event {
            Some(id) => Some(self.find_event(id).await?.0.seq),
            None => None,
        };
        let directory = &self.tree.directory;
        let endpoint = match query.endpoint {
            Some(id) => Some(directory.ordinal_of(&self.name, id).ok_or_else(|| nothing("endpoint"))?),
            None => None,
        };
        let (among, mut endpoints) = match query.status {
            None => (Among::All, endpoint.map(|it| [it].into())),
            Some(DeliveryStatus::Delivered) => (Among::Attempted, endpoint.map(|it| [it].into())),
            Some(DeliveryStatus::Cancelled) => (Among::All, endpoint.map(|it| [it].into())),
            Some(DeliveryStatus::Dead) => (Among::Dead, Some(self.ordinals(|_| true))),
            Some(DeliveryStatus::Retrying) => {
                (Among::Waiting, Some(self.ordinals(|status| status == EndpointStatus::Active)))
            }
            Some(DeliveryStatus::Pending) => {
                (Among::Unsettled, Some(self.ordinals(|status| status == EndpointStatus::Active)))
            }
            Some(DeliveryStatus::Held) => {
                (Among::Unsettled, Some(self.ordinals(|status| status == EndpointStatus::Paused)))
            }
            Some(DeliveryStatus::InFlight) => {
                let under_way = self.tree.in_flight.all().into_iter();
                let places = under_way.map(|(ordinal, seq)| Place { seq, ordinal }).collect();
                (Among::These(places), Some(self.ordinals(|_| true)))
            }
        };
        if let (Some(endpoint), Some(endpoints)) = (endpoint, &mut endpoints) {
            endpoints.retain(|ordinal| *ordinal == endpoint);
        }
        let (event_type, since, until) = (query.event_type.clone(), query.since, query.until);
        let events = EventFilter { event_type, since, until, ..EventFilter::of(self.name.clone()) };
        Ok(DeliveryFilter { events, event, endpoints, among })
    }

    fn ordinals(&self, of: impl Fn(EndpointStatus) -> bool) -> BTreeSet<u32> {
        let endpoints = self.tree.directory.endpoints(&self.name).into_iter();
        endpoints.filter(|endpoint| of(endpoint.status)).map(|endpoint| endpoint.ordinal).collect()
    }

    /// A delivery as it is listed; nothing if it stands otherwise than it should.
    fn summary(&self, listed: &Listed, wanted: Option<DeliveryStatus>) -> Option<DeliverySummary> {
        let Listed { event, ordinal, standing, attempts } = listed;
        let endpoint = self.tree.directory.id_of(*ordinal)?;
        let (status, next_attempt_at) = self.status(event, *ordinal, *standing, *attempts > 0);
        wanted.is_none_or(|wanted| wanted == status).then(|| DeliverySummary {
            id: DeliveryId { event: event.id, endpoint },
            event_type: event.event_type().clone(),
            published_at: event.published_at,
            status,
            attempts: *attempts,
            next_attempt_at,
        })
    }
}

/// Where a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whence {
    /// Before all there is.
    Newest,
    /// Behind an id, and of the event that has this very id behind an endpoint.
    Behind(EventId, u32),
    /// At a place.
    Place(Place),
}

impl Whence {
    /// Where the page begins that follows the one that ended with `after` and `ordinal`.
    fn behind(after: Option<EventId>, ordinal: u32, until: Option<Timestamp>) -> Self {
        let until = until.map(EventId::first_at);
        match after.into_iter().chain(until).min() {
            None => Self::Newest,
            Some(id) => Self::Behind(id, if after == Some(id) { ordinal } else { 0 }),
        }
    }

    fn place(self, store: &Store) -> Result<Place> {
        Ok(match self {
            Self::Newest => Place::NEWEST,
            Self::Behind(id, ordinal) => match store.seq_from(id)? {
                (seq, true) => Place { seq, ordinal },
                (seq, false) => Place::event(seq),
            },
            Self::Place(place) => place,
        })
    }
}

/// A page in the making, slice by slice.
struct Search<T> {
    limit: usize,
    begun: Instant,
    /// Where to go on; absent once there is nothing more.
    whence: Option<Whence>,
    /// Everything newer was looked at, in the slices so far.
    through: Option<EventId>,
    found: Vec<T>,
}

impl<T> Search<T> {
    fn new(limit: usize, whence: Whence) -> Self {
        Self { limit, begun: Instant::now(), whence: Some(whence), through: None, found: Vec::new() }
    }

    /// Where to search on; nothing if the page is to be handed out.
    fn next(&self, after: Option<EventId>) -> Option<Whence> {
        let full = self.found.len() > self.limit;
        // A page without items must still end before the one that it follows.
        let moved = || self.behind().is_some_and(|behind| after.is_none_or(|after| behind < after));
        let late = || self.begun.elapsed() >= SEARCH_MAX && (!self.found.is_empty() || moved());
        self.whence.filter(|_| !full && !late())
    }

    /// How many items are missing. One more than the page has, to know whether there are more.
    fn wanted(&self) -> usize {
        self.limit + 1 - self.found.len()
    }

    fn take(&mut self, slice: Slice<T>) {
        self.found.extend(slice.found);
        self.whence = slice.rest.map(|rest| Whence::Place(rest.place));
        self.through = slice.rest.map(|rest| rest.through);
    }

    /// A place behind all that was looked at, as near as it can be told: an event's id would name one that may be another
    /// tenant's, so it is a mere time.
    fn behind(&self) -> Option<EventId> {
        Some(EventId::from_u128((self.through?.as_u128() >> 80 << 80).checked_add(1 << 80)?))
    }

    fn into_page<Id: Ord + Copy>(
        mut self,
        id: impl Fn(&T) -> Id,
        behind: impl Fn(EventId) -> Id,
    ) -> Page<T, Id> {
        let full = self.found.len() > self.limit;
        self.found.truncate(self.limit);
        let last = self.found.last().map(id);
        let time = self.behind().filter(|_| !full).map(behind);
        let next = if full { last } else { time.map(|time| last.map_or(time, |last| last.min(time))) };
        Page { items: self.found, next }
    }
}

#[cfg(test)]
mod tests {
    use casewire_data::store::Rest;

    use super::*;

    fn id(millis: u128, rest: u128) -> EventId {
        EventId::from_u128(millis << 80 | rest)
    }

    /// A search that has found events and come to one.
    fn search(limit: usize, found: &[EventId], through: Option<EventId>) -> Search<EventId> {
        let mut search = Search::new(limit, Whence::Newest);
        let rest = through.map(|through| Rest { place: Place::event(7), through });
        search.take(Slice { found: found.to_vec(), rest });
        search
    }

    fn next(search: Search<EventId>) -> Option<EventId> {
        search.into_page(|id| *id, |time| time).next
    }

    #[test]
    fn a_page_ends_with_its_last_item_or_a_time_that_names_no_event() {
        let found = [id(9, 5), id(8, 5), id(7, 5)];
        assert_eq!(next(search(2, &found, Some(found[2]))), Some(found[1]), "there is more than it holds");
        assert_eq!(next(search(3, &found, None)), None, "that was all");
        assert_eq!(
            next(search(5, &found, Some(id(3, 9)))),
            Some(id(4, 0)),
            "the rest of the millisecond again"
        );
        assert_eq!(next(search(5, &found, Some(id(7, 2)))), Some(found[2]), "no item again");
        assert_eq!(next(search(5, &[], Some(id(3, 9)))), Some(id(4, 0)));
    }

    #[test]
    fn a_search_that_takes_long_ends_once_it_has_got_on() {
        let late = |found: &[EventId], through, after| {
            let mut search = search(5, found, Some(through));
            search.begun -= SEARCH_MAX;
            search.next(after).is_none()
        };
        assert!(late(&[], id(3, 9), None) && late(&[], id(3, 9), Some(id(4, 1))));
        assert!(!late(&[], id(3, 9), Some(id(4, 0))), "its page would be asked for again");
        assert!(late(&[id(3, 10)], id(3, 9), Some(id(4, 0))), "an item is a step");
        assert!(search(5, &[], Some(id(3, 9))).next(None).is_some(), "there is time left");
        assert!(search(5, &[], None).next(None).is_none(), "there is nothing left");
    }
}
