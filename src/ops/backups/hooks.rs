//! Running an entry's commands around the copy that becomes a backup: in a container of an app, or in one of the entry's own.
//!
//! That the second command is owed is noted before the first one begins. Where a backup was killed between the two, the next one of the
//! entry, or `storage:backups:run`, runs the second one, once it can: as it is set then, and judged as always. What was begun is noted,
//! too: it goes on where the backup was killed, and no other command of the entry is begun beside it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::docker::{Container, Docker, containers, images};
use crate::domain::backup::{Begun, Failure};
use crate::domain::{
    Attachment, BackupState, ContainerPath, Entry, EntryName, Error, Moment, Result, Source,
};
use crate::host::process::unique;
use crate::ops::places::links::{self, PLACE};
use crate::ops::snapshots::containers_with;
use crate::ops::{apps, judge, usable};
use crate::store::Work;
use crate::types;

/// How long a command may take: a database may be large.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long the commands of an app's backups may have taken in one run before no other backup with commands of the app is begun: what
/// many entries have together must not hold up everybody else.
const ALTOGETHER: Duration = Duration::from_secs(60 * 60);

/// How long commands took, by whose they are.
#[derive(Debug, Default)]
struct Taken(BTreeMap<String, Duration>);

impl Taken {
    fn add(&mut self, entry: &Entry, took: Duration) {
        for owner in owners(entry) {
            *self.0.entry(owner).or_default() += took;
        }
    }

    /// Whose time is over.
    fn over(&self, entry: &Entry) -> Option<String> {
        let is_over = |owner: &String| self.0.get(owner).is_some_and(|took| *took >= ALTOGETHER);
        owners(entry).into_iter().find(is_over)
    }
}

/// Those whose time an entry's commands take: the apps of who set them, or the entry where that were none.
fn owners(entry: &Entry) -> Vec<String> {
    let apps = &entry.backup.apps;
    if apps.is_empty() {
        return vec![format!("storage entry \"{}\"", entry.name)];
    }
    apps.iter().map(|app| format!("app {app}")).collect()
}

/// What was taken in this run, which is this process.
static TAKEN: Mutex<Taken> = Mutex::new(Taken(BTreeMap::new()));

/// Whether an entry's backup has to wait for the next run.
pub(crate) fn must_wait(entry: &Entry) -> bool {
    over(entry).is_some()
}

fn over(entry: &Entry) -> Option<String> {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    taken.over(entry).filter(|_| entry.backup.is_some())
}

/// Refuses a backup with commands where those of the same app took their time already.
pub(crate) fn must_have_time(entry: &Entry) -> Result<()> {
    let Some(owner) = over(entry) else {
        return Ok(());
    };
    let name = &entry.name;
    Err(refusal!(
        "storage entry \"{name}\" was left out, since the commands around backups of {owner} took {} minutes in this run already; make them shorter, or back the entry up alone: dokku storage:backups:create {name}",
        ALTOGETHER.as_secs() / 60
    ))
}

const BEFORE: &str = "backup-before";
const AFTER: &str = "backup-after";

/// What a command that prepares a backup of an entry, copies it or ends that has alone.
pub(super) fn work_name(entry: &EntryName) -> String {
    format!("backing up {entry}")
}

/// Runs what is to be run before the copy.
/// Fails with its output where it fails; there is no backup then.
pub(crate) fn before(entry: &Entry, context: &mut Context) -> Result<()> {
    run(BEFORE, &entry.backup.before, entry, context)
        .and_then(|ran| ran)
        .map_err(|error| refusal!("{error}; there is no backup"))
}

/// Runs what is to be run after the copy, whether that was made or not.
pub(crate) fn after(entry: &Entry, context: &mut Context) -> Result<()> {
    let ran = run(AFTER, &entry.backup.after, entry, context).and_then(|ran| ran);
    // How it went, the caller says.
    let noted = is_owed(&entry.name, context)
        .and_then(|is_owed| if is_owed { settled(&entry.name, None, context) } else { Ok(()) });
    ran.and(noted)
}

/// Runs the command that a backup which was cut off owes an entry, and says so. That it failed is noted. The caller has the work on the
/// entry's backups alone.
/// Fails where it cannot be run now; it is still owed then.
pub(crate) fn settle(entry: &Entry, context: &mut Context) -> Result<()> {
    let name = &entry.name;
    must_have_ended(name, context)?;
    if !is_owed(name, context)? {
        return Ok(());
    }
    context.out.warn(&format!(
        "A backup of storage entry \"{name}\" was cut off before its {AFTER}, which is run now"
    ));
    let ran = run(AFTER, &entry.backup.after, entry, context)?;
    if let Err(error) = &ran {
        context.out.warn(&error.to_string());
    }
    settled(name, ran.err(), context)
}

/// Runs what backups that were cut off owe their entries, but for those that somebody is at work on; why some cannot be run now.
pub(crate) fn settle_all(context: &mut Context) -> Vec<Error> {
    let owing = context.store.backup_states().unwrap_or_default().0.into_iter();
    let owing: Vec<EntryName> =
        owing.filter(is_unfinished).filter_map(|state| state.entry).collect();
    let mut problems = Vec::new();
    for name in owing {
        let settled = context.store.work_alone(&work_name(&name)).and_then(|work| {
            match (work, context.store.entry(&name)?) {
                (Some(_alone), Some(entry)) if !must_wait(&entry) => settle(&entry, context),
                _ => Ok(()),
            }
        });
        problems.extend(settled.err());
    }
    problems
}

/// Refuses what must not be begun while a command that a backup which was cut off began for the entry goes on. One that had its time
/// is not waited for: a container of its own is removed. The caller has the work on the entry's backups alone.
pub(crate) fn must_have_ended(entry: &EntryName, context: &Context) -> Result<()> {
    let state = context.store.backup_state(Some(entry))?;
    let Some(begun) = state.and_then(|state| state.begun) else {
        return Ok(());
    };
    let is_over = begun.at.plus_seconds(LONGEST.as_secs().cast_signed()) <= Moment::now();
    if is_over && begun.container.is_none() {
        end(&begun.name, context);
    }
    let is_waited_for = !is_over || begun.container.is_none();
    let does_run = runs(&begun, context).ok_or_else(|| {
        refusal!(
            "Docker does not answer, so it is not known whether {} of storage entry \"{entry}\" ended, which was begun by a backup that was cut off",
            begun.property
        )
    })?;
    if is_waited_for && does_run {
        refuse!(
            "{}; wait for its end, at the most {} minutes",
            still_runs(&begun, entry),
            LONGEST.as_secs() / 60
        );
    }
    note(entry, |state| state.begun = None, context)
}

/// The sentence on a command of a backup that was cut off, where it goes on.
pub(crate) fn left_running(state: &BackupState, context: &Context) -> Option<String> {
    let begun = state.begun.as_ref().filter(|begun| runs(begun, context) == Some(true))?;
    Some(still_runs(begun, state.entry.as_ref()?))
}

fn still_runs(begun: &Begun, entry: &EntryName) -> String {
    format!(
        "{} of storage entry \"{entry}\" still runs in container {}, begun at {} by a backup that was cut off",
        begun.property,
        begun.container.as_ref().unwrap_or(&begun.name),
        begun.at.shown()
    )
}

/// Whether a command goes on; `None` where Docker does not answer.
fn runs(begun: &Begun, context: &Context) -> Option<bool> {
    let environment = &context.environment;
    let all = containers::every(environment)?;
    let Some(id) = &begun.container else {
        return Some(all.iter().any(|container| container.name == begun.name));
    };
    if !all.iter().any(|container| container.id == *id && container.is_running) {
        return Some(false);
    }
    let processes = Docker(environment).client(&["top", id, "-eo", "pid,args"]).run().ok()?;
    Some(!processes.is_ok() || processes.stdout.contains(&begun.name))
}

/// Removes a container of an entry's own.
fn end(name: &str, context: &Context) {
    let _ = Docker(&context.environment).client(&["rm", "--force", name]).run();
}

fn is_unfinished(state: &BackupState) -> bool {
    state.owes_command || state.begun.is_some()
}

/// Whether a command is owed or was left running, and nobody is at work who will run it or sees its end.
pub(crate) fn is_left(state: &BackupState, context: &Context) -> bool {
    let name = state.entry.as_ref().filter(|_| is_unfinished(state));
    name.is_some_and(|name| {
        context.store.is_at_work(&work_name(name)).is_ok_and(|is_at_work| !is_at_work)
    })
}

fn is_owed(entry: &EntryName, context: &Context) -> Result<bool> {
    Ok(context.store.backup_state(Some(entry))?.is_some_and(|state| state.owes_command))
}

fn settled(entry: &EntryName, failed: Option<Error>, context: &Context) -> Result<()> {
    let message = failed.map(|error| error.to_string());
    let settle = |state: &mut BackupState| {
        state.owes_command = false;
        if let Some(message) = message.clone() {
            state.last_failure = Some(Failure { at: Moment::now(), connector: None, message });
        }
    };
    note(entry, settle, context)
}

/// Changes what is noted of an entry's backups, unless the entry is gone.
fn note(entry: &EntryName, change_it: impl Fn(&mut BackupState), context: &Context) -> Result<()> {
    context.store.change(|change| {
        if change.store().entry(entry)?.is_none() {
            return Ok(());
        }
        let state = change.store().backup_state(Some(entry))?;
        let mut state = state.unwrap_or_else(|| BackupState::new(Some(entry.clone())));
        change_it(&mut state);
        change.write_backup_state(&state)
    })
}

/// Runs a command; how that went.
/// Fails where it cannot be run.
fn run(property: &str, command: &str, entry: &Entry, context: &mut Context) -> Result<Result<()>> {
    if command.is_empty() {
        return Ok(Ok(()));
    }
    context.out.flush()?;
    let is_own = !entry.backup.image.is_empty();
    if is_own {
        images::must_be_here(&context.environment, &entry.backup.image)?;
    }
    // Others see it before what they have is looked at, and until the container is gone.
    let announced = is_own.then(|| announced(property, entry, context)).transpose()?;
    let mark = format!("dokku-storage-hook-{}", unique());
    let (container, words, is_told) = if is_own {
        let words = in_own_container(&mark, entry, context)?;
        (None, [words, ["sh", "-c", command].map(str::to_owned).into()].concat(), true)
    } else {
        let Container { id, app, .. } = container_for(property, entry, context)?;
        let words = ["exec", &id, "sh", "-c", MARKED, &mark, command].map(str::to_owned).into();
        (Some(id), words, is_alone(&app, entry, context)?)
    };
    let name = &entry.name;
    let (at, property_name) = (Moment::now(), property.to_owned());
    let begun = Begun { at, property: property_name, name: mark.clone(), container };
    let begins = |state: &mut BackupState| {
        state.owes_command |= property == BEFORE && !entry.backup.after.is_empty();
        state.begun = Some(begun.clone());
    };
    note(name, begins, context)?;
    let since = Instant::now();
    let answer = Docker(&context.environment).client(&words).within(LONGEST);
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).add(entry, since.elapsed());
    if is_own && matches!(answer, Ok(None)) {
        end(&mark, context);
    }
    drop(announced);
    let noted = note(name, |state| state.begun = None, context);
    let answer = answer?;
    noted?;
    let Some(answer) = answer else {
        return Ok(Err(refusal!(
            "{property} of storage entry \"{name}\" did not end within {} minutes; see what it waits for, and make it shorter",
            LONGEST.as_secs() / 60
        )));
    };
    if answer.is_ok() {
        return Ok(Ok(()));
    }
    let reason = if is_told { answer.reason() } else { NOT_TOLD.to_owned() };
    Ok(Err(refusal!(
        "{property} of storage entry \"{name}\" failed with status {}: {reason}",
        answer.status
    )))
}

/// What stands for what a command says in a container of one of several apps.
const NOT_TOLD: &str = "what it said may not be for all who see the entry; run it by hand in the app's container to see that";

/// Whether who sees an entry sees the app, in whose container a command runs: what it says is noted for all of them.
fn is_alone(app: &str, entry: &Entry, context: &Context) -> Result<bool> {
    if !apps::are_restricted(&context.environment) {
        return Ok(true);
    }
    Ok(context.store.apps_with(&entry.name)?.iter().all(|with| with.as_str() == app))
}

/// Lets others know that a container of the entry's own has all of it, which root mounts: refused where a deploy would be, and where an
/// app could lead Docker elsewhere meanwhile.
fn announced(property: &str, entry: &Entry, context: &Context) -> Result<Option<Work>> {
    let is_restricted = apps::are_restricted(&context.environment);
    let announced = is_restricted.then(|| links::announce(entry, context)).transpose()?;
    let judged = judge::whole(entry, context).map(drop).map_err(|why| {
        if is_restricted {
            // It is noted for everybody who sees the entry, and may name what a schedule alone sees.
            refusal!("a deploy would not mount it; see: dokku storage:doctor {}", entry.name)
        } else {
            why
        }
    });
    let judged = judged
        .and_then(|()| must_be_of_who_mounts(property, entry, context))
        .and_then(|()| links::must_not_be_led_by_anybody(entry, context))
        .and_then(|()| usable::must_be_usable(entry, context))
        .and_then(|()| usable::must_be_there(entry, context));
    judged.map_err(|why| {
        refusal!("{property} of storage entry \"{}\" cannot run: {why}", entry.name)
    })?;
    Ok(announced)
}

/// Refuses commands that somebody set who does not see every app, where an app mounts the entry by now that was not among those.
fn must_be_of_who_mounts(property: &str, entry: &Entry, context: &Context) -> Result<()> {
    let hooks = &entry.backup;
    if hooks.any_app || !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    let mut with = context.store.apps_with(&entry.name)?;
    with.retain(|app| !hooks.apps.contains(app));
    let name = &entry.name;
    refuse_if!(
        !with.is_empty(),
        "it was set before an app that has the entry now mounted it; look at it, and set it again or take it away: dokku storage:set {name} {property}"
    );
    Ok(())
}

/// Runs a command, its first argument, in a shell that has a mark as its name until that ends: a shell that has nothing else to do
/// may become the command.
const MARKED: &str = r#"sh -c "$1"; exit "$?""#;

/// A running container of an app that mounts the entry.
fn container_for(property: &str, entry: &Entry, context: &Context) -> Result<Container> {
    let containers = containers_with(entry, context)
        .ok_or_else(|| refusal!("Docker does not answer, so {property} cannot run"))?;
    let hooks = &entry.backup;
    let is_it = |app: &str, process_type: Option<&str>| {
        hooks.apps.iter().any(|allowed| allowed.as_str() == app)
            && (hooks.process_type.is_empty() || process_type == Some(&hooks.process_type))
    };
    let found = containers.iter().find(|container| {
        !container.is_paused
            && !container.is_one_off
            && is_it(&container.app, container.process_type.as_deref())
    });
    let Some(found) = found else {
        let name = &entry.name;
        let of_type = match hooks.process_type.as_str() {
            "" => String::new(),
            process_type => format!(" of process type {process_type}"),
        };
        refuse!(
            "{property} of storage entry \"{name}\" has no running container{of_type} to run in: start the app, or run it in a container of its own: dokku storage:set {name} backup-image IMAGE; where the entry was mounted after {property} was set, set it again"
        );
    };
    Ok(found.clone())
}

/// The words that run something in a new container of a name, with the entry at `/data`.
fn in_own_container(name: &str, entry: &Entry, context: &Context) -> Result<Vec<String>> {
    let mut words: Vec<String> = ["run", "--rm", "--network", "none"].map(str::to_owned).into();
    words.extend(["--name", name].map(str::to_owned));
    let attachment = Attachment::new(entry.name.clone(), ContainerPath::parse(PLACE)?);
    let source = match entry.host_path {
        Some(Source::Path(_)) => context.as_docker_sees_it(entry.shown_source())?,
        _ => entry.shown_source().to_owned(),
    };
    words.extend(types::of(entry).words(&source, entry, &attachment));
    words.extend(["--entrypoint".to_owned(), String::new(), entry.backup.image.clone()]);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AppName;

    #[test]
    fn an_app_has_an_hour_for_the_commands_of_all_its_entries() {
        let entry = |name: &str, app: &str| {
            let mut entry = Entry::new(EntryName::parse(name).unwrap(), None);
            entry.backup.set(BEFORE, "true").unwrap();
            entry.backup.apps.extend(AppName::parse(app).ok());
            entry
        };
        let (first, second) = (entry("first", "blog"), entry("second", "blog"));
        let (other, alone) = (entry("other", "wiki"), entry("alone", ""));
        let mut taken = Taken::default();
        for (minutes, is_over) in [(40, false), (20, true)] {
            taken.add(&first, Duration::from_secs(minutes * 60));
            taken.add(&alone, Duration::from_secs(minutes * 60));
            assert_eq!(taken.over(&second), is_over.then(|| "app blog".to_owned()));
            assert_eq!(taken.over(&alone).is_some(), is_over);
            assert_eq!(taken.over(&other), None);
        }
    }
}
