//! The examples of a page.
//!
//! An example is a line `$ COMMAND` in a block marked `console`, with further lines of the command behind `> ` and what it prints below,
//! on standard output and standard error together. A line `...` stands for any lines. A line `<!-- $ COMMAND -->` outside of blocks prepares
//! the host: nobody sees it on the page, and it has to succeed.

use std::ops::Range;

/// A command of a page, and what it prints.
#[derive(Debug)]
pub struct Example {
    /// The line of its command, counted from 1.
    pub number: usize,
    /// The command.
    pub command: String,
    /// What it prints; none for a command that prepares the host.
    pub expected: Option<Vec<String>>,
    /// The lines of the page that hold what is expected, counted from 0.
    pub lines: Range<usize>,
}

/// The examples of a page, in order.
pub fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        let example = |command: &str, expected| Example {
            number: index + 1,
            command: command.to_owned(),
            expected,
            lines: index + 1..index + 1,
        };
        let prepared = line.strip_prefix("<!-- $ ").and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(command) = prepared {
            found.push(example(command, None));
        } else if let Some(kind) = line.strip_prefix("```") {
            is_inside = kind == "console";
        } else if is_inside && let Some(command) = line.strip_prefix("$ ") {
            found.push(example(command, Some(Vec::new())));
        } else if is_inside {
            let example = found.last_mut().unwrap();
            let expected = example.expected.as_mut().unwrap();
            match line.strip_prefix("> ") {
                Some(more) if expected.is_empty() => {
                    example.command.push('\n');
                    example.command.push_str(more);
                    example.lines = index + 1..index + 1;
                }
                _ => {
                    expected.push(line.to_owned());
                    example.lines.end = index + 1;
                }
            }
        }
    }
    found
}

/// Whether what was printed is what is expected; a line `...` stands for any number of lines. Columns may be of other widths, since paths
/// are longer or shorter below the throw-away root.
pub fn matches(expected: &[String], got: &[String]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((line, rest)) if line == "..." => {
            (0..=got.len()).any(|skipped| matches(rest, &got[skipped..]))
        }
        Some((line, rest)) => got
            .split_first()
            .is_some_and(|(first, others)| is_same(line, first) && matches(rest, others)),
    }
}

fn is_same(expected: &str, got: &str) -> bool {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    indentation(expected) == indentation(got)
        && expected.split_whitespace().eq(got.split_whitespace())
}
