//! Changing the owner of a directory of the storage root to an app's user: directly as root, through sudo as anybody else.
//!
//! # Ids in containers
//!
//! `src/storage/ownership.rs` adds what the engine's user namespace adds. The engine's `/info` says whether it has
//! one, and the name of its root directory (`…/100000.100000`) says where it begins; else `/etc/subuid` and
//! `/etc/subgid` for `dockremap`; else 165536. The engine is asked over its socket with a request of a few lines (2
//! to 7 ms); the client (`$DOCKER_BIN`, 35 ms) is the fallback and is used where `DOCKER_BIN` or `DOCKER_HOST` name
//! something else.
//!
//! Users and groups by name (`src/host/users.rs`) are looked up in `/etc/passwd` and `/etc/group`, then with
//! `getent`: a static binary cannot load the host's name services.

use std::cell::OnceCell;
use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::docker::volumes::own_directory_of;
use crate::docker::{self, CONTAINER_IDS, IdMap};
use crate::domain::{Error, INSTALL_AGAIN, Layout, Mode, Ownership, Result, quoted};
use crate::fs::archive::Takes;
use crate::fs::look::Looked;
use crate::fs::tree::{Copied, Depth, Usage};
use crate::fs::{Identity, RealPath, archive, image, tree};
use crate::host::{Answer, Environment, Program, is_root, process};

/// The ids that Dokku takes for those of user namespaces, on every host.
const ASSUMED_IDS: std::ops::RangeInclusive<u32> = 165_536..=231_071;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub uid: u32,
    pub gid: u32,
}

impl std::fmt::Display for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// The host's ids for an owner, with the shift of user namespaces; `None` where ownership is left alone.
/// The second value is a warning where Docker did not say whether there are any.
pub(crate) fn on_host(
    environment: &Environment,
    ownership: &Ownership,
) -> (Option<Ids>, Option<String>) {
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

/// Refuses an id of the host that no container of this engine has; `first` is the first one that it maps to, 0 where it maps
/// none, and none where it does not answer.
pub(crate) fn must_be_a_containers(id: u32, first: impl FnOnce() -> Option<u32>) -> Result<()> {
    let (begin, end) = (*CONTAINER_IDS.start(), *CONTAINER_IDS.end());
    if CONTAINER_IDS.contains(&id) {
        return Ok(());
    }
    let why = match first() {
        None => format!(
            "Docker does not answer, so it is not known whether it maps ids to {id}: start it, or type a number from {begin} to {end}"
        ),
        Some(0) if !ASSUMED_IDS.contains(&id) => {
            "Supported values: 0-65535 (and user namespace offset variants, 165536-231071)"
                .to_owned()
        }
        Some(0) => format!(
            "{id} is an id of user namespaces, which this host's Docker does not use: type a number from {begin} to {end}"
        ),
        Some(first) => {
            let mapped = first..=first.saturating_add(end);
            if mapped.contains(&id) {
                return Ok(());
            }
            format!(
                "{id} is no id of this host's containers: type a number from {begin} to {end}, or from {first} to {}",
                mapped.end()
            )
        }
    };
    Err(refusal!("Unsupported chown permissions. {why}"))
}

/// Makes a directory directly below `root` that only its maker can enter, and unpacks an archive in it.
pub(crate) fn unpack(
    from: &mut impl Read,
    root: &Path,
    name: &str,
    environment: &Environment,
) -> Result<()> {
    let path = root.join(name);
    let made = DirBuilder::new().mode(0o700).create(&path);
    made.map_err(Error::system("create", &path))?;
    as_a_backup(is_root(), environment, |takes| archive::unpack(from, root, name, takes))?;
    Ok(())
}

/// Does something with what is taken from the archive of a backup: owners too where root unpacks it, if containers have them.
fn as_a_backup<T>(
    by_root: bool,
    environment: &Environment,
    done: impl FnOnce(Takes<'_>) -> T,
) -> T {
    let map = OnceCell::new();
    let is_containers = |id| {
        let first = || map.get_or_init(|| docker::id_map(environment)).map(|map| map.uid);
        must_be_a_containers(id, first)
    };
    let owners: Option<&dyn Fn(u32) -> Result<()>> =
        if by_root { Some(&is_containers) } else { None };
    done(Takes { owners, links_out: true })
}

/// A directory of the storage root or a part of one, or a file directly below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory<'a> {
    pub name: &'a str,
    /// A path inside it; all of it where there is none.
    pub part: Option<&'a str>,
}

impl<'a> From<&'a str> for Directory<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, part: None }
    }
}

/// The storage root, with all that is done to what is below it: by this process where it may, through sudo as anybody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StorageRoot<'a> {
    environment: &'a Environment,
    layout: &'a Layout,
}

impl<'a> StorageRoot<'a> {
    pub(crate) fn new(environment: &'a Environment, layout: &'a Layout) -> Self {
        Self { environment, layout }
    }

    pub(crate) fn of(context: &'a Context) -> Self {
        Self::new(&context.environment, context.store.layout())
    }

    /// Whether root's work has to be asked of sudo.
    pub(super) fn environment(self) -> &'a Environment {
        self.environment
    }

    pub(crate) fn needs_sudo(self) -> bool {
        !is_root() && self.environment.is_dokku()
    }

    /// Changes the owner of a directory of the storage root, or of all that is in it too, or of a file of the storage root. Returns a warning
    /// where some of it was left alone; a helper says that itself.
    pub(crate) fn chown(
        self,
        directory: Directory<'_>,
        ids: Ids,
        depth: Depth,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<String>> {
        let whole = self.layout.directory(directory.name);
        let path = directory.part.map_or_else(|| whole.clone(), |part| whole.join(part));
        if depth == Depth::Directory && is_owned(&path, ids) {
            return Ok(None);
        }
        if !self.needs_sudo() {
            let root = self.storage()?;
            let shown = path.display().to_string();
            let owned = if directory.part.is_none() && tree::is_file(&root, directory.name) {
                tree::own_file(&root, directory.name, ids.uid, ids.gid).map(|()| None)
            } else {
                let opened = tree::enter_part(&root, directory.name, directory.part)?;
                tree::own(opened, &shown, ids.uid, ids.gid, depth, progress)
                    .map(|owned| owned.warning(&shown))
            };
            return owned.map_err(|error| {
                if is_root() {
                    return error;
                }
                refusal!("unable to change the owner of {shown} to {ids}: only root can; run the command as root, or leave ownership alone with --chown false")
            });
        }
        let ids = ids.to_string();
        let mut words = vec![directory.name, &ids];
        if depth == Depth::Tree {
            // It may take long, and shows how far it is itself.
            let status = self.by_sudo("chown-storage-dir", &words)?.status()?;
            return match status {
                0 => Ok(None),
                status => Err(process::ended("chown-storage-dir", status)),
            };
        }
        words.push("--folder-only");
        words.extend(directory.part);
        self.helper("chown-storage-dir", &words).map(|_| None)
    }

    /// Changes the owner of a directory, without what is in it, or of a file.
    pub(crate) fn chown_alone(self, directory: Directory<'_>, ids: Ids) -> Result<()> {
        self.chown(directory, ids, Depth::Directory, &|_| {}).map(drop)
    }

    /// Makes a part of the directory `name` of the storage root, owned by the ids.
    pub(crate) fn make_part(self, name: &str, part: &str, ids: Ids) -> Result<()> {
        if !self.needs_sudo() {
            return tree::make_part(&self.storage()?, name, part, ids.uid, ids.gid);
        }
        self.helper("chown-storage-dir", &[name, &ids.to_string(), "--make", part]).map(drop)
    }

    /// Gives the hidden file `to` of the storage root the extended attributes and the ACL of its file `from`.
    pub(crate) fn take_after(self, from: &str, to: &str) -> Result<()> {
        if !tree::has_attributes(&self.layout.directory(from)) {
            return Ok(());
        }
        if !self.needs_sudo() {
            return tree::take_after(&self.storage()?, from, to);
        }
        self.helper("copy-storage-dir", &["--attributes", from, to]).map(drop)
    }

    /// Sets the mode of the directory or the file `name` of the storage root.
    pub(crate) fn set_mode(self, name: &str, mode: &Mode) -> Result<()> {
        let path = self.layout.directory(name);
        let is_right = std::fs::metadata(&path).is_ok_and(|m| m.mode() & 0o7777 == mode.bits());
        if is_right {
            return Ok(());
        }
        let changed = self.storage().and_then(|root| {
            if tree::is_file(&root, name) {
                return tree::set_file_mode(&root, name, mode.bits());
            }
            let directory = File::from(tree::enter(&root, name)?);
            directory
                .set_permissions(PermissionsExt::from_mode(mode.bits()))
                .and_then(|()| directory.sync_all())
                .map_err(Error::system("change the mode of", path))
        });
        match changed {
            // Somebody else's directory, which may not even be opened.
            Err(_) if self.needs_sudo() => {
                self.helper("chmod-storage-dir", &[name, mode.as_str()]).map(drop)
            }
            other => other,
        }
    }

    /// Removes the directory `name` of the storage root with all that is in it, or the file of that name.
    pub(crate) fn remove(self, name: &str) -> Result<()> {
        let root = self.storage()?;
        // A name in the store's own directory is the caller's to take away, whoever owns the file.
        if !self.needs_sudo() || tree::is_file(&root, name) {
            if is_root() {
                // What is behind a directory that was being populated goes with it.
                image::discard(self.layout, &root, name)?;
            }
            return tree::remove(&root, name);
        }
        self.helper("destroy-storage-dir", &[name]).map(drop)
    }

    /// Has root copy what is in the storage root, `FROM TO` or `FROM TO --into`, as [`StorageRoot::copy`] and
    /// [`StorageRoot::copy_into`] do; the helper shows on a terminal how far it is.
    pub(crate) fn copy_by_sudo<T: DeserializeOwned>(self, words: &[&str]) -> Result<T> {
        let answer = self.by_sudo("copy-storage-dir", words)?.answer()?;
        if !answer.is_ok() {
            return Err(process::ended("copy-storage-dir", answer.status));
        }
        serde_json::from_str(&answer.stdout)
            .map_err(Error::system("understand", "copy-storage-dir"))
    }

    /// Copies the directory `from` of the storage root into `into`, a hidden one, which is empty. `None` where there is not enough
    /// room in it.
    /// Fails where it cannot be done; some of it may be left.
    pub(crate) fn copy_into(
        self,
        from: &str,
        into: &str,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<Copied>> {
        tree::copy_into(&self.storage()?, from, into, progress)
    }

    /// Writes an archive of the hidden directory `name` of the storage root to a file, with owners and attributes.
    pub(crate) fn pack(self, name: &str, to: File) -> Result<()> {
        if self.needs_sudo() {
            return self.between(&["--pack", name], None, Some(to));
        }
        archive::pack(&tree::enter(&self.storage()?, name)?, to)
    }

    /// Refuses an archive that [`StorageRoot::unpack`] would refuse, and returns its symbolic links that lead out.
    pub(crate) fn check(self, from: &mut File) -> Result<Vec<archive::Link>> {
        let by_root = is_root() || self.needs_sudo();
        as_a_backup(by_root, self.environment, |takes| archive::check(from, takes))
    }

    /// Refuses the owner of a file that could not be set again.
    pub(crate) fn must_be_restorable(self, ids: Ids) -> Result<()> {
        as_a_backup(self.needs_sudo(), self.environment, |takes| {
            let check = |id| takes.owners.map_or(Ok(()), |check| check(id));
            check(ids.uid).and_then(|()| check(ids.gid))
        })
    }

    /// Makes the hidden directory `name` of the storage root with what an archive has; owners are restored where the caller can.
    /// Fails where it cannot be unpacked as a whole; what there is of it is the caller's to remove.
    pub(crate) fn unpack(self, mut from: File, name: &str) -> Result<()> {
        if self.needs_sudo() {
            return self.between(&["--unpack", name], Some(from), None);
        }
        unpack(&mut from, &self.storage()?, name, self.environment)
    }

    /// Moves what is called `from`, a hidden name of the storage root, to its place below that (`NAME`) or within another directory
    /// (`NAME/PART`), at which nothing is, or an empty directory; there by way of another hidden name.
    pub(super) fn move_below(self, from: &str, place: &str, hidden: &str) -> Result<()> {
        // Only root may move a directory of somebody else to another directory.
        if self.needs_sudo() && place.contains('/') {
            return self.helper("copy-storage-dir", &["--move", from, place]).map(drop);
        }
        tree::move_below(&self.storage()?, from, place, hidden)
    }

    /// Copies the hidden directory `from` into a Docker volume, which is empty.
    pub(crate) fn fill_volume(
        self,
        from: &str,
        volume: &str,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied> {
        if self.needs_sudo() {
            return self.copy_by_sudo(&["--to-volume", from, volume]);
        }
        let directory = own_directory_of(self.environment, volume);
        fill_volume(volume, directory, &self.storage()?, from, progress)
    }

    /// Puts some paths of the hidden directory `from` in the place of those of the hidden directory `to`.
    pub(crate) fn graft(self, from: &str, to: &str, paths: &[String]) -> Result<()> {
        if self.needs_sudo() {
            let mut words = vec!["--graft", from, to];
            words.extend(paths.iter().map(String::as_str));
            return self.helper("copy-storage-dir", &words).map(drop);
        }
        let root = self.storage()?;
        paths.iter().try_for_each(|path| tree::graft(&root, from, to, path))
    }

    fn between(self, words: &[&str], from: Option<File>, to: Option<File>) -> Result<()> {
        said(&self.by_sudo("copy-storage-dir", words)?.between(from, to)?).map(drop)
    }

    /// Copies the directory or the file `from` of the storage root, or a part of a directory (`NAME/PART`), to `to`, with the
    /// caller's own rights.
    /// Fails where it cannot be done; nothing is left of the copy then.
    pub(crate) fn copy(
        self,
        from: &str,
        to: &str,
        hidden: &str,
        keeps_rights: bool,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied> {
        let root = self.storage()?;
        tree::duplicate(&root, from, to, hidden, keeps_rights, progress).map_err(unless_root)
    }

    /// Copies a directory of anywhere, by its path without links, to the directory `to` of the storage root, with the caller's own
    /// rights; the owners too where they are to be kept.
    /// Fails where it cannot be done; nothing is left of the copy then.
    pub(crate) fn take_in(
        self,
        from: &Path,
        to: &str,
        hidden: &str,
        keeps_owners: bool,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied> {
        let source = tree::enter_real(from)?;
        tree::take_in(&self.storage()?, source, to, hidden, keeps_owners, progress).map_err(|error| {
            match of_others(&error) {
                Some(cause) => refusal!(
                    "unable to copy {}: {cause}; only root can copy it as it is: create the entry without --from, then, as root: cp -a {}/. {}/NAME/{}",
                    from.display(),
                    quoted(&from.to_string_lossy()),
                    self.layout.storage().display(),
                    if keeps_owners { ONE_OWNER } else { "" }
                ),
                None => error,
            }
        })
    }

    /// Where paths lead, in their order. Those that the caller may not follow to the end are followed by root; where root
    /// may not either, they are as far as they are known.
    pub(crate) fn resolve(self, paths: &[&Path]) -> Result<Vec<RealPath>> {
        let mut resolved: Vec<RealPath> = paths.iter().map(|path| RealPath::of(path)).collect();
        if !self.needs_sudo() {
            return Ok(resolved);
        }
        let closed: Vec<usize> = (0..paths.len()).filter(|&at| !resolved[at].is_known()).collect();
        for some in closed.chunks(AT_ONCE) {
            let texts = some.iter().map(|&at| paths[at].to_string_lossy().into_owned());
            let texts: Vec<String> = texts.collect();
            let mut words = vec!["--resolve"];
            words.extend(texts.iter().map(String::as_str));
            let said = self.helper(LOOKS, &words)?;
            let found: Option<Vec<Option<PathBuf>>> = serde_json::from_str(&said).ok();
            let Some(found) = found.filter(|found| found.len() == some.len()) else {
                refuse!(
                    "nobody could look where {} leads (root can write the sudo rules again with: {INSTALL_AGAIN})",
                    paths[some[0]].display()
                );
            };
            for (&at, path) in some.iter().zip(found) {
                resolved[at] = path.map_or_else(|| resolved[at].clone(), RealPath::resolved);
            }
        }
        Ok(resolved)
    }

    /// What is at a path, also where only root may look; none where nobody knows.
    pub(crate) fn look(self, path: &Path) -> Option<Looked> {
        match Looked::at(path) {
            Ok(looked) => return Some(looked),
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => return None,
            Err(_) if !self.needs_sudo() => return None,
            Err(_) => {}
        }
        let said = self.helper(LOOKS, &["--look", path.to_str()?]).ok()?;
        let looked: Vec<Option<Looked>> = serde_json::from_str(&said).ok()?;
        looked.into_iter().next()?
    }

    /// What a process sees at paths, in their order; none where nobody knows.
    pub(crate) fn seen_by(self, process: u32, paths: &[&str]) -> Vec<Option<Identity>> {
        if !self.needs_sudo() {
            let seen = |path: &&str| Identity::seen_by(process, Path::new(path)).ok();
            return paths.iter().map(seen).collect();
        }
        let process = process.to_string();
        let words = [&["--seen-by", &process], paths].concat();
        let said = self.helper(LOOKS, &words).unwrap_or_default();
        let seen: Option<Vec<_>> = serde_json::from_str(&said).ok();
        seen.filter(|seen| seen.len() == paths.len()).unwrap_or_else(|| vec![None; paths.len()])
    }

    /// What the directory or the file of that name in the storage root holds; none where it is not there or cannot be known.
    pub(crate) fn usage(self, name: &str, path: &Path) -> Result<Option<Usage>> {
        if let Some(usage) = usage_of_file(path) {
            return Ok(Some(usage));
        }
        match self.storage().and_then(|root| tree::enter(&root, name)).and_then(tree::usage) {
            Ok(usage) => Ok(Some(usage)),
            // What is in it may not be the caller's to read.
            Err(_) if self.needs_sudo() && path.exists() => {
                let answer = self.by_sudo("usage-storage-dir", &[name])?.run()?;
                let said = answer.stdout.trim();
                let numbers: Vec<u64> = said.split_whitespace().flat_map(str::parse).collect();
                match numbers[..] {
                    [bytes, files, newest] => {
                        let newest = i64::try_from(newest).unwrap_or(i64::MAX);
                        Ok(Some(Usage { bytes, files, newest }))
                    }
                    _ => Ok(None),
                }
            }
            Err(_) => Ok(None),
        }
    }

    /// The same of a path anywhere, in which no link may be; none where the caller may not look.
    pub(crate) fn usage_at(self, path: &Path) -> Option<Usage> {
        tree::usage_at(path).ok()
    }

    /// Reads the file `name` of the storage root, up to `most` bytes and one more. What the caller may not read is read as a
    /// copy that is the caller's for a moment, under the name `hidden`.
    pub(crate) fn read_file(self, name: &str, most: u64, hidden: &str) -> Result<Vec<u8>> {
        Ok(self.read_file_and(name, most, hidden, |_| Ok(()))?.0)
    }

    /// The same, and what `of` finds at the path that was read: the file, or a copy of it that the caller may read.
    pub(crate) fn read_file_and<T>(
        self,
        name: &str,
        most: u64,
        hidden: &str,
        of: impl Fn(&Path) -> Result<T>,
    ) -> Result<(Vec<u8>, T)> {
        let root = self.storage()?;
        let read = |name| Ok((tree::read_file(&root, name, most)?, of(&root.join(name))?));
        match read(name) {
            Err(Error::System { cause, .. })
                if cause.kind() == std::io::ErrorKind::PermissionDenied && self.needs_sudo() => {}
            other => return other,
        }
        self.copy_by_sudo::<Copied>(&[name, hidden])?;
        let ids = Ids { uid: users::get_effective_uid(), gid: users::get_effective_gid() };
        let found = self.chown_alone(hidden.into(), ids).and_then(|()| read(hidden));
        self.remove(hidden)?;
        found
    }

    /// The storage root with every link in its path resolved: the operator may have put it elsewhere.
    pub(super) fn storage(self) -> Result<PathBuf> {
        let root = self.layout.storage();
        std::fs::canonicalize(root).map_err(Error::system("open", root))
    }

    /// Runs a helper through sudo and returns what it says.
    fn helper(self, name: &str, arguments: &[&str]) -> Result<String> {
        let program = self.by_sudo(name, arguments)?;
        let shown = program.shown().to_owned();
        let answer = program.run()?;
        // Where it is not the helper itself that refuses, sudo does.
        if answer.is_ok() || answer.stderr.trim().starts_with('!') {
            return said(&answer);
        }
        if answer.killed().is_some() {
            return Err(process::ended(&shown, answer.status));
        }
        Err(refusal!(
            "{shown} failed: {} (root can write the sudo rules again with: {INSTALL_AGAIN})",
            answer.reason()
        ))
    }

    /// Runs a helper with root's rights, and returns what it says: through sudo, or as a process of its own where root calls, since
    /// it changes its rights.
    pub(crate) fn asked(self, name: &str, arguments: &[&str]) -> Result<String> {
        if !is_root() {
            return self.helper(name, arguments);
        }
        said(&Program::this(name, arguments).held().run()?)
    }

    /// Starts a helper with root's rights that goes on until its input ends.
    pub(crate) fn watched(self, name: &str, arguments: &[&str]) -> Result<Child> {
        if is_root() {
            return Program::this(name, arguments).watch();
        }
        self.by_sudo(name, arguments)?.watch()
    }

    pub(crate) fn as_root(self, name: &str, arguments: &[&str]) -> Result<()> {
        self.asked(name, arguments).map(drop)
    }

    /// A helper that runs through sudo.
    ///
    /// The installed helpers work below one root. Where that is not this store's, they are not asked: they would
    /// do to a directory of the same name there what is wanted here.
    pub(super) fn by_sudo(self, name: &str, arguments: &[&str]) -> Result<Program> {
        let place = self.environment.installed(name);
        let installed = place.helpers().join(name);
        let noted = std::fs::read_to_string(place.storage_root_file());
        let program = match noted {
            Ok(noted) if installed.exists() => {
                refuse_if!(
                    self.storage()? != Path::new(&noted),
                    "the helpers for sudo are installed for {noted} and not for {}; as root, run: {INSTALL_AGAIN}",
                    self.layout.storage().display()
                );
                installed
            }
            _ => {
                let plugin =
                    self.environment.plugin().unwrap_or_else(|| PathBuf::from("/usr/local/bin"));
                plugin.join("bin").join(name)
            }
        };
        let program = program.display().to_string();
        let words = [&["-n", &program], arguments].concat();
        Ok(Program::new("sudo", &words).called(format!("sudo {program}")).held())
    }
}

/// Copies the name `from` of the storage root into a volume's `directory`.
pub(crate) fn fill_volume(
    volume: &str,
    directory: Option<String>,
    root: &Path,
    from: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let directory = known(volume, directory)?;
    let target = tree::enter_real(Path::new(&directory))?;
    tree::copy_out(root, from, target, &directory, progress).map_err(unless_root)
}

pub(super) fn known(volume: &str, directory: Option<String>) -> Result<String> {
    directory.ok_or_else(|| {
        refusal!(
            "the data of the Docker volume {volume} is where its driver or its options say, and not in Docker's own directory; back it up there"
        )
    })
}

/// What a helper says, or refuses.
fn said(answer: &Answer) -> Result<String> {
    if answer.is_ok() {
        return Ok(answer.stdout.trim().to_owned());
    }
    // As it was printed, each line is marked; whoever prints it again marks it again.
    let why = answer.reason();
    let lines = why.lines().map(|line| line.trim().trim_start_matches('!').trim());
    Err(Error::refused(lines.collect::<Vec<_>>().join("\n")))
}

/// Says who could do what the system refused to somebody else than root.
fn unless_root(error: Error) -> Error {
    let (Some(cause), Error::System { path, .. }) = (of_others(&error), &error) else {
        return error;
    };
    refusal!(
        "unable to copy {}: {cause}; only root can read what belongs to others, and give them their copies",
        path.display()
    )
}

/// What helps where owners cannot be kept.
const ONE_OWNER: &str = "; or choose one owner for what you can read: --chown OWNER";

/// What the system refused to somebody else than root.
fn of_others(error: &Error) -> Option<&std::io::Error> {
    match error {
        Error::System { cause, .. } => {
            let is_refused = cause.kind() == std::io::ErrorKind::PermissionDenied;
            (is_refused && !is_root()).then_some(cause)
        }
        _ => None,
    }
}

/// What a file is that is counted for itself.
fn usage_of_file(path: &Path) -> Option<Usage> {
    let found = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(Usage { bytes: found.blocks() * 512, files: 1, newest: found.mtime() })
}

/// The helper that only looks.
const LOOKS: &str = "usage-storage-dir";

/// How many paths it is asked about at once.
const AT_ONCE: usize = 200;

fn is_owned(path: &Path, ids: Ids) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|m| !m.is_symlink() && m.uid() == ids.uid && m.gid() == ids.gid)
}
