//! `tmpfs`: memory of each container, empty at every start.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::domain::{Attachment, ByteSize, Entry, Mode, Ownership, Result, Source};
use crate::types::{Choice, Description, NewEntry, StorageType, volume};

/// The type `tmpfs`.
///
/// Containers get it by `--tmpfs`, each its own. For programs that know nothing of types, Dokku's own plugin and its
/// schedulers among them, the entry's source is a Docker volume with the same in it.
pub(crate) struct Tmpfs;

/// What the names of the volumes begin with.
const PREFIX: &str = "tmpfs-";

/// The mode where none is set: everybody may write, and remove only what is one's own.
const MODE: &str = "1777";

/// The flags that Docker takes behind `--tmpfs`, and that mean something in a container.
const FLAGS: &str = "ro rw exec noexec suid nosuid dev nodev sync async dirsync atime noatime relatime \
    strictatime";

/// Its options with a value, besides those that the entry has.
const LIMITS: [&str; 3] = ["nr_blocks=", "nr_inodes=", "mpol="];

const DESCRIPTION: Description = Description {
    name: "tmpfs",
    summary: "memory of each container, empty at every start",
    caveat: "the data is gone when the container stops, and counts as the container's memory",
    options: &[
        Choice::optional("size", "how much fits in, such as 64M; the same as --size", None),
        Choice::optional("mode", "the permissions; the same as --mode", Some(MODE)),
    ],
    flags: &["--size", "--mode", "--chown"],
    ..Description::PLAIN
};

impl StorageType for Tmpfs {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn keeps_data(&self) -> bool {
        false
    }

    fn no_copies(&self, what: &str) -> String {
        format!("keeps nothing that {what} could be made of")
    }

    fn is_on_one_host(&self, _entry: &Entry) -> bool {
        // There is no data that could be elsewhere.
        false
    }

    fn plan(&self, entry: &mut Entry, request: &NewEntry, _context: &mut Context) -> Result<()> {
        let option = |flag: &Option<String>, key: &str| {
            flag.clone().or_else(|| request.options.get(key).cloned())
        };
        for (flag, given, key) in
            [("--size", &request.size, "size"), ("--mode", &request.mode, "mode")]
        {
            if given.is_some() && request.options.contains_key(key) {
                refuse!("{flag} and --option {key}=… say the same");
            }
        }
        let mut options = BTreeMap::new();
        if let Some(size) = option(&request.size, "size") {
            options.insert("size".to_owned(), ByteSize::parse(&size)?.to_string());
        }
        if let Some(mode) = option(&request.mode, "mode") {
            options.insert("mode".to_owned(), Mode::parse(&mode)?.to_string());
        }
        entry.options = options;
        entry.mode = None;
        self.check_reclaim_policy(entry)?;
        entry.host_path = Some(Source::parse(&format!("{PREFIX}{}", entry.name))?);
        Ok(())
    }

    fn is_created_again(&self) -> bool {
        true
    }

    fn create(&self, entry: &Entry, _request: &NewEntry, context: &mut Context) -> Result<()> {
        let options = volume::local_options("tmpfs", "tmpfs".to_owned(), &mount_options(entry));
        volume::make(entry, options, context)
    }

    fn check_reclaim_policy(&self, entry: &Entry) -> Result<()> {
        if entry.is_deleted_with_entry() {
            refuse!("type tmpfs keeps nothing, so there is nothing for reclaim policy Delete");
        }
        Ok(())
    }

    fn check_attachment(&self, attachment: &Attachment) -> Result<()> {
        super::refuse_what_it_cannot(self, attachment)?;
        let options = attachment.volume_options.as_ref().map_or("", |options| options.as_str());
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let key = option.split('=').next().unwrap_or_default();
            refuse_if!(
                ["size", "mode", "uid", "gid"].contains(&key),
                "volume option {option:?} is the entry's own; create a storage entry of type tmpfs with another --{}",
                if key.ends_with("id") { "chown" } else { key }
            );
            let is_limit = |limit: &&str| option.starts_with(limit) && option.len() > limit.len();
            refuse_if!(
                !FLAGS.split(' ').any(|flag| flag == option) && !LIMITS.iter().any(is_limit),
                "volume option {option:?} is not one of type tmpfs; there are: {}",
                super::nearest_first(option, FLAGS.split(' ').chain(LIMITS))
            );
        }
        Ok(())
    }

    fn words(&self, _source: &str, entry: &Entry, attachment: &Attachment) -> [String; 2] {
        let mut options = mount_options(entry);
        options.extend(attachment.options());
        ["--tmpfs".to_owned(), format!("{}:{}", attachment.container_path, options.join(","))]
    }
}

/// What the kernel is told (tmpfs(5)).
fn mount_options(entry: &Entry) -> Vec<String> {
    let mut options = Vec::new();
    if let Ok(size) = ByteSize::parse(entry.option("size")) {
        options.push(format!("size={}", size.bytes()));
    }
    let mode = Mode::parse(entry.option("mode"));
    options.push(format!("mode={}", mode.as_ref().map_or(MODE, Mode::as_str)));
    if let Some((uid, gid)) = entry.chown.as_ref().and_then(Ownership::container_ids) {
        options.extend([format!("uid={uid}"), format!("gid={gid}")]);
    }
    options
}
