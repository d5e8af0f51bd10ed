//! Dokku's reports: one row a flag, one flat object, or the bare value of one flag.

use std::collections::BTreeMap;

use super::Printer;
use crate::error::{Error, Result};

/// The width of a report's first column, unless a label needs more.
const WIDTH: usize = 31;

/// A report of one thing: its values under the flags that ask for them, without the dashes and the plugin's name.
#[derive(Debug, Default)]
pub struct Report {
    values: BTreeMap<String, String>,
}

impl Report {
    /// Adds the value of `--storage-KEY`.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Prints every value as a row, below the headline `NAME storage information`.
    pub fn print_text(&self, out: &mut Printer, name: &str) {
        out.report_headline(&format!("{name} storage information"));
        let labels: Vec<String> = self.values.keys().map(|key| label(key)).collect();
        let longest = labels.iter().map(String::len).max().unwrap_or(0);
        let width = WIDTH.max(longest + 1);
        for (label, value) in labels.iter().zip(self.values.values()) {
            out.detail(&format!("{label:width$}{value}"));
        }
    }

    /// Prints one object with each value under `KEY` and under `storage-KEY`.
    pub fn print_json(&self, out: &mut Printer) {
        let mut object: BTreeMap<String, &str> = BTreeMap::new();
        for (key, value) in &self.values {
            object.insert(key.clone(), value);
            object.insert(format!("storage-{key}"), value);
        }
        out.json(&object);
    }

    /// Prints the bare value of one flag.
    ///
    /// # Errors
    /// Where there is no such flag; the sentence lists those there are.
    pub fn print_value(&self, out: &mut Printer, flag: &str) -> Result<()> {
        let value = flag.strip_prefix("--storage-").and_then(|key| self.values.get(key));
        let Some(value) = value else {
            let flags: Vec<String> =
                self.values.keys().map(|key| format!("--storage-{key}")).collect();
            return Err(Error::refused(format!(
                "Invalid flag passed, valid flags: {}",
                flags.join(", ")
            )));
        };
        out.line(value);
        Ok(())
    }
}

/// `Storage attachment 1 phases:` for `attachment.1.phases`.
fn label(key: &str) -> String {
    format!("Storage {}:", key.replace(['-', '.'], " "))
}
