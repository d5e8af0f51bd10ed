//! Mounts of which one lies in the other: between the check and the mount, who can write to the one could put a link in the way
//! to the other. Docker follows it.
//!
//! What `storage:exec` and commands around backups start has all of an entry, and pulls an image first: there is no container yet
//! that others could see. So they announce it, before they look at what others have, and until their container is gone. A mount that
//! was registered meanwhile is looked at once more right before Docker makes it.

use crate::context::Context;
use crate::docker::containers::Mount;
use crate::docker::{Container, Listed};
use crate::domain::{AppName, Attachment, Entry, EntryName, Result, Source, mounted_source};
use crate::fs::RealPath;
use crate::ops::places::Docker;
use crate::ops::places::place::{Place, theirs};
use crate::ops::{access, apps};
use crate::store::{Store, Work};

/// Where a container that is no app's has an entry: those of `storage:exec`, Dokku's too, and of commands around backups.
pub(crate) const PLACE: &str = "/data";

/// Paths that are mounted, and whether who has them can write there.
struct Bound {
    real: Vec<RealPath>,
    is_writable: bool,
}

impl Bound {
    fn of(entry: &Entry, attachment: &Attachment, context: &Context) -> Self {
        let real = match &entry.host_path {
            Some(Source::Path(_)) => vec![theirs(&mounted_source(entry, attachment), context)],
            _ => entry.paths().iter().map(|path| theirs(path, context)).collect(),
        };
        Self { real, is_writable: !attachment.is_readonly() }
    }

    /// All of an entry, writable.
    fn whole(entry: &Entry, context: &Context) -> Self {
        Self { real: Place::of(entry, context).real, is_writable: true }
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
            let real = paths.iter().map(|path| theirs(path, context)).collect();
            Self { real, is_writable: mount.is_writable }
        };
        container.mounts.iter().map(bound).collect()
    }

    /// Whether who can write to one of two could put a link in the way to the other, which Docker would follow.
    fn leads_away(&self, other: &Self) -> bool {
        self.is_led_by(other) || other.is_led_by(self)
    }

    /// Whether it lies in what who has the other can write to.
    fn is_led_by(&self, holder: &Self) -> bool {
        let mut pairs = self.real.iter().flat_map(|a| holder.real.iter().map(move |b| (a, b)));
        holder.is_writable && pairs.any(|(one, holder)| one != holder && one.is_within(holder))
    }
}

/// What it is called among what is at work that a container which is no app's has all of an entry.
fn work_name(entry: &EntryName) -> String {
    format!("container {entry}")
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
    Ok(move |store: &Store| {
        if entries.is_empty() {
            return Ok(());
        }
        let mut parts = mounted_by(&store.apps()?, store, context)?;
        parts.extend(store.entries()?.entries.iter().map(|entry| Bound::whole(entry, context)));
        for entry in &entries {
            let own = Bound::whole(entry, context);
            refuse_if!(
                parts.iter().any(|part| part.is_led_by(&own)),
                "{}; unmount what is in it first",
                led_away(entry.shown_source())
            );
        }
        Ok(())
    })
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
            others.push(Bound { real: place.real, is_writable: true });
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
    let is_path = matches!(entry.host_path, Some(Source::Path(_)));
    // Nothing that holds a directory of the storage root is anybody's.
    let is_direct =
        is_path && attachment.subpath.is_none() && access::judged_path(entry, context).is_none();
    if is_direct || !entry.is_docker_local() || !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    let own = Bound::of(entry, attachment, context);
    if own.real.is_empty() {
        return Ok(());
    }
    let entries = context.store.entries()?.entries;
    let places = Place::of_all(&entries, context);
    let whole = places.into_iter().map(|place| Bound { real: place.real, is_writable: true });
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

/// The same for mounts that are written together.
pub(crate) fn must_not_lead_each_other_away<'a>(
    entry: &Entry,
    attachment: &Attachment,
    mut earlier: impl Iterator<Item = &'a (Entry, Attachment)>,
    context: &Context,
) -> Result<()> {
    if !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    let own = Bound::of(entry, attachment, context);
    let is_led =
        earlier.any(|(entry, attachment)| own.leads_away(&Bound::of(entry, attachment, context)));
    if is_led {
        access::must_see_every_app(&led_away(&mounted_source(entry, attachment)), context)?;
    }
    Ok(())
}

fn led_away(source: &str) -> String {
    format!(
        "{source:?} lies in something that is mounted writable, or holds something that is mounted, and a link that an app makes there could lead Docker elsewhere"
    )
}
