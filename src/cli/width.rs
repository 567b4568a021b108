//! How many columns of a terminal a text takes, so that tables of names in any script stay tables.
//!
//! Near enough to Unicode's East Asian Width (UAX #11) for what people call things; terminals differ in the rest.

use std::ops::RangeInclusive;

/// Characters that take two columns: scripts of East Asia, and pictures.
const WIDE: [RangeInclusive<char>; 18] = [
    '\u{1100}'..='\u{115f}',
    '\u{231a}'..='\u{231b}',
    '\u{23e9}'..='\u{23ec}',
    '\u{2614}'..='\u{2615}',
    '\u{2648}'..='\u{2653}',
    '\u{2e80}'..='\u{3029}',
    '\u{302e}'..='\u{303e}',
    '\u{3041}'..='\u{3098}',
    '\u{309b}'..='\u{4dbf}',
    '\u{4e00}'..='\u{a4cf}',
    '\u{a960}'..='\u{a97f}',
    '\u{ac00}'..='\u{d7a3}',
    '\u{f900}'..='\u{faff}',
    '\u{fe30}'..='\u{fe6f}',
    '\u{ff01}'..='\u{ff60}',
    '\u{1f300}'..='\u{1f64f}',
    '\u{1f680}'..='\u{1faff}',
    '\u{20000}'..='\u{3fffd}',
];

/// Characters that take none: accents on the one before, joiners, variations.
const NARROW: [RangeInclusive<char>; 15] = [
    '\u{0300}'..='\u{036f}',
    '\u{0483}'..='\u{0489}',
    '\u{0591}'..='\u{05bd}',
    '\u{0610}'..='\u{061a}',
    '\u{064b}'..='\u{065f}',
    '\u{0e34}'..='\u{0e3a}',
    '\u{0e47}'..='\u{0e4e}',
    '\u{1ab0}'..='\u{1aff}',
    '\u{1dc0}'..='\u{1dff}',
    '\u{200b}'..='\u{200d}',
    '\u{20d0}'..='\u{20ff}',
    '\u{302a}'..='\u{302d}',
    '\u{3099}'..='\u{309a}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{e0100}'..='\u{e01ef}',
];

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

fn columns(character: char) -> usize {
    let among = |ranges: &[RangeInclusive<char>]| ranges.iter().any(|range| range.contains(&character));
    match character {
        ' '..='~' => 1,
        _ if among(&NARROW) => 0,
        _ if among(&WIDE) => 2,
        _ => 1,
    }
}

/// Whether a character is seen only by what it does to the direction of the text around it (UAX #9): with them a name
/// can be made to look like another one.
pub(super) fn is_directional(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_as_many_columns_as_it_is_wide() {
        for (text, columns) in [
            ("plain", 5),
            ("Fälle", 5),
            ("e\u{301}", 1),
            ("案件", 4),
            ("ｆｕｌｌ", 8),
            ("한글", 4),
            ("📁", 2),
            ("", 0),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
    }
}
