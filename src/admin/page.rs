//! Lists in pages: `limit` and an opaque `cursor`, newest first.

use std::{fmt::Display, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The most items that one page holds (http-api).
pub(super) const LIMIT_MAX: usize = 200;
/// The items of a page whose size nobody asked for (http-api).
pub(super) const LIMIT_DEFAULT: usize = 50;

/// What a cursor may be.
pub(super) const CURSOR_RULE: &str = "pass on the `next_cursor` of the page before, unchanged";

/// Which part of a list a caller wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<Id> {
    limit: usize,
    after: Option<Id>,
}

impl<Id: Ord> Page<Id> {
    /// The page of so many items at most, behind the last one of the page before.
    pub(super) fn new(limit: usize, after: Option<Id>) -> Self {
        Self { limit, after }
    }

    /// This page of `items`, newest first, and the cursor of the next one if there is more.
    ///
    /// Goes by the ids and not by positions, so that pages stay whole when something is created or
    /// deleted between them.
    pub(super) fn cut<T>(self, mut items: Vec<T>, id: impl Fn(&T) -> Id) -> (Vec<T>, Option<String>)
    where
        Id: Display,
    {
        items.sort_by_key(|item| std::cmp::Reverse(id(item)));
        let start = self.after.map_or(0, |after| items.partition_point(|item| id(item) >= after));
        items.drain(..start);
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| more).map(|last| cursor(&id(last)));
        (items, next)
    }
}

/// What a limit may be.
pub(super) fn limit_rule() -> String {
    format!("choose 1 to {LIMIT_MAX}")
}

/// The cursor of the page that begins behind an id.
pub(super) fn cursor(id: &impl Display) -> String {
    URL_SAFE_NO_PAD.encode(id.to_string())
}

/// The id that a cursor stands for, if it is one.
pub(super) fn read_cursor<Id: FromStr>(cursor: &str) -> Option<Id> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use casewire_data::id::EndpointId;

    use super::*;

    #[test]
    fn pages_follow_each_other_although_items_come_and_go() {
        let ids = |range: std::ops::Range<u128>| range.map(EndpointId::from_u128).collect::<Vec<_>>();
        let (first, next) = Page::new(2, None).cut(ids(1..6), |id| *id);
        assert_eq!(first, [5, 4].map(EndpointId::from_u128));

        let mut without_the_last_and_with_a_new_one = ids(1..8);
        without_the_last_and_with_a_new_one.retain(|id| *id != first[1]);
        let after = read_cursor(&next.unwrap());
        let (second, next) = Page::new(3, after).cut(without_the_last_and_with_a_new_one, |id| *id);
        assert_eq!(second, [3, 2, 1].map(EndpointId::from_u128));
        assert_eq!(next, None, "nothing follows");
    }
}
