//! Lists in pages, for the commands that show them: a query, and the pages that follow each other.

use serde_json::Value;
use url::form_urlencoded;

use super::{Failure, client::Client, output};

/// Which page of a list, and of which time.
#[derive(Debug, clap::Args)]
pub(super) struct PageArgs {
    /// Published at this time or later, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Published before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    size: SizeArgs,
}

/// Which page of a list.
#[derive(Debug, clap::Args)]
pub(super) struct SizeArgs {
    /// How many at once, at most 200.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Where the page before said that there is more.
    #[arg(long)]
    cursor: Option<String>,
}

impl PageArgs {
    /// The page of a list below the prefix, with its filters; those without a value are left out.
    pub(super) async fn get(
        &self,
        client: &Client,
        path: &str,
        filters: &[(&str, Option<&String>)],
    ) -> Result<Value, Failure> {
        let window = [("since", self.since.as_ref()), ("until", self.until.as_ref())];
        self.size.get(client, path, &[filters, &window].concat()).await
    }
}

impl SizeArgs {
    /// As [`PageArgs::get`]. Pages without items, of a search that is not at its end yet, are gone past.
    pub(super) async fn get(
        &self,
        client: &Client,
        path: &str,
        filters: &[(&str, Option<&String>)],
    ) -> Result<Value, Failure> {
        let mut cursor = self.cursor.clone();
        loop {
            let limit = self.limit.map(|limit| limit.to_string());
            let page = [("limit", limit.as_ref()), ("cursor", cursor.as_ref())];
            let answer = client.get(&format!("{path}{}", query(&[filters, &page].concat()))).await?;
            match (&answer["data"], answer["next_cursor"].as_str()) {
                (Value::Array(items), Some(next)) if items.is_empty() => cursor = Some(next.to_owned()),
                _ => return Ok(answer),
            }
        }
    }
}

/// Prints a page as it is, or as a table with these fields of each item and the cursor of the next page.
pub(super) fn print(answer: &Value, fields: &[&str], json: bool) {
    if json {
        return output::json(answer);
    }
    let row = |item: &Value| fields.iter().map(|name| output::text(&item[name])).collect();
    let rows: Vec<_> = answer["data"].as_array().into_iter().flatten().map(row).collect();
    output::table(fields, &rows);
    if let Some(next) = answer["next_cursor"].as_str() {
        output::line(&format!("(more with --cursor {})", output::printable(next)));
    }
}

/// The query with these parameters, its question mark included; empty without any.
pub(super) fn query(parameters: &[(&str, Option<&String>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_in_the_query_whatever_it_contains() {
        let (resource, since) = ("case/C&1".to_owned(), "2026-04-29T11:10:00+02:00".to_owned());
        let all = [("type", None), ("resource", Some(&resource)), ("since", Some(&since))];
        assert_eq!(query(&all), "?resource=case%2FC%261&since=2026-04-29T11%3A10%3A00%2B02%3A00");
        assert_eq!(query(&[("type", None)]), "");
    }
}
