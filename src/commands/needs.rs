//! `storage:needs:*`: what an app declares that it needs, and which entry serves each need.

use std::io::{BufRead, IsTerminal, Read};

use clap::Parser;
use serde::Serialize;

use super::arguments::{self, at, no_more_than, with_app};
use crate::context::Context;
use crate::domain::attachment::Attachment;
use crate::domain::docker_args::quoted;
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::finding::{Finding, Severity};
use crate::domain::names::AppName;
use crate::domain::needs::{self, Mode, Need, NeedId};
use crate::ops::apps;
use crate::ops::restart;
use crate::ops::{access, scheduler};
use crate::render::table::table;
use crate::store::Change;
use crate::store::entries::changed_meanwhile;

/// The largest document of needs, in bytes.
const LARGEST: u64 = 1024 * 1024;

#[derive(Debug, Parser)]
struct ListArguments {
    /// --format: output format (text, json)
    #[arg(long, value_name = "string", default_value = "text")]
    format: String,
    positional: Vec<String>,
}

#[derive(Debug, Parser)]
struct Arguments {
    positional: Vec<String>,
}

/// A need as `--format json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    need: &'a Need,
    entry: Option<&'a str>,
}

/// Lists what an app needs, and which entry serves it.
pub(crate) fn list(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: ListArguments = arguments::parse("storage:needs:list", words, context)?;
    let positional = with_app(arguments.positional, 1, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    if !["text", "json"].contains(&arguments.format.as_str()) {
        return Err(Error::refused("Invalid --format value specified").into());
    }
    let declared = context.store.needs(&app)?;
    let mounts = context.store.mounts_file(&app)?;
    let links: Vec<&Attachment> = mounts.attachments().collect();
    let rows: Vec<Row> = declared
        .iter()
        .map(|need| Row { need, entry: linked(need, &links).map(|a| a.entry_name.as_str()) })
        .collect();
    if arguments.format == "json" {
        context.out.json(&rows);
        return Ok(());
    }
    context.out.headline_unless_quiet(&format!("{app} storage needs:"));
    if rows.is_empty() {
        return Ok(());
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mode = if row.need.mode == Mode::Ro { "ro" } else { "rw" };
            let entry = row.entry.unwrap_or(if row.need.optional { "(optional)" } else { "-" });
            vec![
                row.need.id.to_string(),
                row.need.path.to_string(),
                mode.to_owned(),
                entry.to_owned(),
                row.need.description.clone(),
            ]
        })
        .collect();
    for line in table(&["Need", "Path", "Mode", "Entry", "Description"], &cells).lines() {
        context.out.detail(line);
    }
    Ok(())
}

fn linked<'a>(need: &Need, attachments: &[&'a Attachment]) -> Option<&'a Attachment> {
    attachments.iter().copied().find(|a| a.need.as_ref() == Some(&need.id))
}

/// Takes what an app needs from standard input, for apps without a repository.
pub(crate) fn import(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:needs:import", words, context)?;
    let positional = with_app(arguments.positional, 1, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    no_more_than(&positional, 1)?;
    let mut document = Vec::new();
    std::io::stdin()
        .lock()
        .take(LARGEST + 1)
        .read_to_end(&mut document)
        .map_err(Error::system("read", "standard input"))?;
    if document.len() as u64 > LARGEST {
        return Err(Error::refused(format!("the needs have more than {LARGEST} bytes")).into());
    }
    let declared = needs::parse(&document)?;
    let changed = declare(&app, &declared, context)?;
    context.out.headline(&if changed {
        format!("{app} needs {} storage entries", declared.len())
    } else {
        format!("{app} needs the same as before")
    });
    Ok(())
}

/// Remembers what an app needs, and has its links follow; false where nothing changed.
pub(crate) fn declare(app: &AppName, declared: &[Need], context: &Context) -> Result<bool> {
    if context.store.needs(app)? == declared {
        return Ok(false);
    }
    context.store.change(|change| {
        change.write_needs(app, declared)?;
        follow(app, declared, change)
    })?;
    Ok(true)
}

/// Moves the links of needs whose path or mode is declared differently now.
fn follow(app: &AppName, declared: &[Need], change: &mut Change<'_>) -> Result<()> {
    let mut mounts = change.store().mounts_file(app)?.whole()?;
    let mut changed = false;
    mounts.update(|attachment| {
        let need = declared.iter().find(|need| attachment.need.as_ref() == Some(&need.id));
        let Some(need) = need else {
            return false;
        };
        let readonly = need.mode == Mode::Ro;
        if attachment.container_path == need.path && attachment.readonly == readonly {
            return false;
        }
        attachment.container_path = need.path.clone();
        attachment.readonly = readonly;
        changed = true;
        true
    });
    let attachments: Vec<&Attachment> = mounts.attachments().collect();
    for (index, attachment) in attachments.iter().enumerate() {
        let others = attachments[..index].iter().copied();
        let Some(other) = attachment.collision(others).filter(|_| changed) else {
            continue;
        };
        let (moved, there) =
            if attachment.need.is_some() { (*attachment, other) } else { (other, *attachment) };
        let need = moved.need.as_ref().map_or("", AsRef::as_ref);
        let (path, name) = (&there.container_path, &there.entry_name);
        return Err(Error::refused(format!(
            "{app} declares {path} for {need:?}, where it mounts storage entry \"{name}\" already; unmount that first: dokku storage:unmount {app} {name} --container-dir {}",
            quoted(path.as_str())
        )));
    }
    if changed {
        change.write_mounts(app, &mounts);
    }
    Ok(())
}

/// Has an entry serve a need; without a need, asks for each that is not served yet.
pub(crate) fn link(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:needs:link", words, context)?;
    let positional = with_app(arguments.positional, 3, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    no_more_than(&positional, 3)?;
    match (at(&positional, 1), at(&positional, 2)) {
        ("", _) => Ok(ask(&app, context)?),
        (_, "") => Err(Error::refused(format!(
            "name the storage entry too: dokku storage:needs:link {app} {} ENTRY",
            at(&positional, 1)
        ))
        .into()),
        (id, entry) => Ok(link_one(&app, id, entry, context)?),
    }
}

fn link_one(app: &AppName, id: &str, name: &str, context: &mut Context) -> Result<()> {
    let need = declared(app, id, context)?;
    let entry = access::entry(name, context)?;
    scheduler::must_match(&entry, app, context)?;
    access::must_be_in_scope(&entry, app)?;
    access::must_be_allowed(&entry, Some(app), &context.store.policy()?, context)?;
    let linked = context.store.change(|change| {
        if change.store().entry(&entry.name)?.as_ref() != Some(&entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        if !change.store().needs(app)?.contains(&need) {
            return Err(Error::refused(format!(
                "{app} declares {:?} differently now; run the command again",
                need.id.as_str()
            )));
        }
        let mut mounts = change.store().mounts_file(app)?.whole()?;
        let attachment = attachment(&need, &entry);
        let is_so =
            mounts.attachments().any(|a| a.need.as_ref() == Some(&need.id) && *a == attachment);
        if is_so {
            return Ok(false);
        }
        mounts.retain(|line| line.attachment().is_none_or(|a| a.need.as_ref() != Some(&need.id)));
        super::mount::refuse_collision(app, &attachment, mounts.attachments())?;
        change.store().refuse_shared_collision(app, None, &entry, &attachment)?;
        change.store().refuse_second(app, &entry, &attachment)?;
        mounts.push(attachment);
        change.write_mounts(app, &mounts);
        Ok(true)
    });
    let changed = linked.map_err(|error| access::told(error, context))?;
    context.out.headline(&if changed {
        format!("Storage entry {name} serves {} of {app} at {}", need.id, need.path)
    } else {
        format!("Storage entry {name} serves {} of {app} already", need.id)
    });
    if changed {
        restart::say(app, context);
    }
    Ok(())
}

fn attachment(need: &Need, entry: &Entry) -> Attachment {
    let mut attachment = Attachment::new(entry.name.clone(), need.path.clone());
    attachment.readonly = need.mode == Mode::Ro;
    attachment.need = Some(need.id.clone());
    attachment
}

fn declared(app: &AppName, id: &str, context: &Context) -> Result<Need> {
    let id = NeedId::parse(id)?;
    let declared = context.store.needs(app)?;
    let names: Vec<&str> = declared.iter().map(|need| need.id.as_str()).collect();
    let shown = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    declared.iter().find(|need| need.id == id).cloned().ok_or_else(|| {
        Error::refused(format!("{app} declares no need {:?}; it declares: {shown}", id.as_str()))
    })
}

/// Asks on a terminal which entry is to serve each need that none serves yet.
fn ask(app: &AppName, context: &mut Context) -> Result<()> {
    if !is_interactive() {
        return Err(Error::refused(format!(
            "name the need and the storage entry: dokku storage:needs:link {app} NEED ENTRY (dokku storage:needs:list {app})"
        )));
    }
    let entries = super::list_entries::visible(false, context)?.entries;
    let names: Vec<String> = entries
        .iter()
        .filter(|(entry, _)| entry.scope.includes(app))
        .map(|(entry, _)| entry.name.to_string())
        .collect();
    for need in unserved(app, context)? {
        context.out.question_line(&format!("{} ({}): {}", need.id, need.path, need.description));
        context.out.question_line(&format!("       entries: {}", names.join(", ")));
        context
            .out
            .question(&format!("Which entry is to serve {}? (empty: none for now) ", need.id));
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(Error::system("read", "standard input"))?;
        let answer = answer.trim();
        if !answer.is_empty() {
            link_one(app, need.id.as_str(), answer, context)?;
        }
    }
    Ok(())
}

/// Whether somebody can answer a question. In a deploy standard output and standard error are pipes of Dokku's; the question
/// goes to the terminal all the same.
fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// Takes the entry away that serves a need.
pub(crate) fn unlink(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:needs:unlink", words, context)?;
    let positional = with_app(arguments.positional, 2, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    no_more_than(&positional, 2)?;
    let id = NeedId::parse(at(&positional, 1))?;
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(&app)?.whole()?;
        let before = mounts.lines().len();
        mounts.retain(|line| line.attachment().is_none_or(|a| a.need.as_ref() != Some(&id)));
        if mounts.lines().len() == before {
            return Err(Error::refused(format!(
                "no storage entry serves {:?} of {app}",
                id.as_str()
            )));
        }
        change.write_mounts(&app, &mounts);
        Ok(())
    })?;
    context.out.headline(&format!("{id} of {app} is not served any more; the data stays"));
    restart::say(&app, context);
    Ok(())
}

fn unserved(app: &AppName, context: &Context) -> Result<Vec<Need>> {
    let declared = context.store.needs(app)?;
    if declared.is_empty() {
        return Ok(declared);
    }
    let mounts = context.store.mounts_file(app)?;
    let attachments: Vec<&Attachment> = mounts.attachments().collect();
    Ok(declared.into_iter().filter(|need| linked(need, &attachments).is_none()).collect())
}

/// A finding for each need that must be served and is not.
pub(crate) fn missing(app: &AppName, context: &Context) -> Result<Vec<Finding>> {
    let unserved = unserved(app, context)?.into_iter().filter(|need| !need.optional);
    let finding = |need: Need| {
        let what = if need.description.is_empty() { "no description" } else { &need.description };
        let sentence = format!(
            "{app} needs storage for {:?} at {} ({what}), and no storage entry serves it",
            need.id.as_str(),
            need.path
        );
        let remedy = format!("dokku storage:needs:link {app} {} ENTRY", need.id);
        Finding::new("missing-need", Severity::Stops, sentence, remedy)
            .of_app(app)
            .at(need.path.as_str())
    };
    Ok(unserved.map(finding).collect())
}

/// Before a deploy: asks on a terminal for what is not served yet.
pub(crate) fn recover(app: &AppName, context: &mut Context) -> Result<()> {
    if is_interactive() && !missing(app, context)?.is_empty() {
        ask(app, context)?;
    }
    Ok(())
}
