//! Numbers as JSON writes them, compared digit by digit: as doubles, two large ones that differ would be equal.

use std::cmp::Ordering;

/// A decimal number, without the zeros that say nothing: `1`, `1.0` and `10e-1` are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// How many digits stand before the decimal point; below 0, how many zeros behind it come first.
    magnitude: i64,
    /// Neither begins nor ends with a zero; none at all for 0.
    digits: Box<[u8]>,
}

impl Number {
    /// Reads a number that is valid JSON. An exponent beyond 64 bits is the largest, or smallest, that there is.
    pub(super) fn of(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole.as_bytes(), fraction.as_bytes()].concat();
        let Some(first) = all.iter().position(|digit| *digit != b'0') else {
            return Self { negative: false, magnitude: 0, digits: Box::default() };
        };
        let end = all.iter().rposition(|digit| *digit != b'0').map_or(first, |last| last + 1);
        // Of a text that is in memory no count comes near 64 bits.
        let before_point = whole.len() as i64 - first as i64;
        let magnitude = exponent_of(exponent).saturating_add(before_point);
        Self { negative, magnitude, digits: all[first..end].into() }
    }

    fn cmp_absolute(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                self.magnitude.cmp(&other.magnitude).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }
}

fn exponent_of(text: &str) -> i64 {
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_absolute(other),
            (true, true) => other.cmp_absolute(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_compared_by_what_they_are_worth_to_the_last_digit() {
        let ascending = [
            "-1e999999999999999999999",
            "-9007199254740993",
            "-9007199254740992.0",
            "-10",
            "-9.99",
            "-1E-3",
            "0",
            "1e-999999999999999999999",
            "0.001",
            "0.0010000000000000000000001",
            "1",
            "9.99",
            "10",
            "18446744073709551616",
            "18446744073709551617",
            "1e400",
        ];
        for (index, one) in ascending.iter().enumerate() {
            for (place, other) in ascending.iter().enumerate() {
                assert_eq!(Number::of(one).cmp(&Number::of(other)), index.cmp(&place), "{one} {other}");
            }
        }
        for same in [&["0", "-0", "0.0", "0e7", "-0.000E-3"][..], &["1", "1.0", "10e-1", "0.1E1", "1.00e+0"]]
        {
            for one in same {
                assert_eq!(Number::of(one), Number::of(same[0]), "{one}");
            }
        }
    }

    proptest! {
        #[test]
        fn however_it_is_written_it_is_the_same(value in -1_000_000i64..1_000_000, other: i32, shift in 0usize..6) {
            let shifted = format!("{value}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(Number::of(&shifted), Number::of(&value.to_string()));
            let order = value.cmp(&i64::from(other));
            prop_assert_eq!(Number::of(&shifted).cmp(&Number::of(&other.to_string())), order);
        }
    }
}
