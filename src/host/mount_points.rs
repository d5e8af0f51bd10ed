//! Where something is mounted on this host.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mount points at or below a path, as `/proc/self/mountinfo` lists them (proc(5)).
#[must_use]
pub fn below(path: &Path) -> Vec<PathBuf> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let lines = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    lines
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescaped(field))))
        .filter(|point| point.starts_with(&path))
        .collect()
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
    fn the_root_is_mounted() {
        assert!(below(Path::new("/")).contains(&PathBuf::from("/")));
    }
}
