//! Taking mounts away from an app, and what goes with an entry's last mount.

use crate::context::Context;
use crate::domain::{
    AppName, ContainerPath, Entry, EntryName, Error, MountString, Result, Source, Subject,
    mounted_source,
};
use crate::ops::share;
use crate::store::{Change, Line, Mounted, MountsFile, Store};

/// Which of the mounts of an entry or a source; each where neither is said.
#[derive(Clone, Copy)]
pub(crate) struct Which<'a> {
    pub(crate) container_dir: Option<&'a str>,
    pub(crate) process_type: Option<&'a str>,
}

impl Which<'_> {
    fn includes(self, line: &Line) -> bool {
        let type_of = |line: &Line| line.attachment().map(|a| a.process_type.to_string());
        self.container_dir.is_none_or(|place| is_at(line, place))
            && self.process_type.is_none_or(|wanted| type_of(line).as_deref() == Some(wanted))
    }
}

/// Takes mounts away, each named as `ENTRY` or `SOURCE:PATH`: all of them or none.
pub(crate) fn some(
    app: &AppName,
    targets: &[String],
    which: Which<'_>,
    context: &Context,
) -> Result<()> {
    for target in targets.iter().filter(|target| !target.contains(':')) {
        refuse_shared(app, target, context)?;
    }
    let targets: Result<Vec<Target<'_>>> =
        targets.iter().map(|target| Target::parse(app, target, which, context)).collect();
    let targets = targets?;
    // Without a file there is nothing to change, and nothing to lock either.
    if !context.store.layout().mounts(app).exists() {
        return Err(one_of(&targets, &targets[0], targets[0].not_mounted()));
    }
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?;
        let mut gone = Vec::new();
        for target in &targets {
            let taken = target.take(&mut mounts, change.store());
            gone.extend(taken.map_err(|error| one_of(&targets, target, error))?);
        }
        write(app, &mounts, gone, change)
    })
}

/// Takes all mounts away; false where there are none.
pub(crate) fn all(app: &AppName, which: Which<'_>, context: &Context) -> Result<bool> {
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?;
        let Some(gone) = take(&mut mounts, |line| which.includes(line)) else {
            return Ok(false);
        };
        write(app, &mounts, gone, change)?;
        Ok(true)
    })
}

/// The error with the mount in front of it, where there are several.
fn one_of(targets: &[Target<'_>], target: &Target<'_>, error: Error) -> Error {
    if targets.len() == 1 {
        return error;
    }
    refusal!("mount {:?}: {error}", target.text)
}

/// What is to be taken away.
struct Target<'a> {
    app: &'a AppName,
    /// As it was typed.
    text: &'a str,
    which: Which<'a>,
    /// The two paths of the colon form, and the names of the entries that stand for the source.
    colon_form: Option<(MountString, Vec<EntryName>)>,
}

impl<'a> Target<'a> {
    fn parse(app: &'a AppName, text: &'a str, which: Which<'a>, context: &Context) -> Result<Self> {
        if !text.contains(':') {
            return Ok(Self { app, text, which, colon_form: None });
        }
        // Whatever its options are, or were in another version: the two paths say which mount it is.
        let paths: Vec<&str> = text.splitn(3, ':').take(2).collect();
        let mount = MountString::parse(&paths.join(":"))?;
        let mut legacy = vec![Entry::legacy(mount.source.clone()).name];
        if let (Source::Path(path), Some(jail)) = (&mount.source, context.store.policy()?.jail) {
            legacy.push(Entry::legacy(Source::Path(jail.land(app, path)?)).name);
        }
        Ok(Self { app, text, which, colon_form: Some((mount, legacy)) })
    }

    fn not_mounted(&self) -> Error {
        let Self { app, text, .. } = self;
        if self.colon_form.is_some() {
            return refusal!("Mount path does not exist.");
        }
        if text.is_empty() {
            return refusal!(
                "name what to unmount: dokku storage:unmount {app} ENTRY; dokku storage:list {app} shows what is mounted"
            );
        }
        let place = self.which.container_dir.map(|path| format!(" at {path:?}"));
        let place = place.unwrap_or_default();
        refusal!("storage entry {text:?} is not mounted{place} on app \"{app}\"")
    }

    /// Takes its line out of the file, and returns the entries of what is gone.
    fn take(&self, mounts: &mut MountsFile, store: &Store) -> Result<Vec<EntryName>> {
        let gone = match &self.colon_form {
            None => self.take_entry(mounts)?,
            Some((mount, legacy)) => self.take_colon_form(mount, legacy, mounts, store),
        };
        gone.ok_or_else(|| self.not_mounted())
    }

    fn take_entry(&self, mounts: &mut MountsFile) -> Result<Option<Vec<EntryName>>> {
        let Self { app, text, which, .. } = self;
        let is_meant = |line: &Line| line.is_about(text) && which.includes(line);
        let meant = mounts.lines().iter().filter(|line| is_meant(line));
        let mut paths: Vec<String> = meant.filter_map(Line::container_path).collect();
        if paths.len() > 1 && which.container_dir.is_none() {
            paths.sort_unstable();
            refuse!(
                "storage entry {text:?} is mounted at multiple paths on app \"{app}\" ({}); pass --container-dir to disambiguate",
                paths.join(", ")
            );
        }
        Ok(take(mounts, is_meant))
    }

    fn take_colon_form(
        &self,
        mount: &MountString,
        legacy: &[EntryName],
        mounts: &mut MountsFile,
        store: &Store,
    ) -> Option<Vec<EntryName>> {
        let source = mount.source.as_str();
        let is_here =
            |line: &Line| is_at(line, mount.container_path.as_str()) && self.which.includes(line);
        // What `storage:list` shows of an entry with a name of its own can be given back to it, too.
        let is_shown_so = |line: &Line| {
            let attachment = line.attachment()?;
            let entry = store.entry(&attachment.entry_name).ok()??;
            Some(entry.shown_source() == source || mounted_source(&entry, attachment) == source)
        };
        let by_legacy = |line: &Line| {
            is_here(line) && legacy.iter().any(|name: &EntryName| line.is_about(name.as_str()))
        };
        let by_source = |line: &Line| is_here(line) && is_shown_so(line) == Some(true);
        let by_name = |line: &Line| is_here(line) && line.is_about(source);
        take(mounts, by_legacy)
            .or_else(|| take(mounts, by_source))
            .or_else(|| take(mounts, by_name))
    }
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
    let from = share::name(from, context)?;
    refuse!(
        "storage entry {name:?} is shared with {app} from {from}, which mounts it; to end the sharing: dokku storage:unshare {from} {app}"
    )
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

/// The entries made for colon mounts that an app mounts; none where its file cannot be read.
pub(crate) fn legacy_entries(app: &AppName, store: &Store) -> Vec<EntryName> {
    let mounts = store.mounts_file(app);
    let mut legacy: Vec<EntryName> = mounts
        .iter()
        .flat_map(MountsFile::attachments)
        .map(|attachment| attachment.entry_name.clone())
        .filter(EntryName::is_legacy)
        .collect();
    legacy.sort_unstable();
    legacy.dedup();
    legacy
}

/// Writes an app's mounts, and removes the entries made for colon mounts of those that it had `before` that nobody mounts any more.
pub(crate) fn write(
    app: &AppName,
    mounts: &MountsFile,
    before: Vec<EntryName>,
    change: &mut Change<'_>,
) -> Result<()> {
    change.write_mounts(app, mounts);
    let gone = before.into_iter().filter(|name| name.is_legacy() && !mounts.may_mention(name));
    let mut gone: Vec<EntryName> = gone.collect();
    if gone.is_empty() {
        return Ok(());
    }
    // The files of the apps are read once, however many entries are gone.
    for other in change.store().apps()?.iter().filter(|other| *other != app) {
        match change.store().mounts_file(other) {
            Ok(theirs) => gone.retain(|name| !theirs.may_mention(name)),
            Err(_) => gone.clear(),
        }
    }
    for name in &gone {
        remove_unless_scheduled(name, change);
    }
    Ok(())
}

/// Removes an entry that was made for colon mounts, unless another app mounts it or may mount it, or its backups are scheduled:
/// they go on, and the next mount of the path finds it by its name.
pub(crate) fn remove_if_unused(
    name: &EntryName,
    app: &AppName,
    change: &mut Change<'_>,
) -> Result<()> {
    let mut others = change.store().apps_mounting(name)?;
    others.retain(|other| other != app);
    if others.is_empty() {
        remove_unless_scheduled(name, change);
    }
    Ok(())
}

fn remove_unless_scheduled(name: &EntryName, change: &mut Change<'_>) {
    let schedule = change.store().schedule(&Subject::Entry(name.clone()));
    // One that cannot be read is one.
    let is_scheduled = schedule.map_or(true, |schedule| schedule.is_some());
    if !is_scheduled {
        change.remove_entry(name);
    }
}
