//! What is only for who sees every app: what holds all apps' storage, what is noted of it, and the host's own directories.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::docker;
use crate::domain::connector_type::Protocol;
use crate::domain::policy::VolumeOptions;
use crate::domain::{EntryName, Policy, Result, Source};
use crate::fs::{RealPath, cleaned};
use crate::ops::access;
use crate::ops::places::place::{Led, theirs};
use crate::storage::keeping;

/// Where hosts have directories for data, below which everybody may name paths. All others are the host's own unless the policy
/// allows them: what is in them gives away every app, or the whole host.
const FOR_DATA: [&str; 3] = ["/media", "/mnt", "/srv"];

/// The directories of the system, which are the host's own also where they are mounted elsewhere.
const SYSTEMS: [&str; 12] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys",
    "/usr",
];

/// Those that hold the system's data and others', where somebody who sees every app may have registered an entry.
const HOLDING: [&str; 2] = ["/home", "/var"];

/// Where Docker keeps its data unless it says otherwise.
const DOCKERS: &str = "/var/lib/docker";

/// Refuses a caller who does not see every app a path that is for who does.
pub(super) fn must_not_be_everybodys(
    source: &Source,
    led: &[Led],
    own: Option<&EntryName>,
    context: &Context,
) -> Result<()> {
    let policy = context.store.policy()?;
    let registered = own.map(|name| context.store.entry(name)).transpose()?.flatten();
    // Whoever registered it was judged then, and nothing leads elsewhere since.
    let is_registered = registered.is_some_and(|entry| entry.host_path.as_ref() == Some(source))
        && led.iter().all(|(path, real)| real.path() == cleaned(Path::new(path)));
    match everybodys(source, led, is_registered, &policy, context) {
        Some(why) => access::must_see_every_app(&why, context),
        None => Ok(()),
    }
}

/// Why paths are only for who sees every app: they hold what all apps have, or what is noted of it, or are the host's own.
pub(super) fn everybodys(
    source: &Source,
    led: &[Led],
    is_registered: bool,
    policy: &Policy,
    context: &Context,
) -> Option<String> {
    let storage = RealPath::of(context.store.layout().storage());
    let is_dockers = || {
        let dockers = docker::root_directory(&context.environment);
        let dockers = theirs(dockers.as_deref().unwrap_or(DOCKERS), context);
        led.iter().any(|(_, real)| dockers.overlaps(real))
    };
    let is_plain = |real: &RealPath| real.is_within(&storage) && *real != storage;
    let is_dokkus = || {
        let layout = context.store.layout();
        let own = [Some(layout.root()), context.store.apps_root()].into_iter().flatten();
        own.map(RealPath::of)
            .any(|own| led.iter().any(|(_, real)| !is_plain(real) && real.overlaps(&own)))
    };
    let takes_any =
        policy.volume_options() == VolumeOptions::Allow && matches!(source, Source::Volume(_));
    let allowed: Vec<RealPath> =
        policy.allowed_paths.iter().map(|path| RealPath::of(Path::new(path.as_str()))).collect();
    let holding = if is_registered { &[][..] } else { &HOLDING };
    let is_systems = |path: &Path| {
        let real = RealPath::resolved(path.to_path_buf());
        let mut systems = SYSTEMS.iter().chain(holding);
        systems.any(|system| real.overlaps(&RealPath::of(Path::new(system))))
    };
    let is_hosts = |real: &RealPath| {
        if is_plain(real) {
            return false;
        }
        if !allowed.is_empty() {
            // The policy names what is there, not only a place at which it is mounted too.
            let is_named = |path: &RealPath| real.original().starts_with(path.original());
            return is_systems(real.original()) && !allowed.iter().any(is_named);
        }
        let is_for_data =
            |path: &str| real.path() != Path::new(path) && real.path().starts_with(path);
        let is_named = is_registered || FOR_DATA.iter().any(|path| is_for_data(path));
        !is_named || real.paths().into_iter().any(is_systems)
    };
    if !takes_any && led.iter().any(|(_, real)| is_hosts(real)) {
        return Some(format!("{:?} is the host's own", source.as_str()));
    }
    let is_everybodys = is_dokkus()
        || led.iter().any(|(_, real)| storage.is_within(real))
        || is_the_stores(led, context)
        || has_backups(led, context)
        || (!led.iter().all(|(_, real)| is_plain(real)) && is_dockers());
    is_everybodys.then(|| format!("{:?} holds what belongs to every app", source.as_str()))
}

/// Whether a path has a destination for backups that is a directory of this host, or lies in it.
fn has_backups(led: &[Led], context: &Context) -> bool {
    // One that cannot be read is told to who may see it.
    let (connectors, _) = context.store.connectors().unwrap_or_default();
    connectors
        .iter()
        .filter(|connector| connector.protocol() == Some(Protocol::Directory))
        .map(|connector| theirs(&connector.path, context))
        .any(|place| led.iter().any(|(_, real)| real.overlaps(&place)))
}

/// Whether a path has what is noted of all apps' storage, or lies in it.
pub(super) fn is_the_stores(led: &[Led], context: &Context) -> bool {
    let own = stores_own(context).map(|path| RealPath::of(&path));
    own.iter().any(|own| led.iter().any(|(_, real)| own.overlaps(real)))
}

pub(super) fn stores_own(context: &Context) -> [PathBuf; 5] {
    let layout = context.store.layout();
    let [run, cache] = keeping::OWN.map(PathBuf::from);
    [layout.registry(), layout.images(), layout.apps().to_path_buf(), run, cache]
}
