//! The entries that the caller may see.

use crate::context::Context;
use crate::domain::{AppName, Entry, EntryName, Error, Result};
use crate::ops::apps;
use crate::ops::reach::Reach;
use crate::store::{EntryCache, Store};
use std::collections::HashMap;

/// The entries that the caller may see, each with the apps of the caller that mount it.
pub(crate) struct Visible {
    pub(crate) entries: Vec<(Entry, Vec<AppName>)>,
    pub(crate) problems: Vec<Error>,
}

/// Reads every entry once, and every app's file where it is wanted or decides. An entry that only apps mount which the
/// caller may not see is not there for the caller.
pub(crate) fn visible(apps_are_wanted: bool, context: &Context) -> Result<Visible> {
    let apps_are_wanted = apps_are_wanted || apps::are_restricted(&context.environment);
    let (all, mut mounted_by, mut found) = context.store.read_consistently(|store| {
        let all = if apps_are_wanted { store.apps()? } else { Vec::new() };
        let mounted_by = mounted_by(&all, store);
        Ok((all, mounted_by, store.entries()?))
    })?;
    let count = all.len();
    let seen = apps::visible(&context.environment, all.clone())?;
    let sees_all = seen.len() == count;
    if !sees_all {
        // What nobody seen mounts may be anybody's.
        let is_seen = |app: &AppName| seen.binary_search(app).is_ok();
        found.problems.retain(|problem| {
            let apps = entry_of(problem).and_then(|name| mounted_by.get(&name));
            apps.is_some_and(|apps| apps.iter().any(is_seen))
        });
    }
    let reach = if sees_all { None } else { Some(Reach::among(all, seen.clone(), context)?) };
    let mut entries = Vec::with_capacity(found.entries.len());
    for entry in found.entries.drain(..) {
        let mut apps = mounted_by.remove(&entry.name).unwrap_or_default();
        let is_free = apps.is_empty();
        if let Some(reach) = &reach {
            apps.retain(|app| seen.binary_search(app).is_ok());
            if apps.is_empty() && !(is_free && reach.has(&entry, context)) {
                continue;
            }
        }
        entries.push((entry, apps));
    }
    Ok(Visible { entries, problems: found.problems })
}

/// The entry whose file is the trouble.
fn entry_of(problem: &Error) -> Option<EntryName> {
    let (Error::Unreadable { path, .. } | Error::System { path, .. }) = problem else {
        return None;
    };
    EntryName::parse(path.file_stem()?.to_str()?).ok()
}

pub(crate) fn tell_problems(problems: &[Error], context: &mut Context) -> Result<()> {
    for problem in problems {
        context.out.warn(&problem.to_string());
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Status(1)) }
}

/// The apps that mount each entry, or get it from another app.
pub(crate) fn mounted_by(apps: &[AppName], store: &Store) -> HashMap<EntryName, Vec<AppName>> {
    let mut mounted_by: HashMap<EntryName, Vec<AppName>> = HashMap::new();
    let mut entries = EntryCache::default();
    for app in apps {
        let mut note = |name: &EntryName| {
            let apps = mounted_by.entry(name.clone()).or_default();
            if apps.last() != Some(app) {
                apps.push(app.clone());
            }
        };
        if let Ok(mounts) = store.mounts_file(app) {
            mounts.attachments().for_each(|attachment| note(&attachment.entry_name));
        }
        for share in store.app_settings(app).unwrap_or_default().shared_from {
            let shared = store.mounts_by(app, &share, &mut entries);
            shared.mounted.iter().for_each(|mounted| note(&mounted.entry.name));
        }
    }
    mounted_by
}
