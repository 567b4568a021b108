//! What is remembered of matches: bounded in types and in endpoints, and without a cliff at either bound.

use std::{collections::HashMap, sync::Arc};

use casewire_data::{event::EventType, route::Matched};

/// Event types of one tenant whose matches are remembered.
const TYPES_MAX: usize = 16_384;
/// Endpoints that these matches name between them; 4 MiB.
const ENDPOINTS_MAX: usize = 1 << 20;

/// See the module.
///
/// What is beyond a bound takes the place of one chosen as if by dice. Were it the oldest or the least used, types that
/// come in turn would never be found as soon as there is one too many; so nearly all are.
#[derive(Debug, Default)]
pub(super) struct Cache {
    places: HashMap<EventType, usize>,
    entries: Vec<Entry>,
    /// Endpoints that the entries name between them.
    endpoints: usize,
    /// State of the dice.
    thrown: u64,
}

#[derive(Debug)]
struct Entry {
    event_type: EventType,
    matched: Arc<Matched>,
    endpoints: usize,
}

impl Cache {
    /// What a type matches, if it is remembered.
    pub fn get(&self, event_type: &EventType) -> Option<&Arc<Matched>> {
        self.places.get(event_type).map(|place| &self.entries[*place].matched)
    }

    /// Remembers what a type matches that is not remembered: so many endpoints. More than fit are worked out each time.
    pub fn insert(&mut self, event_type: EventType, matched: Arc<Matched>, endpoints: usize) {
        if endpoints > ENDPOINTS_MAX {
            return;
        }
        while self.entries.len() >= TYPES_MAX || self.endpoints + endpoints > ENDPOINTS_MAX {
            self.forget_one();
        }
        self.places.insert(event_type.clone(), self.entries.len());
        self.entries.push(Entry { event_type, matched, endpoints });
        self.endpoints += endpoints;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        // Nothing to let go of, nothing to do: endpoints are changed more often in a row than types are asked for.
        if !self.entries.is_empty() {
            *self = Self::default();
        }
    }

    fn forget_one(&mut self) {
        // The multiplier and the increment are Knuth's, of MMIX; the high bits are the good ones.
        self.thrown =
            self.thrown.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = (self.thrown >> 33) as usize % self.entries.len();
        let gone = self.entries.swap_remove(place);
        self.places.remove(&gone.event_type);
        self.endpoints -= gone.endpoints;
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.event_type.clone(), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_type(number: usize) -> EventType {
        EventType::new(&format!("type-{number}")).unwrap()
    }

    /// Asks for so many types in turn, and tells how many of the last round were found.
    fn found_in_turn(cache: &mut Cache, types: usize, endpoints: usize) -> usize {
        let mut ask = |number| {
            let event_type = event_type(number);
            let found = cache.get(&event_type).is_some();
            if !found {
                cache.insert(event_type, Arc::default(), endpoints);
            }
            found
        };
        for number in 0..3 * types {
            ask(number % types);
        }
        (0..types).filter(|number| ask(*number)).count()
    }

    #[test]
    fn types_in_turn_are_found_up_to_the_bound_and_most_of_them_beyond_it() {
        assert_eq!(found_in_turn(&mut Cache::default(), TYPES_MAX, 1), TYPES_MAX);
        let beyond = TYPES_MAX + TYPES_MAX / 10;
        let found = found_in_turn(&mut Cache::default(), beyond, 1);
        assert!(found > beyond / 2, "{found} of {beyond}");
    }

    #[test]
    fn the_endpoints_of_all_matches_are_bounded_too() {
        let mut cache = Cache::default();
        let many = ENDPOINTS_MAX / 100;
        assert_eq!(found_in_turn(&mut cache, 100, many), 100);
        found_in_turn(&mut cache, 150, many);
        assert!(cache.endpoints <= ENDPOINTS_MAX && cache.entries.len() <= 100);
        cache.insert(event_type(1_000), Arc::default(), ENDPOINTS_MAX + 1);
        assert!(cache.get(&event_type(1_000)).is_none() && !cache.entries.is_empty());
        cache.clear();
        assert!(cache.get(&event_type(0)).is_none() && cache.endpoints == 0);
    }
}
