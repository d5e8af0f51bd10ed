//! The end of an app, and its new name: what the store has of it goes with it.

use crate::context::Context;
use crate::docker::containers;
use crate::domain::{
    AppName, AppSettings, Attachment, Entry, EntryName, Error, Result, Scope, Subject,
};
use crate::ops::unmount::{legacy_entries, remove_if_unused};
use crate::ops::{apps, auto_volumes, crontab};
use crate::store::{Change, Store, files};

/// Forgets what a deleted app mounted. Entries and data stay; the entries made for its colon mounts go
/// where no other app mounts them.
pub(crate) fn delete(app: &AppName, context: &mut Context) -> Result<()> {
    let in_crontab = crontab::lines(context);
    let forgotten = forget(app, context)?;
    for sharing in forgotten.sharing {
        context.out.warn(&format!(
            "{sharing} does not share the storage of {app} any more, which is deleted; its next containers are without it"
        ));
    }
    for name in forgotten.nobodys {
        context.out.warn(&format!(
            "Storage entry {name} was for {app} alone, and an app that is made by the name does not get it; to let an app in: dokku storage:set {name} scope APP"
        ));
    }
    auto_volumes::destroy_released(app, forgotten.released, context);
    crontab::follow(&in_crontab, context);
    Ok(())
}

pub(crate) struct Forgotten {
    pub sharing: Vec<AppName>,
    /// The entries that were made for volumes of its image and go with it: ordinary ones now.
    pub released: Vec<Entry>,
    /// The entries that stay and were for it alone.
    nobodys: Vec<EntryName>,
}

pub(crate) fn forget(app: &AppName, context: &Context) -> Result<Forgotten> {
    // Where everybody sees every app, its next life has what it had before.
    let is_restricted = apps::are_restricted(&context.environment);
    context.store.change(|change| {
        let legacy = legacy_entries(app, change.store());
        let sharing = change.end_sharing_from(app)?;
        in_hooks(app, None, change)?;
        change.remove_app(app);
        change.remove_schedule(&Subject::App(app.clone()));
        legacy.iter().try_for_each(|name| remove_if_unused(name, app, change))?;
        let mut released = auto_volumes::release(app, change)?;
        let mut nobodys = Vec::new();
        if is_restricted {
            nobodys = in_scopes(app, None, change)?;
            for entry in &mut released {
                *entry = change.entry(&entry.name)?.unwrap_or_else(|| entry.clone());
            }
            nobodys.retain(|name| released.iter().all(|entry| entry.name != *name));
        }
        Ok(Forgotten { sharing, released, nobodys })
    })
}

/// Has the commands around backups run in the app's containers under its new name, or no longer: another app may get the name.
fn in_hooks(old: &AppName, new: Option<&AppName>, change: &mut Change<'_>) -> Result<()> {
    // One that cannot be read is told where it is used. The app may not mount any more what it did when they were set.
    for known in change.store().entries()?.entries {
        if !known.backup.apps.contains(old) {
            continue;
        }
        if let Some(mut entry) = change.entry(&known.name)?
            && entry.backup.hand_over(old, new)
        {
            change.write_entry(&entry)?;
        }
    }
    if new.is_some() {
        // With the scopes.
        return Ok(());
    }
    for mut trashed in change.store().trash_notes()? {
        let mut hooks = trashed.entry.as_mut().map(|entry| &mut entry.backup);
        if hooks.as_mut().is_some_and(|hooks| hooks.hand_over(old, None)) {
            change.write_trash_note(&trashed)?;
        }
    }
    Ok(())
}

/// Has the app in the scopes of entries, those in the trash too, and connectors under its new name, or no longer. Whoever makes an app
/// of the old name is in none of them. Returns the entries that are for nobody then.
fn in_scopes(
    old: &AppName,
    new: Option<&AppName>,
    change: &mut Change<'_>,
) -> Result<Vec<EntryName>> {
    let is_changed = |scope: &mut Scope| match new {
        Some(new) => scope.rename(old, new),
        None => scope.leave(old),
    };
    let mut nobodys = Vec::new();
    for Entry { name, scope, .. } in change.store().entries_mentioning(&["scope"])? {
        if let Some(mut entry) = change.entry(&name)?
            && is_changed(&mut entry.scope)
        {
            change.write_entry(&entry)?;
            if new.is_none() && scope.is_alone(old) {
                nobodys.push(name);
            }
        }
    }
    for mut trashed in change.store().trash_notes()? {
        if let Some(entry) = &mut trashed.entry {
            let is_changed = [is_changed(&mut entry.scope), entry.backup.hand_over(old, new)];
            if is_changed.contains(&true) {
                change.write_trash_note(&trashed)?;
            }
        }
    }
    // One that cannot be read is told where it is used.
    for mut connector in change.store().connectors()?.0 {
        if is_changed(&mut connector.scope) {
            change.write_connector(&connector)?;
        }
    }
    Ok(nobodys)
}

fn is_in_a_scope(app: &AppName, store: &Store) -> Result<bool> {
    let trashed = store.trash_notes()?.into_iter().filter_map(|trashed| trashed.entry);
    let mut trashed = trashed.map(|entry| (entry.scope, entry.backup));
    if trashed.any(|(scope, hooks)| scope.names(app) || hooks.apps.contains(app)) {
        return Ok(true);
    }
    let entries = store.entries_mentioning(&["scope"])?.into_iter().map(|entry| entry.scope);
    let connectors = store.connectors()?.0.into_iter().map(|connector| connector.scope);
    Ok(entries.chain(connectors).any(|scope| scope.names(app)))
}

/// Refuses to give an app that runs what another one has: its next containers would have it.
pub(crate) fn must_not_run(new: &AppName, context: &Context) -> Result<()> {
    refuse_if!(
        !containers::running(&context.environment, new).is_empty(),
        "{new} is there already, and its containers run; choose another name for the app"
    );
    Ok(())
}

/// Refuses to give an app what another one has where it has something of its own, which that would replace. Dokku asks for it
/// also where there is such an app, which whoever asked cannot see.
pub(crate) fn must_have_nothing(new: &AppName, from: &AppName, store: &Store) -> Result<()> {
    let (own, theirs) = (store.mounts_file(new)?, store.mounts_file(from)?);
    let is_theirs = |own: &Attachment| theirs.attachments().any(|other| other == own);
    let decided = |app: &AppName| {
        let mut settings = store.app_settings(app)?;
        settings.image.clear();
        settings.builder.clear();
        Ok::<_, Error>((settings, store.needs(app)?))
    };
    let nothing = (AppSettings::default(), Vec::new());
    let has_decided = decided(new)?;
    let has_own = own.problem().is_some()
        || own.attachments().any(|own| !is_theirs(own))
        || store.schedule(&Subject::App(new.clone()))?.is_some()
        || (has_decided != nothing && has_decided != decided(from)?);
    refuse_if!(
        has_own,
        "{new} has storage of its own, which is not replaced; choose another name for the app"
    );
    Ok(())
}

/// Moves what the store has of an app to its new name.
pub(crate) fn rename(old: &AppName, new: &AppName, context: &Context) -> Result<()> {
    let layout = context.store.layout().clone();
    let (from, to) = (layout.app(old), layout.app(new));
    if old == new {
        return Ok(());
    }
    // A schedule that cannot be read stays as it is; whoever lists the schedules is told.
    let schedule = |store: &Store| store.schedule(&Subject::App(old.clone())).unwrap_or_default();
    let has_nothing = |store: &Store| {
        let is_known = from.exists() || schedule(store).is_some() || is_in_a_scope(old, store)?;
        Ok(!is_known && store.apps_sharing_from(old)?.is_empty())
    };
    if context.store.read_consistently(has_nothing)? {
        return Ok(());
    }
    must_not_run(new, context)?;
    context.store.change(|change| {
        // Another command may have renamed it since somebody looked.
        if has_nothing(change.store())? {
            return Ok(());
        }
        must_have_nothing(new, old, change.store())?;
        let schedule = schedule(change.store());
        change.rename_sharing_from(old, new)?;
        if let Some(schedule) = schedule {
            change.rename_schedule(schedule, new)?;
        }
        auto_volumes::rename(old, new, change)?;
        in_hooks(old, Some(new), change)?;
        in_scopes(old, Some(new), change)?;
        if !from.exists() {
            return Ok(());
        }
        if !to.exists() {
            change.move_directory(from.clone(), to.clone());
            change.remove(layout.migrated_before(old));
            return Ok(());
        }
        for file in std::fs::read_dir(&from).map_err(Error::system("read", &from))? {
            let file = file.map_err(Error::system("read", &from))?;
            let is_hidden = file.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && file.file_type().is_ok_and(|kind| kind.is_file()) {
                let bytes = files::read(&file.path())?.unwrap_or_default();
                change.write(to.join(file.file_name()), bytes);
            }
        }
        change.remove_app(old);
        // What was there under the new name is replaced, and goes with its last mount.
        let kept = legacy_entries(old, change.store());
        let replaced = legacy_entries(new, change.store()).into_iter();
        let replaced = replaced.filter(|name| layout.mounts(old).exists() && !kept.contains(name));
        replaced.into_iter().try_for_each(|name| remove_if_unused(&name, new, change))
    })?;
    Ok(())
}
