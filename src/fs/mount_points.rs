//! Where something is mounted on this host.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Something that is mounted, as a line of `/proc/self/mountinfo` says (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountPoint {
    /// The mount's id.
    pub id: u64,
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
    let end = fields.iter().position(|field| *field == b"-")?;
    Some(MountPoint {
        id: text(fields.first()?).parse().ok()?,
        device: text(fields.get(2)?),
        place: PathBuf::from(OsString::from_vec(unescaped(fields.get(4)?))),
        kind: text(fields.get(end + 1)?),
        source: text(fields.get(end + 2)?),
    })
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
        assert_eq!((point.kind.as_str(), point.source.as_str()), ("fuse.rclone", "dokku-storage"));
        assert_eq!(point.device, "98:0");
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(below(Path::new("/")).contains(&PathBuf::from("/")));
    }
}
