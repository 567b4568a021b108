//! A moment in time, to the microsecond, as it is stored and as it is written out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Microseconds since 1970-01-01T00:00:00Z. Nothing here reads the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down; the `webhook-timestamp` of Standard Webhooks.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment plus (or, negative, minus) milliseconds; saturates.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this moment; negative if it is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1_000)
    }

    /// Reads RFC 3339 (`2026-04-29T09:10:00Z`, any offset, any fraction; cut to microseconds).
    pub fn parse(text: &str) -> Result<Self> {
        text.parse::<jiff::Timestamp>().map(|at| Self(at.as_microsecond())).map_err(|_| {
            Error::field("time", format!("`{text}` is not RFC 3339; write it like 2026-04-29T09:10:00Z"))
        })
    }

    /// RFC 3339, UTC, whole seconds: `2026-04-29T09:10:00Z`.
    pub fn to_rfc3339_seconds(self) -> String {
        format!("{:.0}", self.jiff())
    }

    /// RFC 3339, UTC, exactly six fractional digits: `2026-04-29T09:10:00.000000Z`.
    pub fn to_rfc3339_micros(self) -> String {
        format!("{:.6}", self.jiff())
    }

    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_seconds_rounded_down_and_six_digits_with_trailing_zeros() {
        let at = Timestamp::parse("2024-03-26T18:53:16.818040Z").unwrap();
        assert_eq!(at.to_rfc3339_seconds(), "2024-03-26T18:53:16Z");
        assert_eq!(at.to_rfc3339_micros(), "2024-03-26T18:53:16.818040Z");
        assert_eq!(at.as_millis(), 1_711_479_196_818);
    }

    #[test]
    fn reads_any_offset_and_refuses_anything_else() {
        let at = Timestamp::parse("2026-04-29T11:10:00+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-04-29T09:10:00Z");
        for bad in ["", "yesterday", "2026-04-29", "2026-04-29 09:10:00", "2026-13-01T00:00:00Z"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }
}
