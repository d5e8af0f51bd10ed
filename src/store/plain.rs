//! A cache of which entry files have none of the fields that all entries are asked for.
//!
//! Each mount asks which other entries are exclusive, and who mounts a path which have a scope. Few have: reading
//! hundreds of files to find that out takes longer than the mount. So the file `.plain-1` in the registry notes states
//! of files that have no such field, a row for each: inode, size, and the time of the last change. One look at a file
//! tells whether it is in such a state; then it is not read.
//!
//! A row never becomes wrong. The time is the one that the kernel sets when the content, the mode or a name of a file
//! changes (`ctime`). Nobody else can set it: what a person edits, Dokku's own plugin writes in place, or a backup brings
//! back is in another state. Times are only as fine as the file system and the kernel's clock, so a file that changed in
//! the last seconds is not noted, nor is one from the future, after the clock was set back. (Left is a program that
//! maps a file into its memory and changes it again after it was noted. Editors do not.)
//!
//! So the cache needs no lock, no flush and no order. A power cut, or two writers at once, may leave a part of it, or
//! zeros, which are no file's state. Where it cannot be read or written, all files are read.

use std::ffi::CStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, StatxFlags, statx};

use super::files::{self, FILE_MODE};

/// The fields that all entries are asked for. With others, [`Layout::plain`] needs another number.
///
/// [`Layout::plain`]: crate::domain::layout::Layout::plain
pub(super) const FIELDS: [&str; 3] = ["auto_volume", "exclusive", "scope"];

/// For how many seconds a file has to be unchanged before its state is noted: longer than times are coarse.
const SETTLED: i64 = 2;

/// How many files have to be read without need before the cache is written: reading fewer takes no longer than that.
const WORTH_IT: usize = 32;

/// The numbers of a state, as bytes: they are compared and written so.
type Number = [u8; 8];

/// A state of a file: its inode, its size, and the seconds and nanoseconds of its last change. Its length is a power of
/// two, so that no row goes across two blocks of a disk.
pub(super) type State = [Number; 4];

/// The noted states, in the order of the inodes. Where they are not, some are not found, and these files are read.
pub(super) struct Plain {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The seconds before which a file has to be unchanged.
    settled: i64,
}

impl Plain {
    /// Reads the cache; it is empty where it cannot be read.
    pub(super) fn load(path: &Path, now: SystemTime) -> Self {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
        let bytes = files::read(path).ok().flatten().unwrap_or_default();
        Self { path: path.to_path_buf(), bytes, settled: now - SETTLED }
    }

    /// The state of a regular file; none where it has not been unchanged for long enough.
    pub(super) fn state_of(&self, directory: &OwnedFd, name: &CStr) -> Option<State> {
        let asked = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::SIZE | StatxFlags::CTIME;
        let stat = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, asked).ok()?;
        let is_file = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
        let changed = stat.stx_ctime;
        (is_file && changed.tv_sec < self.settled).then(|| {
            [stat.stx_ino, stat.stx_size, changed.tv_sec.cast_unsigned(), changed.tv_nsec.into()]
                .map(u64::to_be_bytes)
        })
    }

    /// Whether a file in this state has none of the fields.
    pub(super) fn has(&self, state: &State) -> bool {
        let rows: &[State] = self.bytes.as_chunks().0.as_chunks().0;
        let inode = |row: &State| u64::from_be_bytes(row[0]);
        let found = rows.binary_search_by_key(&inode(state), inode);
        found.is_ok_and(|at| rows[at] == *state)
    }

    /// Notes the states of files that were read and have none of the fields, where there are many, beside the noted
    /// ones that files are still in.
    pub(super) fn update(&self, still: Vec<State>, mut read: Vec<State>) {
        if read.len() >= WORTH_IT {
            read.extend(still);
            read.sort_unstable();
            read.dedup();
            // Whoever cannot note them reads them again.
            let _ = self.write(read.as_flattened().as_flattened());
        }
    }

    /// Replaces the file. Where the name beside it is taken, by another writer or one that was killed, it goes, and
    /// this time nothing is written.
    fn write(&self, states: &[u8]) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&beside)
            .and_then(|mut file| file.write_all(states))
            .and_then(|()| fs::rename(&beside, &self.path));
        written.or_else(|_| fs::remove_file(&beside))
    }
}

/// Whether a file has none of the fields.
pub(super) fn is_plain(content: &[u8]) -> bool {
    !FIELDS.iter().any(|field| mentions(content, field))
}

/// Whether a field may be in a file: an escape could hide it.
pub(super) fn mentions(content: &[u8], field: &str) -> bool {
    match str::from_utf8(content) {
        Ok(text) => text.contains('\\') || text.contains(&format!("\"{field}")),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;
    use crate::domain::layout::Layout;
    use crate::store::{Owner, Store};

    const EXCLUSIVE: &str = r#""exclusive": true,"#;

    /// A store with so many plain entries that noting them is worth it, and one that is exclusive.
    struct Fixture {
        _root: tempfile::TempDir,
        store: Store,
    }

    impl Fixture {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let layout = Layout::new(root.path().to_path_buf());
            fs::create_dir_all(layout.entries()).unwrap();
            let fixture = Self { _root: root, store: Store::new(layout, Owner::caller(), None) };
            for number in 0..WORTH_IT {
                fixture.write(&format!("plain-{number}"), "");
            }
            fixture.write("only", EXCLUSIVE);
            fixture
        }

        fn file(&self, name: &str) -> PathBuf {
            self.store.layout().entries().join(format!("{name}.json"))
        }

        /// Writes an entry's file in place. All files have the same size.
        fn write(&self, name: &str, fields: &str) {
            let text = format!(
                r#"{{"name": "{name}",{fields} "scheduler": "docker-local", "host_path": "/{name}"}}"#
            );
            fs::write(self.file(name), format!("{text:150}")).unwrap();
        }

        fn found_at(&self, field: &str, now: SystemTime) -> Vec<String> {
            let found = self.store.mentioning_at(&[field], now).unwrap();
            found.into_iter().map(|entry| entry.name.to_string()).collect()
        }

        /// The exclusive entries, once nothing has changed for a while.
        fn found(&self) -> Vec<String> {
            self.found_at("exclusive", SystemTime::now() + Duration::from_secs(10))
        }

        fn noted(&self) -> Vec<u8> {
            fs::read(self.store.layout().plain()).unwrap_or_default()
        }

        fn note(&self, bytes: &[u8]) {
            fs::write(self.store.layout().plain(), bytes).unwrap();
        }
    }

    #[test]
    fn a_file_in_a_noted_state_is_not_read() {
        let fixture = Fixture::new();
        assert_eq!(fixture.found(), ["only"]);
        assert_eq!(fixture.noted().len(), WORTH_IT * size_of::<State>());
        // A false row shows it: nothing else would hide this entry.
        let directory = files::Directory::open(fixture.store.layout().entries()).unwrap().unwrap();
        let cache = Plain::load(
            &fixture.store.layout().plain(),
            SystemTime::now() + Duration::from_secs(10),
        );
        let mut rows = fixture.noted().as_chunks().0.as_chunks().0.to_vec();
        directory
            .each_file(
                |directory, name| {
                    rows.extend(cache.state_of(directory, name).filter(|_| name == c"only.json"));
                    None::<()>
                },
                |(), _| {},
            )
            .unwrap();
        rows.sort_unstable();
        fixture.note(rows.as_flattened().as_flattened());
        assert_eq!(fixture.found(), [""; 0]);
    }

    #[test]
    fn a_file_that_is_changed_in_place_is_read_whatever_its_size_and_time_say() {
        let fixture = Fixture::new();
        assert_eq!(fixture.found(), ["only"]);
        let file = fixture.file("plain-7");
        let before = fs::metadata(&file).unwrap();
        fixture.write("plain-7", EXCLUSIVE);
        let times = FileTimes::new().set_modified(before.modified().unwrap());
        fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), before.len());
        assert_eq!(fixture.found(), ["only", "plain-7"]);
        // Only what is plain is noted.
        assert_eq!(fixture.found(), ["only", "plain-7"]);
    }

    #[test]
    fn what_all_entries_are_asked_for_is_found_where_something_else_was_asked_before() {
        let fixture = Fixture::new();
        fixture.write("scoped", r#""scope": ["shop"],"#);
        fixture.write("hidden", r#""\u0073cope": ["shop"],"#);
        let later = SystemTime::now() + Duration::from_secs(10);
        assert_eq!(fixture.found(), ["hidden", "only"]);
        assert_eq!(fixture.found_at("scope", later), ["hidden", "scoped"]);
    }

    #[test]
    fn a_file_that_was_changed_just_now_or_in_the_future_is_not_noted() {
        let fixture = Fixture::new();
        let changed = fs::metadata(fixture.file("plain-0")).unwrap().modified().unwrap();
        let [second, hour] = [1, 3600].map(Duration::from_secs);
        for now in [changed, changed + second, changed - hour, UNIX_EPOCH] {
            assert_eq!(fixture.found_at("exclusive", now), ["only"]);
            assert!(fixture.noted().is_empty());
        }
    }

    #[test]
    fn the_target_of_a_link_is_always_read() {
        let fixture = Fixture::new();
        let elsewhere = fixture.store.layout().registry().join("elsewhere");
        fs::rename(fixture.file("plain-3"), &elsewhere).unwrap();
        symlink(&elsewhere, fixture.file("plain-3")).unwrap();
        fixture.write("plain-more", "");
        assert_eq!(fixture.found(), ["only"]);
        assert!(!fixture.noted().is_empty());
        fixture.write("plain-3", EXCLUSIVE);
        assert_eq!(fixture.found(), ["only", "plain-3"]);
    }

    #[test]
    fn whatever_is_in_the_cache_the_answer_is_right() {
        let fixture = Fixture::new();
        fixture.found();
        let whole = fixture.noted();
        let (half, odd) = whole.split_at(whole.len() / 2 + 11);
        let reversed: Vec<u8> = whole.chunks(size_of::<State>()).rev().flatten().copied().collect();
        for bytes in [&[], half, odd, &reversed, &[0; 4096], &[255; 333]] {
            fixture.note(bytes);
            fixture.write("plain-1", EXCLUSIVE);
            assert_eq!(fixture.found(), ["only", "plain-1"]);
            fixture.write("plain-1", "");
            assert_eq!(fixture.found(), ["only"]);
        }
    }

    #[test]
    fn what_a_killed_writer_left_is_in_the_way_once() {
        let fixture = Fixture::new();
        let left = fixture.store.layout().plain().with_extension("new");
        fs::write(&left, "x").unwrap();
        assert_eq!(fixture.found(), ["only"]);
        assert_eq!((left.exists(), fixture.noted().len()), (false, 0));
        assert_eq!(fixture.found(), ["only"]);
        assert_eq!((left.exists(), fixture.noted().is_empty()), (false, false));
    }

    #[test]
    fn a_few_changed_files_do_not_write_the_cache_anew_and_rows_of_gone_states_go() {
        let fixture = Fixture::new();
        fixture.found();
        let before = fixture.noted();
        fixture.write("plain-0", "");
        fixture.found();
        assert_eq!(fixture.noted(), before);
        for number in 0..WORTH_IT {
            fixture.write(&format!("plain-{number}"), "");
        }
        fixture.write("fresh", "");
        fixture.found();
        assert_ne!(fixture.noted(), before);
        assert_eq!(fixture.noted().len(), before.len() + size_of::<State>());
    }
}
