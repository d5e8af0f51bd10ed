//! `storage:create`: registers an entry.

use clap::Parser;

use super::arguments::{self, at, given, no_more_than, pairs};
use super::directory::{self, Wanted};
use super::scheduler;
use crate::context::Context;
use crate::domain::entry::{DOCKER_LOCAL, Entry, K3S, unsupported_scheduler};
use crate::domain::mode::Mode;
use crate::domain::names::EntryName;
use crate::domain::ownership::Ownership;
use crate::domain::paths::{Source, as_typed};
use crate::domain::scope::Scope;
use crate::error::{Error, Result};
use crate::host::environment;

#[derive(Debug, Parser)]
struct Arguments {
    /// --access-mode: PVC access mode (k3s only)
    #[arg(long, value_name = "string")]
    access_mode: Option<String>,
    /// --annotation key=value: PVC annotation (repeatable)
    #[arg(long, value_name = "strings", action = clap::ArgAction::Append)]
    annotation: Vec<String>,
    /// --chown: chown option (docker-local only)
    #[arg(long, value_name = "string")]
    chown: Option<String>,
    /// --chown-recursive: also change the owner of what is already in the directory
    #[arg(long, help_heading = arguments::OWN)]
    chown_recursive: bool,
    /// --label key=value: PVC label (repeatable)
    #[arg(long, value_name = "strings", action = clap::ArgAction::Append)]
    label: Vec<String>,
    /// --mode: octal permissions for the host directory, such as 0755 (docker-local only)
    #[arg(long, value_name = "string")]
    mode: Option<String>,
    /// --namespace: PVC namespace (k3s only)
    #[arg(long, value_name = "string")]
    namespace: Option<String>,
    /// --reclaim-policy: reclaim policy for the underlying volume (Retain or Delete)
    #[arg(long, value_name = "string")]
    reclaim_policy: Option<String>,
    /// --scheduler: target scheduler (docker-local, k3s)
    #[arg(long, value_name = "string", default_value = DOCKER_LOCAL)]
    scheduler: String,
    /// --scope: the apps that may mount the entry, names or patterns such as web-* (repeatable)
    #[arg(long, value_name = "strings", action = clap::ArgAction::Append, help_heading = arguments::OWN)]
    scope: Vec<String>,
    /// --size: PVC size (k3s only, e.g. 2Gi)
    #[arg(long, value_name = "string")]
    size: Option<String>,
    /// --storage-class-name: PVC storage class (k3s only)
    #[arg(long, value_name = "string")]
    storage_class_name: Option<String>,
    positional: Vec<String>,
}

/// Registers an entry and makes its directory; for k3s the cluster's plugin makes the claim.
///
/// # Errors
/// For values that do not fit, with nothing changed; and where the directory or the claim cannot be made,
/// with all put back.
pub fn run(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:create", words, context)?;
    let recursive = arguments.chown_recursive;
    let mut entry = entry(&arguments, context)?;
    if let Some(existing) = context.store.entry(&entry.name)? {
        if !super::access::may_touch(&existing, context)? {
            return Err(Error::refused(format!(
                "storage entry name \"{}\" is taken; choose another",
                entry.name
            ))
            .into());
        }
        check_existing(&existing, &entry)?;
        entry.complete_from(&existing);
    }
    if let Some(source) = &entry.host_path {
        super::access::source(source, Some(&entry.name), None, context)?;
    }
    super::access::must_be_allowed(&entry, None, &context.store.policy()?, context)?;
    directory::clear_leaving(context);
    let wanted = Wanted::of(&entry, recursive, context)?;
    let (entry, before) = register(entry, &wanted, context)?;
    if before.is_some() {
        context.out.headline_unless_quiet(&format!(
            "Storage entry {} already exists, leaving in place",
            entry.name
        ));
    }
    let made = finish(&entry, &wanted, context);
    if let Err(error) = made {
        take_back(&entry, before.as_ref(), &wanted, context)?;
        return Err(error.into());
    }
    if let Some(Source::Volume(volume)) = &entry.host_path {
        context.out.detail(&format!("Uses the Docker volume {volume}"));
    }
    context.out.headline(&format!("Storage entry {} created", entry.name));
    Ok(())
}

fn entry(arguments: &Arguments, context: &Context) -> Result<Entry> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let annotations = pairs(&arguments.annotation)?;
    let labels = pairs(&arguments.label)?;
    let name = EntryName::parse_new(at(&arguments.positional, 0))?;
    no_more_than(&arguments.positional, 2)?;
    let default_path = directory::default_path(context, name.as_str());
    let scheduler = given(Some(&arguments.scheduler)).unwrap_or(DOCKER_LOCAL);
    let source = match at(&arguments.positional, 1) {
        "" if scheduler == DOCKER_LOCAL => Some(Source::parse(&default_path)?),
        "" => None,
        typed => {
            as_typed("host path", typed)?;
            Some(
                Source::parse(typed)
                    .map_err(|reason| bad_source(&name, scheduler, typed, &reason))?,
            )
        }
    };
    let mut entry = Entry::new(name, source);
    scheduler.clone_into(&mut entry.scheduler);
    entry.size = text(&arguments.size);
    entry.access_mode = text(&arguments.access_mode);
    entry.storage_class = text(&arguments.storage_class_name);
    entry.namespace = text(&arguments.namespace);
    entry.reclaim_policy = text(&arguments.reclaim_policy);
    entry.mode = given(arguments.mode.as_deref()).map(Mode::parse).transpose()?;
    entry.chown = given(arguments.chown.as_deref()).map(Ownership::parse).transpose()?;
    entry.annotations = annotations;
    entry.labels = labels;
    entry.scope = Scope::parse(&arguments.scope)?;
    if matches!(entry.host_path, Some(Source::Path(_))) && scheduler == DOCKER_LOCAL {
        entry.node = environment::node();
    }
    entry.check(&default_path)?;
    entry.check_directory(&default_path)?;
    Ok(entry)
}

fn bad_source(name: &EntryName, scheduler: &str, typed: &str, reason: &Error) -> Error {
    let kind = match scheduler {
        DOCKER_LOCAL => "an absolute path or a docker named volume token",
        K3S => "absolute",
        other => return unsupported_scheduler(name, other),
    };
    if typed.starts_with('/') {
        return Error::refused(reason.to_string());
    }
    Error::refused(format!("storage entry \"{name}\" host_path must be {kind}, got {typed:?}"))
}

fn check_existing(existing: &Entry, entry: &Entry) -> Result<()> {
    if existing.scheduler != entry.scheduler {
        return Err(Error::refused(format!(
            "storage entry \"{}\" already exists with scheduler {:?}; refusing to redefine",
            entry.name, existing.scheduler
        )));
    }
    if existing.host_path != entry.host_path {
        return Err(Error::refused(format!(
            "storage entry \"{}\" already exists at {}; unmount and destroy it first, its data stays",
            entry.name,
            existing.shown_source()
        )));
    }
    Ok(())
}

/// Writes the entry and makes its directory in one step; returns the entry as written, and the one before.
fn register(entry: Entry, wanted: &Wanted, context: &Context) -> Result<(Entry, Option<Entry>)> {
    context.store.change(|change| {
        let before = change.store().entry(&entry.name)?;
        let mut entry = entry;
        if let Some(before) = &before {
            check_existing(before, &entry)?;
            entry.complete_from(before);
        }
        wanted.prepare(&entry, change);
        if before.as_ref() != Some(&entry) {
            change.write_entry(&entry)?;
        }
        Ok((entry, before))
    })
}

fn finish(entry: &Entry, wanted: &Wanted, context: &mut Context) -> Result<()> {
    if wanted.missing().is_some() {
        context.out.detail(&format!("Created {}", entry.shown_source()));
    }
    wanted.apply(entry, context)?;
    if scheduler::is_elsewhere(entry) && scheduler::tell("storage-create", entry, context)?.is_err()
    {
        return Err(Error::refused(format!(
            "scheduler refused storage entry \"{}\"; nothing was registered",
            entry.name
        )));
    }
    Ok(())
}

/// Puts back what was there before, unless somebody changed or mounted the entry meanwhile: then it stays, and
/// the next call of the same command has another try.
fn take_back(
    entry: &Entry,
    before: Option<&Entry>,
    wanted: &Wanted,
    context: &Context,
) -> Result<()> {
    let taken = context.store.change(|change| {
        let now = change.store().entry(&entry.name)?;
        if now.as_ref() != Some(entry) || !change.store().apps_mounting(&entry.name)?.is_empty() {
            return Ok(false);
        }
        match before {
            Some(before) => change.write_entry(before)?,
            None => change.remove_entry(&entry.name),
        }
        Ok(true)
    })?;
    if taken {
        wanted.unmake();
    }
    Ok(())
}
