//! What a scenario found: a table of medians, and how its ratios compare with what is wanted.

use std::time::{SystemTime, UNIX_EPOCH};

use casewire_data::Timestamp;
use serde_json::{Map, Value, json};

use super::{super::output, process};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Which scenario.
    pub(super) scenario: &'static str,
    /// What it was run with, in words.
    pub(super) settings: String,
    /// Columns of the table, their units last.
    pub(super) headings: Vec<&'static str>,
    /// Its rows, as wide as the headings.
    pub(super) rows: Vec<Vec<Value>>,
    /// What follows from it.
    pub(super) findings: Vec<Finding>,
    /// Deliveries that were accepted and did not arrive.
    pub(super) lost: u64,
}

/// One figure, and whether it is as wanted.
#[derive(Debug)]
pub(super) struct Finding {
    /// What it is.
    pub(super) what: String,
    /// The figure.
    pub(super) value: Value,
    /// What is wanted of it, and whether it is so.
    pub(super) wanted: Option<(String, bool)>,
}

impl Report {
    /// Adds a figure of which nothing is wanted.
    pub(super) fn found(&mut self, what: impl Into<String>, value: Value) {
        self.findings.push(Finding { what: what.into(), value, wanted: None });
    }

    /// Adds a figure with what is wanted of it.
    pub(super) fn judged(
        &mut self,
        what: impl Into<String>,
        value: Value,
        wanted: impl Into<String>,
        met: bool,
    ) {
        self.findings.push(Finding { what: what.into(), value, wanted: Some((wanted.into(), met)) });
    }

    /// Adds a figure that is not to exceed `most`; one that could not be measured (NaN) does not meet it.
    pub(super) fn at_most(&mut self, what: impl Into<String>, value: f64, most: f64) {
        self.judged(what, figure(value), format!("<= {most}"), value <= most);
    }

    /// Adds a figure that is not to fall below `least`; one that could not be measured (NaN) does not meet it.
    pub(super) fn at_least(&mut self, what: impl Into<String>, value: f64, least: f64) {
        self.judged(what, figure(value), format!(">= {least}"), value >= least);
    }

    /// Prints it, with the machine and the date.
    pub(super) fn print(&self, json: bool) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)).to_string();
        if json {
            return output::json(&self.to_json(&process::machine(), &date));
        }
        output::line(&format!("{}  ({date})\n{}\n{}\n", self.scenario, process::machine(), self.settings));
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(output::text).collect()).collect();
        output::table(&self.headings, &rows);
        output::line("");
        for Finding { what, value, wanted } in &self.findings {
            let wanted = match wanted {
                Some((wanted, met)) => {
                    format!("  (wanted: {wanted}; {})", if *met { "met" } else { "NOT MET" })
                }
                None => String::new(),
            };
            output::line(&format!("{what}: {}{wanted}", output::text(value)));
        }
        output::line("");
    }

    fn to_json(&self, machine: &str, date: &str) -> Value {
        let row = |row: &Vec<Value>| {
            let cells = self.headings.iter().zip(row);
            cells.map(|(heading, cell)| ((*heading).to_owned(), cell.clone())).collect::<Map<_, _>>()
        };
        let finding = |finding: &Finding| match &finding.wanted {
            Some((wanted, met)) => json!({
                "what": finding.what, "value": finding.value, "wanted": wanted, "met": met,
            }),
            None => json!({ "what": finding.what, "value": finding.value }),
        };
        json!({
            "scenario": self.scenario,
            "date": date,
            "machine": machine,
            "settings": self.settings,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "lost": self.lost,
        })
    }
}

/// A figure with so many digits as mean something.
#[allow(clippy::cast_possible_truncation, reason = "it is for people to read")]
pub(super) fn figure(value: f64) -> Value {
    match value.abs() {
        size if size >= 100.0 => json!(value.round() as i64),
        size if size >= 10.0 => json!((value * 10.0).round() / 10.0),
        _ => json!((value * 100.0).round() / 100.0),
    }
}

/// Bytes, in megabytes.
pub(super) fn megabytes(bytes: u64) -> f64 {
    to_f64(bytes) / 1e6
}

/// A count, to be divided by another.
#[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
pub(super) fn to_f64(number: u64) -> f64 {
    number as f64
}

/// The median of what each round's own ratio is: a machine that is slow for a while is so to both of a round.
pub(super) fn ratio<T>(ours: &[T], theirs: &[T], part: impl Fn(&T) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| part(ours) / part(theirs)))
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let cases: [(&[f64], f64); 4] =
            [(&[], 0.0), (&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0], 2.5)];
        for (values, expected) in cases {
            assert!((median(values.iter().copied()) - expected).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_those_of_the_rounds() {
        // The last round met a machine at half its speed.
        assert!((ratio(&[3.0, 2.0, 1.5], &[2.0, 2.0, 1.0], |rate| *rate) - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_bound_itself_is_met_and_what_was_not_measured_is_not() {
        let mut report = Report::default();
        report.at_most("cost", 2.0, 2.0);
        report.at_most("cost", 2.001, 2.0);
        report.at_least("rate", 0.5, 0.5);
        report.at_least("rate", f64::NAN, 0.5);
        let met = |finding: &Finding| finding.wanted.as_ref().unwrap().1;
        assert_eq!(report.findings.iter().map(met).collect::<Vec<_>>(), [true, false, true, false]);
    }

    #[test]
    fn figures_have_no_more_digits_than_they_mean() {
        let shown = [1_234.56, 45.678, 0.987_6].map(|value| figure(value).to_string());
        assert_eq!(shown, ["1235", "45.7", "0.99"]);
    }

    #[test]
    fn a_row_of_json_names_its_columns() {
        let mut report = Report {
            headings: vec!["run", "rate /s"],
            rows: vec![vec![json!("a"), json!(3)]],
            ..Report::default()
        };
        report.judged("ratio", json!(0.5), ">= 0.9", false);
        let shown = report.to_json("m", "d");
        assert_eq!(shown["rows"][0], json!({"run": "a", "rate /s": 3}));
        assert_eq!(shown["findings"][0]["met"], false);
    }
}
