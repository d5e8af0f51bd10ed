//! What is below the storage root: directories, files, sized file systems, snapshots, and who works on them.

pub(crate) mod backing_up;
pub(crate) mod entry_lock;
pub(crate) mod file;
pub(crate) mod keeping;
pub(crate) mod ownership;
pub(crate) mod root;
pub(crate) mod sized;
pub(crate) mod snapshots;
pub(crate) mod staged;

pub(crate) use entry_lock::EntryLock;
pub(crate) use keeping::RuntimePaths;
pub(crate) use ownership::{Ids, StorageRoot};
pub(crate) use root::{DirectorySpec, Place, Top, default_path};
pub(crate) use snapshots::SnapshotKind;
pub(crate) use staged::{Staged, clear_staged, staged_name};
