//! Reports of an app's mounts, and the flags that ask for a part of one.

use crate::context::Context;
use crate::domain::docker_args;
use crate::domain::error::{Error, Result};
use crate::domain::names::AppName;
use crate::domain::phases::Phase;
use crate::domain::text::or_empty;
use crate::render::report::Report;
use crate::store::Mounts;
use crate::types;
use std::borrow::Cow;

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) format: Format,
    pub(crate) global: bool,
    pub(crate) help: bool,
    pub(crate) flag: Option<String>,
    pub(crate) positional: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

impl Request {
    /// Reads the arguments of a report. Every flag but `--format` and `--global` asks for one value.
    pub(crate) fn parse(words: &[String], context: &mut Context) -> Result<Self> {
        let command = context.row.command();
        let mut request = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--format" {
                let value = words
                    .next()
                    .ok_or_else(|| Error::refused("--format needs a value: stdout or json"))?;
                request.format = Format::parse(value)?;
            } else if let Some(value) = word.strip_prefix("--format=") {
                request.format = Format::parse(value)?;
            } else if word == "--help" || word == "-h" {
                request.help = true;
            } else if word == "--global" {
                request.global = true;
            } else if word == "--" {
                request.positional.extend(words.by_ref().cloned());
            } else if word.starts_with('-') {
                if let Some(first) = &request.flag {
                    return Err(Error::refused(format!(
                        "{command} command allows only a single flag, got {first} and {word}"
                    )));
                }
                request.flag = Some(word.clone());
            } else {
                request.positional.push(word.clone());
            }
        }
        if request.help {
            context.out.error_line(&format!("Usage of {command}:"));
            context.out.error_line(
                "      --format string   format: [ stdout | json ] (default \"stdout\")",
            );
            return Err(Error::Status(0));
        }
        if request.format == Format::Json && request.flag.is_some() {
            return Err(Error::refused(
                "--format flag cannot be specified when specifying an info flag",
            ));
        }
        Ok(request)
    }
}

impl Format {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "stdout" | "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => {
                Err(Error::refused(format!("Invalid format: {other}; it can be stdout or json")))
            }
        }
    }
}

/// The report of one app on standard output, as `dokku report` shows it.
pub(crate) fn of_app(app: &AppName, context: &mut Context) -> Result<()> {
    let mounts = loaded(context.store.mounts(app));
    one(app, &mounts, &Request::default(), context)
}

/// What an app mounts; a file that cannot be read is among its problems.
pub(crate) fn loaded(mounts: Result<Mounts>) -> Mounts {
    mounts.unwrap_or_else(|error| Mounts { problems: vec![error], ..Mounts::default() })
}

pub(crate) fn one(
    app: &AppName,
    mounts: &Mounts,
    request: &Request,
    context: &mut Context,
) -> Result<()> {
    for problem in &mounts.problems {
        context
            .out
            .warn(&format!("Unable to load all storage attachments for \"{app}\": {problem}"));
    }
    warn_of_orphans(app, mounts, context);
    let report = report(mounts, context)?;
    match (&request.flag, request.format) {
        (Some(flag), _) => report.print_value(&mut context.out, flag)?,
        (None, Format::Json) => report.print_json(&mut context.out),
        (None, Format::Text) => report.print_text(&mut context.out, app.as_str()),
    }
    Ok(())
}

/// Says which attachments have no entry, and how to get rid of them.
pub(crate) fn warn_of_orphans(app: &AppName, mounts: &Mounts, context: &mut Context) {
    for orphan in &mounts.orphans {
        let name = &orphan.entry_name;
        context.out.warn(&format!(
            "Skipping attachment on \"{app}\": missing entry \"{name}\" (storage entry \"{name}\" does not exist; to drop the attachment: dokku storage:unmount {app} {name} --container-dir {})",
            docker_args::quoted(orphan.container_path.as_str())
        ));
    }
}

pub(crate) fn report<'a>(mounts: &'a Mounts, context: &Context) -> Result<Report<'a>> {
    let mut report = Report::default();
    for (index, mounted) in mounts.mounted.iter().enumerate() {
        let (entry, attachment) = (&mounted.entry, &mounted.attachment);
        let prefix = format!("attachment.{}.", index + 1);
        let mut add =
            |key: &str, value: Cow<'a, str>| report.add([prefix.as_str(), key].concat(), value);
        add("container-path", attachment.container_path.as_str().into());
        add("entry-name", entry.name.as_str().into());
        add("host-path", or_empty(entry.host_path.as_ref()).into());
        add("phases", attachment.phases.to_string().into());
        add("process-type", attachment.process_type.as_ref().into());
        add("readonly", if attachment.readonly { "true" } else { "false" }.into());
        add("subpath", or_empty(attachment.subpath.as_ref()).into());
        add("volume-chown", or_empty(attachment.volume_chown.as_ref()).into());
        add("volume-options", or_empty(attachment.volume_options.as_ref()).into());
        if let Some(from) = super::mounts::shared_from(mounted, context)? {
            add("shared-from", from.into());
        }
    }
    let sorted = mounts.sorted();
    for phase in Phase::ALL {
        let words: Vec<String> = sorted
            .iter()
            .filter(|mounted| mounted.attachment.phases.contains(phase))
            .flat_map(|mounted| {
                let source = docker_args::mounted_source(&mounted.entry, &mounted.attachment);
                types::of(&mounted.entry).words(&source, &mounted.entry, &mounted.attachment)
            })
            .collect();
        report.add(format!("{}-mounts", phase.as_str()), docker_args::line(&words));
    }
    Ok(report)
}
