//! What follows the question mark in a request, from the program's arguments: what is not given is left out.

use url::form_urlencoded;

/// Which page of a list.
#[derive(Debug, clap::Args)]
pub(super) struct PageArgs {
    /// So many of the newest, 1 to 200.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Goes on where a page ended, by its `next_cursor`.
    #[arg(long)]
    cursor: Option<String>,
}

impl PageArgs {
    /// The query for the page, with other parameters.
    pub(super) fn query<'a>(
        &self,
        others: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
    ) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let own = [("limit", limit.as_deref()), ("cursor", self.cursor.as_deref())];
        let all: Vec<_> = others.into_iter().collect();
        query(all.into_iter().chain(own))
    }
}

/// The query with these parameters, its question mark included; empty without any.
pub(super) fn query<'a>(parameters: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            encoded.append_pair(name, value);
        }
    }
    let encoded = encoded.finish();
    if encoded.is_empty() { encoded } else { format!("?{encoded}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_asked_for_and_nothing_else() {
        assert_eq!(query([("a", None)]), "");
        assert_eq!(
            query([("since", Some("2026-04-29T11:10:00+02:00")), ("a", None), ("b", Some("x&y"))]),
            "?since=2026-04-29T11%3A10%3A00%2B02%3A00&b=x%26y"
        );
        let page = PageArgs { limit: Some(7), cursor: None };
        assert_eq!(page.query([("tenant", Some("north"))]), "?tenant=north&limit=7");
    }
}
