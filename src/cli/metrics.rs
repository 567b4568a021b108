//! `casewire metrics`: what a running server counts.

use serde_json::{Map, Value, json};

use super::{
    Outcome,
    client::{Client, ServerArgs},
    output,
};

/// What `metrics` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire metrics
  casewire metrics --json | jq '.data[] | select(.name == \"casewire_dead_letters\").value'")]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints all samples: as JSON, or as a table without the buckets of histograms.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let page = Client::new(&args.server)?.text("/metrics").await?;
    let samples: Vec<Sample<'_>> = page.lines().filter_map(Sample::read).collect();
    if json {
        let samples: Vec<_> = samples.iter().map(Sample::to_json).collect();
        output::json(&json!({ "data": samples }));
        return Ok(());
    }
    let rows = samples.iter().filter(|sample| !sample.name.ends_with("_bucket"));
    let rows: Vec<_> =
        rows.map(|it| vec![it.name.to_owned(), it.labels.to_owned(), it.value.to_owned()]).collect();
    output::table(&["name", "labels", "value"], &rows);
    Ok(())
}

/// One line of the page, as Casewire writes it: at most one label, and no commas or quotes in its value.
#[derive(Debug, PartialEq)]
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: &'a str,
}

impl<'a> Sample<'a> {
    /// Absent for a comment.
    fn read(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some(Self { name, labels: labels.trim_end_matches('}'), value })
    }

    fn to_json(&self) -> Value {
        let labels: Map<String, Value> = self
            .labels
            .split_once('=')
            .map(|(name, value)| (name.to_owned(), json!(value.trim_matches('"'))))
            .into_iter()
            .collect();
        let value: Option<f64> = self.value.parse().ok();
        json!({ "name": self.name, "labels": labels, "value": value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_with_and_without_a_label() {
        let plain = Sample::read("a_total 3").unwrap();
        assert_eq!(plain, Sample { name: "a_total", labels: "", value: "3" });
        let labelled = Sample::read("a_bucket{le=\"+Inf\"} 0.5").unwrap();
        assert_eq!(
            labelled.to_json(),
            json!({ "name": "a_bucket", "labels": { "le": "+Inf" }, "value": 0.5 })
        );
        assert_eq!(Sample::read("# HELP a_total All of a."), None);
    }
}
