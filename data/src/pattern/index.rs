//! Finds all patterns that match an event type without trying each.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{Pattern, Shape};
use crate::operational::{self, is_operational};

/// Many patterns, each leading to numbers, arranged so that one event type touches few of them, and a change none but
/// its own.
#[derive(Clone, Debug, Default)]
pub struct PatternIndex {
    exact: HashMap<Arc<str>, Vec<u32>>,
    prefixes: ByPrefix<Vec<u32>>,
    /// Globs by one segment that whatever they match has: of each glob's, one that few others have.
    by_segment: HashMap<Box<str>, Globs>,
    /// The globs without such a segment.
    by_prefix: ByPrefix<Globs>,
    /// The segment under which each glob lies; none for those that have none.
    places: HashMap<Arc<str>, Option<Box<str>>>,
    /// How many globs have each segment.
    frequencies: HashMap<Box<str>, usize>,
}

/// By their text, each compiled once.
type Globs = BTreeMap<Arc<str>, Glob>;

#[derive(Clone, Debug)]
struct Glob {
    compiled: glob::Pattern,
    targets: Vec<u32>,
}

/// Values by literal prefix, looked up for all prefixes of a text at once.
#[derive(Clone, Debug)]
struct ByPrefix<T> {
    values: HashMap<Box<str>, T>,
    /// How many keys there are of each length: only these need a look-up.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for ByPrefix<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), lengths: BTreeMap::new() }
    }
}

impl<T: Default> ByPrefix<T> {
    fn entry(&mut self, prefix: &str) -> &mut T {
        if !self.values.contains_key(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        self.values.entry(prefix.into()).or_default()
    }

    /// Changes the value under a prefix, and lets go of it if the change leaves nothing.
    fn reduce(&mut self, prefix: &str, change: impl FnOnce(&mut T) -> Left) {
        if self.values.get_mut(prefix).is_some_and(|value| change(value) == Left::Nothing) {
            self.values.remove(prefix);
            if let Some(keys) = self.lengths.get_mut(&prefix.len()) {
                *keys -= 1;
                if *keys == 0 {
                    self.lengths.remove(&prefix.len());
                }
            }
        }
    }

    /// The values under prefixes of a text that have at least so many bytes.
    fn of<'a>(&'a self, text: &'a str, least: usize) -> impl Iterator<Item = &'a T> {
        self.lengths
            .range(least..)
            .map(|(length, _)| length)
            .map_while(|length| text.get(..*length))
            .filter_map(|prefix| self.values.get(prefix))
    }
}

/// What a change leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Something,
    Nothing,
}

impl PatternIndex {
    /// An index over patterns and what each leads to; a number may have several patterns.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, u32)>) -> Self {
        let patterns: Vec<_> = patterns.into_iter().collect();
        let mut index = Self::default();
        // Counted before the first has its place, so that none lies under a segment that turns out to be common.
        let globs: HashSet<_> =
            patterns.iter().map(|(pattern, _)| pattern).filter(|one| one.shape == Shape::Glob).collect();
        globs.into_iter().for_each(|glob| index.count(glob));
        for (pattern, target) in &patterns {
            index.lead(pattern, *target);
        }
        index
    }

    /// Has a pattern lead to a number.
    pub fn insert(&mut self, pattern: &Pattern, target: u32) {
        if pattern.shape == Shape::Glob && !self.places.contains_key(pattern.as_str()) {
            self.count(pattern);
        }
        self.lead(pattern, target);
    }

    fn count(&mut self, glob: &Pattern) {
        for segment in glob.whole_segments() {
            *self.frequencies.entry(segment.into()).or_default() += 1;
        }
    }

    fn lead(&mut self, pattern: &Pattern, target: u32) {
        let targets = match pattern.shape {
            Shape::Exact => self.exact.entry(pattern.text.clone()).or_default(),
            Shape::Prefix => self.prefixes.entry(pattern.literal()),
            Shape::Glob => {
                let place = self.places.entry(pattern.text.clone()).or_insert_with(|| {
                    let rarest = |segment: &&str| self.frequencies.get(*segment).copied();
                    pattern.whole_segments().min_by_key(rarest).map(Into::into)
                });
                let globs = match place {
                    Some(segment) => self.by_segment.entry(segment.clone()).or_default(),
                    None => self.by_prefix.entry(pattern.literal()),
                };
                let glob = || Glob { compiled: pattern.compiled(), targets: Vec::new() };
                &mut globs.entry(pattern.text.clone()).or_insert_with(glob).targets
            }
        };
        targets.push(target);
    }

    /// Takes one such lead away again.
    pub fn remove(&mut self, pattern: &Pattern, target: u32) {
        match pattern.shape {
            Shape::Exact => {
                let targets = self.exact.get_mut(&pattern.text);
                if targets.is_some_and(|targets| take(targets, target) == Left::Nothing) {
                    self.exact.remove(&pattern.text);
                }
            }
            Shape::Prefix => self.prefixes.reduce(pattern.literal(), |targets| take(targets, target)),
            Shape::Glob => self.remove_glob(pattern, target),
        }
    }

    fn remove_glob(&mut self, pattern: &Pattern, target: u32) {
        let Some(place) = self.places.get(&pattern.text) else { return };
        let mut is_gone = false;
        let take_from = |globs: &mut Globs| {
            let targets = globs.get_mut(&pattern.text).map(|glob| &mut glob.targets);
            if targets.is_some_and(|targets| take(targets, target) == Left::Nothing) {
                globs.remove(&pattern.text);
                is_gone = true;
            }
            if globs.is_empty() { Left::Nothing } else { Left::Something }
        };
        match place {
            Some(segment) => {
                if self.by_segment.get_mut(segment).map(take_from) == Some(Left::Nothing) {
                    self.by_segment.remove(segment);
                }
            }
            None => self.by_prefix.reduce(pattern.literal(), take_from),
        }
        if is_gone {
            self.places.remove(&pattern.text);
            for segment in pattern.whole_segments() {
                if let Some(globs) = self.frequencies.get_mut(segment) {
                    *globs -= 1;
                    if *globs == 0 {
                        self.frequencies.remove(segment);
                    }
                }
            }
        }
    }

    /// What the patterns that match an event type lead to: ascending, each number once.
    pub fn matches(&self, event_type: &str) -> Vec<u32> {
        // Operational events are for patterns that begin as they do, literally: no shorter prefix will do.
        let least = if is_operational(event_type) { operational::PREFIX } else { "" };
        let mut found = self.exact.get(event_type).cloned().unwrap_or_default();
        for targets in self.prefixes.of(event_type, least.len()) {
            found.extend_from_slice(targets);
        }
        let by_segment = event_type.split('.').filter_map(|segment| self.by_segment.get(segment));
        for (text, glob) in by_segment.chain(self.by_prefix.of(event_type, least.len())).flatten() {
            if text.starts_with(least) && glob.compiled.matches(event_type) {
                found.extend_from_slice(&glob.targets);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn take(targets: &mut Vec<u32>, target: u32) -> Left {
    if let Some(at) = targets.iter().position(|one| *one == target) {
        targets.swap_remove(at);
    }
    if targets.is_empty() { Left::Nothing } else { Left::Something }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn overlapping_patterns_of_one_target_give_it_once_and_in_order() {
        let index = PatternIndex::new(
            [("cases.*", 9), ("*", 2), ("cases.created", 9), ("*.created", 9), ("c*d", 1), ("tasks.*", 3)]
                .map(|(text, target)| (pattern(text), target)),
        );
        assert_eq!(index.matches("cases.created"), [1, 2, 9]);
        assert_eq!(index.matches("fälle"), [2]);
        assert_eq!(index.matches(""), [2]);
    }

    #[test]
    fn operational_events_are_found_as_by_each_pattern_alone() {
        let texts = [
            "*",
            "c*",
            "casewire*",
            "casewire.*",
            "casewire.endpoint.*",
            "*.endpoint.failing",
            "casewire.*.failing",
            "casewire.endpoint.failing",
            "?asewire.*",
            "casewire.[e]*.failing",
            "**",
        ];
        let index = PatternIndex::new(texts.map(pattern).into_iter().zip(0..));
        for name in ["casewire.endpoint.failing", "casewired.endpoint.failing", "casewire.delivery.dead"] {
            let each: Vec<u32> = texts
                .iter()
                .zip(0..)
                .filter(|(text, _)| pattern(text).matches(name))
                .map(|(_, at)| at)
                .collect();
            assert_eq!(index.matches(name), each, "{name}");
        }
    }

    #[test]
    fn a_glob_lies_where_the_rarest_of_its_segments_leads() {
        let texts = ["*.tasks.created", "*.tasks.closed", "a*.tasks.*", "*.[x.tasks.y].?"];
        let index = PatternIndex::new(texts.map(pattern).into_iter().zip(0..));
        let at = |segment: &str| index.by_segment.get(segment).map_or(0, Globs::len);
        assert_eq!(["created", "closed", "tasks"].map(at), [1, 1, 1], "a set has no segments");
        assert_eq!(index.by_prefix.values[""].len(), 1);
        assert_eq!(index.matches("ab.tasks.created"), [0, 2]);
        assert_eq!(index.matches("ab.t.c"), [3]);
    }

    #[test]
    fn a_set_may_begin_with_its_own_closing_bracket() {
        for (text, name) in [("[]x.tasks.y[b]", "b"), ("[!]x.tasks.y[b]", "q")] {
            let one = pattern(text);
            assert!(one.matches(name), "glob takes it");
            assert_eq!(PatternIndex::new([(one, 1)]).matches(name), [1], "{text}");
        }
    }

    #[test]
    fn what_is_taken_out_again_leaves_nothing_behind() {
        let texts = ["a", "a.*", "*.tasks.created", "*.tasks.*", "c*d"].map(pattern);
        let mut index = PatternIndex::new([]);
        texts.iter().for_each(|text| index.insert(text, 1));
        texts.iter().for_each(|text| index.remove(text, 1));
        assert!(
            index.exact.is_empty() && index.prefixes.values.is_empty() && index.prefixes.lengths.is_empty()
        );
        assert!(index.by_segment.is_empty() && index.by_prefix.values.is_empty());
        assert!(index.places.is_empty() && index.frequencies.is_empty());
    }

    /// Names and patterns over a tiny alphabet, so that most patterns match something.
    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}", 1..4).prop_map(|segments| segments.join("."))
    }

    proptest! {
        #[test]
        fn one_pattern_of_any_shape_is_found_when_it_matches(text in r"[ab.*?\[\]!-]{1,10}", names in proptest::collection::vec(name(), 8..12)) {
            if let Ok(one) = Pattern::new(&text) {
                let mut index = PatternIndex::new([(one.clone(), 1)]);
                index.insert(&pattern("*.a.*b"), 7);
                for name in &names {
                    prop_assert_eq!(index.matches(name).contains(&1), one.matches(name), "{} {}", text, name);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_glob_itself(
            texts in proptest::collection::vec(r"(\*\*|[ab.*?]{1,7}|[ab]{1,2}\.[ab]{0,2}\*?|[ab.*]{0,3}\[!?[ab.]{1,3}\][ab.*]{0,3})", 0..24),
            gone in proptest::collection::vec(r"[ab.*?]{1,5}", 0..8),
            names in proptest::collection::vec(name(), 1..12),
        ) {
            let patterns: Vec<_> =
                texts.iter().filter_map(|text| Pattern::new(text).ok()).zip((0..8).cycle()).collect();
            let mut index = PatternIndex::new(patterns.clone());
            // What was there and is gone leaves no trace.
            let gone: Vec<_> = gone.iter().filter_map(|text| Pattern::new(text).ok()).zip((0..8).cycle()).collect();
            gone.iter().for_each(|(pattern, target)| index.insert(pattern, *target));
            gone.iter().for_each(|(pattern, target)| index.remove(pattern, *target));
            for name in names {
                let mut expected: Vec<u32> = patterns
                    .iter()
                    .filter(|(pattern, _)| glob::Pattern::new(pattern.as_str()).unwrap().matches(&name))
                    .map(|(_, target)| *target)
                    .collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(index.matches(&name), expected, "{}", name);
                for (pattern, _) in &patterns {
                    let glob = glob::Pattern::new(pattern.as_str()).unwrap();
                    prop_assert_eq!(pattern.matches(&name), glob.matches(&name), "{} {}", pattern, name);
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", name in ".{0,20}") {
            if let Ok(pattern) = Pattern::new(&text) {
                PatternIndex::new([(pattern, 0)]).matches(&name);
            }
        }
    }
}
