//! Below which directory the helpers work, and how they write what only root can write.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink,
};
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::{Error, INSTALL_AGAIN, Installed, Layout, Result, STAGED};
use crate::host::environment::{is_under_sudo, own_installation};
use crate::host::is_root;
use crate::host::process::is_caller_gone;
use crate::storage::RuntimePaths;
use crate::store::{Owner, Store, files};

/// The storage root, as `install` noted it.
///
/// A copy in the plugin's own directory that root calls directly, not through sudo, works for root's own
/// environment: what comes through sudo is the word of somebody who is not root.
pub(crate) fn storage(context: &Context) -> Result<PathBuf> {
    if is_own_call() {
        let root = context.store.layout().storage();
        return fs::canonicalize(root).map_err(Error::system("open", root));
    }
    noted()
}

/// The store, found in the same way.
pub(crate) fn store(context: &Context) -> Result<Store> {
    if is_own_call() {
        return Ok(context.store.clone());
    }
    Ok(Store::new(Layout::new(directory_in(Installed::lib_root_file)?), owner()?, None))
}

/// Whose the store is, whatever the caller says, and whoever has its directories now.
fn owner() -> Result<Owner> {
    let noted = noted_in(Installed::owner_file)?;
    let ids =
        noted.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    match ids {
        Some((0, _)) => Ok(Owner::caller()),
        Some((uid, gid)) => Ok(Owner::ids(uid, gid)),
        None => refuse!("{noted:?} is not the owner of a store; run as root: {INSTALL_AGAIN}"),
    }
}

/// Whether root itself calls a copy of the program for its own environment.
pub(crate) fn is_own_call() -> bool {
    own_installation().is_none() && !is_under_sudo()
}

/// The storage root that the installed helpers work below.
pub(crate) fn noted() -> Result<PathBuf> {
    directory_in(Installed::storage_root_file)
}

fn directory_in(file: impl Fn(&Installed) -> PathBuf) -> Result<PathBuf> {
    let noted = PathBuf::from(noted_in(&file)?);
    refuse_if!(
        !noted.is_absolute(),
        "{} is not an absolute path; run as root: {INSTALL_AGAIN}",
        noted.display()
    );
    Ok(noted)
}

/// What `install` noted in a file, which nobody but root can have written.
fn noted_in(file: impl Fn(&Installed) -> PathBuf) -> Result<String> {
    let installed = own_installation().unwrap_or_default();
    let file = &file(&installed);
    let text = fs::read_to_string(file).map_err(Error::system("read", file))?;
    for path in [file, installed.path()] {
        let metadata = fs::symlink_metadata(path).map_err(Error::system("read", path))?;
        refuse_if!(
            metadata.uid() != 0 || metadata.mode() & 0o022 != 0 || metadata.is_symlink(),
            "{} can be written by others than root; run as root: {INSTALL_AGAIN}",
            path.display()
        );
    }
    Ok(text)
}

/// Keeps others from what has a plain name while this helper changes it, also where its command was killed: commands see by
/// it that somebody is at work, and wait (`src/storage/entry_lock.rs`). What is staged has a lock of its own; and what
/// somebody does who is not root ends with the command.
pub(crate) fn work_on(name: &str, storage: &Path, store: &Store) -> Result<Option<File>> {
    if name.starts_with(STAGED) || !is_root() {
        return Ok(None);
    }
    let (file, work) = work_file(name, storage, store)?;
    file.lock().map_err(Error::system("lock", &work))?;
    must_be_waited_for()?;
    Ok(Some(file))
}

/// The same, but none where somebody else is at work.
pub(crate) fn work_at_once(name: &str, storage: &Path, store: &Store) -> Result<Option<File>> {
    let (file, work) = work_file(name, storage, store)?;
    match file.try_lock() {
        Ok(()) => must_be_waited_for().map(|()| Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::system("lock", work)(error)),
    }
}

/// Refuses to begin where the command was killed before this had the lock: another one may have gone on in between.
fn must_be_waited_for() -> Result<()> {
    refuse_if!(is_caller_gone(), "the command that wanted this is gone; run it again");
    Ok(())
}

fn work_file(name: &str, storage: &Path, store: &Store) -> Result<(File, PathBuf)> {
    let RuntimePaths { directory: runtime, work, .. } = RuntimePaths::of(storage, name);
    directory(&runtime)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options.open(&work).map_err(Error::system("open", &work))?;
    // Who can read it can lock it.
    let gid = store.owner().get().map(|(_, gid)| gid);
    fchown(&file, None, gid)
        .and_then(|()| file.set_permissions(Permissions::from_mode(0o640)))
        .map_err(Error::system("change", &work))?;
    Ok((file, work))
}

/// Makes a directory that only root can write, and those above it.
pub(crate) fn directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(Error::system("create", path))
}

pub(crate) fn replace(path: &Path, content: &[u8], mode: u32, gid: Option<u32>) -> Result<()> {
    let temporary = files::temporary(path);
    let written = || {
        files::unless_absent(fs::remove_file(&temporary))?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        fchown(&file, None, gid)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    written().map_err(Error::system("write", path))
}

pub(crate) fn link(target: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|present| present == target) {
        return Ok(());
    }
    let temporary = files::temporary(link);
    let made = || {
        files::unless_absent(fs::remove_file(&temporary))?;
        symlink(target, &temporary)?;
        fs::rename(&temporary, link)
    };
    made().map_err(Error::system("link", link))
}
