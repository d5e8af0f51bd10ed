//! Where paths lead: with every link resolved, as far as this process may look.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::fs::mount_points;

/// How many links a path may lead through, as in the kernel.
const MOST_LINKS: u32 = 40;

/// Where the kernel shows what processes have.
const PROCESSES: &str = "/proc";

/// A path with every link in it resolved, also those that lead to nothing yet; names that do not exist stay as they
/// are. `..` is taken away first, by the names alone, which is what Docker does. Two of them are compared by what is there: a
/// directory that is mounted at several places (`mount --bind`) is one.
#[derive(Debug, Clone)]
pub(crate) struct RealPath {
    path: PathBuf,
    original: OnceCell<PathBuf>,
    is_known: bool,
    is_of_a_process: bool,
}

impl PartialEq for RealPath {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path || self.original() == other.original()
    }
}

impl RealPath {
    pub(crate) fn of(path: &Path) -> Self {
        Self::walk(path, |_| {})
    }

    /// Every path on the way to where a path leads, each link among them, and where it leads, as it is now or was a moment ago. Whoever
    /// can write to what holds one of them decides where the path leads.
    pub(crate) fn way(path: &Path) -> (Vec<Self>, Self) {
        let mut way = Vec::new();
        let real = Self::walk(path, |step| way.push(Self::resolved(step.to_owned())));
        (way, real)
    }

    fn walk(path: &Path, mut step: impl FnMut(&Path)) -> Self {
        let mut ahead: Vec<OsString> = cleaned(path).iter().rev().map(OsString::from).collect();
        let mut real = PathBuf::new();
        let mut links = 0;
        let (mut is_known, mut is_of_a_process) = (true, false);
        while let Some(name) = ahead.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            step(&next);
            match std::fs::read_link(&next) {
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    is_of_a_process |= next.starts_with(PROCESSES);
                    is_known &= !is_of_a_process;
                    if target.is_absolute() {
                        real = PathBuf::new();
                    }
                    let names = target.iter().rev().filter(|name| *name != ".");
                    ahead.extend(names.map(OsString::from));
                    continue;
                }
                Ok(_) => {}
                Err(error) if says_that_there_is_no_link(&error) => {}
                Err(_) => {
                    is_known = false;
                    is_of_a_process |= next.starts_with(PROCESSES);
                }
            }
            real = next;
        }
        Self { path: real, original: OnceCell::new(), is_known, is_of_a_process }
    }

    pub(crate) fn resolved(path: PathBuf) -> Self {
        Self { path, original: OnceCell::new(), is_known: true, is_of_a_process: false }
    }

    /// Whether a link below `/proc` is on the way: each process has its own there (`self`, `cwd`, `root`), and Docker's
    /// lead elsewhere.
    pub(crate) fn is_of_a_process(&self) -> bool {
        self.is_of_a_process
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path by which what is there is compared, wherever else it is mounted.
    pub(crate) fn original(&self) -> &Path {
        self.original.get_or_init(|| mount_points::original(&self.path))
    }

    /// Both.
    pub(crate) fn paths(&self) -> [&Path; 2] {
        [&self.path, self.original()]
    }

    /// Whether this process could look at all of the way. Where it could not, a link may lead elsewhere.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether one of two is, holds or lies in the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }

    pub(crate) fn is_within(&self, directory: &Self) -> bool {
        self.path.starts_with(&directory.path) || self.original().starts_with(directory.original())
    }

    /// What comes behind a directory that it lies in.
    pub(crate) fn below(&self, directory: &Self) -> Option<&Path> {
        let original = || self.original().strip_prefix(directory.original());
        self.path.strip_prefix(&directory.path).or_else(|_| original()).ok()
    }
}

/// Several paths, with the links in them resolved.
#[derive(Debug, Default)]
pub(crate) struct RealPaths(BTreeSet<PathBuf>);

impl RealPaths {
    pub(crate) fn of<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let mut all = BTreeSet::new();
        for path in paths {
            let real = RealPath::of(path);
            all.insert(real.original().to_path_buf());
            all.insert(real.path);
        }
        Self(all)
    }

    /// Whether one of them is, holds or lies in another path.
    pub(crate) fn overlap(&self, other: &RealPath) -> bool {
        // In the order of paths, what lies in one comes right behind it.
        let holds = |path: &Path| {
            let next = self.0.range(path.to_path_buf()..).next();
            next.is_some_and(|next| next.starts_with(path))
        };
        let is_there = |path: &Path| path.ancestors().any(|above| self.0.contains(above));
        other.paths().into_iter().any(|path| is_there(path) || holds(path))
    }
}

/// Where a path leads that goes through a link to what is not there; none where no such link is on its way.
pub(crate) fn missing_target(path: &Path) -> Option<PathBuf> {
    let is_dangling = |path: &&Path| path.is_symlink() && !path.exists();
    path.ancestors().find(is_dangling)?;
    Some(RealPath::of(path).path)
}

/// Whether one of two paths is, holds or lies in the other, with the links in them resolved.
pub(crate) fn overlap(a: &Path, b: &Path) -> bool {
    RealPath::of(a).overlaps(&RealPath::of(b))
}

/// What tells a file or a directory from any other: its file system and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|found| Self { device: found.dev(), inode: found.ino() })
    }

    /// What a process sees at a path. Links are followed within its own root.
    pub(crate) fn seen_by(process: u32, path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = rustix::fs::open(format!("/proc/{process}/root"), flags, Mode::empty())?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let found = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)?;
        let found = std::fs::File::from(found).metadata()?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

/// Whether a link could not be read since there is none, rather than since nobody lets us look.
fn says_that_there_is_no_link(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::InvalidInput,
        ErrorKind::NotFound,
        ErrorKind::NotADirectory,
        ErrorKind::InvalidFilename,
    ];
    kinds.contains(&error.kind())
}

/// A path without `.` and `..`, by the names alone.
pub(crate) fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_where_they_lead_even_to_nothing() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        symlink("/not/there/yet", root.join("dangling")).unwrap();
        symlink("b/../c", root.join("relative")).unwrap();
        symlink(root.join("loop"), root.join("loop")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        let resolved = |path: PathBuf| {
            let real = RealPath::of(&path);
            assert!(real.is_known(), "{path:?}");
            real.path
        };
        assert_eq!(resolved(root.join("dangling/x")), Path::new("/not/there/yet/x"));
        assert_eq!(resolved(root.join("relative")), root.join("c"));
        assert_eq!(resolved(root.join("file/x")), root.join("file/x"));
        assert_eq!(resolved(root.join("none/../../etc")), root.parent().unwrap().join("etc"));
        assert!(resolved(root.join("loop")).ends_with("loop"));
        let long = root.join("x".repeat(300)).join("y");
        assert_eq!(resolved(long.clone()), long);
    }

    #[test]
    fn a_link_to_nothing_is_told_by_where_it_leads() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        symlink("gone/in", root.join("dangling")).unwrap();
        symlink(".", root.join("good")).unwrap();
        assert_eq!(missing_target(&root.join("dangling")), Some(root.join("gone/in")));
        assert_eq!(missing_target(&root.join("good/dangling/x")), Some(root.join("gone/in/x")));
        assert_eq!(missing_target(&root.join("good/none")), None);
    }

    #[test]
    fn many_paths_overlap_as_each_of_them_does() {
        let paths =
            ["/a/b", "/a/b c", "/a/bc/d", "/a/b-e", "/x", "/x/y/z", "/q.d/r"].map(Path::new);
        let all = RealPaths::of(paths.into_iter());
        let asked =
            ["/", "/a", "/a/b", "/a/b/c", "/a/bc", "/a/b ", "/a/c", "/x/y", "/xy", "/q", "/q.d"];
        for asked in asked {
            let asked = RealPath::of(Path::new(asked));
            let one_by_one = paths.iter().any(|path| RealPath::of(path).overlaps(&asked));
            assert_eq!(all.overlap(&asked), one_by_one, "{asked:?}");
        }
    }
}
