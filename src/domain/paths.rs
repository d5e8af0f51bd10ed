//! Paths on the host, in the container and inside an entry.

use std::ffi::OsStr;
use std::path::Path;

use crate::domain::text::{checked_text, parsed};
use crate::domain::{Result, VolumeName};

/// The longest path that Linux takes, in bytes.
const PATH_MAX: usize = 4095;

/// An absolute path on the host, as Docker's `-v` can carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath(String);
checked_text!(HostPath);

impl HostPath {
    pub fn parse(text: &str) -> Result<Self> {
        refuse_if!(!text.starts_with('/'), "host path {text:?} must be absolute");
        carried_by_docker("host path", text)?;
        Ok(Self(text.to_owned()))
    }
}

/// An absolute path in the container, other than `/` itself.
#[derive(Debug, Clone)]
pub struct ContainerPath(String);
checked_text!(ContainerPath);

impl ContainerPath {
    pub fn parse(text: &str) -> Result<Self> {
        refuse_if!(!text.starts_with('/'), "attachment container path {text:?} must be absolute");
        carried_by_docker("container path", text)?;
        let path = Self(text.to_owned());
        if path.parts().is_empty() {
            refuse!("container path \"/\" would replace the whole container; mount below it");
        }
        Ok(path)
    }

    /// Refuses a path at which Docker starts no container: the system's own places.
    pub(crate) fn must_start(&self) -> Result<()> {
        let is_systems = match self.parts()[..] {
            // Containers with an init of their own mount this one.
            ["sys", "fs", "cgroup", ..] => false,
            ["proc" | "sys", ..] | ["dev"] => true,
            _ => false,
        };
        refuse_if!(
            is_systems,
            "container path \"{self}\" is the system's own, and no container starts with a mount there; mount elsewhere, such as at /data"
        );
        Ok(())
    }

    /// The names along the path, without `.` and with `..` taken away, as Docker reads it; two paths with the same
    /// names are the same place.
    pub fn parts(&self) -> Vec<&str> {
        let mut parts = Vec::new();
        for part in self.0.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                name => parts.push(name),
            }
        }
        parts
    }

    /// Whether it is in the directory of another one, and not at it.
    pub fn is_below(&self, other: &Self) -> bool {
        // Most paths are plain: nothing has to be kept of them then.
        if [self, other].iter().any(|path| path.0.as_bytes().contains(&b'.')) {
            let (mine, theirs) = (self.parts(), other.parts());
            return mine.len() > theirs.len() && mine.starts_with(&theirs);
        }
        let names = |path| str::split(path, '/').filter(|name| !name.is_empty());
        let mut mine = names(&self.0);
        names(&other.0).all(|name| mine.next() == Some(name)) && mine.next().is_some()
    }
}

impl PartialEq for ContainerPath {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for ContainerPath {}

/// A relative path inside an entry that does not lead out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subpath(String);
checked_text!(Subpath);

impl Subpath {
    pub fn parse(text: &str) -> Result<Self> {
        carried_by_docker("subpath", text)?;
        let leads_out = text.starts_with('/') || text.split('/').any(|part| part == "..");
        if leads_out || text.split('/').all(|part| part.is_empty() || part == ".") {
            refuse!("subpath {text:?} must be a path inside the entry, such as uploads/public");
        }
        Ok(Self(text.to_owned()))
    }

    /// Each of these once, without what lies in another of them.
    pub(crate) fn outermost(texts: &[String]) -> Result<Vec<String>> {
        let names = |text: &String| {
            let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
            Self::parse(text).map(|_| names.map(str::to_owned).collect::<Vec<_>>())
        };
        let mut paths = texts.iter().map(names).collect::<Result<Vec<_>>>()?;
        paths.sort();
        // What lies in a path comes behind it, and before any other one.
        paths.dedup_by(|path, outer| path.starts_with(outer));
        Ok(paths.iter().map(|names| names.join("/")).collect())
    }
}

/// The source of an entry on this host: a path, or a Docker volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Path(HostPath),
    /// A volume that Docker looks after.
    Volume(VolumeName),
}

impl Source {
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            HostPath::parse(text).map(Self::Path)
        } else {
            VolumeName::parse(text).map(Self::Volume)
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Path(path) => path.as_str(),
            Self::Volume(name) => name.as_str(),
        }
    }

    /// Whether it is a volume in whose data a path of the host lies, where Docker's own driver keeps it
    /// (`…/volumes/NAME/_data`).
    pub(crate) fn keeps(&self, path: &Path) -> bool {
        let Self::Volume(name) = self else {
            return false;
        };
        let parts: Vec<&OsStr> = path.iter().collect();
        let own = ["volumes", name.as_str(), "_data"];
        parts.windows(own.len()).any(|parts| parts == own)
    }
}

impl AsRef<str> for Source {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

parsed!(Source);

/// What holds for every part of a `-v` argument: no colon, no control character, no more than the kernel takes.
fn carried_by_docker(what: &str, text: &str) -> Result<()> {
    if text.len() > PATH_MAX {
        refuse!("{what} of {} bytes is too long (max {PATH_MAX})", text.len());
    }
    refuse_if!(text.chars().any(char::is_control), "{what} {text:?} contains a control character");
    if text.contains(':') {
        refuse!("{what} {text:?} contains a colon, which Docker takes for the end of a path");
    }
    Ok(())
}

/// Refuses a path that somebody typed with an option behind it, such as `/x --privileged`.
///
/// Blanks are fine in a path, and every path reaches Docker as one word; a word that begins with a dash
/// is far more likely a mistake, or an attempt, than a directory's name. The same goes for `..` in a host path.
pub fn as_typed(what: &str, text: &str) -> Result<()> {
    let word = text
        .split(char::is_whitespace)
        .skip(1)
        .find(|word| word.trim_start_matches(['"', '\'', '\\']).starts_with('-'));
    if let Some(word) = word {
        refuse!(
            "{what} {text:?} contains {word:?}, which looks like an option; options do not belong into a path"
        );
    }
    if text.split('/').any(|part| part == "..") {
        refuse!("{what} {text:?} contains \"..\"; write it without");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outermost_paths_are_named_once() {
        let outermost = |texts: &str| {
            let texts: Vec<String> = texts.split(' ').map(str::to_owned).collect();
            Subpath::outermost(&texts).map(|paths| paths.join(" ")).ok()
        };
        for (texts, expected) in [
            ("a a", "a"),
            ("a ./a a/ .//a/.", "a"),
            ("a/b a", "a"),
            ("a/b a/bc a-b a/b/c", "a/b a/bc a-b"),
            ("b a", "a b"),
        ] {
            assert_eq!(outermost(texts).as_deref(), Some(expected), "{texts}");
        }
        assert_eq!(outermost("a .."), None);
    }

    #[test]
    fn a_path_is_below_those_that_lead_to_it() {
        let path = |text: &str| ContainerPath::parse(text).unwrap();
        for (below, above) in [
            ("/a/b", "/a"),
            ("/a/b/c", "/a/"),
            ("//a//b", "/a"),
            ("/x/../a/./b", "/a"),
            ("/a/b", "/a/."),
        ] {
            assert!(path(below).is_below(&path(above)), "{below} {above}");
            assert!(!path(above).is_below(&path(below)), "{above} {below}");
        }
        for (one, other) in [("/a", "/a/"), ("/ab", "/a"), ("/a/b", "/b"), ("/a", "/x/../a")] {
            assert!(!path(one).is_below(&path(other)), "{one} {other}");
        }
    }

    #[test]
    fn container_paths_are_compared_by_their_names() {
        let path = |text: &str| ContainerPath::parse(text).unwrap();
        assert_eq!(path("/a"), path("/a/"));
        assert_eq!(path("/a/./b"), path("//a//b"));
        assert_eq!(path("/x/../a"), path("/a"));
        assert_ne!(path("/a"), path("/a/b"));
        for bad in ["", "a", "/", "//", "/.", "/a/..", "/a:b", "/a\nb"] {
            assert!(ContainerPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn subpaths_stay_inside() {
        assert!(Subpath::parse("uploads/a b").is_ok());
        for bad in ["", ".", "/etc", "..", "a/../../etc", "a\0b"] {
            assert!(Subpath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn options_behind_a_path_are_noticed() {
        for bad in ["/x --privileged", "/x\u{a0}--pid=host", "/x \"--privileged\"", "/a/../b"] {
            assert!(as_typed("path", bad).is_err(), "{bad:?}");
        }
        for good in ["/my data", "/it's", "/a-b -", "/a/-b"] {
            let expected = good != "/a-b -";
            assert_eq!(as_typed("path", good).is_ok(), expected, "{good:?}");
        }
    }
}
