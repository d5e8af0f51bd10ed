//! Mounts of which one lies in the other: between the check and the mount, who can write to the one could put a link in the way
//! to the other. Docker follows it.

use crate::context::Context;
use crate::docker::containers::Mount;
use crate::docker::{Container, Listed};
use crate::domain::{Attachment, Entry, Result, Source, mounted_source};
use crate::fs::RealPath;
use crate::ops::places::Docker;
use crate::ops::places::place::{Place, theirs};
use crate::ops::{access, apps};

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
        let is_below = |one: &Self, holder: &Self| {
            let mut pairs = one.real.iter().flat_map(|a| holder.real.iter().map(move |b| (a, b)));
            holder.is_writable && pairs.any(|(one, holder)| one != holder && one.is_within(holder))
        };
        is_below(self, other) || is_below(other, self)
    }
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
    let seen = apps::all(&context.environment, &context.store)?;
    let mut others = Vec::new();
    for app in &seen {
        let mounted = context.store.mounts(app)?.mounted;
        others.extend(mounted.iter().map(|m| Bound::of(&m.entry, &m.attachment, context)));
    }
    let is_callers = |container: &&Container| {
        let is_seen = || seen.iter().any(|app| app.as_str() == container.app);
        container.is_running && (container.app.is_empty() || is_seen())
    };
    let Docker::Said { containers, volumes } = Docker::asked(true, context) else {
        let why = format!("Docker does not say what has {source:?} now");
        return access::must_see_every_app(&why, context);
    };
    let entries = Place::of_all(&context.store.entries()?.entries, context);
    for container in containers.iter().filter(is_callers) {
        let mut bound = Bound::of_container(container, &volumes, context);
        // Of those that are no app's, only what `storage:exec` starts is the caller's: it has all of an entry.
        if container.app.is_empty() {
            bound.retain(|bound| entries.iter().any(|place| place.real == bound.real));
        }
        others.extend(bound);
    }
    if others.iter().any(|other| own.leads_away(other)) {
        access::must_see_every_app(&led_away(source), context)?;
    }
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
