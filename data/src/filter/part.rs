//! A part of a text, found in time that is linear in both: a search that begins again at every character is not, and takes
//! seconds for a long part of a long text.

/// How far a part begins like itself further on (Knuth, Morris and Pratt): after a mismatch behind so many of its bytes, as
/// many are still matched.
#[derive(Clone, Debug)]
pub(super) struct Part(Box<[u16]>);

impl Part {
    /// Of a part, which has no more bytes than a filter.
    pub(super) fn of(part: &[u8]) -> Self {
        let mut matched = vec![0u16; part.len()];
        let mut length = 0;
        for index in 1..part.len() {
            while length > 0 && part[index] != part[length] {
                length = usize::from(matched[length - 1]);
            }
            length += usize::from(part[index] == part[length]);
            matched[index] = u16::try_from(length).expect("a filter is shorter than 64 KiB");
        }
        Self(matched.into())
    }

    /// Whether the part, the same one, is somewhere in a text.
    pub(super) fn is_within(&self, part: &[u8], text: &[u8]) -> bool {
        if part.is_empty() {
            return true;
        }
        let mut length = 0;
        for byte in text {
            while length > 0 && part[length] != *byte {
                length = usize::from(self.0[length - 1]);
            }
            length += usize::from(part[length] == *byte);
            if length == part.len() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_part_of_the_longest_text_is_looked_for_once_along_it() {
        let part = [b"a".repeat(16_000), b"b".to_vec()].concat();
        let text = b"a".repeat(1024 * 1024);
        assert!(!Part::of(&part).is_within(&part, &text), "in an instant, not in minutes");
        assert!(Part::of(&part[1..]).is_within(&part[1..], &[text, part.clone()].concat()));
    }

    proptest! {
        #[test]
        fn a_part_is_found_where_looking_at_every_place_finds_it(part in "[ab]{0,6}", text in "[ab]{0,40}") {
            let found = Part::of(part.as_bytes()).is_within(part.as_bytes(), text.as_bytes());
            prop_assert_eq!(found, text.contains(&part));
        }
    }
}
