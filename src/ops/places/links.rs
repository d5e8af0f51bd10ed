//! Mounts of which one lies in the other: between the check and the mount, who can write to the one could put a link in the way
//! to the other. Docker follows it.
//!
//! What `storage:exec` and commands around backups start has all of an entry, and pulls an image first: there is no container yet
//! that others could see. So they announce it, before they look at what others have, and until their container is gone. A mount that
//! was registered meanwhile is looked at once more right before Docker makes it.
//!
//! What Dokku asks for is mounted a moment later, and where somebody unmounts it within that moment, no app has it. So it is noted
//! when it is asked for, and until then nobody puts data there that may have a link on the way to it.

use std::path::Path;
use std::time::Duration;

use crate::context::Context;
use crate::docker::containers::{self, Mount};
use crate::docker::{Container, Listed};
use crate::domain::{AppName, Attachment, Entry, EntryName, Result, Source, mounted_source};
use crate::fs::RealPath;
use crate::ops::places::Docker;
use crate::ops::places::place::{Place, known};
use crate::ops::{access, apps};
use crate::store::{Store, Work};

/// Where a container that is no app's has an entry: those of `storage:exec`, Dokku's too, and of commands around backups.
pub(crate) const PLACE: &str = "/data";

/// Paths that are mounted, and whether who has them can write there.
#[derive(PartialEq)]
pub(crate) struct Bound {
    real: Vec<RealPath>,
    /// What is on the way to them: an app may swap a link there at any moment, so that where they lead says too little.
    way: Vec<RealPath>,
    is_writable: bool,
}

impl Bound {
    /// What is at paths as they are written.
    fn at(paths: &[String], is_writable: bool, context: &Context) -> Self {
        let (mut real, mut way) = (Vec::new(), Vec::new());
        for path in paths {
            let (steps, leads) = RealPath::way(Path::new(path));
            let leads = known(leads, path, context);
            way.extend(steps);
            way.push(leads.clone());
            real.push(leads);
        }
        Self { real, way, is_writable }
    }

    fn of(entry: &Entry, attachment: &Attachment, context: &Context) -> Self {
        Self::at(&mounted_paths(entry, attachment), !attachment.is_readonly(), context)
    }

    /// All of an entry, writable.
    fn whole(entry: &Entry, context: &Context) -> Self {
        Self::at(&entry.paths(), true, context)
    }

    /// What a container has, as far as it is of this host.
    fn of_container(container: &Container, volumes: &[Listed], context: &Context) -> Vec<Self> {
        let bound = |mount: &Mount| {
            let listed = volumes.iter().find(|listed| listed.name == mount.name);
            let paths = match listed {
                Some(listed) => listed.target().paths,
                None if mount.name.is_empty() => vec![mount.source.clone()],
                None => Vec::new(),
            };
            Self::at(&paths, mount.is_writable, context)
        };
        container.mounts.iter().map(bound).collect()
    }

    /// Whether who can write to one of two could put a link in the way to the other, which Docker would follow.
    fn leads_away(&self, other: &Self) -> bool {
        self.is_led_by(other) || other.is_led_by(self)
    }

    /// Whether it lies in what who has the other can write to.
    fn is_led_by(&self, holder: &Self) -> bool {
        let mut pairs = self.way.iter().flat_map(|a| holder.real.iter().map(move |b| (a, b)));
        holder.is_writable && pairs.any(|(one, holder)| one != holder && one.is_within(holder))
    }
}

/// The paths of what is mounted, as they are written.
fn mounted_paths(entry: &Entry, attachment: &Attachment) -> Vec<String> {
    match &entry.host_path {
        Some(Source::Path(_)) => vec![mounted_source(entry, attachment)],
        _ => entry.paths(),
    }
}

/// What it is called among what is at work that a container which is no app's has all of an entry.
fn work_name(entry: &EntryName) -> String {
    format!("container {entry}")
}

/// The entry that a container which is no app's has all of, for a command that somebody has run who does not see every app, or around
/// a backup; none where it is another container.
pub(crate) fn entry_of_command<'a>(
    container: &Container,
    entries: &'a [Entry],
    store: &Store,
) -> Option<&'a Entry> {
    let has = |entry: &Entry| container.mounts.iter().any(|mount| has_all(mount, entry));
    let is_at_work = |entry: &Entry| store.is_at_work(&work_name(&entry.name)).unwrap_or(false);
    let mut entries = entries.iter().filter(|_| container.is_running && container.app.is_empty());
    entries.find(|entry| has(entry) && is_at_work(entry))
}

/// Refuses to give an entry to others while such a container has it; also one whose client is gone, which goes on.
pub(crate) fn must_be_had_by_no_command(entry: &Entry, context: &Context) -> Result<()> {
    must_run_no_command(entry, context)?;
    if !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    let is_its = |mount: &Mount| has_all(mount, entry);
    let having = containers::mounting(&context.environment, false, is_its).unwrap_or_default();
    if let Some(container) = having.iter().find(|container| container.app.is_empty()) {
        refuse!(
            "container {name}, which is no app's, has {} at {PLACE}; end it: docker rm -f {name}",
            entry.shown_source(),
            name = container.name
        );
    }
    Ok(())
}

/// Whether a mount is where such a container has an entry.
fn has_all(mount: &Mount, entry: &Entry) -> bool {
    Path::new(&mount.destination).starts_with(PLACE)
        && Path::new(mount.source()) == Path::new(entry.shown_source())
}

/// Refuses to give an entry to others while such a container may have it. Docker is not asked.
pub(crate) fn must_run_no_command(entry: &Entry, context: &Context) -> Result<()> {
    refuse_if!(
        context.store.is_at_work(&work_name(&entry.name))?,
        "{}; end it, or wait for it, and run the command again",
        said_of_command(&entry.name)
    );
    Ok(())
}

/// What is said of such a container.
pub(crate) fn said_of_command(entry: &EntryName) -> String {
    format!("a storage:exec of storage entry \"{entry}\", or a command around its backup, runs")
}

/// Lets others know that a container which is no app's has all of an entry, or is about to: until that is dropped.
pub(crate) fn announce(entry: &Entry, context: &Context) -> Result<Work> {
    context.store.work_beside(&work_name(&entry.name))
}

/// The same for a command that a caller has run, where that is not somebody who sees every app. The programs that are started for it
/// say it for as long as they run, too.
pub(crate) fn announce_of_caller(entry: &Entry, context: &Context) -> Result<Option<Work>> {
    if !access::hides_problems(context)? {
        return Ok(None);
    }
    let work = announce(entry, context)?;
    work.pass_on()?;
    Ok(Some(work))
}

/// Refuses a caller who does not see every app a mount of what lies in another one that is writable, or holds one: there could be a
/// link in the way between the check and the mount.
pub(super) fn must_not_be_led_away(
    entry: &Entry,
    attachment: &Attachment,
    context: &Context,
) -> Result<()> {
    let source = mounted_source(entry, attachment);
    must_lie_alone(&Bound::of(entry, attachment, context), &source, context)
}

/// The same of all of an entry, which whoever asks is to write to.
pub(crate) fn must_not_lead_away(entry: &Entry, context: &Context) -> Result<()> {
    if !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    must_lie_alone(&Bound::whole(entry, context), entry.shown_source(), context)
}

/// What others mount is not asked: the caller has no way to write there, and who let them was somebody who sees every app.
fn must_lie_alone(own: &Bound, source: &str, context: &Context) -> Result<()> {
    if own.real.is_empty() {
        return Ok(());
    }
    let Some(others) = others(context)? else {
        let why = format!("Docker does not say what has {source:?} now");
        return access::must_see_every_app(&why, context);
    };
    if others.iter().any(|other| own.leads_away(other)) {
        access::must_see_every_app(&led_away(source), context)?;
    }
    Ok(())
}

/// Refuses to mount all of an entry for a command around its backup where it lies in what an app can write to. A schedule has no
/// caller, and who set the command may be anybody.
pub(crate) fn must_not_be_led_by_anybody(entry: &Entry, context: &Context) -> Result<()> {
    let own = Bound::whole(entry, context);
    if own.real.is_empty() || !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    let name = &entry.name;
    let Some(others) = others(context)? else {
        refuse!("Docker does not say what has {:?} now", entry.shown_source());
    };
    refuse_if!(
        others.iter().any(|other| own.is_led_by(other)),
        "{}; run the command in a container of an app that mounts it: dokku storage:set {name} backup-image",
        led_away(entry.shown_source())
    );
    Ok(())
}

/// Who asks is known now; what is returned is asked in the change that puts data in an entry's place. It refuses a caller who does
/// not see every app where a part of that place is an entry's or is mounted: what is put there may have a link on the way to it.
pub(crate) fn holding_nothing<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    context: &'a Context,
) -> Result<impl Fn(&Store) -> Result<()> + 'a> {
    let entries = entries.into_iter().filter(|entry| !entry.paths().is_empty());
    let mut entries: Vec<_> = entries.collect();
    if !entries.is_empty() && !access::hides_problems(context)? {
        entries.clear();
    }
    for entry in &entries {
        must_hold_no_containers(entry, context)?;
    }
    Ok(move |store: &Store| {
        if entries.is_empty() {
            return Ok(());
        }
        let mut parts = mounted_by(&store.apps()?, store, context)?;
        parts.extend(store.entries()?.entries.iter().map(|entry| Bound::whole(entry, context)));
        let asked = asked_for(|_| true, store, context)?;
        for entry in &entries {
            let own = Bound::whole(entry, context);
            refuse_if!(
                parts.iter().any(|part| part.is_led_by(&own)),
                "{}; unmount what is in it first",
                led_away(entry.shown_source())
            );
            refuse_if!(
                asked.iter().any(|part| part.is_led_by(&own)),
                "a deploy may still mount a part of {:?}; try again in a few minutes, or in an hour where a build mounts it",
                entry.shown_source()
            );
        }
        Ok(())
    })
}

/// Refuses where a container has a part of what an entry has, also one that does not run: Docker follows the path once more when it
/// starts it.
fn must_hold_no_containers(entry: &Entry, context: &Context) -> Result<()> {
    let own = Bound::whole(entry, context);
    let source = entry.shown_source();
    let Docker::Said { containers, volumes } = Docker::asked(true, context) else {
        refuse!(
            "Docker does not say what has a part of {source:?} now; start it and run the command again"
        );
    };
    let has_part = |container: &&Container| {
        let bound = Bound::of_container(container, &volumes, context);
        bound.iter().any(|part| part.is_led_by(&own))
    };
    let Some(container) = containers.iter().find(has_part) else {
        return Ok(());
    };
    let seen = apps::all(&context.environment, &context.store)?;
    let whose = match seen.iter().find(|app| app.as_str() == container.app) {
        Some(app) => format!("the container {} of {app}", container.name),
        None => "a container".to_owned(),
    };
    refuse!(
        "{whose} has a part of {source:?}, and a link in what is put there could lead Docker elsewhere when it starts again; restart the app without that part"
    )
}

/// Notes what Docker is about to mount for an app, before it is judged, where who sees less than all could put a link on the way to it,
/// or its container could on the way to something else.
pub(crate) fn note_mounting(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    within: Duration,
    context: &Context,
) -> Result<()> {
    let is_harmless = attachment.is_readonly() && is_direct(entry, attachment, context);
    if is_harmless || !may_be_led(entry, context) {
        return Ok(());
    }
    context.store.note_mounting(app, &mounted_paths(entry, attachment), within)
}

/// Whether nobody could put a link on the way to what is mounted: nothing that holds a directory of the storage root is anybody's.
fn is_direct(entry: &Entry, attachment: &Attachment, context: &Context) -> bool {
    matches!(entry.host_path, Some(Source::Path(_)))
        && attachment.subpath.is_none()
        && access::judged_path(entry, context).is_none()
}

/// Whether Docker mounts what an entry has, and somebody sees less than all.
fn may_be_led(entry: &Entry, context: &Context) -> bool {
    entry.is_docker_local() && apps::are_restricted(&context.environment)
}

/// What Docker may be about to mount for such apps, though no app may have it any more, nor be there.
fn asked_for(
    is_such: impl Fn(&AppName) -> bool,
    store: &Store,
    context: &Context,
) -> Result<Vec<Bound>> {
    let mut asked = store.being_mounted()?;
    asked.retain(|(app, _)| is_such(app));
    Ok(asked.into_iter().map(|(_, path)| Bound::at(&[path], true, context)).collect())
}

/// What apps mount.
fn mounted_by(apps: &[AppName], store: &Store, context: &Context) -> Result<Vec<Bound>> {
    let mut all = Vec::new();
    for app in apps {
        let mounted = store.mounts(app)?.mounted;
        all.extend(mounted.iter().map(|m| Bound::of(&m.entry, &m.attachment, context)));
    }
    Ok(all)
}

/// What the caller has mounted, or has in containers; none where Docker does not answer.
fn others(context: &Context) -> Result<Option<Vec<Bound>>> {
    let seen = apps::all(&context.environment, &context.store)?;
    let mut others = mounted_by(&seen, &context.store, context)?;
    let all = context.store.apps()?;
    let may_be_callers = |app: &AppName| seen.contains(app) || !all.contains(app);
    others.extend(asked_for(may_be_callers, &context.store, context)?);
    let is_callers = |container: &&Container| {
        let is_seen = || seen.iter().any(|app| app.as_str() == container.app);
        container.is_running && (container.app.is_empty() || is_seen())
    };
    let Docker::Said { containers, volumes } = Docker::asked(true, context) else {
        return Ok(None);
    };
    let entries = context.store.entries()?.entries;
    let places = Place::of_all(&entries, context);
    for container in containers.iter().filter(is_callers) {
        let mut bound = Bound::of_container(container, &volumes, context);
        // Of those that are no app's, only what `storage:exec` starts is the caller's: it has all of an entry.
        if container.app.is_empty() {
            bound.retain(|bound| places.iter().any(|place| place.real == bound.real));
        }
        others.extend(bound);
    }
    for (entry, place) in entries.iter().zip(places) {
        if !place.real.is_empty() && context.store.is_at_work(&work_name(&entry.name))? {
            others.push(Bound::whole(entry, context));
        }
    }
    Ok(Some(others))
}

/// Refuses a mount, right before Docker makes it, of what lies in what a container can write to that is no app's: somebody may have
/// started that after the mount was judged, and nobody calls here.
pub(crate) fn must_not_be_led_now(
    entry: &Entry,
    attachment: &Attachment,
    context: &Context,
) -> Result<()> {
    if is_direct(entry, attachment, context) || !may_be_led(entry, context) {
        return Ok(());
    }
    let own = Bound::of(entry, attachment, context);
    if own.real.is_empty() {
        return Ok(());
    }
    let entries = context.store.entries()?.entries;
    let places = Place::of_all(&entries, context);
    let whole = places.into_iter().map(|place| Bound {
        real: place.real,
        way: Vec::new(),
        is_writable: true,
    });
    let holding: Vec<_> =
        entries.iter().zip(whole).filter(|(_, whole)| own.is_led_by(whole)).collect();
    if holding.is_empty() {
        return Ok(());
    }
    let mut is_led = false;
    for (entry, _) in &holding {
        is_led |= context.store.is_at_work(&work_name(&entry.name))?;
    }
    if let Docker::Said { mut containers, volumes } = Docker::asked(true, context) {
        containers.retain(|container| container.is_running && container.app.is_empty());
        for container in &mut containers {
            container.mounts.retain(|mount| mount.destination == PLACE && mount.is_writable);
            let bound = Bound::of_container(container, &volumes, context);
            is_led |= bound.iter().any(|b| holding.iter().any(|(_, whole)| whole.real == b.real));
        }
    }
    refuse_if!(
        is_led,
        "{:?} lies in what a container of storage:exec or of a backup can write to now, and a link that is made there could lead Docker elsewhere; try again once that has ended",
        mounted_source(entry, attachment)
    );
    Ok(())
}

/// The same for mounts that are written together: one is judged by those before it, and added to them.
pub(crate) fn must_not_lead_each_other_away(
    entry: &Entry,
    attachment: &Attachment,
    earlier: &mut Vec<Bound>,
    context: &Context,
) -> Result<()> {
    if !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    let own = Bound::of(entry, attachment, context);
    if earlier.iter().any(|other| own.leads_away(other)) {
        access::must_see_every_app(&led_away(&mounted_source(entry, attachment)), context)?;
    }
    if !earlier.contains(&own) {
        earlier.push(own);
    }
    Ok(())
}

fn led_away(source: &str) -> String {
    format!(
        "{source:?} lies in something that is mounted writable, or holds something that is mounted, and a link that an app makes there could lead Docker elsewhere"
    )
}
