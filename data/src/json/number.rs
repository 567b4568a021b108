//! Numbers as JSON writes them, compared digit by digit: as doubles, two large ones that differ would be equal.

use std::{cmp::Ordering, fmt};

/// A decimal number, without the zeros that say nothing: `1`, `1.0` and `10e-1` are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    /// How many digits stand before the decimal point; below 0, how many zeros behind it come first.
    magnitude: i64,
    /// Neither begins nor ends with a zero; none at all for 0.
    digits: Box<[u8]>,
}

impl Number {
    /// Reads a number that is valid JSON. An exponent beyond 64 bits is the largest, or smallest, that there is.
    pub(crate) fn of(text: &str) -> Self {
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

    /// How many digits it has, but for the zeros at either end.
    pub(crate) fn digits(&self) -> usize {
        self.digits.len()
    }

    /// Whether nothing is behind its decimal point.
    pub(crate) fn is_integer(&self) -> bool {
        self.trailing_zeros() >= 0
    }

    /// Whether it is a divisor that [`Number::is_multiple_of`] can work with: more than 0, of 18 digits at most.
    pub(crate) fn can_divide(&self) -> bool {
        !self.negative && !self.digits.is_empty() && self.digits.len() <= 18
    }

    /// Whether it is a whole number of times another one that [can divide](Number::can_divide).
    pub(crate) fn is_multiple_of(&self, divisor: &Self) -> bool {
        let zeros = self.trailing_zeros().saturating_sub(divisor.trailing_zeros());
        if self.digits.is_empty() || zeros < 0 {
            // The last digit is no zero, so that no power of ten divides it.
            return self.digits.is_empty();
        }
        let divisor = divisor.digits.iter().fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let append = |rest: u128, digit: u8| (rest * 10 + u128::from(digit)) % divisor;
        let mut rest = self.digits.iter().fold(0, |rest, digit| append(rest, digit - b'0'));
        // From 60 zeros on, all factors of 2 and 5 that 18 digits can have are in.
        for _ in 0..zeros.min(60) {
            rest = append(rest, 0);
        }
        rest == 0
    }

    /// What it is as a number of things, if it can be one; the most there is, if it is more.
    pub(crate) fn as_count(&self) -> Option<u64> {
        if self.negative || !self.is_integer() {
            return None;
        }
        let zeros = usize::try_from(self.trailing_zeros().min(20)).unwrap_or(0);
        let digits = self.digits.iter().chain(std::iter::repeat_n(&b'0', zeros));
        let count =
            digits.fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        Some(count)
    }

    /// The power of ten that its digits are to be multiplied with.
    fn trailing_zeros(&self) -> i64 {
        self.magnitude.saturating_sub(self.digits.len() as i64)
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

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = str::from_utf8(&self.digits).unwrap_or_default();
        let sign = if self.negative { "-" } else { "" };
        let (point, zeros) = (usize::try_from(self.magnitude).unwrap_or(0), self.trailing_zeros());
        match zeros {
            _ if digits.is_empty() => f.write_str("0"),
            0..20 => write!(f, "{sign}{digits}{}", "0".repeat(usize::try_from(zeros).unwrap_or(0))),
            ..0 if point > 0 => write!(f, "{sign}{}.{}", &digits[..point], &digits[point..]),
            ..0 if self.magnitude > -20 => {
                let before = usize::try_from(-self.magnitude).unwrap_or(0);
                write!(f, "{sign}0.{}{digits}", "0".repeat(before))
            }
            _ => write!(f, "{sign}{digits}e{zeros}"),
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

    #[test]
    fn multiples_are_exact() {
        for (value, divisor, multiple) in [
            ("0.3", "0.1", true),
            ("1e3", "7", false),
            ("1e400", "1024", true),
            ("1e400", "3", false),
            ("-12.5", "2.5", true),
            ("0", "5", true),
            ("0.5", "1", false),
            ("100000000000000000000000000000000000020", "3", true),
            ("7", "1e1", false),
            ("70", "1e1", true),
        ] {
            assert_eq!(Number::of(value).is_multiple_of(&Number::of(divisor)), multiple, "{value} {divisor}");
        }
        for (written, shown) in
            [("-1.50", "-1.5"), ("1e3", "1000"), ("5e-3", "0.005"), ("0.0", "0"), ("1e99", "1e99")]
        {
            assert_eq!(Number::of(written).to_string(), shown);
        }
        let counts = ["0", "1e1", "1e99", "-1", "0.5"].map(|it| Number::of(it).as_count());
        assert_eq!(counts, [Some(0), Some(10), Some(u64::MAX), None, None]);
        assert!(["1.0", "1e3", "0", "10e-1"].iter().all(|it| Number::of(it).is_integer()));
        assert!(!["1.5", "1e-1"].iter().any(|it| Number::of(it).is_integer()));
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
