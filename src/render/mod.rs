//! The only place that prints: Dokku's headlines, details and warnings, and reports.

pub(crate) mod metrics;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod table;

pub(crate) use report::{Asked, Report};
pub(crate) use table::table;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::domain::{Error, Result};
use crate::host::Environment;

/// How much is collected before it is written.
const BLOCK: usize = 64 * 1024;

/// The longest warning, in characters: what somebody typed stands in it, and may be of any length.
const LONGEST: usize = 4096;

/// The status of a process whose reader went away, as if the signal had ended it.
const SIGPIPE_STATUS: i32 = 141;

/// The caller's standard output and standard error.
pub struct Printer {
    pending: Vec<u8>,
    quiet: bool,
    is_dokku: bool,
    is_aside: bool,
    failure: Option<io::Error>,
}

/// In which form something is shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people, as Dokku shows it.
    #[default]
    Text,
    /// In columns below their headings; this is the text of all that is not Dokku's.
    Table,
    /// For programs.
    Json,
}

/// Text without control characters: what somebody typed, or stored, must not reach a terminal as commands.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(shown).collect::<String>().into()
}

/// A sentence with the commands in it as they are typed on a host without Dokku. Everything else writes `dokku storage:NAME`.
fn without_dokku(sentence: &str) -> Cow<'_, str> {
    const COMMAND: &str = "dokku storage:";
    if !sentence.contains(COMMAND) {
        return sentence.into();
    }
    sentence.replace(COMMAND, "dokku-storage storage:").into()
}

impl Printer {
    /// A printer that leaves headlines out where it is quiet.
    pub fn new(quiet: bool) -> Self {
        Self { pending: Vec::new(), quiet, is_dokku: true, is_aside: false, failure: None }
    }

    /// The printer for a call: its sentences name commands as they are typed on this host. Data, such as JSON and the
    /// values of a report, is printed as it is.
    pub(crate) fn of(environment: &Environment) -> Self {
        Self { is_dokku: environment.is_dokku(), ..Self::new(environment.is_quiet()) }
    }

    /// A sentence as it is printed here.
    pub(crate) fn sentence<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_dokku { text.into() } else { without_dokku(text) }
    }

    /// Sends whatever is said to standard error, while standard output is for a program; or ends that.
    pub fn speak_aside(&mut self, is_aside: bool) {
        self.write_pending();
        self.is_aside = is_aside;
    }

    /// Whether headlines are left out.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// `-----> text`, said also when quiet.
    pub fn headline(&mut self, text: &str) {
        self.push(&["-----> ", &self.sentence(text), "\n"]);
    }

    /// `-----> text`, unless quiet.
    pub fn headline_unless_quiet(&mut self, text: &str) {
        if !self.quiet {
            self.headline(text);
        }
    }

    /// `=====> text`, unless quiet.
    pub fn report_headline(&mut self, text: &str) {
        if !self.quiet {
            self.push(&["=====> ", text, "\n"]);
        }
    }

    /// Seven spaces and the text.
    pub fn detail(&mut self, text: &str) {
        self.details(&[&self.sentence(text)]);
    }

    /// Seven spaces and the parts of the text.
    pub fn details(&mut self, parts: &[&str]) {
        self.push(&["       "]);
        self.push(parts);
        self.push(&["\n"]);
    }

    /// Seven spaces and the text, unless quiet.
    pub fn detail_unless_quiet(&mut self, text: &str) {
        if !self.quiet {
            self.detail(text);
        }
    }

    /// A name and its value, unless there is none.
    pub(crate) fn labelled(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.detail(&format!("{:18}{value}", format!("{label}:")));
        }
    }

    /// A list: as JSON, or as [`Printer::table`] has it.
    pub(crate) fn list<T: Serialize>(
        &mut self,
        format: Format,
        items: &[T],
        (headings, row): (&[&str], impl Fn(&T) -> Vec<String>),
        when_empty: &str,
    ) {
        if format == Format::Json {
            return self.json_pretty(&items);
        }
        let rows: Vec<_> = items.iter().map(row).collect();
        self.table(headings, &rows, when_empty);
    }

    /// Rows below their headings, or a headline where there are none.
    pub(crate) fn table(&mut self, headings: &[&str], rows: &[Vec<String>], when_empty: &str) {
        if rows.is_empty() {
            self.headline_unless_quiet(when_empty);
        } else {
            self.line(&table(headings, rows));
        }
    }

    pub fn line(&mut self, text: &str) {
        self.push(&[text, "\n"]);
    }

    /// Text as it is, without an end of line.
    pub fn text(&mut self, text: &str) {
        self.push(&[text]);
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.pending.extend_from_slice(part.as_bytes());
        }
        if self.pending.len() >= BLOCK {
            self.write_pending();
        }
    }

    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.failure = Some(error.into()),
        }
    }

    pub fn json_pretty(&mut self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.failure = Some(error.into()),
        }
    }

    /// ` !     text` on standard error, a line each.
    pub fn warn(&mut self, text: &str) {
        for line in self.sentence(text).lines() {
            match line.char_indices().nth(LONGEST) {
                None => self.error_line(&format!(" !     {line}")),
                Some((end, _)) => self.error_line(&format!(" !     {}…", &line[..end])),
            }
        }
    }

    /// A question without an end of line, on standard error; where that is no terminal, on the one that it is answered at.
    pub fn question(&mut self, text: &str) {
        self.ask(&harmless(&self.sentence(text)));
    }

    pub fn question_line(&mut self, text: &str) {
        self.ask(&format!("{}\n", harmless(&self.sentence(text))));
    }

    fn ask(&mut self, text: &str) {
        self.write_pending();
        let is_hidden = io::stdin().is_terminal() && !io::stderr().is_terminal();
        if !is_hidden || rustix::io::write(io::stdin(), text.as_bytes()).is_err() {
            let _ = write!(io::stderr(), "{text}");
        }
    }

    /// A line on standard error as it is.
    pub fn error_line(&mut self, text: &str) {
        self.write_pending();
        // There is nobody left to tell where this fails.
        let _ = writeln!(io::stderr(), "{}", harmless(text));
    }

    /// Writes all that was said so far, before somebody else speaks or the process ends.
    pub fn flush(&mut self) -> Result<()> {
        self.write_pending();
        match self.failure.take() {
            None => Ok(()),
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Error::Status(SIGPIPE_STATUS))
            }
            Some(error) => Err(Error::system("write", "standard output")(error)),
        }
    }

    fn write_pending(&mut self) {
        if self.is_aside {
            // There is nobody left to tell where this fails.
            let _ = io::stderr().write_all(&self.pending);
        } else if !self.pending.is_empty() && self.failure.is_none() {
            let mut stdout = io::stdout().lock();
            self.failure = stdout.write_all(&self.pending).and_then(|()| stdout.flush()).err();
        }
        self.pending.clear();
    }
}
