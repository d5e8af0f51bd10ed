//! A place as it is compared with others: where its paths lead, and the volume's name.

use std::path::Path;

use crate::context::Context;
use crate::docker::containers::Mount;
use crate::domain::{AppName, Entry, Remote, Result, Source, remote};
use crate::fs::RealPath;
use crate::ops::places::options;
use crate::storage::StorageRoot;

/// A path, and where it leads.
pub(super) type Led = (String, RealPath);

/// Where a path leads, also where Dokku's user may not look.
pub(crate) fn resolved(path: &str, context: &Context) -> Result<RealPath> {
    let real = StorageRoot::of(context).resolve(&[Path::new(path)])?.into_iter().next();
    refuse_if!(
        real.as_ref().is_some_and(RealPath::is_of_a_process),
        "{path:?} leads through a link below /proc, which every program sees differently; choose another path"
    );
    match real {
        // Without Dokku there is nobody else to ask, and nobody to keep out.
        Some(real) if real.is_known() || !context.environment.is_dokku() => Ok(real),
        _ => Err(refusal!(
            "nobody knows where {path:?} leads: a directory on the way cannot be looked into; choose another path"
        )),
    }
}

/// What an entry, or an option of Docker's, has.
pub(crate) struct Place {
    source: Option<Source>,
    /// Where its paths lead.
    pub(super) real: Vec<RealPath>,
    /// What of servers it has.
    remotes: Vec<Remote>,
}

impl Place {
    pub(super) fn led(source: Option<&Source>, led: &[Led], remotes: &[Remote]) -> Self {
        let real = led.iter().map(|(_, real)| real.clone()).collect();
        Self { source: source.cloned(), real, remotes: remotes.to_vec() }
    }

    pub(crate) fn of(entry: &Entry, context: &Context) -> Self {
        let real = entry.paths().iter().map(|path| theirs(path, context)).collect();
        Self { source: entry.host_path.clone(), real, remotes: context.store.remotes(entry) }
    }

    /// The same of several entries, where root looks once for all.
    pub(crate) fn of_all(entries: &[Entry], context: &Context) -> Vec<Self> {
        let paths: Vec<Vec<String>> = entries.iter().map(Entry::paths).collect();
        let all: Vec<&Path> = paths.iter().flatten().map(Path::new).collect();
        let real = StorageRoot::of(context).resolve(&all);
        let mut real =
            real.unwrap_or_else(|_| all.into_iter().map(RealPath::of).collect()).into_iter();
        let places = entries.iter().zip(&paths).map(|(entry, paths)| Self {
            source: entry.host_path.clone(),
            real: real.by_ref().take(paths.len()).collect(),
            remotes: context.store.remotes(entry),
        });
        places.collect()
    }

    /// What docker-options of an app mount, but for all of the host: who mounts everything has nothing of its own there.
    pub(crate) fn of_options(app: &AppName, context: &Context) -> Result<Vec<Self>> {
        let mut mounts = options::of_app(app, &context.store)?;
        mounts.retain(|mount| !mount.source.trim_matches('/').is_empty());
        let of_mount = |mount: &options::OptionMount| {
            let path = mount.source.starts_with('/').then(|| theirs(&mount.source, context));
            let source = Source::parse(&mount.source).ok();
            Self { source, real: path.into_iter().collect(), remotes: Vec::new() }
        };
        Ok(mounts.iter().map(of_mount).collect())
    }

    /// What a container has: the volume, or where the path leads.
    pub(crate) fn of_mount(mount: &Mount, context: &Context) -> Self {
        let source = context.as_seen_from_here(&mount.source);
        let real = (!source.is_empty()).then(|| theirs(&source, context));
        let volume = Some(&mount.name).filter(|name| !name.is_empty());
        let source = volume.and_then(|name| Source::parse(name).ok());
        Self { source, real: real.into_iter().collect(), remotes: Vec::new() }
    }

    /// Whether one of two is, holds or lies in the other, or they are the same volume.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let keeps = |keeper: &Self, kept: &Self| {
            let source = keeper.source.as_ref();
            source.is_some_and(|source| {
                kept.real.iter().flat_map(RealPath::paths).any(|path| source.keeps(path))
            })
        };
        let is_same_volume = matches!(
            (&self.source, &other.source),
            (Some(Source::Volume(ours)), Some(Source::Volume(theirs))) if ours == theirs
        );
        is_same_volume
            || remote::overlap(&self.remotes, &other.remotes)
            || keeps(self, other)
            || keeps(other, self)
            || self.real.iter().any(|ours| other.real.iter().any(|theirs| ours.overlaps(theirs)))
    }
}

/// Where a path of somebody else leads. What nobody knows is as it is written.
pub(super) fn theirs(path: &str, context: &Context) -> RealPath {
    known(RealPath::of(Path::new(path)), path, context)
}

/// The same, of a path that this process has followed already.
pub(super) fn known(real: RealPath, path: &str, context: &Context) -> RealPath {
    if real.is_known() { real } else { resolved(path, context).unwrap_or(real) }
}
