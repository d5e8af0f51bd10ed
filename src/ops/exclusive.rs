//! Which containers have an entry, and which can write to it.

use std::path::Path;

use crate::context::Context;
use crate::docker::Container;
use crate::docker::containers::Mount;
use crate::domain::{Entry, Source};
use crate::fs::overlap;

pub(crate) fn can_write(container: &Container, entry: &Entry, context: &Context) -> bool {
    container.mounts.iter().any(|mount| mount.is_writable && is_of(mount, entry, context))
}

pub(crate) fn has(container: &Container, entry: &Entry, context: &Context) -> bool {
    container.mounts.iter().any(|mount| is_of(mount, entry, context))
}

fn is_of(mount: &Mount, entry: &Entry, context: &Context) -> bool {
    match &entry.host_path {
        Some(Source::Volume(volume)) => mount.name == volume.as_str(),
        Some(Source::Path(path)) => {
            let seen = context.docker_path(path.as_str());
            let source = Path::new(&mount.source);
            mount.name.is_empty() && overlap(source, Path::new(&seen))
        }
        None => false,
    }
}
