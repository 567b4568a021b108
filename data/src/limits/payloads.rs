//! How much of what events say is kept, and for how long.

use std::collections::BTreeMap;

use crate::{event::Tenant, signature::sha256};

/// How long payloads are kept, and how many bytes of them; as long as all else of an event where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PayloadRetention {
    /// Milliseconds, for tenants of which nothing is said.
    pub default_ms: Option<i64>,
    /// Milliseconds, for some tenants.
    pub tenants_ms: BTreeMap<Tenant, i64>,
    /// Bytes that each tenant may keep of which nothing is said; of more, the oldest go first, a file of the log at a time.
    /// What counts is what an erasure would take: payloads, actors, tags, idempotency keys, and what receivers answered.
    /// The newest file, which is still appended to, does not count.
    pub default_bytes: Option<u64>,
    /// The same of some tenants.
    pub tenants_bytes: BTreeMap<Tenant, u64>,
}

impl PayloadRetention {
    /// How long those of a tenant are kept.
    pub fn of(&self, tenant: &str) -> Option<i64> {
        self.tenants_ms.get(tenant).copied().or(self.default_ms)
    }

    /// How many bytes a tenant may keep.
    pub fn bytes_of(&self, tenant: &str) -> Option<u64> {
        self.tenants_bytes.get(tenant).copied().or(self.default_bytes)
    }

    /// Whether bytes matter to any tenant.
    pub fn limits_bytes(&self) -> bool {
        self.default_bytes.is_some() || !self.tenants_bytes.is_empty()
    }

    /// All periods.
    pub fn periods(&self) -> impl Iterator<Item = i64> {
        self.default_ms.into_iter().chain(self.tenants_ms.values().copied())
    }

    /// All periods with the names of their settings.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, i64)> {
        named("payload_retention_ms", self.default_ms, &self.tenants_ms)
    }

    /// All limits in bytes with the names of their settings.
    pub(super) fn named_bytes(&self) -> impl Iterator<Item = (String, u64)> {
        named("payload_retention_bytes", self.default_bytes, &self.tenants_bytes)
    }

    /// Tells these periods from others, the same in every run.
    pub fn digest(&self) -> u64 {
        let mut spelled = format!("{:?}", self.default_ms);
        for (tenant, period) in &self.tenants_ms {
            spelled.push_str(&format!("\n{tenant} {period}"));
        }
        let digest = sha256(spelled.as_bytes());
        u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
    }
}

fn named<T: Copy>(
    name: &str,
    default: Option<T>,
    tenants: &BTreeMap<Tenant, T>,
) -> impl Iterator<Item = (String, T)> {
    let default = default.map(|value| (name.to_owned(), value));
    default
        .into_iter()
        .chain(tenants.iter().map(move |(tenant, value)| (format!("tenants.{tenant}.{name}"), *value)))
}
