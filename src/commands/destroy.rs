//! `storage:destroy`: takes an entry out of the registry, and its data where that was asked for.

use std::io::BufRead;

use clap::Parser;

use super::arguments::{self, at, no_more_than};
use super::{directory, scheduler};
use crate::context::Context;
use crate::domain::entry::{Entry, only_on_default_path};
use crate::domain::names::{AppName, EntryName};
use crate::error::{Error, Result};
use crate::host::{apps, ownership};
use crate::store::entries::no_such_entry;

#[derive(Debug, Parser)]
struct Arguments {
    /// --destroy-host-dir: also remove the host directory and its contents (docker-local only)
    #[arg(long)]
    destroy_host_dir: bool,
    /// --force: force destroy without confirmation
    #[arg(long)]
    force: bool,
    positional: Vec<String>,
}

/// Destroys an entry that no app mounts any more.
///
/// # Errors
/// Where it is mounted, unknown, not confirmed, or its data cannot be removed; the entry is kept then.
pub fn run(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:destroy", words, context)?;
    let name = at(&arguments.positional, 0);
    if name.is_empty() {
        return Err(Error::refused("storage entry name is required").into());
    }
    no_more_than(&arguments.positional, 1)?;
    let entry = super::access::entry(name, context)?;
    must_be_unused(&entry.name, context)?;
    let removes_data = removes_data(&entry, arguments.destroy_host_dir, context)?;
    if !arguments.force && !context.environment.is_forced() {
        confirm(&entry, removes_data, context)?;
    }
    if scheduler::is_elsewhere(&entry)
        && let Err(status) = scheduler::tell("storage-destroy", &entry, context)?
    {
        return Err(Error::refused(format!(
            "scheduler refused to remove storage entry {name:?} (exit status {status})"
        ))
        .into());
    }
    let leaving = unregister(&entry, removes_data, context)?;
    if let Some(leaving) = leaving {
        remove_data(&entry, &leaving, context)?;
    } else if removes_data {
        context.out.detail(&format!("Removed {}", entry.shown_source()));
    }
    directory::clear_leaving(context);
    context.out.headline(&format!("Storage entry {name} destroyed"));
    Ok(())
}

fn must_be_unused(name: &EntryName, context: &Context) -> Result<()> {
    let using = context.store.apps_mounting(name)?;
    if using.is_empty() {
        return Ok(());
    }
    let hidden = using.len();
    let using = apps::visible(&context.environment, using)?;
    let mut names: Vec<&str> = using.iter().map(AppName::as_str).collect();
    if names.len() < hidden {
        names.push("apps that you cannot see");
    }
    Err(Error::refused(format!(
        "storage entry \"{name}\" is still mounted by app(s): {}",
        names.join(", ")
    )))
}

fn removes_data(entry: &Entry, asked: bool, context: &mut Context) -> Result<bool> {
    if asked && !entry.is_docker_local() {
        return Err(Error::refused(format!(
            "--destroy-host-dir only applies to docker-local storage entries; \"{}\" is scheduler {:?} and follows --reclaim-policy",
            entry.name, entry.scheduler
        )));
    }
    if !entry.is_docker_local() || !(asked || entry.is_deleted_with_entry()) {
        return Ok(false);
    }
    let default_path = directory::default_path(context, entry.name.as_str());
    let path = entry.shown_source();
    if path == default_path {
        return Ok(true);
    }
    if asked {
        return Err(only_on_default_path("--destroy-host-dir", &default_path, path));
    }
    context.out.warn(&format!(
        "Leaving {path} in place; reclaim policy Delete only removes the default host path"
    ));
    Ok(false)
}

fn confirm(entry: &Entry, removes_data: bool, context: &mut Context) -> Result<()> {
    let name = &entry.name;
    if removes_data {
        context.out.warn(&format!(
            "Storage entry {name} is backed by {}, which will be removed along with its contents.",
            entry.shown_source()
        ));
    }
    context.out.warn("WARNING: Potentially Destructive Action");
    context.out.warn(&format!("This command will destroy storage entry {name}."));
    context.out.warn(&format!("To proceed, type \"{name}\""));
    context.out.text("> ");
    context.out.flush()?;
    let mut answer = String::new();
    // No answer is no confirmation.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if answer.trim() == name.as_str() {
        return Ok(());
    }
    context.out.error_line("Confirmation did not match test. Aborted.");
    Err(Error::Status(1))
}

/// Takes the entry out of the registry and its directory out of sight, in one step. Returns the name under
/// which the directory waits for its removal.
fn unregister(entry: &Entry, removes_data: bool, context: &Context) -> Result<Option<String>> {
    context.store.change(|change| {
        must_be_unused(&entry.name, context)?;
        if change.store().entry(&entry.name)?.is_none() {
            return Err(no_such_entry(entry.name.as_str()));
        }
        let path = context.store.layout().directory(entry.name.as_str());
        let mut leaving = None;
        match std::fs::symlink_metadata(&path) {
            Ok(found) if removes_data && !found.is_dir() => {
                return Err(Error::refused(format!(
                    "{} is not a directory but a link or a file; remove it yourself and run the command without --destroy-host-dir",
                    path.display()
                )));
            }
            Ok(_) if removes_data => {
                let name = format!("{}{}-{}", directory::LEAVING, entry.name, unique());
                change.move_folder(path, context.store.layout().directory(&name));
                leaving = Some(name);
            }
            _ => {}
        }
        change.remove_entry(&entry.name);
        Ok(leaving)
    })
}

/// A number that no other command has at this moment.
fn unique() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{}-{}", std::process::id(), now.map_or(0, |now| now.as_nanos()))
}

fn remove_data(entry: &Entry, leaving: &str, context: &mut Context) -> Result<()> {
    let layout = context.store.layout();
    match ownership::remove(&context.environment, layout, leaving) {
        Ok(()) => {
            context.out.detail(&format!("Removed {}", entry.shown_source()));
            Ok(())
        }
        Err(error) => {
            let (from, to) = (layout.directory(leaving), layout.directory(entry.name.as_str()));
            context.store.change(|change| {
                change.move_folder(from, to);
                change.write_entry(entry)?;
                Ok(())
            })?;
            Err(Error::refused(format!("unable to remove {}: {error}", entry.shown_source())))
        }
    }
}
