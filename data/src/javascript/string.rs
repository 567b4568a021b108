//! Strings: with the escapes that JavaScript writes, and no others.

use super::{Pass, problem::Step};

/// The bytes of a string that need a look: its end, escapes, and controls, which JSON forbids there.
const NOT_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = true;
        control += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

impl Pass<'_> {
    /// Reads a string, whose opening quote stands at `at`.
    pub(super) fn string(&mut self) -> Step {
        self.at += 1;
        loop {
            let rest = &self.json[self.at..];
            let Some(plain) = rest.iter().position(|&byte| NOT_PLAIN[usize::from(byte)]) else {
                self.at = self.json.len();
                return self.malformed();
            };
            self.at += plain;
            match rest[plain] {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return self.malformed(),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Step {
        let from = self.at;
        self.at += 2;
        match self.json.get(from + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {}
            Some(b'/') => self.replace(from, b"/"),
            Some(b'u') => {
                let unit = self.unit()?;
                let character = char::from_u32(unit.into()).or_else(|| self.pair(unit));
                self.replace(from, spelled(character.ok_or(unit)).as_bytes());
            }
            _ => {
                self.at = from + 1;
                return self.malformed();
            }
        }
        Ok(())
    }

    /// The character that a surrogate makes with the one escaped behind it, if one is there.
    fn pair(&mut self, first: u16) -> Option<char> {
        let behind = self.at;
        if self.take(b'\\')
            && self.take(b'u')
            && let Ok(second) = self.unit()
            && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        {
            return Some(character);
        }
        self.at = behind;
        None
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Step<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return self.malformed() };
            unit = unit << 4 | digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// A character or lone surrogate as `QuoteJSONString` spells it.
fn spelled(unit: std::result::Result<char, u16>) -> String {
    match unit {
        Ok('\u{8}') => "\\b".into(),
        Ok('\t') => "\\t".into(),
        Ok('\n') => "\\n".into(),
        Ok('\u{c}') => "\\f".into(),
        Ok('\r') => "\\r".into(),
        Ok('"') => "\\\"".into(),
        Ok('\\') => "\\\\".into(),
        Ok(control @ '\0'..' ') => format!("\\u{:04x}", u32::from(control)),
        Ok(character) => character.into(),
        Err(surrogate) => format!("\\u{surrogate:04x}"),
    }
}
