//! Which entries a caller may touch, and which an app may mount: access to an entry follows access to the
//! apps that mount it, its scope, and the host's policy.
//!
//! # Apps and access
//!
//! An app is a directory of `DOKKU_ROOT` with a valid name. `src/ops/apps.rs` asks `user-auth-app` in one call for
//! all names, and only if an enabled plugin answers that trigger. `src/ops/access.rs` derives access to an entry
//! from the apps that mount it and judges scope and policy. A path or a volume is judged like the entry that it
//! belongs to, holds, or lies in: naming the place instead of the entry gives no more. Triggers do not ask: Dokku
//! fires them, not a user.
//!
//! Host paths are judged by the policy with every link resolved (`src/fs/jail.rs`), when they are mounted and again
//! when `docker-args-*` print them, because links can change in between.

use std::cell::LazyCell;
use std::path::Path;

use crate::context::Context;
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::names::{AppName, EntryName};
use crate::domain::paths::Source;
use crate::domain::policy::Policy;
use crate::domain::snapshot::of_directory_name;
use crate::fs::jail;
use crate::ops::apps;
use crate::store::RealPath;
use crate::store::entries::no_such_entry;

/// The entry of that name, where the caller may touch it: an entry that only apps mount which the caller
/// cannot see does not exist for the caller.
pub(crate) fn entry(name: &str, context: &Context) -> Result<Entry> {
    let entry = context.store.existing_entry(name)?;
    if may_touch(&entry, context)? { Ok(entry) } else { Err(no_such_entry(name)) }
}

/// Whether the caller may touch an entry.
pub(crate) fn may_touch(entry: &Entry, context: &Context) -> Result<bool> {
    Ok(!apps::are_restricted(&context.environment) || is_shared(entry, context)?)
}

/// Whether nobody mounts the entry, or an app that the caller may see.
fn is_shared(entry: &Entry, context: &Context) -> Result<bool> {
    let using = context.store.apps_mounting(&entry.name)?;
    Ok(using.is_empty() || !apps::visible(&context.environment, using)?.is_empty())
}

/// Refuses a path or a volume that somebody names where it is, holds, or lies in what belongs to an entry that
/// is out of reach: one that only apps mount which the caller cannot see, or whose scope leaves the app out.
/// Naming the place instead of the entry gives no more access.
///
/// `app` is the app that is to mount it; none where an entry is to be registered for it.
pub(crate) fn source(
    source: &Source,
    own: Option<&EntryName>,
    app: Option<&AppName>,
    context: &Context,
) -> Result<()> {
    let is_restricted = apps::are_restricted(&context.environment);
    let place = LazyCell::new(|| RealPath::of(Path::new(source.as_str())));
    let storage = LazyCell::new(|| RealPath::of(context.store.layout().storage()));
    let overlaps = |other: &Source| match (source, other) {
        (Source::Path(_), Source::Path(other)) => {
            place.overlaps(&RealPath::of(Path::new(other.as_str())))
        }
        (Source::Volume(a), Source::Volume(b)) => a == b,
        _ => false,
    };
    let is_path = matches!(source, Source::Path(_));
    // Without a plugin that decides who sees what, only the entries with a scope are out of anybody's reach.
    let entries = if is_restricted {
        context.store.entries()?.entries
    } else {
        context.store.entries_mentioning("scope")?
    };
    for entry in entries {
        let is_open = entry.scope.is_empty() && !is_restricted;
        if is_open || own == Some(&entry.name) {
            continue;
        }
        let is_of_entry = entry.host_path.as_ref().is_some_and(overlaps)
            || (is_path && is_in_snapshot(&place, &storage, &entry.name));
        if !is_of_entry {
            continue;
        }
        if is_restricted && !is_shared(&entry, context)? {
            return Err(Error::refused(format!(
                "{:?} is in use by apps that you cannot see; choose another place",
                source.as_str()
            )));
        }
        if !entry.scope.is_empty() && !app.is_some_and(|app| entry.scope.includes(app)) {
            return Err(Error::refused(format!(
                "{:?} belongs to storage entry \"{}\", which is for {} only",
                source.as_str(),
                entry.name,
                entry.scope
            )));
        }
    }
    Ok(())
}

/// Whether a path is in a snapshot of an entry.
fn is_in_snapshot(path: &RealPath, storage: &RealPath, entry: &EntryName) -> bool {
    let Some(inside) = path.below(storage) else {
        return false;
    };
    let first = inside.iter().next().and_then(|name| name.to_str());
    first.and_then(of_directory_name).is_some_and(|(of, _)| of == *entry)
}

/// Refuses an app that the entry's scope leaves out.
pub(crate) fn must_be_in_scope(entry: &Entry, app: &AppName) -> Result<()> {
    if entry.scope.includes(app) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "storage entry \"{}\" is for {} and not for {app}; to let it in: dokku storage:set {} scope {},{app}",
        entry.name, entry.scope, entry.name, entry.scope
    )))
}

/// The host path of an entry that the policy has a say in: one that somebody chose.
pub(crate) fn judged_path(entry: &Entry, context: &Context) -> Option<String> {
    let Some(Source::Path(path)) = &entry.host_path else {
        return None;
    };
    let own = context.store.layout().directory(entry.name.as_str());
    (entry.is_docker_local() && Path::new(path.as_str()) != own).then(|| path.to_string())
}

/// Refuses an entry for an app where the host's policy does not allow its path.
pub(crate) fn must_be_allowed(
    entry: &Entry,
    app: Option<&AppName>,
    policy: &Policy,
    context: &Context,
) -> Result<()> {
    judged_path(entry, context).map_or(Ok(()), |path| jail::judge(policy, app, &path))
}

/// The names of apps as far as the caller may see them, and that there are others.
pub(crate) fn names(all: Vec<AppName>, context: &Context) -> Result<Vec<String>> {
    let count = all.len();
    let seen = apps::visible(&context.environment, all)?;
    let mut names: Vec<String> = seen.iter().map(AppName::to_string).collect();
    if names.len() < count {
        names.push("apps that you cannot see".to_owned());
    }
    Ok(names)
}

/// An error as it is told: what is because of an app, with its name where the caller may see it; where others hold what belongs to an exclusive entry, with their names as far as the
/// caller may see them, and the way out. Programs are asked for that, so it is not done under the store's lock.
pub(crate) fn redact(error: Error, context: &Context) -> Error {
    if let Error::BecauseOf { app, sentence, hidden } = error {
        return match names(vec![app.clone()], context) {
            Ok(names) if names == [app.as_str()] => Error::refused(sentence),
            Ok(_) => Error::refused(hidden),
            Err(error) => error,
        };
    }
    let Error::Held { entry, holders, app } = error else {
        return error;
    };
    let first = holders.first().cloned();
    let names = match names(holders, context) {
        Ok(names) => names,
        Err(error) => return error,
    };
    let told = names.join(", ");
    let Some(app) = app else {
        return Error::refused(format!(
            "storage entry \"{entry}\" cannot be exclusive: it, or its place, is mounted by {told}; unmount it from all but one of them first"
        ));
    };
    let remedy = match first.filter(|first| names == [first.as_str()]) {
        Some(holder) => format!(
            "unmount it there first, or have {app} take over: dokku storage:move {entry} {holder} {app}"
        ),
        None => "it can be mounted once they have unmounted it".to_owned(),
    };
    Error::refused(format!(
        "storage entry \"{entry}\" is exclusive and mounted by {told}; {remedy}"
    ))
}

/// Refuses a caller who may not see every app.
pub(crate) fn must_see_every_app(why: &str, context: &Context) -> Result<()> {
    let all = context.store.apps()?;
    let count = all.len();
    if apps::visible(&context.environment, all)?.len() == count {
        return Ok(());
    }
    Err(Error::refused(format!("{why}; only who may see every app can do this")))
}
