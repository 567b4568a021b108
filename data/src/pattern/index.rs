//! Finds all patterns that match an event type without trying each.

use std::{collections::HashMap, sync::Arc};

use super::{Pattern, Shape};

/// Many patterns, each leading to a number, arranged so that one event type touches few of them.
#[derive(Clone, Debug, Default)]
pub struct PatternIndex {
    exact: HashMap<Arc<str>, Vec<u32>>,
    prefixes: ByPrefix<Vec<u32>>,
    /// Globs by one segment that whatever they match has: of each glob's, the one that the fewest others have.
    by_segment: HashMap<Box<str>, Globs>,
    /// The globs without such a segment.
    by_prefix: ByPrefix<Globs>,
}

type Globs = Vec<(Pattern, Vec<u32>)>;

/// Values by literal prefix, looked up for all prefixes of a text at once.
#[derive(Clone, Debug)]
struct ByPrefix<T> {
    values: HashMap<Box<str>, T>,
    /// The distinct lengths of the keys, ascending: only these need a look-up.
    lengths: Vec<usize>,
}

impl<T> Default for ByPrefix<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), lengths: Vec::new() }
    }
}

impl<T: Default> ByPrefix<T> {
    fn entry(&mut self, prefix: &str) -> &mut T {
        if let Err(place) = self.lengths.binary_search(&prefix.len()) {
            self.lengths.insert(place, prefix.len());
        }
        self.values.entry(prefix.into()).or_default()
    }

    fn of<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a T> {
        self.lengths
            .iter()
            .map_while(|length| text.get(..*length))
            .filter_map(|prefix| self.values.get(prefix))
    }
}

impl PatternIndex {
    /// An index over patterns and what each leads to; a number may have several patterns.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, u32)>) -> Self {
        let mut index = Self::default();
        let mut globs: HashMap<Pattern, Vec<u32>> = HashMap::new();
        for (pattern, target) in patterns {
            match pattern.shape {
                Shape::Exact => index.exact.entry(pattern.text).or_default().push(target),
                Shape::Prefix => index.prefixes.entry(pattern.literal()).push(target),
                Shape::Glob(_) => globs.entry(pattern).or_default().push(target),
            }
        }
        let mut frequencies: HashMap<&str, usize> = HashMap::new();
        for segment in globs.keys().flat_map(Pattern::whole_segments) {
            *frequencies.entry(segment).or_default() += 1;
        }
        for (pattern, targets) in &globs {
            let place = match pattern.whole_segments().min_by_key(|segment| frequencies[segment]) {
                Some(segment) => index.by_segment.entry(segment.into()).or_default(),
                None => index.by_prefix.entry(pattern.literal()),
            };
            place.push((pattern.clone(), targets.clone()));
        }
        index
    }

    /// What the patterns that match an event type lead to: ascending, each number once.
    pub fn matches(&self, event_type: &str) -> Vec<u32> {
        let mut found = self.exact.get(event_type).cloned().unwrap_or_default();
        for targets in self.prefixes.of(event_type) {
            found.extend_from_slice(targets);
        }
        let by_segment = event_type.split('.').filter_map(|segment| self.by_segment.get(segment));
        for (pattern, targets) in by_segment.chain(self.by_prefix.of(event_type)).flatten() {
            if pattern.matches(event_type) {
                found.extend_from_slice(targets);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
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
    fn a_glob_lies_where_the_rarest_of_its_segments_leads() {
        let texts = ["*.tasks.created", "*.tasks.closed", "a*.tasks.*", "*.[x.tasks.y].?"];
        let index = PatternIndex::new(texts.map(pattern).into_iter().zip(0..));
        let at = |segment: &str| index.by_segment.get(segment).map_or(0, Vec::len);
        assert_eq!(["created", "closed", "tasks"].map(at), [1, 1, 1], "a set has no segments");
        assert_eq!(index.by_prefix.values[""].len(), 1);
        assert_eq!(index.matches("ab.tasks.created"), [0, 2]);
        assert_eq!(index.matches("ab.t.c"), [3]);
    }

    /// Names and patterns over a tiny alphabet, so that most patterns match something.
    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}", 1..4).prop_map(|segments| segments.join("."))
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_glob_itself(
            texts in proptest::collection::vec(r"(\*\*|[ab.*?]{1,7}|[ab]{1,2}\.[ab]{0,2}\*?|[ab.*]{0,3}\[!?[ab.]{1,3}\][ab.*]{0,3})", 0..24),
            names in proptest::collection::vec(name(), 1..12),
        ) {
            let patterns: Vec<_> =
                texts.iter().filter_map(|text| Pattern::new(text).ok()).zip((0..8).cycle()).collect();
            let index = PatternIndex::new(patterns.clone());
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
