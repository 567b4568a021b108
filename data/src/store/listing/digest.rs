//! What a stretch of the log is about, in so few bytes that those of a long log fit into memory.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard},
};

use rustc_hash::FxHashSet as HashSet;

use super::super::record::Brief;
use crate::event::Tenant;

/// Bits for each fact. With [`PROBES`] of them, 1 of 2,000 stretches is looked at in vain.
const BITS_PER_FACT: usize = 16;
const PROBES: u64 = 8;
/// Bytes of all digests together, enough for 6,000,000 events about as many resources. Beyond it the oldest stretches
/// are forgotten, and looked at each time.
const DIGESTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a large digest.
const ROOM_BYTES: usize = 64 * 1024;
/// Bytes of a digest besides its bits.
const OVERHEAD_BYTES: usize = 64;

/// Something that holds for an event, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fact(u64);

impl Fact {
    /// It is a tenant's.
    pub fn tenant(tenant: &str) -> Self {
        Self::of((0_u8, tenant))
    }

    /// It is a tenant's and has a type.
    pub fn event_type(tenant: &str, event_type: &str) -> Self {
        Self::of((1_u8, tenant, event_type))
    }

    /// It is a tenant's and is about a resource.
    pub fn resource(tenant: &str, kind: &str, id: &str) -> Self {
        Self::of((2_u8, tenant, kind, id))
    }

    /// It was routed to an endpoint.
    pub fn endpoint(ordinal: u32) -> Self {
        Self::of((3_u8, ordinal))
    }

    fn of(fact: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        fact.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The bits that stand for it among so many, others with each salt.
    fn bits(self, salt: u64, bits: u64) -> impl Iterator<Item = (usize, u64)> {
        let salted = (self.0 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let salted = salted ^ salted >> 32;
        // Double hashing; an even step could miss half of the bits.
        let step = salted.rotate_left(32) | 1;
        (0..PROBES).map(move |probe| {
            let bit = salted.wrapping_add(probe.wrapping_mul(step)) % bits;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }
}

/// The facts of some events: a Bloom filter, so it may hold what it was never told, and never the other way round.
#[derive(Debug)]
pub struct Digest {
    words: Box<[u64]>,
    salt: u64,
}

impl Digest {
    /// A digest of facts. Each stretch has a salt of its own, where it begins: most facts hold for all stretches, so
    /// without it a fact that is rare and looks like some of them would seem to be everywhere.
    pub fn of(facts: &HashSet<Fact>, salt: u64) -> Self {
        let mut words = vec![0; (facts.len() * BITS_PER_FACT).div_ceil(64).max(1)];
        let bits = words.len() as u64 * 64;
        facts.iter().flat_map(|fact| fact.bits(salt, bits)).for_each(|(word, bit)| words[word] |= bit);
        Self { words: words.into(), salt }
    }

    fn may_hold(&self, fact: Fact) -> bool {
        fact.bits(self.salt, self.words.len() as u64 * 64).all(|(word, bit)| self.words[word] & bit != 0)
    }

    fn bytes(&self) -> usize {
        self.words.len() * 8 + OVERHEAD_BYTES
    }
}

/// Adds what holds for an event.
pub fn collect(facts: &mut HashSet<Fact>, brief: &Brief<'_>, routes: impl Iterator<Item = u32>) {
    facts.insert(Fact::tenant(brief.tenant));
    facts.insert(Fact::event_type(brief.tenant, brief.event_type));
    facts.extend(brief.resource.map(|(kind, id)| Fact::resource(brief.tenant, kind, id)));
    facts.extend(routes.map(Fact::endpoint));
}

/// What a stretch must have for a look at it to be worth while.
#[derive(Debug, Default)]
pub struct Wanted {
    /// All of these facts.
    pub all: Vec<Fact>,
    /// And one of these, unless there are none.
    pub any: Vec<Fact>,
}

impl Wanted {
    /// A tenant's events, and of these those that were routed to an endpoint, if one is named.
    pub fn of(tenant: &Tenant, endpoint: Option<u32>) -> Self {
        let any = endpoint.into_iter().map(Fact::endpoint).collect();
        Self { all: vec![Fact::tenant(tenant.as_str())], any }
    }

    fn may_be_in(&self, digest: &Digest) -> bool {
        self.all.iter().all(|fact| digest.may_hold(*fact))
            && (self.any.is_empty() || self.any.iter().any(|fact| digest.may_hold(*fact)))
    }
}

/// The digests of stretches that were looked at before, by where they begin in the log.
#[derive(Debug, Default)]
pub struct Digests {
    kept: Mutex<Kept>,
    /// How often a stretch was read.
    #[cfg(test)]
    pub looks: std::sync::atomic::AtomicUsize,
}

#[derive(Debug, Default)]
struct Kept {
    by_position: BTreeMap<u64, Digest>,
    bytes: usize,
}

impl Digests {
    /// Whether the stretch is known, and known to lack what is wanted.
    pub fn rule_out(&self, position: u64, wanted: &Wanted) -> bool {
        self.kept().by_position.get(&position).is_some_and(|digest| !wanted.may_be_in(digest))
    }

    /// Whether the stretch is known.
    pub fn know(&self, position: u64) -> bool {
        self.kept().by_position.contains_key(&position)
    }

    /// How many stretches are known.
    pub fn len(&self) -> usize {
        self.kept().by_position.len()
    }

    /// Whether one more can be remembered without another being forgotten.
    pub fn has_room(&self) -> bool {
        self.kept().bytes + ROOM_BYTES <= DIGESTS_BYTES_MAX
    }

    /// Remembers a stretch, as long as there is room.
    pub fn keep(&self, position: u64, digest: Digest) {
        let mut kept = self.kept();
        kept.bytes += digest.bytes();
        if let Some(before) = kept.by_position.insert(position, digest) {
            kept.bytes -= before.bytes();
        }
        while kept.bytes > DIGESTS_BYTES_MAX {
            let Some((_, oldest)) = kept.by_position.pop_first() else { break };
            kept.bytes -= oldest.bytes();
        }
    }

    /// Forgets stretches that begin before this position: retention took them.
    pub fn forget_below(&self, position: u64) {
        let mut kept = self.kept();
        while let Some(oldest) = kept.by_position.first_entry().filter(|oldest| *oldest.key() < position) {
            let digest = oldest.remove();
            kept.bytes -= digest.bytes();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_holds_all_that_it_was_told_and_little_else() {
        for count in [1_u32, 7, 300, 20_000] {
            let facts: HashSet<_> = (0..count).map(Fact::endpoint).collect();
            let digest = Digest::of(&facts, 0);
            assert!(facts.iter().all(|fact| digest.may_hold(*fact)), "{count}");
            let wrong =
                (0..10_000).filter(|id| digest.may_hold(Fact::resource("t", "case", &id.to_string())));
            let wrong = wrong.count();
            assert!(wrong < 80, "{count}: {wrong} of 10,000 in vain");
        }
    }

    #[test]
    fn what_is_rare_is_taken_for_what_is_common_in_few_stretches_only() {
        let common: HashSet<_> = (0..150).map(Fact::endpoint).collect();
        let digests: Vec<_> = (0..200).map(|n| Digest::of(&common, n * 262_144)).collect();
        for rare in 1_000..5_000 {
            let wrong = digests.iter().filter(|digest| digest.may_hold(Fact::endpoint(rare))).count();
            assert!(wrong <= 5, "{rare} in {wrong} of 200");
        }
    }

    #[test]
    fn what_is_wanted_is_all_of_some_facts_and_one_of_others() {
        let fact = Fact::endpoint;
        let digest = Digest::of(&(1..4).map(fact).collect(), 0);
        let wanted = |all: &[u32], any: &[u32]| Wanted {
            all: all.iter().copied().map(fact).collect(),
            any: any.iter().copied().map(fact).collect(),
        };
        for (all, any, held) in [
            (&[][..], &[][..], true),
            (&[1, 2, 3], &[], true),
            (&[1, 9], &[], false),
            (&[1], &[8, 9], false),
            (&[1], &[8, 3], true),
        ] {
            assert_eq!(wanted(all, any).may_be_in(&digest), held, "{all:?} {any:?}");
        }
    }

    #[test]
    fn beyond_the_bound_the_oldest_is_forgotten() {
        let digests = Digests::default();
        let digest = || Digest { words: vec![0; 128 * 1024].into(), salt: 0 };
        (0..20).for_each(|position| digests.keep(position, digest()));
        assert!(digests.know(19) && !digests.know(0));
        digests.keep(1, digest());
        assert!(!digests.know(1), "older than all that is kept");
        assert!(digests.kept().bytes <= DIGESTS_BYTES_MAX);
        digests.keep(19, digest());
        let bytes: usize = digests.kept().by_position.values().map(Digest::bytes).sum();
        assert_eq!(digests.kept().bytes, bytes);
        digests.forget_below(19);
        assert!(digests.know(19) && !digests.know(18));
        assert_eq!((digests.len(), digests.kept().bytes), (1, digest().bytes()));
    }
}
