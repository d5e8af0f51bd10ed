//! Prometheus' text format: families of samples, each with its help and its type.

use std::fmt::Write;

/// What begins the name of every family.
const PREFIX: &str = "dokku_storage_";

/// Families in the making.
#[derive(Default)]
pub(crate) struct Metrics {
    text: String,
}

/// A sample: its labels, and its value.
pub(crate) type Sample<'a> = (Vec<(&'a str, String)>, f64);

impl Metrics {
    /// Adds a family of gauges; none where it has no samples.
    pub(crate) fn gauges(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        if samples.is_empty() {
            return;
        }
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "# HELP {PREFIX}{name} {help}");
        let _ = writeln!(self.text, "# TYPE {PREFIX}{name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let labels =
                if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.text, "{PREFIX}{name}{labels} {value}");
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_a_help_a_type_and_samples() {
        let mut metrics = Metrics::default();
        let sample = (vec![("entry", "a\"b\\".to_owned())], 12.0);
        metrics.gauges("used_bytes", "Bytes.", &[sample]);
        metrics.gauges("none", "Nothing.", &[]);
        assert_eq!(
            metrics.into_text(),
            "# HELP dokku_storage_used_bytes Bytes.\n# TYPE dokku_storage_used_bytes gauge\ndokku_storage_used_bytes{entry=\"a\\\"b\\\\\"} 12\n"
        );
    }
}
