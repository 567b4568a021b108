//! Finding what an event type leads to: the index against trying each pattern, over few and many patterns.
//!
//! What the engine does for a type that it has met before, a look-up in a cache, lies in the actors and is not here.

use std::hint::black_box;

use casewire_data::pattern::{Pattern, PatternIndex};
use criterion::{BenchmarkId, Criterion};

/// Begins like most of the patterns and ends like none.
const MISS: &str = "cases.parties.none";

/// So many patterns, of ten of which `globs` have a star in their middle; most of the others are names, some take a
/// family of names by its beginning.
fn patterns(count: u32, globs: u32) -> Vec<(Pattern, u32)> {
    let text = |number| match number % 10 {
        digit if digit < globs => format!("cases.*.done{number}"),
        8 | 9 => format!("cases.kind{number}.*"),
        _ => format!("cases.kind{number}.created"),
    };
    (0..count).map(|number| (Pattern::new(&text(number)).unwrap(), number)).collect()
}

fn each(patterns: &[(Pattern, u32)], event_type: &str) -> Vec<u32> {
    let found = patterns.iter().filter(|(pattern, _)| pattern.matches(event_type));
    found.map(|(_, target)| *target).collect()
}

/// Over 10, 1,000 and 10,000 patterns: a type that one of them names, and one that none takes.
pub fn matching(criterion: &mut Criterion) {
    for (mix, globs) in [("names and prefixes", 0), ("a tenth globs", 1)] {
        let mut group = criterion.benchmark_group(format!("match, {mix}"));
        for count in [10, 1_000, 10_000] {
            let patterns = patterns(count, globs);
            let index = PatternIndex::new(patterns.clone());
            let hit = format!("cases.kind{}.created", count / 2);
            for (name, event_type) in [("hit", hit.as_str()), ("miss", MISS)] {
                assert_eq!(index.matches(event_type), each(&patterns, event_type), "both find the same");
                group.bench_function(BenchmarkId::new(format!("index, {name}"), count), |bencher| {
                    bencher.iter(|| index.matches(black_box(event_type)));
                });
                group.bench_function(BenchmarkId::new(format!("loop, {name}"), count), |bencher| {
                    bencher.iter(|| each(&patterns, black_box(event_type)));
                });
            }
        }
    }
}
