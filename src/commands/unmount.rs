//! `storage:unmount`: takes a mount away from an app. The data stays.

use clap::Parser;

use super::arguments::{self, given};
use crate::context::Context;
use crate::domain::docker_args::mounted_source;
use crate::domain::{
    AppName, ContainerPath, Entry, EntryName, Error, MountString, Result, Source, refuse,
};
use crate::ops::restart;
use crate::ops::unmount::write;
use crate::store::{Line, Mounted, MountsFile};

#[derive(Debug, Parser)]
struct Arguments {
    /// --container-dir: container path (named-entry form, disambiguates duplicates)
    #[arg(long, value_name = "string")]
    container_dir: Option<String>,
    /// --process-type: only the mount for this process type
    #[arg(long, value_name = "string", help_heading = arguments::OWN)]
    process_type: Option<String>,
}

#[derive(Clone, Copy)]
struct Which<'a> {
    container_dir: Option<&'a str>,
    process_type: Option<&'a str>,
}

impl Which<'_> {
    fn includes(self, line: &Line) -> bool {
        let type_of = |line: &Line| line.attachment().map(|a| a.process_type.to_string());
        self.container_dir.is_none_or(|place| is_at(line, place))
            && self.process_type.is_none_or(|wanted| type_of(line).as_deref() == Some(wanted))
    }
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    let (positional, app) = positional.of_app(2, context)?;
    positional.at_most(2)?;
    let target = positional.at(1);
    let which = Which {
        container_dir: given(arguments.container_dir.as_deref()),
        process_type: given(arguments.process_type.as_deref()),
    };
    if target.contains(':') {
        unmount_colon_form(&app, target, which, context)?;
    } else {
        unmount_entry(&app, target, which, context)?;
    }
    restart::say(&app, context);
    Ok(())
}

fn unmount_colon_form(
    app: &AppName,
    target: &str,
    which: Which<'_>,
    context: &Context,
) -> Result<()> {
    // Whatever its options are, or were in another version: the two paths say which mount it is.
    let paths: Vec<&str> = target.splitn(3, ':').take(2).collect();
    let mount = MountString::parse(&paths.join(":"))?;
    let mut legacy = vec![Entry::legacy(mount.source.clone()).name];
    if let (Source::Path(path), Some(jail)) = (&mount.source, context.store.policy()?.jail) {
        legacy.push(Entry::legacy(Source::Path(jail.land(app, path)?)).name);
    }
    let not_mounted = || Error::refused("Mount path does not exist.");
    if !has_mounts(app, context) {
        return Err(not_mounted());
    }
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?;
        // What `storage:list` shows of an entry with a name of its own can be given back to it, too.
        let is_shown_so = |line: &Line| {
            let attachment = line.attachment()?;
            let entry = change.store().entry(&attachment.entry_name).ok()??;
            let source = mount.source.as_str();
            Some(entry.shown_source() == source || mounted_source(&entry, attachment) == source)
        };
        let is_here =
            |line: &Line| is_at(line, mount.container_path.as_str()) && which.includes(line);
        let by_name = |line: &Line| {
            is_here(line) && legacy.iter().any(|name: &EntryName| line.is_about(name.as_str()))
        };
        let by_source = |line: &Line| is_here(line) && is_shown_so(line) == Some(true);
        let gone = take(&mut mounts, by_name).or_else(|| take(&mut mounts, by_source));
        write(app, &mounts, gone.ok_or_else(not_mounted)?, change)
    })
}

/// Says where an entry is to be taken away that the app only has from another.
fn refuse_shared(app: &AppName, name: &str, context: &Context) -> Result<()> {
    let is_shared = |m: &&Mounted| m.entry.name.as_str() == name && m.shared_from.is_some();
    let all = context.store.mounts(app)?.mounted;
    let own = all.iter().any(|m| m.entry.name.as_str() == name && m.shared_from.is_none());
    let Some(from) =
        all.iter().find(is_shared).filter(|_| !own).and_then(|m| m.shared_from.as_ref())
    else {
        return Ok(());
    };
    let from = crate::ops::share::name(from, context)?;
    refuse!(
        "storage entry {name:?} is shared with {app} from {from}, which mounts it; to end the sharing: dokku storage:unshare {from} {app}"
    )
}

fn unmount_entry(app: &AppName, name: &str, which: Which<'_>, context: &Context) -> Result<()> {
    refuse_shared(app, name, context)?;
    let container_dir = which.container_dir;
    let not_mounted = || {
        let place = container_dir.map(|path| format!(" at {path:?}")).unwrap_or_default();
        Error::refused(format!("storage entry {name:?} is not mounted{place} on app \"{app}\""))
    };
    if !has_mounts(app, context) {
        return Err(not_mounted());
    }
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?;
        let is_meant = |line: &Line| line.is_about(name) && which.includes(line);
        let meant = mounts.lines().iter().filter(|line| is_meant(line));
        let mut paths: Vec<String> = meant.filter_map(Line::container_path).collect();
        if paths.len() > 1 && container_dir.is_none() {
            paths.sort_unstable();
            refuse!("storage entry {name:?} is mounted at multiple paths on app \"{app}\" ({}); pass --container-dir to disambiguate",
                paths.join(", "));
        }
        let gone = take(&mut mounts, is_meant).ok_or_else(not_mounted)?;
        write(app, &mounts, gone, change)
    })
}

/// Whether the app has anything mounted: without, there is nothing to change, and nothing to lock either.
fn has_mounts(app: &AppName, context: &Context) -> bool {
    context.store.layout().mounts(app).exists()
}

/// Whether a line mounts at this container path; `/a` and `/a/` are the same.
fn is_at(line: &Line, place: &str) -> bool {
    let Some(path) = line.container_path() else {
        return false;
    };
    path == place
        || matches!(
            (ContainerPath::parse(&path), ContainerPath::parse(place)),
            (Ok(a), Ok(b)) if a == b
        )
}

/// Takes lines out, and returns the entries that they mounted; none where there is no such line.
fn take(mounts: &mut MountsFile, is_meant: impl Fn(&Line) -> bool) -> Option<Vec<EntryName>> {
    let meant: Vec<&Line> = mounts.lines().iter().filter(|line| is_meant(line)).collect();
    if meant.is_empty() {
        return None;
    }
    let gone = meant.iter().filter_map(|line| Some(line.attachment()?.entry_name.clone()));
    let gone = gone.collect();
    mounts.retain(|line| !is_meant(line));
    Some(gone)
}
