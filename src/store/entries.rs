//! Reading entry files.

use std::ffi::CStr;
use std::path::Path;
use std::time::SystemTime;

use super::plain::{self, Plain};
use super::{Store, files, json};
use crate::domain::names::{ENTRY_NAME_MAX, LEGACY_PREFIX};
use crate::domain::{Entry, EntryName, Error, Result, quoted};
use crate::fs::look;

/// All entries that could be read, in the order of their names, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct Entries {
    pub entries: Vec<Entry>,
    /// One for each file that could not be read.
    pub problems: Vec<Error>,
}

impl Store {
    pub fn entry(&self, name: &EntryName) -> Result<Option<Entry>> {
        let path = self.layout().entry(name);
        files::read(&path)?.map(|content| parse(&path, name, &content)).transpose()
    }

    /// The entry that a colon mount of a source has, where there is one already.
    /// Fails where its name, which is short, is that of another source.
    pub(crate) fn of_colon_mount(&self, entry: &Entry) -> Result<Option<Entry>> {
        let registered = self.entry(&entry.name)?;
        refuse_if!(
            registered.as_ref().is_some_and(|there| there.host_path != entry.host_path),
            "{:?} cannot be mounted by its path; make a storage entry of it: dokku storage:create NAME {}, and mount that",
            entry.shown_source(),
            quoted(entry.shown_source())
        );
        Ok(registered)
    }

    pub fn existing_entry(&self, name: &str) -> Result<Entry> {
        let entry = match EntryName::parse(name) {
            Ok(name) => self.entry(&name)?,
            Err(_) => None,
        };
        entry.ok_or_else(|| no_such_entry(name))
    }

    /// Whether there is an entry of this name, or anything in the place of its directory.
    pub fn is_taken(&self, name: &EntryName) -> Result<bool> {
        let directory = self.layout().directory(name.as_str());
        Ok(self.entry(name)?.is_some() || look::is_there(directory))
    }

    /// Refuses to go on where an entry is not any more what it was when the command began.
    pub fn must_be_unchanged(&self, entry: &Entry) -> Result<()> {
        match self.entry(&entry.name)? {
            Some(now) if now == *entry => Ok(()),
            Some(_) => Err(changed_meanwhile(&entry.name)),
            None => Err(no_such_entry(entry.name.as_str())),
        }
    }

    /// A name for a new entry that neither an entry nor a directory of the storage root has: the wanted one, or the same with
    /// a number behind it; shortened where it is too long. `is_taken` says which others are taken.
    pub fn free_entry_name(
        &self,
        wanted: &str,
        is_taken: impl Fn(&EntryName) -> bool,
    ) -> Result<EntryName> {
        let reserved = if wanted.starts_with(LEGACY_PREFIX) { "app-" } else { "" };
        let wanted = format!("{reserved}{wanted}");
        for number in 1..1000_u32 {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let stem: String = wanted.chars().take(ENTRY_NAME_MAX - suffix.len()).collect();
            let name = EntryName::parse_new(&format!("{}{suffix}", stem.trim_matches('-')))?;
            let directory = self.layout().directory(name.as_str());
            let is_used = look::is_there(directory) || self.entry(&name)?.is_some();
            if !is_used && !is_taken(&name) {
                return Ok(name);
            }
        }
        Err(refusal!("no name is left for a storage entry {wanted:?}"))
    }

    /// Every entry.
    /// Fails where the directory of the entries cannot be read; a single file that cannot is among the problems.
    pub fn entries(&self) -> Result<Entries> {
        let mut found = Entries::default();
        self.each_entry_file(|name, content| {
            match content.and_then(|content| parse(&self.layout().entry(&name), &name, content)) {
                Ok(entry) => found.entries.push(entry),
                Err(problem) => found.problems.push(problem),
            }
        })?;
        found.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The same; fails where one cannot be read.
    pub fn every_entry(&self) -> Result<Vec<Entry>> {
        let found = self.entries()?;
        found.problems.into_iter().next().map_or(Ok(found.entries), Err)
    }

    /// The entries whose file has a field of one of these names, of those that all entries are asked for. Only these are
    /// taken apart, and of the others only those are read that are not known to have none. A file that cannot be
    /// read says nothing: whoever wants that entry is told.
    pub fn entries_mentioning(&self, fields: &[&str]) -> Result<Vec<Entry>> {
        self.mentioning_at(fields, SystemTime::now())
    }

    /// As if it was another time.
    pub(super) fn mentioning_at(&self, fields: &[&str], now: SystemTime) -> Result<Vec<Entry>> {
        debug_assert!(fields.iter().all(|field| plain::FIELDS.contains(field)), "{fields:?}");
        let Some(directory) = files::Directory::open(self.layout().entries())? else {
            return Ok(Vec::new());
        };
        let cache = Plain::load(&self.layout().plain(), now);
        let (mut still, mut read, mut found) = (Vec::new(), Vec::new(), Vec::new());
        directory.each_file(
            |directory, file| {
                let state = cache.state_of(directory, file);
                if let Some(state) = state.filter(|state| cache.has(state)) {
                    still.push(state);
                    return None;
                }
                Some((entry_name(file)?, state))
            },
            |(name, state), content| {
                let Ok(content) = content else { return };
                if plain::is_plain(content) {
                    read.extend(state);
                } else if fields.iter().any(|field| plain::mentions(content, field))
                    && let Ok(entry) = parse(&self.layout().entry(&name), &name, content)
                {
                    found.push(entry);
                }
            },
        )?;
        // What root made in the directory of somebody else would be in that user's way.
        if self.owner().get().is_none() {
            cache.update(still, read);
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn each_entry_file(&self, read: impl FnMut(EntryName, Result<&[u8]>)) -> Result<()> {
        let Some(directory) = files::Directory::open(self.layout().entries())? else {
            return Ok(());
        };
        directory.each_file(|_, file| entry_name(file), read)
    }
}

fn entry_name(file: &CStr) -> Option<EntryName> {
    EntryName::parse(file.to_str().ok()?.strip_suffix(".json")?).ok()
}

pub(crate) fn no_such_entry(name: &str) -> Error {
    refusal!("storage entry {name:?} does not exist")
}

pub(crate) fn changed_meanwhile(name: &EntryName) -> Error {
    Error::Changed(name.clone())
}

pub(super) fn parse(path: &Path, name: &EntryName, content: &[u8]) -> Result<Entry> {
    let entry: Entry = json::parse(path, content)?;
    if entry.is_docker_local() && entry.host_path.is_none() {
        return Err(Error::unreadable(path, "it has no host_path"));
    }
    if entry.name != *name {
        let reason = format!("it holds an entry named \"{}\"", entry.name);
        return Err(Error::unreadable(path, reason));
    }
    Ok(entry)
}
