//! Where something is mounted on this host.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Something that is mounted, as a line of `/proc/self/mountinfo` says (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountPoint {
    /// The mount's id.
    pub id: u64,
    /// The directory of its file system that is mounted.
    pub root: PathBuf,
    /// Where it is.
    pub place: PathBuf,
    /// The device of its file system, as `major:minor`.
    pub device: String,
    /// The kind of its file system.
    pub kind: String,
    /// What was mounted, as whoever did it calls it.
    pub source: String,
}

pub(crate) fn all() -> Vec<MountPoint> {
    let lines = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    lines.split(|&byte| byte == b'\n').filter_map(parse).collect()
}

fn parse(line: &[u8]) -> Option<MountPoint> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let text = |field: &[u8]| String::from_utf8_lossy(&unescaped(field)).into_owned();
    let path = |field: &[u8]| PathBuf::from(OsString::from_vec(unescaped(field)));
    let end = fields.iter().position(|field| *field == b"-")?;
    Some(MountPoint {
        id: text(fields.first()?).parse().ok()?,
        device: text(fields.get(2)?),
        root: path(fields.get(3)?),
        place: path(fields.get(4)?),
        kind: text(fields.get(end + 1)?),
        source: text(fields.get(end + 2)?),
    })
}

/// The one path that stands for all paths at which the same directory is mounted, of which `path`, whose links are resolved, is
/// one: the mount that shows most of the file system, and the first of those.
pub(crate) fn original(path: &Path) -> PathBuf {
    static POINTS: LazyLock<Vec<MountPoint>> = LazyLock::new(all);
    original_among(path, &POINTS)
}

fn original_among(path: &Path, points: &[MountPoint]) -> PathBuf {
    let covering = points.iter().filter(|point| path.starts_with(&point.place));
    let Some(here) = covering.max_by_key(|point| point.place.as_os_str().len()) else {
        return path.to_path_buf();
    };
    let Ok(inside) = path.strip_prefix(&here.place) else {
        return path.to_path_buf();
    };
    let of_file_system = joined(&here.root, inside);
    let showing = points
        .iter()
        .filter(|point| point.device == here.device && of_file_system.starts_with(&point.root));
    let widest = showing.min_by_key(|point| point.root.as_os_str().len()).unwrap_or(here);
    let inside = of_file_system.strip_prefix(&widest.root).unwrap_or(&of_file_system);
    joined(&widest.place, inside)
}

/// A path without a slash at its end where there is nothing to join.
fn joined(directory: &Path, inside: &Path) -> PathBuf {
    if inside.as_os_str().is_empty() { directory.to_path_buf() } else { directory.join(inside) }
}

pub(crate) fn below(path: &Path) -> Vec<PathBuf> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let places = all().into_iter().map(|point| point.place);
    places.filter(|place| place.starts_with(&path)).collect()
}

/// Whether a mount point is at a path, whose links are resolved.
pub(crate) fn is_same(point: &Path, path: &Path) -> bool {
    std::fs::canonicalize(path).is_ok_and(|real| real == point)
}

/// What is mounted at a path, what one sees last; the path itself is not looked at, since it may not answer.
pub(crate) fn at(path: &Path) -> Vec<MountPoint> {
    let real = path.parent().and_then(|parent| std::fs::canonicalize(parent).ok());
    let real = match (real, path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_path_buf(),
    };
    all().into_iter().filter(|point| point.place == real).collect()
}

/// What is mounted at a path and seen there, not hidden by what was mounted later on a directory above.
pub(crate) fn seen_at(path: &Path) -> Option<MountPoint> {
    let point = at(path).pop()?;
    let device = std::fs::symlink_metadata(path).ok()?.dev();
    let shown = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    (shown == point.device).then_some(point)
}

/// A field in which blanks, tabs, line ends and backslashes stand as `\NNN`, in octal.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| byte == b'\\');
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0_u32, |value, &digit| {
                (b'0'..=b'7').contains(&digit).then(|| value * 8 + u32::from(digit - b'0'))
            })
        });
        if let Some(value) = value.and_then(|value| u8::try_from(value).ok()) {
            bytes.push(value);
            rest = &tail[3..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes_are_read() {
        assert_eq!(unescaped(b"/a\\040b\\134c"), b"/a b\\c");
        assert_eq!(unescaped(b"/plain\\9"), b"/plain\\9");
    }

    #[test]
    fn a_line_is_taken_apart() {
        let line = b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - fuse.rclone dokku-storage rw,errors=continue";
        let point = parse(line).unwrap();
        assert_eq!((point.id, point.place), (36, PathBuf::from("/mnt 2")));
        assert_eq!(point.root, Path::new("/mnt1"));
        assert_eq!((point.kind.as_str(), point.source.as_str()), ("fuse.rclone", "dokku-storage"));
        assert_eq!(point.device, "98:0");
    }

    #[test]
    fn a_directory_that_is_mounted_twice_has_one_original() {
        let lines = [
            "21 1 8:1 / / rw - ext4 /dev/a rw",
            "22 21 8:2 / /data rw - ext4 /dev/b rw",
            "23 21 8:1 /srv/real /mnt/alias rw - ext4 /dev/a rw",
            "24 21 8:2 /dokku /var/lib/dokku rw - ext4 /dev/b rw",
            "25 21 8:2 / /again rw - ext4 /dev/b rw",
            "26 21 0:9 /@one /one rw - btrfs /dev/c rw",
            "27 21 0:9 /@two /two rw - btrfs /dev/c rw",
            "28 24 7:0 / /var/lib/dokku/image rw - ext4 /dev/loop0 rw",
        ];
        let points: Vec<MountPoint> =
            lines.iter().map(|line| parse(line.as_bytes()).unwrap()).collect();
        for (path, original) in [
            ("/", "/"),
            ("/etc/x", "/etc/x"),
            ("/mnt/alias", "/srv/real"),
            ("/mnt/alias/x", "/srv/real/x"),
            ("/mnt/aliases", "/mnt/aliases"),
            ("/var/lib/dokku/x", "/data/dokku/x"),
            ("/again/dokku/x", "/data/dokku/x"),
            ("/data/dokku/x", "/data/dokku/x"),
            ("/one/x", "/one/x"),
            ("/two/x", "/two/x"),
            ("/var/lib/dokku/image/x", "/var/lib/dokku/image/x"),
        ] {
            assert_eq!(original_among(Path::new(path), &points), Path::new(original), "{path}");
        }
        assert_eq!(original_among(Path::new("/a"), &[]), Path::new("/a"));
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(below(Path::new("/")).contains(&PathBuf::from("/")));
    }
}
