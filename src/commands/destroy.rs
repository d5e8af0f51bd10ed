//! `storage:destroy`: takes an entry out of the registry, and its data where that was asked for.

use std::io::BufRead;

use clap::Parser;

use super::arguments::{self, at, no_more_than};
use super::{directory, scheduler};
use crate::context::Context;
use crate::domain::entry::{Entry, only_on_default_path};
use crate::domain::names::{AppName, EntryName};
use crate::error::{Error, Result};
use crate::host::{apps, mount_points, ownership};
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
    if removes_data {
        must_be_removable(&entry, context)?;
    }
    if !arguments.force && !context.environment.is_forced() {
        confirm(&entry, removes_data, context)?;
    }
    let leaving = match unregister(&entry, removes_data, context)? {
        Unregistered::Gone(leaving) => leaving,
        Unregistered::Used(apps) => return Err(still_used(&entry.name, apps, context)?.into()),
    };
    if scheduler::is_elsewhere(&entry) {
        let refused = match scheduler::tell("storage-destroy", &entry, context) {
            Ok(Ok(())) => None,
            Ok(Err(status)) => Some(format!("exit status {status}")),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = refused {
            register_again(&entry, None, context)?;
            return Err(Error::refused(format!(
                "scheduler refused to remove storage entry {name:?} ({reason})"
            ))
            .into());
        }
    }
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
    if using.is_empty() { Ok(()) } else { Err(still_used(name, using, context)?) }
}

/// The refusal that names the apps, as far as the caller may see them.
fn still_used(name: &EntryName, using: Vec<AppName>, context: &Context) -> Result<Error> {
    let is_known = |app: &&AppName| {
        let mounts = context.store.mounts_file(app);
        mounts.is_ok_and(|mounts| mounts.problem().is_none())
    };
    if let Some(app) = using.iter().find(|app| !is_known(app)) {
        // Nobody knows whether it mounts the entry before its file can be read.
        return Ok(match context.store.mounts_file(app) {
            Ok(mounts) => mounts.problem().unwrap_or(Error::Status(1)),
            Err(error) => error,
        });
    }
    let count = using.len();
    let using = apps::visible(&context.environment, using)?;
    let mut names: Vec<&str> = using.iter().map(AppName::as_str).collect();
    if names.len() < count {
        names.push("apps that you cannot see");
    }
    Ok(Error::refused(format!(
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

/// Refuses to remove a directory that an app mounts by its path, or in which something else is mounted.
fn must_be_removable(entry: &Entry, context: &Context) -> Result<()> {
    let path = context.store.layout().directory(entry.name.as_str());
    let using = context.store.apps_mounting_path(&path)?;
    if !using.is_empty() {
        return Err(still_used(&entry.name, using, context)?);
    }
    match mount_points::below(&path).first() {
        None => Ok(()),
        Some(point) => Err(Error::refused(format!(
            "{} is a mount point below the directory of storage entry \"{}\"; unmount it first",
            point.display(),
            entry.name
        ))),
    }
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
    context.out.error_line(&format!("Confirmation did not match {name}. Aborted."));
    Err(Error::Status(1))
}

/// What became of an entry under the lock.
enum Unregistered {
    /// It is not registered any more; the name under which its directory waits for its removal.
    Gone(Option<String>),
    /// It is mounted by these apps, and still registered.
    Used(Vec<AppName>),
}

/// Takes the entry out of the registry and its directory out of sight, in one step.
fn unregister(entry: &Entry, removes_data: bool, context: &Context) -> Result<Unregistered> {
    context.store.change(|change| {
        let path = change.store().layout().directory(entry.name.as_str());
        let mut using = change.store().apps_mounting(&entry.name)?;
        if removes_data {
            using.extend(change.store().apps_mounting_path(&path)?);
            using.sort_unstable();
            using.dedup();
        }
        if !using.is_empty() {
            return Ok(Unregistered::Used(using));
        }
        match change.store().entry(&entry.name)? {
            None => return Err(no_such_entry(entry.name.as_str())),
            Some(now) if now != *entry => {
                return Err(Error::refused(format!(
                    "storage entry \"{}\" was changed meanwhile; run the command again",
                    entry.name
                )));
            }
            Some(_) => {}
        }
        let mut leaving = None;
        match std::fs::symlink_metadata(&path) {
            Ok(found) if removes_data && !found.is_dir() => {
                return Err(Error::refused(format!(
                    "{} is not a directory but a link or a file; remove it yourself and run the command without --destroy-host-dir",
                    path.display()
                )));
            }
            Ok(_) if removes_data => {
                let name = directory::leaving_name(entry.name.as_str());
                let to = change.store().layout().directory(&name);
                change.move_folder(path, to);
                leaving = Some(name);
            }
            _ => {}
        }
        change.remove_entry(&entry.name);
        Ok(Unregistered::Gone(leaving))
    })
}

fn remove_data(entry: &Entry, leaving: &str, context: &mut Context) -> Result<()> {
    let layout = context.store.layout();
    match ownership::remove(&context.environment, layout, leaving) {
        Ok(()) => {
            context.out.detail(&format!("Removed {}", entry.shown_source()));
            Ok(())
        }
        Err(error) => {
            register_again(entry, Some(leaving), context)?;
            Err(Error::refused(format!("unable to remove {}: {error}", entry.shown_source())))
        }
    }
}

/// Puts an entry back that could not be destroyed, and what is left of its directory, unless somebody
/// registered another of that name meanwhile.
fn register_again(entry: &Entry, leaving: Option<&str>, context: &Context) -> Result<()> {
    context.store.change(|change| {
        if change.store().entry(&entry.name)?.is_some() {
            return Ok(());
        }
        let layout = change.store().layout().clone();
        let directory = layout.directory(entry.name.as_str());
        if let Some(leaving) = leaving.filter(|_| !directory.exists()) {
            change.move_folder(layout.directory(leaving), directory);
        }
        change.write_entry(entry)
    })
}
