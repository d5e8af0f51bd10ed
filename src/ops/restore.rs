//! Putting other data in an entry's place: a snapshot, or what was restored from a backup. What it replaces is kept as a
//! snapshot.

use std::time::{Duration, Instant};

use crate::context::Context;
use crate::docker::{Container, containers};
use crate::domain::{Entry, Error, Made, Moment, Result, Snapshot, SnapshotName, quoted};
use crate::fs::look;
use crate::fs::tree::Copied;
use crate::ops::places::links;
use crate::ops::snapshots::{
    containers_with, every_container_with, existing, listed, must_be_free, seen, using,
};
use crate::ops::{Places, access, places};
use crate::storage::sized::Held;
use crate::storage::{
    DirectorySpec, SnapshotKind, Staged, StorageRoot, clear_staged, root, sized, snapshots,
};
use crate::store::Store;
use crate::types;

/// How long a container may have its mounts before Docker says that it runs.
const STARTING: Duration = Duration::from_secs(2);

/// What takes the place of an entry's data.
pub(crate) struct Replacement<'a> {
    /// Its name in the storage root.
    pub name: &'a str,
    /// What it is, as in "restored from …".
    pub what: String,
    /// The snapshot that it is, which stays; what is none is moved rather than copied where it can be.
    pub snapshot: Option<&'a Snapshot>,
    /// The paths in it that take the place of those in the entry, whose other data stays; all of it where there are none.
    pub parts: &'a [String],
}

/// An entry whose data can be replaced.
pub(crate) struct Checked {
    kind: SnapshotKind,
    /// Whether Docker said that no container has it mounted, or which.
    is_answered: bool,
}

/// Checks that an entry's data can be replaced now, before anything is made ready; `stop` where running containers are
/// stopped for it.
pub(crate) fn check(entry: &Entry, stop: bool, context: &mut Context) -> Result<Checked> {
    let kind = types::snapshot_kind(entry, "a snapshot", context)?;
    kind.must_be_movable(entry, context)?;
    must_be_alone(entry, context)?;
    links::must_not_lead_away(entry, context)?;
    if stop {
        using(entry, context)?;
        return Ok(Checked { kind, is_answered: true });
    }
    let is_answered = must_be_unused(entry, context)?;
    if !is_answered {
        context.out.warn(&format!(
            "Docker does not answer, so nobody knows whether a container has storage entry \"{}\" mounted",
            entry.name
        ));
    }
    Ok(Checked { kind, is_answered })
}

/// Replaces an entry's data, which was checked before. The caller holds the entry's lock.
pub(crate) fn replace(
    entry: &Entry,
    checked: &Checked,
    by: &Replacement<'_>,
    stops: bool,
    context: &mut Context,
) -> Result<()> {
    let kind = checked.kind;
    let mut before = before(entry, &context.store)?;
    clear_staged(context);
    let staged = Staged::new(entry.name.as_str(), context)?;
    kind.ready(entry, context)?;
    // Owner and mode are the entry's own: they may have been set after the snapshot was made.
    let spec = types::directory_spec(entry, false, context)?;
    let is_mounted = kind.is_mounted(context);
    if by.parts.is_empty() {
        by.stage(entry, kind, &staged, context)?;
        if !is_mounted {
            root::as_noted(entry, &spec, staged.name(), context)?;
        }
    }
    // Copying may have taken long: a deploy may have started containers meanwhile.
    let stopped = if stops {
        stop(entry, context)?
    } else {
        checked.must_still_be_unused(entry, context)?;
        Vec::new()
    };
    let replaced = if is_mounted {
        replace_image(entry, kind, by, &mut before, &staged, context)
    } else {
        put_parts(entry, checked, (by, &spec), &staged, context)
            .and_then(|()| replace_directory(entry, by, &before, &staged, context))
    };
    say_how_to_start(&stopped, context);
    if replaced? {
        context.out.detail(&format!("What was there is kept as snapshot {}", before.name));
    }
    // What follows must not be taken for a failure of the restore.
    kind.ready(entry, context).map_err(|error| {
        refusal!("storage entry \"{}\" is restored from {}, but cannot be attached: {error}; try again: dokku storage:wait {}",
            entry.name, by.what, entry.name)
    })?;
    if is_mounted {
        root::as_noted(entry, &spec, entry.name.as_str(), context).map_err(|error| {
            refusal!("storage entry \"{}\" is restored from {}, but has the owner and the mode of it: {error}",
                entry.name, by.what)
        })?;
    }
    must_see_it(entry, by, context)
}

/// Refuses where a deploy has started containers since somebody looked, which may still have what was there.
fn must_see_it(entry: &Entry, by: &Replacement<'_>, context: &Context) -> Result<()> {
    let begin = Instant::now();
    let containers = loop {
        let all = every_container_with(entry, true, context).unwrap_or_default();
        let (running, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|container| container.is_running);
        if !running.is_empty() || others.is_empty() || begin.elapsed() >= STARTING {
            break running;
        }
        std::thread::sleep(STARTING / 8);
    };
    let (names, hides_some) = seen(&containers, context)?;
    let restart = commands(containers.iter().filter(|one| names.contains(&one.name)).map(|one| {
        // Dokku makes new ones, whatever those are called by then.
        if is_deployed(one) {
            format!("dokku ps:restart {}", one.app)
        } else {
            format!("docker restart {}", one.name)
        }
    }));
    refuse_if!(
        !containers.is_empty(),
        "storage entry \"{}\" is restored from {}, but containers were started meanwhile and may still use what was there: {}; restart them{}",
        entry.name,
        by.what,
        listed(names, hides_some),
        if restart.is_empty() { String::new() } else { format!(": {}", restart.join(" && ")) }
    );
    Ok(())
}

/// Whether a container belongs to a deploy.
fn is_deployed(container: &Container) -> bool {
    !container.app.is_empty() && !container.is_one_off
}

/// Each command once.
fn commands(commands: impl Iterator<Item = String>) -> Vec<String> {
    let mut commands: Vec<String> = commands.collect();
    commands.sort_unstable();
    commands.dedup();
    commands
}

impl Checked {
    /// Refuses where a running container has the entry mounted, and where Docker, which answered, does so no more.
    fn must_still_be_unused(&self, entry: &Entry, context: &Context) -> Result<()> {
        let is_answered = must_be_unused(entry, context)?;
        refuse_if!(
            self.is_answered && !is_answered,
            "Docker does not answer any more, so nobody knows whether a container has storage entry \"{}\" mounted, and its data stays as it is; try again",
            entry.name
        );
        Ok(())
    }
}

/// Makes of what is in a directory, which nobody writes to any more, and of the parts what takes its place.
fn put_parts(
    entry: &Entry,
    checked: &Checked,
    (by, spec): (&Replacement<'_>, &DirectorySpec),
    staged: &Staged,
    context: &mut Context,
) -> Result<()> {
    if by.parts.is_empty() {
        return Ok(());
    }
    let whole = copy(entry, context)?;
    by.stage_parts(entry, checked.kind, &whole, staged, context)?;
    root::as_noted(entry, spec, staged.name(), context)?;
    // What was started meanwhile has written what the copy may lack.
    checked.must_still_be_unused(entry, context)
}

/// A copy of an entry's data, which has the rest of it where some is replaced.
/// Fails where the copy would lack something: the rest is to stay as it is.
fn copy(entry: &Entry, context: &mut Context) -> Result<Staged> {
    let whole = Staged::new(entry.name.as_str(), context)?;
    let copied = root::copy(entry.name.as_str(), whole.name(), context)?;
    let path = context.store.layout().directory(entry.name.as_str());
    refuse_if!(
        copied.left_out > 0,
        "{} device files or mount points in storage entry \"{}\" would be lost with the rest of its data, which stays as it is (to see them: find {} -xdev -type b -o -type c; findmnt); restore to a new entry with --as NEW, and copy the paths from there",
        copied.left_out,
        entry.name,
        quoted(&path.to_string_lossy())
    );
    refuse_if!(
        copied.lost > 0,
        "{} extended attributes in storage entry \"{}\" would be lost with the rest of its data, which stays as it is; restore to a new entry with --as NEW, and copy the paths from there",
        copied.lost,
        entry.name
    );
    Ok(whole)
}

impl Replacement<'_> {
    /// Makes of it what takes the place of the entry's data.
    fn stage(
        &self,
        entry: &Entry,
        kind: SnapshotKind,
        staged: &Staged,
        context: &mut Context,
    ) -> Result<()> {
        if self.snapshot.is_none() && !matches!(kind, SnapshotKind::Sized(_)) {
            let from = context.store.layout().directory(self.name);
            return std::fs::rename(&from, staged.path()).map_err(Error::system("move", from));
        }
        let copied = kind.restored(entry, self.name, staged.name(), context)?;
        if self.snapshot.is_some() {
            context.out.detail(&snapshots::said(&copied));
        }
        Ok(())
    }

    /// Makes it of the parts and of a copy of the entry's data, which has the rest.
    fn stage_parts(
        &self,
        entry: &Entry,
        kind: SnapshotKind,
        whole: &Staged,
        staged: &Staged,
        context: &mut Context,
    ) -> Result<()> {
        StorageRoot::of(context).graft(self.name, whole.name(), self.parts)?;
        let whole_of_it =
            Replacement { name: whole.name(), what: String::new(), snapshot: None, parts: &[] };
        whole_of_it.stage(entry, kind, staged, context)
    }

    /// Who asks is known now; what is returned is asked in the change that puts it in the entry's place: whether all is still as it
    /// was before the copying, which may have taken long.
    fn as_checked<'b>(
        &'b self,
        entry: &'b Entry,
        before: &'b SnapshotName,
        context: &'b Context,
    ) -> Result<impl Fn(&Store) -> Result<()> + 'b> {
        access::entry(entry.name.as_str(), context)?;
        let must_hold_nothing = links::holding_nothing([entry], context)?;
        Ok(move |store: &Store| {
            store.must_be_unchanged(entry)?;
            must_hold_nothing(store)?;
            self.must_be_there(entry, store)?;
            must_be_free(&entry.name, before, store)
        })
    }

    fn must_be_there(&self, entry: &Entry, store: &Store) -> Result<()> {
        match self.snapshot {
            Some(note) => existing(&entry.name, note.name.as_str(), store).map(drop),
            None => Ok(()),
        }
    }
}

/// Refuses where somebody uses the entry's place by another name: they would get another's data.
fn must_be_alone(entry: &Entry, context: &Context) -> Result<()> {
    let Some(place) = &entry.host_path else {
        return Ok(());
    };
    let uses = Places::with_volumes(context)?.uses_without_containers(place, Some(&entry.name));
    let what = format!(
        "storage entry \"{}\" cannot be restored, since {} is in use",
        entry.name,
        entry.shown_source()
    );
    places::refused(what, uses)
}

/// The note of what the restore replaces.
fn before(entry: &Entry, store: &Store) -> Result<Snapshot> {
    let created = Moment::now();
    let mut names = SnapshotName::before_restore(created);
    let is_free = |name: &SnapshotName| must_be_free(&entry.name, name, store).is_ok();
    let name = names.by_ref().take(100).find(is_free);
    let name = name.ok_or_else(|| refusal!("too many restores at once; try again"))?;
    Ok(Snapshot::new(entry.name.clone(), name, created, Made::Moved))
}

/// Puts the copy in the entry's place, and makes what was there a snapshot, in one step; false where nothing was there.
fn replace_directory(
    entry: &Entry,
    by: &Replacement<'_>,
    before: &Snapshot,
    staged: &Staged,
    context: &Context,
) -> Result<bool> {
    let must_be_as_checked = by.as_checked(entry, &before.name, context)?;
    let next = staged.flushed()?;
    context.store.change(|change| {
        must_be_as_checked(change.store())?;
        let layout = change.store().layout().clone();
        let target = layout.directory(entry.name.as_str());
        if !look::is_there(&target) {
            change.put_directory(&next, target);
            return Ok(false);
        }
        change.replace_directory(
            target,
            &next,
            layout.snapshot_directory(&entry.name, &before.name),
        );
        change.write_snapshot(before)?;
        Ok(true)
    })
}

/// The same where the entry's place is a mount point: what is there is held and copied first, so that nothing is written
/// which the copy has not, and then the image is replaced. Where that fails, the entry has what it had, and the copy goes.
fn replace_image(
    entry: &Entry,
    kind: SnapshotKind,
    by: &Replacement<'_>,
    before: &mut Snapshot,
    staged: &Staged,
    context: &mut Context,
) -> Result<bool> {
    let kept = Staged::new(entry.name.as_str(), context)?;
    let (copied, whole) = match hold_and_copy(entry, &kept, !by.parts.is_empty(), context) {
        Ok(copied) => copied,
        Err(error) => return Err(attached_again(entry, error, context)),
    };
    before.made = copied.made;
    (before.bytes, before.files) = (Some(copied.bytes), Some(copied.files));
    if let Some(whole) = whole {
        by.stage_parts(entry, kind, &whole, staged, context)
            .map_err(|error| attached_again(entry, error, context))?;
    }
    let noted = by.as_checked(entry, &before.name, context).and_then(|must_be_as_checked| {
        let kept = kept.flushed()?;
        context.store.change(|change| {
            must_be_as_checked(change.store())?;
            let layout = change.store().layout().clone();
            change.put_directory(&kept, layout.snapshot_directory(&entry.name, &before.name));
            change.write_snapshot(before)
        })
    });
    noted.map_err(|error| attached_again(entry, error, context))?;
    sized::staged::replace(entry, staged.name(), context).map_err(|error| {
        // Whoever did it may have been killed on the way, and nobody knows which of the two has the place: the copy stays.
        let error = attached_again(entry, error, context);
        refusal!("{error}; what was there is kept as snapshot {}", before.name)
    })?;
    Ok(true)
}

/// Copies what is there, which is not attached afterwards; `twice` where one more copy is to become what takes its place.
fn hold_and_copy(
    entry: &Entry,
    kept: &Staged,
    twice: bool,
    context: &mut Context,
) -> Result<(Copied, Option<Staged>)> {
    let held = Held::of(entry, context)?;
    let copied = root::copy(entry.name.as_str(), kept.name(), context)?;
    let other = if twice { Some(copy(entry, context)?) } else { None };
    held.close()?;
    Ok((copied, other))
}

/// What is said of a restore that failed, where what the entry has is attached again.
fn attached_again(entry: &Entry, error: Error, context: &Context) -> Error {
    match sized::attach(entry, context) {
        Ok(()) => error,
        Err(more) => refusal!("{error}; {more}"),
    }
}

/// Refuses where a running container has the entry mounted: it would go on with the data that was replaced. False where
/// Docker does not answer.
fn must_be_unused(entry: &Entry, context: &Context) -> Result<bool> {
    let Some(containers) = containers_with(entry, context) else {
        return Ok(false);
    };
    if containers.is_empty() {
        return Ok(true);
    }
    let (names, hides_some) = seen(&containers, context)?;
    refuse!(
        "storage entry \"{}\" is mounted in running containers: {}; stop them, or have it done with --stop",
        entry.name,
        listed(names, hides_some)
    )
}

/// A container that was stopped, and the option that sets its restart policy again, where it needs one.
type Stopped = (Container, Option<String>);

fn stop(entry: &Entry, context: &mut Context) -> Result<Vec<Stopped>> {
    let mut stopped = Vec::new();
    for container in using(entry, context)? {
        match containers::stop(&context.environment, &container, None) {
            Ok(restart) => {
                context.out.detail(&format!("Stopped {}", container.name));
                stopped.push((container, restart));
            }
            Err(error) => {
                say_how_to_start(&stopped, context);
                return Err(error);
            }
        }
    }
    Ok(stopped)
}

fn say_how_to_start(stopped: &[Stopped], context: &mut Context) {
    let start = |(container, restart): &Stopped| {
        if is_deployed(container) {
            // It makes new containers, with the app's own policy.
            return format!("dokku ps:start {}", container.app);
        }
        let name = &container.name;
        let update = restart.as_ref().map(|option| format!("docker update {option} {name} && "));
        format!("{}docker start {name}", update.unwrap_or_default())
    };
    for command in commands(stopped.iter().map(start)) {
        context.out.detail(&format!("To start again: {command}"));
    }
}
