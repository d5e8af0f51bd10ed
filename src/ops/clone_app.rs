//! What a clone of an app gets: the same entries, copies of them, or empty ones of its own.

use std::io::IsTerminal;

use crate::context::Context;
use crate::domain::{
    AppName, AppSettings, Attachment, CloneMode, Entry, EntryName, Error, Result, Source,
    mounted_source, quoted,
};
use crate::host::plugn;
use crate::ops::app_life::{must_have_nothing, must_not_run};
use crate::ops::mount::give;
use crate::ops::places::{self, links};
use crate::ops::unmount::{self, legacy_entries};
use crate::storage::{EntryLock, Place, Staged, root, sized};
use crate::store::{Change, Mounted, Mounts, Store};
use crate::types;

/// Gives a clone what its original's setting says. Entries whose scope leaves the clone out are not mounted in it. Where one cannot
/// be copied, the clone has no mounts.
pub(crate) fn clone(old: &AppName, new: &AppName, context: &mut Context) -> Result<()> {
    if old == new {
        return Ok(());
    }
    must_not_run(new, context)?;
    match context.store.app_settings(old)?.clone {
        CloneMode::Share => share(old, new, context),
        mode => give_own(old, new, mode, context),
    }
}

fn share(old: &AppName, new: &AppName, context: &mut Context) -> Result<()> {
    let mut lost: Vec<(EntryName, String)> = Vec::new();
    let shared = context.store.change(|change| {
        let store = change.store();
        if !store.layout().app(old).exists() {
            return Ok(Vec::new());
        }
        must_have_nothing(new, old, store)?;
        let mut mounts = store.mounts_file(old)?;
        let mut kept = Vec::new();
        for attachment in mounts.attachments() {
            match why_not(attachment, old, new, store)? {
                Some(why) => lost.push((attachment.entry_name.clone(), why)),
                None => kept.push(attachment.clone()),
            }
        }
        mounts.retain(|line| line.attachment().is_none_or(|a| kept.contains(a)));
        let has_mounts = store.layout().mounts(old).exists();
        give(new, &kept, change)?;
        let store = change.store();
        let shared: Vec<(String, Attachment)> =
            kept.into_iter().map(|a| (what_is_shared(&a, store), a)).collect();
        copy_decisions(old, new, change)?;
        if has_mounts {
            // What was there under the new name is replaced, and goes with its last mount.
            unmount::write(new, &mounts, legacy_entries(new, change.store()), change)?;
        }
        Ok(shared)
    })?;
    lost.dedup();
    for (name, why) in lost {
        context.out.warn(&format!("{new} does not get storage entry \"{name}\": {why}"));
    }
    // Dokku's own plugin says nothing; nor is anything said where a program calls the trigger by itself.
    let is_heard = std::io::stderr().is_terminal() || context.environment.is_over_ssh();
    if is_heard || plugn::is_ancestor() {
        for (what, attachment) in shared {
            context.out.warn(&format!(
                "{new} uses the same data as {old}: {what} at {} (the next clone gets data of its own with: dokku storage:app:set {old} clone copy)",
                attachment.container_path
            ));
        }
    }
    Ok(())
}

/// Why a clone does not get a mount. Whom an entry's scope leaves out does not get it by being made from somebody who has it.
fn why_not(
    attachment: &Attachment,
    old: &AppName,
    new: &AppName,
    store: &Store,
) -> Result<Option<String>> {
    let Ok(Some(entry)) = store.entry(&attachment.entry_name) else {
        return Ok(None);
    };
    if !entry.scope.includes(new) {
        return Ok(Some(format!("its scope leaves {new} out")));
    }
    let why = match store.refuse_second(new, &entry, attachment) {
        Ok(()) => return Ok(None),
        Err(Error::Held { entry: exclusive, .. }) if exclusive == entry.name => {
            "it is exclusive".to_owned()
        }
        Err(Error::Held { .. }) => "an entry with the same place is exclusive".to_owned(),
        Err(error) => return Err(error),
    };
    Ok(Some(format!(
        "{why} (the next clone gets a copy with: dokku storage:app:set {old} clone copy)"
    )))
}

/// The entry by its name; the source itself where the name was not chosen by anybody.
fn what_is_shared(attachment: &Attachment, store: &Store) -> String {
    let name = &attachment.entry_name;
    match store.entry(name) {
        Ok(Some(entry)) if name.is_legacy() => mounted_source(&entry, attachment),
        _ => format!("storage entry \"{name}\""),
    }
}

/// What was decided for the original, and what it needs, holds for the clone too; what was built does not.
fn copy_decisions(old: &AppName, new: &AppName, change: &mut Change<'_>) -> Result<()> {
    let needs = change.store().needs(old)?;
    if !needs.is_empty() {
        change.write_needs(new, &needs)?;
    }
    let mut settings = change.store().app_settings(old)?;
    settings.image.clear();
    settings.builder.clear();
    if settings != AppSettings::default() {
        change.write_app_settings(new, &settings)?;
    }
    Ok(())
}

/// Makes entries of the clone's own, with copies of the directories or empty ones.
fn give_own(old: &AppName, new: &AppName, mode: CloneMode, context: &mut Context) -> Result<()> {
    must_have_nothing(new, old, &context.store)?;
    let mounts = context.store.mounts(old)?.readable()?;
    let mut own: Vec<(EntryName, Entry)> = Vec::new();
    let mut attachments = Vec::new();
    // What is shared from another app is shared with the clone too, by the setting.
    for mounted in mounts.mounted.iter().filter(|mounted| mounted.shared_from.is_none()) {
        let entry = &mounted.entry;
        let why = if !entry.scope.includes(new) {
            Some(format!("its scope leaves {new} out"))
        } else if let Some(size) = sized::size(entry) {
            Some(format!(
                "it holds {size}; for a copy of it: dokku storage:clone {name} {name}-{new} && dokku storage:mount {new} {name}-{new} --container-dir {}",
                quoted(mounted.attachment.container_path.as_str()),
                name = entry.name
            ))
        } else if !is_ours(mounted, context) {
            let source = entry.shown_source();
            Some(format!("{source} is not a directory or file that can be made anew"))
        } else {
            None
        };
        if let Some(why) = why {
            let name = &entry.name;
            context.out.warn(&format!("{new} does not get storage entry \"{name}\": {why}"));
            continue;
        }
        if !own.iter().any(|(original, _)| *original == entry.name) {
            let name = free_name(entry, old, new, &own, &context.store)?;
            let mut copy = entry.clone();
            copy.host_path = Some(Source::parse(&root::default_path(context, name.as_str()))?);
            copy.name = name;
            if let Some(volume) = &mut copy.auto_volume {
                volume.app = new.clone();
            }
            copy.backup.hand_over(old, Some(new));
            copy.backup.apps.retain(|app| app == new);
            own.push((entry.name.clone(), copy));
        }
        let mut attachment = mounted.attachment.clone();
        if let Some((_, copy)) = own.iter().find(|(original, _)| *original == entry.name) {
            attachment.entry_name = copy.name.clone();
        }
        attachments.push(attachment);
    }
    let names = own.iter().flat_map(|(original, copy)| [original.as_str(), copy.name.as_str()]);
    let _locks = EntryLock::take_all(names.collect(), context)?;
    // Another command may have been at work on one of them for long.
    must_be_unchanged(old, &mounts, &context.store)?;
    let staged = make_directories(&own, mode, context)?;
    register((old, &mounts), new, &own, &staged, attachments, context)?;
    for (original, copy) in own {
        let what = if is_copied(&copy, mode) { "a copy of" } else { "empty, in place of" };
        context.out.detail(&format!("{new} has storage entry {} ({what} {original})", copy.name));
    }
    Ok(())
}

/// Whether a clone gets what the original has. An app finds its files at its start: one that is empty would only be in
/// its way, so they are copied whatever is said for directories.
fn is_copied(entry: &Entry, mode: CloneMode) -> bool {
    mode == CloneMode::Copy || types::of(entry).place() == Place::File
}

fn is_ours(mounted: &Mounted, context: &Context) -> bool {
    let entry = &mounted.entry;
    entry.is_docker_local()
        && matches!(types::of(entry).place(), Place::Directory | Place::File)
        && !types::of(entry).must_be_mounted(entry)
        && !entry.name.is_legacy()
        && entry.shown_source() == root::default_path(context, entry.name.as_str())
}

fn make_directories(
    own: &[(EntryName, Entry)],
    mode: CloneMode,
    context: &mut Context,
) -> Result<Vec<Staged>> {
    let mut all = Vec::new();
    for (original, entry) in own {
        let staged = Staged::new(entry.name.as_str(), context)?;
        if is_copied(entry, mode) {
            root::copy(original.as_str(), staged.name(), context)?;
        } else {
            root::make(&staged.path(), context)?;
            let wanted = types::directory_spec(entry, false, context)?;
            wanted.under(staged.name().to_owned()).apply(entry, context)?;
        }
        all.push(staged);
    }
    Ok(all)
}

/// Refuses where an app does not mount any more what it did: what is copied would be another's.
fn must_be_unchanged(app: &AppName, before: &Mounts, store: &Store) -> Result<()> {
    let own = |mounts: &Mounts| -> Vec<(Entry, Attachment)> {
        let own = mounts.mounted.iter().filter(|mounted| mounted.shared_from.is_none());
        own.map(|mounted| (mounted.entry.clone(), mounted.attachment.clone())).collect()
    };
    refuse_if!(
        own(&store.mounts(app)?.readable()?) != own(before),
        "the mounts of {app} were changed meanwhile; clone the app again"
    );
    Ok(())
}

fn register(
    (old, mounts): (&AppName, &Mounts),
    new: &AppName,
    own: &[(EntryName, Entry)],
    staged: &[Staged],
    attachments: Vec<Attachment>,
    context: &Context,
) -> Result<()> {
    let must_hold_nothing = links::holding_nothing(own.iter().map(|(_, entry)| entry), context)?;
    let flushed = staged.iter().map(Staged::flushed).collect::<Result<Vec<_>>>()?;
    context.store.change(|change| {
        must_have_nothing(new, old, change.store())?;
        must_be_unchanged(old, mounts, change.store())?;
        must_hold_nothing(change.store())?;
        let layout = change.store().layout().clone();
        for ((_, entry), flushed) in own.iter().zip(&flushed) {
            refuse_if!(
                places::is_taken(&entry.name, change.store())?,
                "storage entry \"{}\" was made meanwhile; clone the app again",
                entry.name
            );
            change.put_directory(flushed, layout.directory(entry.name.as_str()));
            change.write_entry(entry)?;
        }
        copy_decisions(old, new, change)?;
        let mut mounts = change.store().mounts_file(new)?;
        for attachment in attachments {
            mounts.push(attachment);
        }
        change.write_mounts(new, &mounts);
        Ok(())
    })
}

/// A name for the clone's entry: the original's, with the clone's name for the original app's.
fn free_name(
    entry: &Entry,
    old: &AppName,
    new: &AppName,
    own: &[(EntryName, Entry)],
    store: &Store,
) -> Result<EntryName> {
    let label = |app: &AppName| app.as_str().replace(['.', '_'], "-");
    let (old, new) = (label(old), label(new));
    let name = entry.name.as_str();
    let base = match name.strip_prefix(&old) {
        Some(rest) => format!("{new}{rest}"),
        None => format!("{new}-{name}"),
    };
    let is_own = |name: &EntryName| own.iter().any(|(_, entry)| entry.name == *name);
    places::free_entry_name(&base, is_own, store)
}
