//! Numbers: as JavaScript spells the double it reads, provided that this is the very same decimal.

use std::iter;

use super::{
    Pass,
    problem::{Problem, Step},
};
use crate::limits;

/// So many significant digits every double keeps (C calls it `DBL_DIG`).
const KEPT_DIGITS_MAX: usize = 15;

/// So many significant digits JavaScript's spelling of a double has at most.
const DIGITS_MAX: usize = 17;

/// Exponents beyond this are as good as this: no text is long enough to bring them back into a double's range.
const EXPONENT_MAX: i64 = 1 << 48;

impl Pass<'_> {
    /// Reads a number, whose first character stands at `at`.
    pub(super) fn number(&mut self) -> Step {
        let from = self.at;
        self.take(b'-');
        let zero = self.take(b'0');
        if !zero {
            self.digits()?;
        }
        let fraction = self.take(b'.');
        if fraction {
            self.digits()?;
        }
        let exponent = self.take(b'e') || self.take(b'E');
        if exponent {
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        let text = &self.json[from..self.at];
        let long = text.len() > KEPT_DIGITS_MAX;
        let needs_a_look = long || zero || exponent || fraction && text.ends_with(b"0");
        if needs_a_look && text != b"0" {
            let text = std::str::from_utf8(text).expect("a number is ASCII");
            let mut buffer = ryu_js::Buffer::new();
            self.replace(from, spell(text, &mut buffer)?.as_bytes());
        }
        Ok(())
    }

    fn digits(&mut self) -> Step {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { self.malformed() }
    }
}

/// A number as JavaScript spells it; an error if that is another number.
fn spell<'b>(text: &str, buffer: &'b mut ryu_js::Buffer) -> Step<&'b str> {
    let decimal = Decimal::read(text);
    let double = decimal.as_ref().map_or_else(|| double(text), Decimal::double);
    let spelled = buffer.format(double);
    if double.is_finite() && decimal.is_some() && decimal == Decimal::read(spelled) {
        return Ok(spelled);
    }
    let text = limits::shorten(text);
    Err(Problem::new(format!("is {text}, which JavaScript would read as {spelled}; send it as a string")))
}

fn double(text: &str) -> f64 {
    text.parse().expect("Rust reads every number of JSON")
}

/// An exact decimal value of at most [`DIGITS_MAX`] digits: `0.DIGITS` times ten to the power of `point`.
///
/// Digits neither begin nor end with a zero, so equal values are equal in every field. Zero has no digits and no sign:
/// JavaScript writes `-0` as `0`.
#[derive(PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

impl Decimal {
    /// The value of a number in JSON's grammar; nothing if it has too many digits. Takes time linear in the text.
    fn read(text: &str) -> Option<Self> {
        let (negative, text) = signed(text);
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut point = whole.len() as i64 + read_exponent(exponent);
        let mut digits = String::with_capacity(DIGITS_MAX);
        // Zeros that only count if another digit follows.
        let mut zeros = 0;
        for digit in whole.chars().chain(fraction.chars()) {
            match digit {
                '0' if digits.is_empty() => point -= 1,
                '0' => zeros += 1,
                _ if digits.len() + zeros >= DIGITS_MAX => return None,
                _ => {
                    digits.extend(iter::repeat_n('0', zeros));
                    digits.push(digit);
                    zeros = 0;
                }
            }
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, point: 0 });
        }
        Some(Self { negative, digits, point })
    }

    /// The double nearest to it. From its few digits, not from a text of any length: there Rust has limits of its own.
    fn double(&self) -> f64 {
        double(&format!("{}0.{}e{}", if self.negative { "-" } else { "" }, self.digits, self.point))
    }
}

fn read_exponent(text: &str) -> i64 {
    let (negative, digits) = signed(text);
    let digits = digits.trim_start_matches('+').bytes();
    let size = digits.fold(0, |size, digit| (size * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    if negative { -size } else { size }
}

fn signed(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or((false, text), |text| (true, text))
}
