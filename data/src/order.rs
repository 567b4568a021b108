//! The order in which an endpoint is sent what waits for it: none, that of each case, or that of the whole endpoint.

use serde::{Deserialize, Serialize};

use crate::{event::Resource, signature::sha256};

mod lanes;
#[cfg(test)]
mod tests;

pub use lanes::{Arrival, LaneRead, Lanes, SetAside};

/// Which of an endpoint's deliveries are made one at a time and in publish order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOrder {
    /// None: as many at once as are allowed, and a failed one is overtaken.
    #[default]
    None,
    /// Those of one resource, or case. A failing one is waited for by its own case alone; events without a resource
    /// wait for nothing.
    Resource,
    /// All. A failing one is waited for until it is delivered or given up.
    Endpoint,
}

impl DeliveryOrder {
    /// Every order, in the order of http-api.
    pub const ALL: [Self; 3] = [Self::None, Self::Resource, Self::Endpoint];

    /// Whether it is none.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The order as machines read it: `resource`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Resource => "resource",
            Self::Endpoint => "endpoint",
        }
    }
}

/// What the deliveries of one case have in common: a digest of the resource, so that a row in the retry journal names
/// its case in eight bytes. Were two cases ever to share one, they would only wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane(pub u64);

impl Lane {
    /// The lane of a resource. Stored, so it must stay what it is.
    pub fn of(resource: &Resource) -> Self {
        let named = [resource.kind.as_bytes(), &[0], resource.id.as_bytes()].concat();
        let digest = sha256(&named);
        let first = digest.first_chunk().expect("a SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(*first))
    }
}
