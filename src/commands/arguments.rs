//! Reading the arguments of a subcommand, and saying what is wrong with them the way Dokku's commands do.
//!
//! A field of a command's `Arguments` whose description begins with a flag (`--force: …`) is that flag. Every other field is a word
//! beside the flags, in the order of the fields: the empty word where none was typed, or `None` in an `Option`; a `Vec` takes all that are left.

use std::any::TypeId;
use std::borrow::Cow;
use std::ffi::OsStr;

pub(crate) use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::context::Context;
use crate::context::row::{Kind, Row};
pub(crate) use crate::domain::text::{given, word};
use crate::domain::{AppName, Entry, Error, Result};
use crate::fs::bounded;
use crate::ops::{access, apps, confirmation};
use crate::render::Format;
use crate::storage::EntryLock;

/// The heading of flags that Dokku's own commands do not have.
pub const OWN: &str = "own";

/// The name by which the words behind the last one that a command takes are known to the parser.
const REST: &str = "rest";

/// The status of a command whose flags are wrong.
const WRONG_FLAGS: i32 = 2;

/// Reads the arguments behind the command's own name. Flags may stand anywhere before `--`; the last of several wins; a value may begin
/// with a dash. Refuses words behind the last one that the command takes: what is said is done, or refused. Where flags are wrong, the usage
/// and what is wrong are said already; status 2, or 0 where help was asked for.
pub(crate) fn parse<A: Args>(words: &[String], context: &mut Context) -> Result<A> {
    let (arguments, rest) = parse_some(words, context)?;
    no_more_than(&rest, 0)?;
    Ok(arguments)
}

/// The same with the words behind the last one, for a command that refuses something else first. Those of Dokku that only show something
/// ignore them, as Dokku does.
pub(crate) fn parse_some<A: Args>(
    words: &[String],
    context: &mut Context,
) -> Result<(A, Vec<String>)> {
    let mut parser = command::<A>();
    let mut words = Cow::from(words);
    let mut said = parser.try_get_matches_from_mut(&*words);
    if let Ok(matches) = &said
        && let Some(app) = missing_app(&parser, matches, context)
    {
        // A flag is no app.
        if app.starts_with('-') {
            AppName::parse(&app)?;
        }
        words.to_mut().insert(0, app);
        said = parser.try_get_matches_from_mut(&*words);
    }
    let read = said.and_then(|mut matches| {
        let rest = matches.try_remove_many(REST).ok().flatten();
        Ok((A::from_arg_matches(&matches)?, rest.into_iter().flatten().collect()))
    });
    let error = match read {
        Ok(said) => return Ok(said),
        Err(error) => error,
    };
    let is_help = error.kind() == ErrorKind::UnknownArgument
        && ["--help", "-h"].contains(&told(&error, ContextKind::InvalidArg));
    if is_help {
        print_help(&parser, context);
        return Err(Error::Status(0));
    }
    for line in usage(context.row, &parser) {
        context.out.error_line(&line);
    }
    context.out.error_line(&reason(&error, &words, &parser, context.row.kind));
    Err(Error::Status(WRONG_FLAGS))
}

/// The app of the global `--app`, where the first word is to be an app and is not this one yet.
///
/// Dokku puts it there itself for a plugin below `core-plugins`.
fn missing_app(parser: &Command, matches: &ArgMatches, context: &Context) -> Option<String> {
    let app = context.environment.app_name()?;
    let first = parser.get_positionals().next()?;
    let last = parser.get_positionals().filter(|arg| arg.get_id() != REST).last()?;
    let is_of_app = first.get_value_parser().type_id() == TypeId::of::<AppWord>();
    let mut typed = matches.get_raw(first.get_id().as_str()).into_iter().flatten();
    let is_there = typed.next() == Some(OsStr::new(&app))
        && (matches.value_source(last.get_id().as_str()) == Some(ValueSource::CommandLine)
            || context.is_core_plugin());
    (is_of_app && !is_there).then_some(app)
}

/// The words of a command that takes no app first, without the app of the global `--app` that Dokku put in front of them; and that app.
pub(crate) fn without_app<'a>(
    words: &'a [String],
    context: &Context,
) -> (&'a [String], Option<&'a str>) {
    let is_inserted = |app: &String| !app.starts_with('-') && context.is_core_plugin();
    let given = context.environment.app_name().filter(is_inserted);
    match words {
        [app, words @ ..] if given.as_ref() == Some(app) => (words, Some(app)),
        _ => (words, None),
    }
}

/// What a command takes that is about one thing, with flags that others have too.
#[derive(Debug, Args)]
pub(crate) struct Named<N: From<String> + Clone + Send + Sync + 'static, F: Args = ()> {
    pub(crate) name: N,
    #[command(flatten)]
    pub(crate) flags: F,
}

/// The same for a command that is about something of that thing.
#[derive(Debug, Args)]
pub(crate) struct NamedOf<O: From<String> + Clone + Send + Sync + 'static, F: Args = ()> {
    pub(crate) of: O,
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) flags: F,
}

/// What a command takes that shows an app, or all of them.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    pub(crate) app: Option<AppWord>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// The name of an entry that a command needs.
#[derive(Debug, Clone)]
pub(crate) struct EntryWord(String);

impl From<String> for EntryWord {
    fn from(word: String) -> Self {
        Self(word)
    }
}

impl EntryWord {
    /// The entry, where the caller may touch it.
    pub(crate) fn existing(&self, context: &Context) -> Result<Entry> {
        refuse_if!(self.0.is_empty(), "storage entry name is required");
        access::entry(&self.0, context)
    }

    /// The same, as it is once nobody else is at work on it.
    pub(crate) fn alone(&self, context: &mut Context) -> Result<(Entry, EntryLock)> {
        let lock = EntryLock::take(self.existing(context)?.name.as_str(), context)?;
        Ok((self.existing(context)?, lock))
    }
}

/// The name of an app. Where it is the first word of a command, the global `--app` may stand for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppWord(pub(crate) String);

impl From<String> for AppWord {
    fn from(word: String) -> Self {
        Self(word)
    }
}

impl AppWord {
    /// The app, where the caller may see it.
    pub(crate) fn existing(&self, context: &Context) -> Result<AppName> {
        apps::existing(&context.environment, &self.0)
    }
}

/// The form in which a command shows what it has.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// --format: output format: text, table or json
    #[arg(default_value = "text")]
    format: String,
}

impl Output {
    /// The form that was asked for.
    pub(crate) fn format(&self) -> Result<Format> {
        match self.lenient() {
            Format::Text if self.format != "text" => {
                Err(refusal!("Invalid --format value specified"))
            }
            format => Ok(format),
        }
    }

    /// As Dokku reads it for some of its commands: what is unknown is text.
    pub(crate) fn lenient(&self) -> Format {
        match self.format.as_str() {
            "json" => Format::Json,
            "table" => Format::Table,
            _ => Format::Text,
        }
    }
}

/// What a command takes that destroys something.
#[derive(Debug, Args)]
pub(crate) struct Force {
    /// --force: do not ask for confirmation
    force: bool,
}

impl Force {
    pub(crate) fn or_ask(&self, kind: &str, name: &str, context: &mut Context) -> Result<()> {
        if self.force || context.environment.is_forced() {
            return Ok(());
        }
        confirmation::ask(kind, name, context)
    }

    /// The same for a sentence that says what the command will do.
    pub(crate) fn or_ask_about(
        &self,
        sentence: &str,
        name: &str,
        context: &mut Context,
    ) -> Result<()> {
        if self.force || context.environment.is_forced() {
            return Ok(());
        }
        confirmation::ask_about(sentence, name, context)
    }
}

/// A flag's value, where one was given.
pub(crate) fn parsed<T>(
    value: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T>,
) -> Result<Option<T>> {
    given(value.map(String::as_str)).map(parse).transpose()
}

/// The parser of a subcommand's arguments: a flag has the name of its field, and each but a `bool` takes a value.
fn command<A: Args>() -> Command {
    let command = A::augment_args(Command::new("storage"))
        .no_binary_name(true)
        .disable_version_flag(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .mut_args(|arg| {
            if !arg.get_help().is_some_and(|help| help.to_string().starts_with("--")) {
                let is_needed = arg.is_required_set();
                return if is_needed { arg.required(false).default_value("") } else { arg };
            }
            let name = arg.get_long().unwrap_or(arg.get_id().as_str()).replace('_', "-");
            let arg = arg.long(&*name.leak());
            if is_switch(&arg) {
                arg.num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .default_value("false")
                    .value_parser(truth)
                    .action(ArgAction::Set)
            } else {
                let is_list = matches!(arg.get_action(), ArgAction::Append)
                    && arg.get_value_names().is_none_or(|names| names[0] != "string");
                let kind = if is_list { "strings" } else { "string" };
                arg.num_args(1).allow_hyphen_values(true).value_name(kind)
            }
        });
    if command.get_positionals().any(|arg| matches!(arg.get_action(), ArgAction::Append)) {
        return command;
    }
    command.arg(Arg::new(REST).num_args(1..).action(ArgAction::Append))
}

/// The ways of writing yes and no that Dokku's flags know.
fn truth(text: &str) -> std::result::Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(String::new()),
    }
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Prints the help of a command that takes these arguments.
pub(crate) fn say_help<A: Args>(context: &mut Context) {
    print_help(&command::<A>(), context);
}

/// Prints the help; on standard error for what Dokku has too, as Dokku does.
fn print_help(parser: &Command, context: &mut Context) {
    let row = context.row;
    let lines = match row.kind {
        Kind::Subcommand | Kind::Addition => help(row, parser, context.environment.program()),
        _ => usage(row, parser),
    };
    for line in lines {
        if row.kind == Kind::Addition {
            context.out.line(&line);
        } else {
            context.out.error_line(&line);
        }
    }
}

/// The help: the synopsis, a sentence, every flag with its description, and an example.
fn help(row: &Row, command: &Command, program: &str) -> Vec<String> {
    let mut lines =
        vec![format!("Usage: {program} {}", row.synopsis()), String::new(), row.summary.to_owned()];
    let flags = flags(command);
    if !flags.is_empty() {
        lines.extend([String::new(), "Flags:".to_owned()]);
        lines.extend(flag_lines(&flags, own_description));
    }
    let example = format!("      {program} {} {}", row.command(), row.example);
    lines.extend([String::new(), "Example:".to_owned(), example.trim_end().to_owned()]);
    lines
}

/// The usage: every flag with the kind of its value, in order; then those that Dokku's own command does not
/// have.
fn usage(row: &Row, command: &Command) -> Vec<String> {
    let (own, dokkus): (Vec<&Arg>, Vec<&Arg>) =
        flags(command).into_iter().partition(|arg| arg.get_help_heading() == Some(OWN));
    let description =
        if row.kind == Kind::Subcommand { dokkus_description } else { own_description };
    let mut lines = vec![format!("Usage of {}:", row.command())];
    lines.extend(flag_lines(&dokkus, description));
    lines.extend(flag_lines(&own, description));
    lines
}

fn flags(command: &Command) -> Vec<&Arg> {
    let mut flags: Vec<&Arg> =
        command.get_arguments().filter(|arg| arg.get_long().is_some()).collect();
    flags.sort_by_key(|arg| arg.get_long());
    flags
}

/// A description as Dokku's usage has it, behind the flag's name.
fn dokkus_description(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

/// A description of ours: without the flag's name, and right where Dokku's is not.
fn own_description(arg: &Arg) -> String {
    let said = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    match said.split_once(": ") {
        Some((name, rest)) if name.starts_with("--") => rest.to_owned(),
        _ => said,
    }
}

fn flag_lines(flags: &[&Arg], description: fn(&Arg) -> String) -> Vec<String> {
    let head = |arg: &Arg| {
        let long = arg.get_long().unwrap_or_default();
        match arg.get_value_names() {
            Some([kind, ..]) if *kind == "string" || *kind == "strings" => {
                format!("      --{long} {kind}")
            }
            _ => format!("      --{long}"),
        }
    };
    let heads: Vec<String> = flags.iter().map(|arg| head(arg)).collect();
    let width = heads.iter().map(String::len).max().unwrap_or(0);
    let lines = flags.iter().zip(&heads).map(|(arg, head)| {
        let default = arg.get_default_values().first().and_then(|value| value.to_str());
        let default = match default {
            Some(value) if !["false", ""].contains(&value) => format!(" (default {value:?})"),
            _ => String::new(),
        };
        format!("{head:width$}   {}{default}", description(arg))
    });
    lines.collect()
}

/// What the parser says of an error.
fn told(error: &clap::Error, kind: ContextKind) -> &str {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text,
        _ => "",
    }
}

fn reason(error: &clap::Error, words: &[String], parser: &Command, kind: Kind) -> String {
    let named = told(error, ContextKind::InvalidArg);
    let flag = named.split([' ', '=']).next().unwrap_or_default();
    let value = told(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with("--") || kind == Kind::Addition => {
            format!("unknown flag: {flag}")
        }
        ErrorKind::UnknownArgument => {
            let letter = flag.trim_start_matches('-').chars().next().unwrap_or('-');
            let word = words.iter().find(|word| word.starts_with(flag)).map_or(flag, |word| word);
            format!("unknown shorthand flag: '{letter}' in {word}")
        }
        ErrorKind::InvalidValue
        | ErrorKind::NoEquals
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::TooFewValues
            if value.is_empty() =>
        {
            format!("flag needs an argument: {flag}")
        }
        ErrorKind::ValueValidation => {
            let flag = flag.split('[').next().unwrap_or_default();
            let is_own = parser.get_arguments().any(|arg| {
                arg.get_help_heading() == Some(OWN) && arg.get_long() == flag.strip_prefix("--")
            });
            let why = if kind == Kind::Subcommand && !is_own {
                // Dokku's own words.
                format!("strconv.ParseBool: parsing {value:?}: invalid syntax")
            } else {
                "it can be true or false".to_owned()
            };
            format!("invalid argument {value:?} for \"{flag}\" flag: {why}")
        }
        _ => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// Reads standard input, which may have so many bytes; `what` is a sentence's begin, such as "the document has".
pub(crate) fn standard_input(what: &str, most: u64) -> Result<Vec<u8>> {
    let read = bounded::read(std::io::stdin().lock(), most);
    let text = read.map_err(Error::system("read", "standard input"))?;
    text.ok_or_else(|| refusal!("{what} more than {most} bytes"))
}

/// Reads a document from standard input as a command wants it, and refuses one without anything in it.
pub(crate) fn standard_document(what: &str, most: u64, context: &Context) -> Result<Vec<u8>> {
    let document = standard_input(what, most)?;
    if document.trim_ascii().is_empty() {
        let usage = format!("usage: {} {}", context.environment.program(), context.row.synopsis());
        return Err(refusal!("there is no document on standard input").hint(usage));
    }
    Ok(document)
}

/// Refuses words behind the last one that is taken.
pub(crate) fn no_more_than(words: &[String], most: usize) -> Result<()> {
    let Some(word) = words.get(most) else {
        return Ok(());
    };
    refuse!(
        "unexpected argument {word:?}; where it is part of a value with blanks, quote the value, over SSH twice"
    )
}

/// The values of a flag that may be repeated and may hold several values divided by commas; a value with a
/// comma of its own stands in double quotes.
pub fn list(given: &[String]) -> Vec<String> {
    let mut values = Vec::new();
    for text in given.iter().filter(|text| !text.is_empty()) {
        let mut value = String::new();
        let mut quoted = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    value.push('"');
                }
                '"' if quoted || value.is_empty() => quoted = !quoted,
                ',' if !quoted => values.push(std::mem::take(&mut value)),
                other => value.push(other),
            }
        }
        values.push(value);
    }
    values
}

/// `KEY=VALUE` pairs.
pub fn pairs(given: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
    list(given)
        .into_iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(refusal!("expected key=value, got {pair:?}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_divided_by_commas_outside_quotes() {
        let given = ["deploy,run".to_owned(), "\"a=b,c\"".to_owned(), "d".to_owned()];
        assert_eq!(list(&given), ["deploy", "run", "a=b,c", "d"]);
    }
}
