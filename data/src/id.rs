//! Identifiers: a prefix that says what it is, and a 26-character ULID.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::{Timestamp, error::Error};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// From the 16 bytes of a ULID, as a number.
            pub const fn from_u128(value: u128) -> Self {
                Self(value)
            }

            /// The 16 bytes of the ULID, as a number; ids sort by it.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// What stands behind the prefix.
            pub(crate) fn digits(self, buffer: &mut [u8; ulid::ULID_LEN]) -> &str {
                Ulid(self.0).array_to_str(buffer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; ulid::ULID_LEN];
                f.write_str(Self::PREFIX)?;
                f.write_str(self.digits(&mut text))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let wrong = || Error::field("id", format!("`{text}` is not an id of the form {}…", Self::PREFIX));
                let digits = text.strip_prefix(Self::PREFIX).ok_or_else(wrong)?;
                // Only the canonical spelling, so that one thing has one name.
                let id = Ulid::from_string(digits).map(|ulid| Self(ulid.0)).map_err(|_| wrong())?;
                if id.to_string() == text { Ok(id) } else { Err(wrong()) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0.to_be_bytes())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Bytes;
                impl serde::de::Visitor<'_> for Bytes {
                    type Value = [u8; 16];
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("the 16 bytes of a ULID")
                    }
                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; 16], E> {
                        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
                    }
                }
                deserializer.deserialize_bytes(Bytes).map(|bytes| Self(u128::from_be_bytes(bytes)))
            }
        }
    };
}

id!(
    /// An event, `evt_…`. Increases in publish order, also over restarts.
    EventId, "evt_"
);
id!(
    /// An endpoint, `wh_…`.
    EndpointId, "wh_"
);
id!(
    /// A source of events that come in, `src_…`.
    SourceId, "src_"
);
id!(
    /// A replay, `rpl_…`.
    ReplayId, "rpl_"
);
id!(
    /// A bearer token, `tok_…`; not the token's secret.
    TokenId, "tok_"
);
id!(
    /// An entry of the audit, `aud_…`. Increases from each to the next.
    AuditId, "aud_"
);

impl EventId {
    /// The smallest that an event published at a time can have, to the millisecond.
    pub fn first_at(time: Timestamp) -> Self {
        let millis = u128::try_from(time.as_millis()).unwrap_or(0).min((1 << 48) - 1);
        Self(millis << 80)
    }
}

/// A delivery is one event on its way to one endpoint; its id is derived, `<event>.<endpoint>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The event that is delivered.
    pub event: EventId,
    /// Where it is delivered to.
    pub endpoint: EndpointId,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event, self.endpoint)
    }
}

impl FromStr for DeliveryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (event, endpoint) = text.split_once('.').ok_or_else(|| {
            Error::field("id", format!("`{text}` is not a delivery's id of the form evt_….wh_…"))
        })?;
        Ok(Self { event: event.parse()?, endpoint: endpoint.parse()? })
    }
}

/// Hands out ULIDs that only ever increase, whatever the clock does.
#[derive(Clone, Copy, Debug)]
pub struct UlidSequence {
    last: u128,
}

impl UlidSequence {
    /// Continues after `last`, the largest id that was ever handed out (0 if none was).
    pub const fn after(last: u128) -> Self {
        Self { last }
    }

    /// The largest id handed out so far.
    pub const fn last(&self) -> u128 {
        self.last
    }

    /// The next id: from the time and `random` if that is larger than the last one, else one more than the last.
    pub fn next(&mut self, now: Timestamp, random: u128) -> u128 {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        // The top bit of the random part stays clear, so that increments have room within the millisecond.
        let candidate = Ulid::from_parts(millis, random >> 1 & (u128::MAX >> 49)).0;
        let same_millisecond = candidate >> 80 <= self.last >> 80;
        self.last = if same_millisecond { self.last + 1 } else { candidate };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_write_and_nothing_else() {
        let id: EventId = "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW".parse().unwrap();
        assert_eq!(id.to_string(), "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW");
        for bad in [
            "",
            "evt_",
            "wh_01J1C6ZGQ6FQTH2X6M2VS3P0XW",
            "evt_01j1c6zgq6fqth2x6m2vs3p0xw",
            "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW0",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
        let delivery = format!("{id}.wh_01J1C6ZGQ6FQTH2X6M2VS3P0XW");
        assert_eq!(delivery.parse::<DeliveryId>().unwrap().to_string(), delivery);
    }

    #[test]
    fn the_sequence_increases_when_the_clock_stands_still_or_goes_back() {
        let mut sequence = UlidSequence::after(0);
        let mut last = 0;
        for (millis, random) in [(1_000, u128::MAX), (1_000, 0), (999, 7), (1_001, 0), (0, 0), (5_000, 1)] {
            let next = sequence.next(Timestamp::from_millis(millis), random);
            assert!(next > last, "{next} > {last}");
            last = next;
        }
        assert_eq!(last >> 80, 5_000);
    }
}
