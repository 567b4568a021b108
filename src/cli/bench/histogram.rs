//! Times in a bounded space, to within two per cent.

/// Buckets of each power of two.
const BUCKETS: u64 = 64;
/// Powers of two; the last one ends above an hour.
const OCTAVES: u64 = 27;

/// How often each time occurred, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; usize::try_from(BUCKETS * OCTAVES).unwrap_or(0)], total: 0 }
    }
}

impl Histogram {
    /// Notes a time.
    pub(super) fn add(&mut self, micros: u64) {
        let last = self.counts.len() - 1;
        self.counts[index(micros).min(last)] += 1;
        self.total += 1;
    }

    /// Takes in what another one has noted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
    }

    /// How many were noted.
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    pub(super) fn count(&self) -> f64 {
        self.total as f64
    }

    /// The time that a fraction of all does not exceed, in milliseconds; 0 if there is none.
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    pub(super) fn percentile_ms(&self, fraction: f64) -> f64 {
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if *count > 0 && seen as f64 >= fraction * self.total as f64 {
                return lower_bound(index) as f64 / 1_000.0;
            }
        }
        0.0
    }
}

fn index(micros: u64) -> usize {
    let octave = u64::from((micros / BUCKETS).checked_ilog2().map_or(0, |log| log + 1));
    // The first octave counts by one; each of the others is cut into as many buckets.
    let bucket = if octave == 0 { micros } else { (micros >> (octave - 1)) - BUCKETS };
    usize::try_from(octave * BUCKETS + bucket).unwrap_or(usize::MAX)
}

fn lower_bound(index: usize) -> u64 {
    let (octave, bucket) = (index as u64 / BUCKETS, index as u64 % BUCKETS);
    if octave == 0 { bucket } else { (BUCKETS + bucket) << (octave - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_that_begins_at_or_just_below_it() {
        for micros in (0..5_000).chain([65_535, 65_536, 1_000_000, 3_600_000_000]) {
            let lower = lower_bound(index(micros));
            assert!(lower <= micros && (micros - lower) * 50 <= micros, "{micros}: {lower}");
        }
    }

    #[test]
    fn percentiles_are_of_all_that_was_noted() {
        let (mut all, mut rest) = (Histogram::default(), Histogram::default());
        (1..=90).for_each(|_| all.add(1_000));
        (1..=10).for_each(|_| rest.add(64_000));
        all.merge(&rest);
        assert_eq!((all.percentile_ms(0.5), all.percentile_ms(0.9)), (1.0, 1.0));
        assert!((all.percentile_ms(0.99) - 64.0).abs() < 1.3);
        assert!(Histogram::default().percentile_ms(0.5).abs() < f64::EPSILON);
    }
}
