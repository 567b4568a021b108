//! What is counted in: a cell has one writer, the thread that it belongs to, so that counting is an addition in that
//! core's own memory. No lock, and nothing that two cores would pass back and forth. Anybody may read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that one thread changes and any thread reads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it. To be called by its one writer.
    pub fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes from it. To be called by its one writer.
    pub fn subtract(&self, less: u64) {
        self.0.store(self.get().saturating_sub(less), Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How values were distributed, as one thread saw them.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// How many values were at most so large, and larger than the bound before; the last has no bound.
    buckets: Box<[Count]>,
    sum: Count,
}

/// A histogram as it was at a moment, of several threads together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The largest value of each bucket but the last, ascending.
    pub bounds: &'static [u64],
    /// Values in each bucket; one more than there are bounds.
    pub counts: Vec<u64>,
    /// All values added up.
    pub sum: u64,
}

impl Histogram {
    /// An empty one; `bounds` ascend.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let buckets = std::iter::repeat_with(Count::default).take(bounds.len() + 1).collect();
        Self { bounds, buckets, sum: Count::default() }
    }

    /// Takes a value in. To be called by its one writer.
    pub fn observe(&self, value: u64) {
        self.buckets[self.bounds.partition_point(|bound| *bound < value)].add(1);
        self.sum.add(value);
    }

    /// As it is now.
    pub(super) fn distribution(&self) -> Distribution {
        let counts = self.buckets.iter().map(Count::get).collect();
        Distribution { bounds: self.bounds, counts, sum: self.sum.get() }
    }
}

impl Distribution {
    /// Several added up; they must have the same bounds.
    pub(super) fn of(histograms: impl Iterator<Item = Self>) -> Option<Self> {
        histograms.reduce(|mut all, one| {
            all.counts.iter_mut().zip(one.counts).for_each(|(count, more)| *count += more);
            all.sum += one.sum;
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1_000] {
            histogram.observe(value);
        }
        let seen = histogram.distribution();
        assert_eq!((seen.counts, seen.sum), (vec![2, 2, 2], 1_062));
    }
}
