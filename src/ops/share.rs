//! Apps that share the mounts of another.

use crate::context::Context;
use crate::domain::{AppName, Error, Result, Share};
use crate::ops::{access, apps, mount, scheduler};
use crate::store::{EntryCache, Mounts, Store};

/// The name of an app, as far as the caller may see it.
pub(crate) fn name(app: &AppName, context: &Context) -> Result<String> {
    let names = access::names(vec![app.clone()], context)?;
    Ok(names.into_iter().next().map_or_else(String::new, |name| match name {
        name if name == app.as_str() => name,
        _ => "an app that you cannot see".to_owned(),
    }))
}

/// Lets an app have whatever another mounts. An app can get from several. Returns what it gets, and whether it is new.
pub(crate) fn share(share: &Share, app: &AppName, context: &Context) -> Result<(Mounts, bool)> {
    let from = &share.app;
    refuse_if!(from == app, "{app} cannot share from itself: {from} and {app} are the same app");
    refuse_chain(from, app, context)?;
    let planned = context.store.read_consistently(|store| with(app, share, store))?;
    for mounted in &planned.mounted {
        scheduler::must_match(&mounted.entry, app, context)?;
        mount::check(app, &mounted.entry, &mounted.attachment, context)?;
    }
    let is_changed = context.store.change(|change| {
        let store = change.store();
        if let Some(found) = chain(from, app, store)? {
            return Err(found.refusal(from, app, ToString::to_string));
        }
        let mut settings = store.app_settings(app)?;
        if settings.share(from).is_some_and(|there| there.read_only == share.read_only) {
            return Ok(false);
        }
        with(app, share, store)?;
        match settings.shared_from.iter_mut().find(|there| there.app == *from) {
            Some(there) => there.read_only = share.read_only,
            None => settings.shared_from.push(share.clone()),
        }
        change.write_app_settings(app, &settings)?;
        Ok(true)
    })?;
    Ok((planned, is_changed))
}

/// Ends the sharing from an app, which may be gone. Returns it.
pub(crate) fn unshare(from: &str, app: &AppName, context: &Context) -> Result<AppName> {
    let is_gone = |from: &AppName| {
        let root = context.environment.apps_root();
        root.is_some_and(|root| !root.join(from.as_str()).exists())
    };
    let from = match AppName::parse(from)? {
        gone if is_gone(&gone) && context.store.app_settings(app)?.share(&gone).is_some() => gone,
        from => apps::existing(&context.environment, from.as_str())?,
    };
    context.store.change(|change| {
        let mut settings = change.store().app_settings(app)?;
        refuse_if!(settings.share(&from).is_none(), "{app} does not share the storage of {from}");
        settings.shared_from.retain(|share| share.app != from);
        change.write_app_settings(app, &settings)
    })?;
    Ok(from)
}

/// What keeps two apps from sharing.
enum Chain {
    /// The app to share from shares from another itself.
    Before(AppName),
    /// Another app shares from the app that is to get something.
    Behind(AppName),
}

impl Chain {
    fn refusal(&self, from: &AppName, app: &AppName, shown: impl Fn(&AppName) -> String) -> Error {
        Error::refused(match self {
            Self::Before(other) if other == app => format!(
                "{app} cannot share from {from}, which shares from {app}: that would be a circle; first: dokku storage:unshare {app} {from}"
            ),
            Self::Before(other) => format!(
                "{app} cannot share from {from}, which itself shares from {other}: that would be a chain; share from {other} instead",
                other = shown(other)
            ),
            Self::Behind(other) => {
                let is_seen = shown(other) == other.as_str();
                let remedy = if is_seen {
                    format!(
                        "end that first: dokku storage:unshare {app} {other}, then let {other} share too: dokku storage:share {from} {other}"
                    )
                } else {
                    "ask who sees it to end that".to_owned()
                };
                format!(
                    "{app} cannot share from {from}, since {other} shares from {app}: that would be a chain; {remedy}",
                    other = shown(other)
                )
            }
        })
    }
}

fn chain(from: &AppName, app: &AppName, store: &Store) -> Result<Option<Chain>> {
    let before = store.app_settings(from)?.shared_from;
    if before.iter().any(|share| share.app == *app) {
        return Ok(Some(Chain::Before(app.clone())));
    }
    if let Some(share) = before.into_iter().next() {
        return Ok(Some(Chain::Before(share.app)));
    }
    Ok(store.apps_sharing_from(app)?.into_iter().next().map(Chain::Behind))
}

fn refuse_chain(from: &AppName, app: &AppName, context: &Context) -> Result<()> {
    let Some(found) = context.store.read_consistently(|store| chain(from, app, store))? else {
        return Ok(());
    };
    let (Chain::Before(other) | Chain::Behind(other)) = &found;
    let shown = name(other, context)?;
    Err(found.refusal(from, app, |_| shown.clone()))
}

/// What an app gets by a share, where none of it is in the way of what the app has besides.
fn with(app: &AppName, share: &Share, store: &Store) -> Result<Mounts> {
    let mut entries = EntryCache::default();
    let has = store.mounts_with(app, &mut entries)?.readable()?;
    let mut got = store.mounts_by(app, share, &mut entries).readable()?;
    for mounted in &got.mounted {
        let others =
            has.mounted.iter().filter(|other| other.shared_from.as_ref() != Some(&share.app));
        if let Some(other) = others
            .into_iter()
            .find(|other| mounted.attachment.collision([&other.attachment]).is_some())
        {
            let remedy = match &other.shared_from {
                None => format!(
                    "unmount one of them first, e.g. dokku storage:unmount {app} {} --container-dir {}",
                    other.entry.name,
                    crate::domain::docker_args::quoted(other.attachment.container_path.as_str())
                ),
                Some(third) => format!("first: dokku storage:unshare {third} {app}"),
            };
            let whose = match &other.shared_from {
                None => app.to_string(),
                Some(third) => format!("{app} (shared from {third})"),
            };
            refuse!(
                "container path \"{}\" of storage entry \"{}\" on {} is taken on {whose} by storage entry \"{}\"; {remedy}",
                mounted.attachment.container_path,
                mounted.entry.name,
                share.app,
                other.entry.name
            );
        }
    }
    got.mounted
        .sort_by(|a, b| crate::domain::attachment::Attachment::order(&a.attachment, &b.attachment));
    Ok(got)
}
