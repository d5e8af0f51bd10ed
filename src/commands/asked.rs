//! The arguments of a report: every flag but `--format` and `--global` asks for one value.

use super::arguments::{self, AppWord, Args};
use crate::context::Context;
use crate::domain::{Error, Result};
use crate::render::{Asked, Format};

pub(super) struct ReportRequest {
    pub(super) asked: Asked,
    pub(super) global: bool,
    pub(super) words: Vec<String>,
}

impl ReportRequest {
    pub(super) fn parse(words: &[String], context: &mut Context) -> Result<Self> {
        Self::parse_or(words, dokkus_help, "stdout or json", context)
    }

    /// The same for a report that Dokku does not have; `A` has its flags, for the help.
    pub(super) fn parse_own<A: Args>(words: &[String], context: &mut Context) -> Result<Self> {
        Self::parse_or(words, arguments::say_help::<A>, "text or json", context)
    }

    fn parse_or(
        words: &[String],
        say_help: fn(&mut Context),
        forms: &str,
        context: &mut Context,
    ) -> Result<Self> {
        let (mut asked, mut global, mut positional) = (Asked::default(), false, Vec::new());
        let mut words = words.iter();
        let mut is_help = false;
        while let Some(word) = words.next() {
            if word == "--format" {
                let value =
                    words.next().ok_or_else(|| refusal!("--format needs a value: {forms}"))?;
                asked.format = format(value, forms)?;
            } else if let Some(value) = word.strip_prefix("--format=") {
                asked.format = format(value, forms)?;
            } else if word == "--help" || word == "-h" {
                is_help = true;
            } else if word == "--global" {
                global = true;
            } else if word == "--" {
                positional.extend(words.by_ref().cloned());
            } else if word.starts_with('-') {
                if let Some(first) = &asked.flag {
                    refuse!(
                        "{} command allows only a single flag, got {first} and {word}",
                        context.row.command()
                    );
                }
                asked.flag = Some(word.clone());
            } else {
                positional.push(word.clone());
            }
        }
        if is_help {
            say_help(context);
            return Err(Error::Status(0));
        }
        if asked.format == Format::Json && asked.flag.is_some() {
            refuse!("--format flag cannot be specified when specifying an info flag");
        }
        Ok(Self { asked, global, words: positional })
    }

    /// The app that is asked about, which the global `--app` names before a word does.
    pub(super) fn app(&self, context: &Context) -> Option<AppWord> {
        context.environment.app_name().or_else(|| self.words.first().cloned()).map(AppWord::from)
    }
}

fn dokkus_help(context: &mut Context) {
    context.out.error_line(&format!("Usage of {}:", context.row.command()));
    context
        .out
        .error_line("      --format string   format: [ stdout | json ] (default \"stdout\")");
}

fn format(text: &str, forms: &str) -> Result<Format> {
    match text {
        "stdout" | "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        other => Err(refusal!("Invalid format: {other}; it can be {forms}")),
    }
}
