//! Dokku's reports: one row a flag, one flat object, or the bare value of one flag.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Format, Printer};
use crate::domain::Result;

/// The width of a report's first column, unless a label needs more.
const WIDTH: usize = 31;

/// What is asked for of a report: one value, or all of them in a format.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) flag: Option<String>,
    pub(crate) format: Format,
}

/// A report of one thing: its values under the flags that ask for them, without the dashes and the plugin's name.
#[derive(Debug, Default)]
pub struct Report<'a> {
    /// In the order of the keys, each of which is there once.
    values: Vec<(String, Cow<'a, str>)>,
}

impl<'a> Report<'a> {
    /// Adds the value of `--storage-KEY`; of several for one key, the last counts.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<Cow<'a, str>>) {
        let (key, value) = (key.into(), value.into());
        // Most are added in order.
        if self.values.last().is_none_or(|(last, _)| *last < key) {
            self.values.push((key, value));
            return;
        }
        match self.values.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => self.values[at].1 = value,
            Err(at) => self.values.insert(at, (key, value)),
        }
    }

    pub(crate) fn print(&self, out: &mut Printer, name: &str, asked: &Asked) -> Result<()> {
        match (&asked.flag, asked.format) {
            (Some(flag), _) => return self.print_value(out, flag),
            (None, Format::Json) => self.print_json(out),
            (None, _) => self.print_text(out, name),
        }
        Ok(())
    }

    /// Prints every value as a row, below the headline `NAME storage information`.
    pub fn print_text(&self, out: &mut Printer, name: &str) {
        out.report_headline(&format!("{name} storage information"));
        let mut label = String::new();
        let longest = self.values.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let width = WIDTH.max(longest + "Storage :".len() + 1);
        for (key, value) in &self.values {
            write_label(key, width, &mut label);
            out.details(&[&label, value]);
        }
    }

    /// Prints one object with each value under `KEY` and under `storage-KEY`.
    pub fn print_json(&self, out: &mut Printer) {
        let mut object: BTreeMap<Cow<str>, &str> = BTreeMap::new();
        for (key, value) in &self.values {
            object.insert(key.into(), value);
            object.insert(format!("storage-{key}").into(), value);
        }
        out.json(&object);
    }

    /// Prints the bare value of one flag.
    fn print_value(&self, out: &mut Printer, flag: &str) -> Result<()> {
        let asked = flag.strip_prefix("--storage-");
        let found = self.values.iter().find(|(key, _)| Some(key.as_str()) == asked);
        let Some((_, value)) = found else {
            let flags: Vec<String> =
                self.values.iter().map(|(key, _)| format!("--storage-{key}")).collect();
            refuse!("Invalid flag passed, valid flags: {}", flags.join(", "));
        };
        out.line(value);
        Ok(())
    }
}

/// Writes `Storage attachment 1 phases:` for `attachment.1.phases`, and blanks up to a width in characters.
fn write_label(key: &str, width: usize, label: &mut String) {
    label.clear();
    label.push_str("Storage ");
    label.extend(key.chars().map(|c| if matches!(c, '-' | '.') { ' ' } else { c }));
    label.push(':');
    let length = if label.is_ascii() { label.len() } else { label.chars().count() };
    label.extend(std::iter::repeat_n(' ', width.saturating_sub(length)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_their_keys_and_the_last_of_a_key_counts() {
        let mut report = Report::default();
        for (key, value) in [("b", "1"), ("c", "2"), ("a", "3"), ("b", "4")] {
            report.add(key, value);
        }
        let values: Vec<(&str, &str)> =
            report.values.iter().map(|(key, value)| (key.as_str(), &**value)).collect();
        assert_eq!(values, [("a", "3"), ("b", "4"), ("c", "2")]);
    }

    #[test]
    fn a_label_is_as_wide_as_asked_in_characters() {
        let mut label = String::new();
        write_label("attachment.1.entry-name", 34, &mut label);
        assert_eq!(label, "Storage attachment 1 entry name:  ");
        write_label("ü.x", 14, &mut label);
        assert_eq!(label, "Storage ü x:  ");
        write_label("longer", 3, &mut label);
        assert_eq!(label, "Storage longer:");
    }
}
