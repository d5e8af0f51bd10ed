//! Giving a directory of the storage root to an app's user: directly as root, through sudo as anybody else.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::docker::{self, IdMap};
use super::environment::Environment;
use super::process;
use super::tree::{self, Depth};
use super::users::is_root;
use crate::domain::mode::Mode;
use crate::domain::ownership::Ownership;
use crate::error::{Error, Result};
use crate::store::Layout;

/// The root-owned folder of the programs that sudo may run; Dokku looks for a path that ends in `storage/bin`.
pub const HELPERS: &str = "/usr/local/lib/dokku-storage/storage/bin";

/// The root-owned file that says where the storage root is, with every link in its path resolved.
pub const STORAGE_ROOT_FILE: &str = "/usr/local/lib/dokku-storage/storage-root";

/// Ids on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The uid.
    pub uid: u32,
    /// The gid.
    pub gid: u32,
}

impl std::fmt::Display for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// The host's ids for an owner, with the shift of user namespaces; `None` where ownership is left alone.
/// The second value is a warning where Docker did not say whether there are any.
#[must_use]
pub fn on_host(environment: &Environment, ownership: &Ownership) -> (Option<Ids>, Option<String>) {
    let Some((uid, gid)) = ownership.container_ids() else {
        return (None, None);
    };
    let (map, warning) = match docker::id_map(environment) {
        Some(map) => (map, None),
        None => (
            IdMap::SAME,
            Some("Docker does not answer; assuming that it uses no user namespaces".to_owned()),
        ),
    };
    let ids = Ids { uid: uid + map.uid, gid: gid + map.gid };
    (Some(ids), warning)
}

/// A folder of the storage root, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct Folder<'a> {
    /// The folder's name.
    pub name: &'a str,
    /// A path inside it; all of it where there is none.
    pub part: Option<&'a str>,
}

/// Gives a folder of the storage root, or all that is in it too, to the ids.
///
/// # Errors
/// Where it cannot be done, with what would help.
pub fn give(
    environment: &Environment,
    layout: &Layout,
    folder: Folder<'_>,
    ids: Ids,
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let path = layout.directory(folder.name).join(folder.part.unwrap_or_default());
    if depth == Depth::Folder && is_owned(&path, ids) {
        return Ok(());
    }
    if is_root() || !environment.is_dokku() {
        let opened = tree::enter_part(&storage(layout)?, folder.name, folder.part)?;
        let shown = path.display().to_string();
        let owned = tree::own(opened, &shown, ids.uid, ids.gid, depth, progress);
        return owned.map(drop).map_err(|error| {
            if is_root() {
                error
            } else {
                Error::refused(format!(
                    "unable to give {shown} to {ids}: only root can; run the command as root, or leave ownership alone with --chown false"
                ))
            }
        });
    }
    let ids = ids.to_string();
    let mut words = vec![folder.name, &ids];
    if depth == Depth::Tree {
        // It may take long, and shows how far it is itself.
        let (_, words) = helper_call(environment, layout, "chown-storage-dir", &words)?;
        let status =
            process::hand_over("sudo", &words).map_err(Error::system("run sudo for", &path))?;
        return if status == 0 { Ok(()) } else { Err(Error::Status(1)) };
    }
    words.push("--folder-only");
    words.extend(folder.part);
    helper(environment, layout, "chown-storage-dir", &words)
}

/// Makes a part of the folder `name` of the storage root, and gives what is made to the ids.
///
/// # Errors
/// Where it cannot be done.
pub fn make_part(
    environment: &Environment,
    layout: &Layout,
    name: &str,
    part: &str,
    ids: Ids,
) -> Result<()> {
    if is_root() || !environment.is_dokku() {
        return tree::make_part(&storage(layout)?, name, part, ids.uid, ids.gid);
    }
    helper(environment, layout, "chown-storage-dir", &[name, &ids.to_string(), "--make", part])
}

/// Sets the mode of the folder `name` of the storage root.
///
/// # Errors
/// Where it cannot be done.
pub fn set_mode(environment: &Environment, layout: &Layout, name: &str, mode: &Mode) -> Result<()> {
    let path = layout.directory(name);
    let is_right = std::fs::metadata(&path).is_ok_and(|m| m.mode() & 0o7777 == mode.bits());
    if is_right {
        return Ok(());
    }
    let entered = storage(layout).and_then(|root| tree::enter(&root, name));
    let changed = entered.and_then(|folder| {
        let folder = std::fs::File::from(folder);
        folder
            .set_permissions(PermissionsExt::from_mode(mode.bits()))
            .map_err(Error::system("change the mode of", path))
    });
    match changed {
        // Somebody else's directory, which may not even be opened.
        Err(_) if !is_root() && environment.is_dokku() => {
            helper(environment, layout, "chmod-storage-dir", &[name, mode.as_str()])
        }
        other => other,
    }
}

/// Removes the folder `name` of the storage root with all that is in it.
///
/// # Errors
/// Where it cannot be done.
pub fn remove(environment: &Environment, layout: &Layout, name: &str) -> Result<()> {
    if is_root() || !environment.is_dokku() {
        return tree::remove(&storage(layout)?, name);
    }
    helper(environment, layout, "destroy-storage-dir", &[name])
}

/// Copies the folder `from` of the storage root to `to`, which must not be there yet.
///
/// # Errors
/// Where it cannot be done; nothing is left of the copy then.
pub fn copy(
    environment: &Environment,
    layout: &Layout,
    from: &str,
    to: &str,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    if is_root() || !environment.is_dokku() {
        return tree::duplicate(&storage(layout)?, from, to, hidden, progress).map(drop);
    }
    helper(environment, layout, "copy-storage-dir", &[from, to])
}

/// The storage root with every link in its path resolved: the operator may have put it elsewhere.
fn storage(layout: &Layout) -> Result<PathBuf> {
    let root = layout.storage();
    std::fs::canonicalize(root).map_err(Error::system("open", root))
}

/// Runs a helper through sudo and says what it said where it fails.
fn helper(
    environment: &Environment,
    layout: &Layout,
    name: &str,
    arguments: &[&str],
) -> Result<()> {
    let (program, words) = helper_call(environment, layout, name, arguments)?;
    let answer =
        process::output("sudo", &words).map_err(Error::system("run sudo for", &program))?;
    if answer.status == 0 {
        return Ok(());
    }
    let said = answer.stderr.trim().trim_start_matches('!').trim();
    let said = if said.is_empty() { "it did not say why" } else { said };
    Err(Error::refused(format!(
        "sudo {} failed: {said} (root can mend the sudo rules with: dokku plugin:trigger install)",
        program.display()
    )))
}

/// The helper's path, and the words that sudo is to be called with.
///
/// The installed helpers work below one root. Where that is not this store's, they are not asked: they would
/// do to a folder of the same name there what is wanted here.
fn helper_call(
    environment: &Environment,
    layout: &Layout,
    name: &str,
    arguments: &[&str],
) -> Result<(PathBuf, Vec<String>)> {
    let installed = Path::new(HELPERS).join(name);
    let noted = std::fs::read_to_string(STORAGE_ROOT_FILE);
    let program = match noted {
        Ok(noted) if installed.exists() => {
            if storage(layout)? != Path::new(&noted) {
                return Err(Error::refused(format!(
                    "the helpers for sudo are installed for {noted} and not for {}; as root, run: dokku plugin:trigger install",
                    layout.storage().display()
                )));
            }
            installed
        }
        _ => {
            let plugin = environment.plugin().unwrap_or_else(|| PathBuf::from("/usr/local/bin"));
            plugin.join("bin").join(name)
        }
    };
    let mut words = vec!["-n".to_owned(), program.display().to_string()];
    words.extend(arguments.iter().map(|&argument| argument.to_owned()));
    Ok((program, words))
}

fn is_owned(path: &Path, ids: Ids) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|m| m.is_dir() && m.uid() == ids.uid && m.gid() == ids.gid)
}
