//! `directory`: a directory of this host, the plugin's own or any other.

use crate::context::Context;
use crate::domain::{ByteSize, Entry, Error, Problem, Result, only_on_default_path};
use crate::storage::{Place, SnapshotKind, root, sized};
use crate::types::{Abilities, Description, NewEntry, Removal, StorageType};

pub(crate) struct Directory;

const DESCRIPTION: Description = Description {
    name: "directory",
    summary: "a directory of this host, by default below the storage root",
    caveat: "the data is on this host alone; it can be resized where it was made with --size",
    flags: &["PATH", "--mode", "--chown", "--size", "--preallocate", "--from"],
    can: Abilities { resize: true, exclusive: true, snapshot: true, subpath: true, chown: true },
    ..Description::PLAIN
};

impl StorageType for Directory {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn noted_name(&self, has_size: bool) -> &'static str {
        if has_size { DESCRIPTION.name } else { "" }
    }

    fn check_place(&self, place: &str) -> Result<()> {
        refuse_if!(
            !place.starts_with('/'),
            "type directory takes an absolute path, got {place:?}; for a Docker volume: --type volume"
        );
        Ok(())
    }

    fn plan(&self, entry: &mut Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        sized::plan(
            entry,
            request.size.as_deref().unwrap_or_default(),
            request.place.as_deref(),
            request.preallocate,
            context,
        )
    }

    fn create(&self, entry: &Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        sized::make(entry, request.is_registered, context)
    }

    fn check_property(&self, _entry: &Entry, _property: &str) -> Result<()> {
        Ok(())
    }

    fn must_be_mounted(&self, entry: &Entry) -> bool {
        sized::size(entry).is_some()
    }

    fn may_resize(&self, entry: &Entry, size: ByteSize, context: &Context) -> Result<()> {
        sized::may_grow(entry, size, context)
    }

    fn resize(&self, entry: &Entry, context: &Context) -> Result<()> {
        sized::grow(entry, context)
    }

    fn problem(&self, entry: &Entry, context: &Context) -> Option<Problem> {
        sized::problem(entry, context)
    }

    fn attach(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        sized::attach(entry, context)
    }

    fn detach(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        sized::detach(entry, context)
    }

    fn place(&self) -> Place {
        Place::Directory
    }

    fn snapshot_kind(&self, entry: &Entry, what: &str, context: &Context) -> Result<SnapshotKind> {
        let default_path = root::default_path(context, entry.name.as_str());
        let path = entry.shown_source();
        let snapshot_kind = sized::size(entry).map_or(SnapshotKind::Directory, SnapshotKind::Sized);
        refuse_if!(
            path != default_path,
            "storage entry \"{}\" is at {path}; {what} can only be made of an entry at its default host path ({default_path})",
            entry.name
        );
        match std::fs::symlink_metadata(&default_path) {
            Ok(found) if found.is_dir() => Ok(snapshot_kind),
            // A snapshot can be restored to where nothing is.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(snapshot_kind),
            Ok(_) => Err(refusal!(
                "{default_path} is not a directory but a link or a file; storage entry \"{}\" has no data there; register where the data is, and mount that: dokku storage:create NEW PATH",
                entry.name
            )),
            Err(error) => Err(Error::system("read", default_path)(error)),
        }
    }

    fn removal(&self, entry: &Entry, asked: bool, context: &mut Context) -> Result<Removal> {
        if !(asked || entry.is_deleted_with_entry()) {
            return Ok(Removal::Nothing);
        }
        let default_path = root::default_path(context, entry.name.as_str());
        let path = entry.shown_source();
        if path == default_path {
            return Ok(Removal::Place);
        }
        if asked {
            return Err(only_on_default_path("--destroy-host-dir", &default_path, path));
        }
        context.out.warn(&format!(
            "Leaving {path} in place; reclaim policy Delete only removes the default host path"
        ));
        Ok(Removal::Nothing)
    }
}
