//! A page in Prometheus's text format 0.0.4: families of samples, each with its help and its type before it.

use std::fmt::{Display, Write};

use casewire_actors::metrics::Distribution;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family of a type; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One sample, with a label if there is one.
    pub(super) fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        match label {
            Some((label, of)) => self.line(format_args!("{name}{{{label}=\"{of}\"}} {value}")),
            None => self.line(format_args!("{name} {value}")),
        }
    }

    /// A family of one number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, None, value);
    }

    /// A family of one number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, None, value);
    }

    /// A family of a distribution; so many of what was counted are one of the unit in its name.
    pub(super) fn histogram(&mut self, name: &str, help: &str, values: &Distribution, unit: f64) {
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        let bounds = values.bounds.iter().map(|bound| (*bound as f64 / unit).to_string());
        for (bound, more) in bounds.chain(["+Inf".to_owned()]).zip(&values.counts) {
            count += more;
            self.sample(&bucket, Some(("le", &bound)), count);
        }
        self.sample(&format!("{name}_sum"), None, values.sum as f64 / unit);
        self.sample(&format!("{name}_count"), None, count);
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("memory takes all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_prometheus_wants_it() {
        let mut page = Page::default();
        page.counter("a_total", "All of a.", 3);
        page.family("b", "gauge", "B by c.");
        page.sample("b", Some(("c", "d")), 0);
        let values = Distribution { bounds: &[500, 20_000_000], counts: vec![1, 2, 4], sum: 1_250_000 };
        page.histogram("t_seconds", "Time.", &values, 1e6);
        let expected = "\
            # HELP a_total All of a.\n# TYPE a_total counter\na_total 3\n\
            # HELP b B by c.\n# TYPE b gauge\nb{c=\"d\"} 0\n\
            # HELP t_seconds Time.\n# TYPE t_seconds histogram\n\
            t_seconds_bucket{le=\"0.0005\"} 1\nt_seconds_bucket{le=\"20\"} 3\nt_seconds_bucket{le=\"+Inf\"} 7\n\
            t_seconds_sum 1.25\nt_seconds_count 7\n";
        assert_eq!(page.into_text(), expected);
    }
}
