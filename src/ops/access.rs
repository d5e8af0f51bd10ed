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

use std::io::ErrorKind;
use std::path::Path;

use crate::context::Context;
use crate::domain::{AppName, Entry, EntryName, Error, Policy, Result, Scope, Source, Use, Whose};
use crate::fs::{RealPath, jail, space};
use crate::ops::places::resolved;
use crate::ops::reach::Reach;
use crate::ops::{Places, apps};
use crate::store::no_such_entry;

/// The entry of that name, where the caller may touch it: an entry that only apps mount which the caller
/// cannot see does not exist for the caller.
pub(crate) fn entry(name: &str, context: &Context) -> Result<Entry> {
    if name.is_empty() {
        return Err(context.missing("the name of the storage entry"));
    }
    let entry = match context.store.existing_entry(name) {
        // Nobody knows whose it is.
        Err(problem) if hides_problems(context)? => {
            let is_mine = EntryName::parse(name)
                .is_ok_and(|name| matches!(is_mounted_by_who_is_seen(&name, context), Ok(true)));
            return Err(if is_mine { problem } else { no_such_entry(name) });
        }
        found => found?,
    };
    if !apps::are_restricted(&context.environment) {
        return Ok(entry);
    }
    let reach = Reach::of(context)?;
    if reach.has(&entry, context) {
        return Ok(entry);
    }
    refuse_if!(
        reach.is_docker_silent(),
        "Docker does not say who has storage entry \"{name}\" now; start it and run the command again"
    );
    Err(no_such_entry(name))
}

pub(crate) fn may_touch(entry: &Entry, context: &Context) -> Result<bool> {
    Ok(!apps::are_restricted(&context.environment) || Reach::of(context)?.has(entry, context))
}

/// Whether nobody has the entry, or an app that the caller may see.
pub(crate) fn is_shared(entry: &Entry, context: &Context) -> Result<bool> {
    let mut using = context.store.apps_mounting(&entry.name)?;
    if using.is_empty() {
        using.extend(app_of_volume(entry).filter(|app| context.environment.has_app(app)).cloned());
    }
    Ok(using.is_empty() || !apps::visible(&context.environment, using)?.is_empty())
}

/// The app for whose image the entry was made: where nobody mounts it, it is that app's, as long as there is the app.
pub(crate) fn app_of_volume(entry: &Entry) -> Option<&AppName> {
    entry.auto_volume.as_ref().map(|volume| &volume.app)
}

/// Whether what cannot be read is kept from the caller: it may be anybody's.
pub(crate) fn hides_problems(context: &Context) -> Result<bool> {
    Ok(apps::are_restricted(&context.environment) && !sees_every_app(context)?)
}

/// Whether the caller may not know of an entry that somebody holds.
pub(crate) fn hides(name: &EntryName, context: &Context) -> Result<bool> {
    Ok(hides_problems(context)? && entry(name.as_str(), context).is_err())
}

fn is_mounted_by_who_is_seen(name: &EntryName, context: &Context) -> Result<bool> {
    let using = context.store.apps_mounting(name)?;
    Ok(!apps::visible(&context.environment, using)?.is_empty())
}

pub(crate) fn sees_every_app(context: &Context) -> Result<bool> {
    let all = context.store.apps()?;
    let count = all.len();
    Ok(apps::visible(&context.environment, all)?.len() == count)
}

/// An entry as it is shown to the caller: without secrets, and without the names of apps that the caller cannot see.
pub(crate) fn shown(entry: &Entry, context: &Context) -> Entry {
    let mut shown = entry.shown();
    if !entry.scope.is_empty() && !sees_scope(entry, context) {
        shown.scope = Scope::shown_as(OTHERS);
    }
    let names_apps = entry.auto_volume.is_some() || !entry.backup.apps.is_empty();
    if names_apps && apps::are_restricted(&context.environment) {
        let seen = apps::all(&context.environment, &context.store).unwrap_or_default();
        shown.backup.apps.retain(|app| seen.contains(app));
        shown.auto_volume = shown.auto_volume.filter(|volume| seen.contains(&volume.app));
    }
    shown
}

/// Whether the scope of an entry has it not exist for the caller.
fn leaves_out(entry: &Entry, context: &Context) -> Result<bool> {
    Ok(apps::are_restricted(&context.environment) && Reach::of(context)?.leaves_out(entry))
}

/// Refuses to bring an entry back for whom it would not exist: its scope may have changed since it went, and names others.
pub(crate) fn must_see_what_returns(entry: &Entry, context: &Context) -> Result<()> {
    refuse_if!(
        leaves_out(entry, context)?,
        "storage entry \"{}\" is for {OTHERS} or are gone, and you would not see it then; ask who may see every app to restore it",
        entry.name
    );
    Ok(())
}

/// Refuses a scope that would have the entry not exist for the caller.
pub(crate) fn must_see_scope(entry: &Entry, context: &Context) -> Result<()> {
    refuse_if!(
        leaves_out(entry, context)?,
        "you see no app of scope {}, and would not see storage entry \"{}\" then; name one that you see, or create it first: dokku apps:create",
        entry.scope,
        entry.name
    );
    Ok(())
}

/// Whom a copy of an entry is for: for whom that is, by its scope, or, where not everybody sees every app, by the apps that have it.
/// As long as no app had the copy, it would be everybody's otherwise.
pub(crate) fn scope_of_copy(
    original: &Entry,
    having: Vec<AppName>,
    context: &Context,
) -> Result<Scope> {
    if !original.scope.is_empty() || !apps::are_restricted(&context.environment) {
        return Ok(original.scope.clone());
    }
    let seen = apps::visible(&context.environment, having)?;
    Scope::parse(&seen.iter().map(AppName::to_string).collect::<Vec<_>>())
}

/// What to say of a copy that is for the apps that have its original.
pub(crate) fn tell_of_scope(copy: &Entry, original: &Scope, context: &mut Context) {
    if copy.scope != *original {
        context.out.detail(&format!(
            "It is for {}, as its original is; for others too: dokku storage:set {} scope {},APP",
            copy.scope, copy.name, copy.scope
        ));
    }
}

pub(crate) fn must_be_in_scope(entry: &Entry, app: &AppName, context: &Context) -> Result<()> {
    if entry.scope.includes(app) {
        return Ok(());
    }
    let name = &entry.name;
    let (scope, remedy) = to_let_in(entry, app, context);
    Err(refusal!("storage entry \"{name}\" is for {scope} and not for {app}; {remedy}"))
}

/// Whom an entry is for that an app is not in the scope of, and what to type so that it is.
pub(crate) fn to_let_in(entry: &Entry, app: &AppName, context: &Context) -> (String, String) {
    if !sees_scope(entry, context) {
        return (OTHERS.to_owned(), "ask who may see every app".to_owned());
    }
    let (name, scope) = (&entry.name, &entry.scope);
    (scope.to_string(), format!("to let it in: dokku storage:set {name} scope {scope},{app}"))
}

const OTHERS: &str = "apps that you cannot see";

/// Whether the caller sees all apps that a scope is about: then its names are told.
pub(crate) fn sees_scope(entry: &Entry, context: &Context) -> bool {
    let is_seen = || {
        let all = context.store.apps().ok()?;
        let seen = apps::visible(&context.environment, all.clone()).ok()?;
        let mut named = all.iter().filter(|app| entry.scope.includes(app));
        let text = entry.scope.to_string();
        let names_apps = text.split(',').all(|word| seen.iter().any(|app| app.as_str() == word));
        let sees_all = seen.len() == all.len();
        Some(sees_all || (names_apps && named.all(|app| seen.contains(app))))
    };
    !apps::are_restricted(&context.environment) || is_seen() == Some(true)
}

/// The host path of an entry that the policy has a say in: one that somebody chose.
pub(crate) fn judged_path(entry: &Entry, context: &Context) -> Option<String> {
    let Some(Source::Path(path)) = &entry.host_path else {
        return None;
    };
    let own = context.store.layout().directory(entry.name.as_str());
    (entry.is_docker_local() && Path::new(path.as_str()) != own).then(|| path.to_string())
}

/// Refuses a host path, which leads to `real`, where the policy does not allow it.
pub(crate) fn must_be_inside(
    policy: &Policy,
    app: Option<&AppName>,
    path: &str,
    real: &RealPath,
    context: &Context,
) -> Result<()> {
    jail::judge(policy, app, path, real, || shows_targets(context))
}

/// Whether the caller may know where a link leads: it may be in a directory that is closed to them.
pub(crate) fn shows_targets(context: &Context) -> bool {
    hides_problems(context).is_ok_and(|hides| !hides)
}

/// Refuses an entry for an app where the host's policy does not allow its path.
pub(crate) fn must_be_allowed(
    entry: &Entry,
    app: Option<&AppName>,
    policy: &Policy,
    context: &Context,
) -> Result<()> {
    let path = judged_path(entry, context).filter(|_| policy.restricts_paths());
    path.map_or(Ok(()), |path| {
        must_be_inside(policy, app, &path, &resolved(&path, context)?, context)
    })
}

/// The names of apps as far as the caller may see them, and that there are others.
pub(crate) fn names(all: Vec<AppName>, context: &Context) -> Result<Vec<String>> {
    let count = all.len();
    let seen = apps::visible(&context.environment, all)?;
    let mut names: Vec<String> = seen.iter().map(AppName::to_string).collect();
    if names.len() < count {
        names.push(OTHERS.to_owned());
    }
    Ok(names)
}

/// An error as it is told: what is because of an app, with its name where the caller may see it; where others hold what belongs to an exclusive entry, with their names as far as the
/// caller may see them, and the way out. Programs are asked for that, so it is not done under the store's lock.
pub(crate) fn redact(error: Error, context: &Context) -> Error {
    redacted(error, context).unwrap_or_else(|error| error)
}

fn redacted(error: Error, context: &Context) -> Result<Error> {
    Ok(match error {
        Error::BecauseOf { app, sentence, hidden } => {
            let is_seen = names(vec![app.clone()], context)? == [app.as_str()];
            Error::refused(if is_seen { sentence } else { hidden })
        }
        Error::InUse { what, uses } => refusal!("{what}: {}", told(uses, context)?),
        Error::Held { entry, .. } if hides(&entry, context)? => {
            refusal!("what is there is exclusive, and belongs to {OTHERS}")
        }
        Error::Held { entry, holders, app } => {
            let first = holders.first().cloned();
            let names = names(holders, context)?;
            let told = names.join(", ");
            let Some(app) = app else {
                return Ok(refusal!(
                    "storage entry \"{entry}\" cannot be exclusive: it, or its place, is mounted by {told}; unmount it from all but one of them first"
                ));
            };
            let remedy = match first.filter(|first| names == [first.as_str()]) {
                Some(holder) => how_to_take(&entry, &holder, &app, context),
                None => "it can be mounted once they have unmounted it".to_owned(),
            };
            refusal!("storage entry \"{entry}\" is exclusive and mounted by {told}; {remedy}")
        }
        other => match room_lacked(&other) {
            Some(lack) => refusal!("{other}; {lack}"),
            None => other,
        },
    })
}

/// How much is free where the system had no room; none where the error says it already.
fn room_lacked(error: &Error) -> Option<String> {
    match error {
        Error::System { cause, path, .. } if cause.raw_os_error().is_some() => {
            (cause.kind() == ErrorKind::StorageFull).then(|| space::lack(path)).flatten()
        }
        _ => None,
    }
}

/// What to type so that an app unmounts what belongs to an exclusive entry, by the name under which it has it.
fn how_to_take(entry: &EntryName, holder: &AppName, app: &AppName, context: &Context) -> String {
    let mounts = context.store.mounts_file(holder).ok();
    if mounts.is_some_and(|mounts| mounts.attachments().any(|a| a.entry_name == *entry)) {
        return format!(
            "unmount it there first, or have {app} take over: dokku storage:move {entry} {holder} {app}"
        );
    }
    let at_place = || {
        let entry = context.store.entry(entry).ok()??;
        let uses = Places::registered(&context.store).ok()?.apps_at(&entry);
        uses.into_iter().find(|of| of.whose == Whose::App(holder.clone()))
    };
    at_place().map_or_else(
        || "unmount it there first".to_owned(),
        |of| format!("{}; unmount that first: {}", of.sentence, of.remedy),
    )
}

const MOST: usize = 5;

/// Those of the uses that the caller may see, and whether there are others.
pub(crate) fn seen(mut uses: Vec<Use>, context: &Context) -> Result<(Vec<Use>, bool)> {
    let all = context.store.apps()?;
    let seen = apps::visible(&context.environment, all.clone())?;
    let sees_all = seen.len() == all.len();
    let count = uses.len();
    uses.retain(|of| match &of.whose {
        Whose::App(app) => sees_all || seen.contains(app),
        Whose::Entry(name) => sees_all || entry(name.as_str(), context).is_ok(),
        Whose::Nobody => true,
        Whose::Host => sees_all,
    });
    let hides_some = uses.len() < count;
    Ok((uses, hides_some))
}

/// Who uses a place, as far as the caller may know it.
fn told(uses: Vec<Use>, context: &Context) -> Result<String> {
    let (seen, hides_some) = seen(uses, context)?;
    let mut shown: Vec<String> = seen.iter().take(MOST).map(ToString::to_string).collect();
    if seen.len() > MOST {
        shown.push(format!("{} more", seen.len() - MOST));
    }
    if hides_some {
        shown.push(format!(
            "{OTHERS}, or something of the host, use it (ask who may see every app)"
        ));
    }
    Ok(shown.join("; "))
}

pub(crate) fn must_see_every_app(why: &str, context: &Context) -> Result<()> {
    refuse_if!(!sees_every_app(context)?, "{why}; only who may see every app can do this");
    Ok(())
}
