//! What this host has noted of its backups: files below `backups` in the registry.
//!
//! The backups themselves are in the repositories, which say what there is. What is here goes with what it is about: an
//! entry's state and schedule with the entry, an app's schedule with the app, what is known of a repository with its
//! connector. A new entry of an old name was not backed up.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::domain::{
    AppName, BackupNotes, BackupState, ConnectorName, EntryName, Error, Layout, RepositoryState,
    Result, Schedule, Subject,
};
use crate::store::{Change, Store, files, json};

/// The file of the store's id, below the registry.
pub(crate) const STORE_ID: &str = "backups/store-id";

/// The file that says on which machine the store got its id. A store that is restored is on its machine: backups have no such file.
const MACHINE: &str = "backups/machine";

fn directory(layout: &Layout) -> PathBuf {
    layout.registry().join("backups")
}

fn states(layout: &Layout) -> PathBuf {
    directory(layout).join("entries")
}

fn state(layout: &Layout, entry: Option<&EntryName>) -> PathBuf {
    match entry {
        Some(entry) => states(layout).join(format!("{entry}.json")),
        None => directory(layout).join("store.json"),
    }
}

fn repositories(layout: &Layout) -> PathBuf {
    directory(layout).join("repositories")
}

fn repository(layout: &Layout, connector: &ConnectorName) -> PathBuf {
    repositories(layout).join(format!("{connector}.json"))
}

fn schedules(layout: &Layout) -> PathBuf {
    directory(layout).join("schedules")
}

fn schedule(layout: &Layout, subject: &Subject) -> PathBuf {
    schedules(layout).join(format!("{}.json", subject.name()))
}

/// Reads a file that says itself what it is about, which must be what its name says.
fn read<T: DeserializeOwned>(path: &Path, is_right: impl Fn(&T) -> bool) -> Result<Option<T>> {
    match json::read(path)? {
        Some(value) if !is_right(&value) => {
            Err(Error::unreadable(path, "it is about something else than its name says"))
        }
        value => Ok(value),
    }
}

impl Store {
    /// The id by which backups know this store; none before the first of them.
    pub(crate) fn backup_id(&self) -> Result<Option<String>> {
        let path = self.layout().registry().join(STORE_ID);
        let Some(content) = files::read(&path)? else {
            return Ok(None);
        };
        let id = String::from_utf8(content).unwrap_or_default().trim().to_owned();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::unreadable(path, "it is not an id in hexadecimal digits"));
        }
        Ok(Some(id))
    }

    /// The machine on which the store has its id; none where that is not noted.
    pub(crate) fn backup_machine(&self) -> Result<Option<String>> {
        let content = files::read(&self.layout().registry().join(MACHINE))?;
        Ok(content.map(|content| String::from_utf8_lossy(&content).trim().to_owned()))
    }

    /// What is remembered of an entry's backups, or of the store's own; none where there were none.
    pub fn backup_state(&self, entry: Option<&EntryName>) -> Result<Option<BackupState>> {
        let is_right = |state: &BackupState| state.entry.as_ref() == entry;
        read(&state(self.layout(), entry), is_right)
    }

    /// What is remembered of all entries, in the order of their names, and what was wrong with the files of others.
    pub fn backup_states(&self) -> Result<(Vec<BackupState>, Vec<Error>)> {
        let read = |entry: &EntryName| self.backup_state(Some(entry));
        json::list(&states(self.layout()), EntryName::parse, read)
    }

    /// What is noted of an entry's backups, as far as it can be read.
    pub fn backup_notes(&self, entry: &EntryName) -> BackupNotes {
        let schedule = self.schedule(&Subject::Entry(entry.clone())).unwrap_or_default();
        BackupNotes { schedule, state: self.backup_state(Some(entry)).unwrap_or_default() }
    }

    pub fn repository_state(&self, connector: &ConnectorName) -> Result<Option<RepositoryState>> {
        let is_right = |state: &RepositoryState| state.connector == *connector;
        read(&repository(self.layout(), connector), is_right)
    }

    /// What is known of all repositories, in the order of their connectors, and what was wrong with the files of others.
    pub fn repository_states(&self) -> Result<(Vec<RepositoryState>, Vec<Error>)> {
        let read = |connector: &ConnectorName| self.repository_state(connector);
        json::list(&repositories(self.layout()), ConnectorName::parse, read)
    }

    pub fn schedule(&self, subject: &Subject) -> Result<Option<Schedule>> {
        let is_right = |schedule: &Schedule| schedule.subject == *subject;
        read(&schedule(self.layout(), subject), is_right)
    }

    /// All schedules, in the order of what they back up, and what was wrong with the files of others.
    pub fn schedules(&self) -> Result<(Vec<Schedule>, Vec<Error>)> {
        let read = |subject: &Subject| self.schedule(subject);
        let (mut schedules, problems) =
            json::list(&schedules(self.layout()), Subject::parse, read)?;
        schedules.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
        Ok((schedules, problems))
    }

    /// Whether there is a schedule, readable or not.
    pub fn has_schedules(&self) -> bool {
        let name = |file: &str| Subject::parse(file.strip_suffix(".json")?).ok();
        json::names(&schedules(self.layout()), name).is_ok_and(|found| !found.is_empty())
    }
}

impl Change<'_> {
    pub(crate) fn write_backup_id(&mut self, id: &str) {
        self.write(self.store().layout().registry().join(STORE_ID), format!("{id}\n").into());
    }

    pub(crate) fn write_backup_machine(&mut self, machine: &str) {
        self.write(self.store().layout().registry().join(MACHINE), format!("{machine}\n").into());
    }

    pub fn write_backup_state(&mut self, value: &BackupState) -> Result<()> {
        self.write_json(state(self.store().layout(), value.entry.as_ref()), value)
    }

    pub fn write_backup_notes(&mut self, notes: &BackupNotes) -> Result<()> {
        notes.schedule.iter().try_for_each(|schedule| self.write_schedule(schedule))?;
        notes.state.iter().try_for_each(|state| self.write_backup_state(state))
    }

    pub fn remove_backup_state(&mut self, entry: Option<&EntryName>) {
        self.remove(state(self.store().layout(), entry));
    }

    pub fn write_repository_state(&mut self, value: &RepositoryState) -> Result<()> {
        self.write_json(repository(self.store().layout(), &value.connector), value)
    }

    pub fn remove_repository_state(&mut self, connector: &ConnectorName) {
        self.remove(repository(self.store().layout(), connector));
    }

    pub fn write_schedule(&mut self, value: &Schedule) -> Result<()> {
        self.write_json(schedule(self.store().layout(), &value.subject), value)
    }

    pub fn remove_schedule(&mut self, subject: &Subject) {
        self.remove(schedule(self.store().layout(), subject));
    }

    /// Keeps an app's schedule under the app's new name, in the place of one that was there.
    pub fn rename_schedule(&mut self, mut schedule: Schedule, new: &AppName) -> Result<()> {
        self.remove_schedule(&schedule.subject);
        schedule.subject = Subject::App(new.clone());
        self.write_schedule(&schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Expression, Keep, Moment, Unknown};
    use crate::store::Owner;

    fn store(root: &tempfile::TempDir) -> Store {
        Store::new(Layout::new(root.path().to_owned()), Owner::caller(), None)
    }

    fn of(subject: &str) -> Schedule {
        Schedule {
            subject: Subject::parse(subject).unwrap(),
            expression: Expression::parse("daily").unwrap(),
            connector: ConnectorName::parse("disk").unwrap(),
            keep: Keep::default(),
            ping_url: None,
            pause: false,
            is_scoped: false,
            created: Moment::of_seconds(0),
            last_begun: Some(Moment::of_seconds(60)),
            unknown: Unknown::new(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        let store = store(&root);
        assert_eq!(store.schedules().unwrap().0, []);
        assert!(!store.has_schedules());
        let entry = EntryName::parse("blog-data").unwrap();
        let own = BackupState::new(None);
        let state = BackupState::new(Some(entry.clone()));
        let repository = RepositoryState::new(ConnectorName::parse("disk").unwrap());
        store
            .change(|change| {
                for subject in ["entry-blog-data", "app-blog", "all"] {
                    change.write_schedule(&of(subject))?;
                }
                change.write_backup_state(&own)?;
                change.write_backup_state(&state)?;
                change.write_repository_state(&repository)
            })
            .unwrap();
        let subjects: Vec<String> =
            store.schedules().unwrap().0.iter().map(|s| s.subject.name()).collect();
        assert_eq!(subjects, ["all", "app-blog", "entry-blog-data"]);
        assert_eq!(store.schedule(&Subject::All).unwrap(), Some(of("all")));
        assert_eq!(store.backup_state(None).unwrap(), Some(own));
        assert_eq!(store.backup_state(Some(&entry)).unwrap(), Some(state.clone()));
        assert_eq!(store.backup_states().unwrap().0, [state]);
        assert_eq!(store.repository_states().unwrap().0, [repository]);
    }

    #[test]
    fn what_is_remembered_goes_with_the_entry_and_moves_with_the_app() {
        let root = tempfile::tempdir().unwrap();
        let store = store(&root);
        let entry = EntryName::parse("blog-data").unwrap();
        let shop = AppName::parse("shop").unwrap();
        store
            .change(|change| {
                change.write_schedule(&of("entry-blog-data"))?;
                change.write_schedule(&of("app-blog"))?;
                change.write_backup_state(&BackupState::new(Some(entry.clone())))
            })
            .unwrap();
        store
            .change(|change| {
                change.remove_entry(&entry);
                change.rename_schedule(of("app-blog"), &shop)
            })
            .unwrap();
        assert_eq!(store.backup_state(Some(&entry)).unwrap(), None);
        assert_eq!(store.schedules().unwrap().0, [of("app-shop")]);
        assert!(store.has_schedules());
    }

    #[test]
    fn a_file_under_a_wrong_name_is_named() {
        let root = tempfile::tempdir().unwrap();
        let store = store(&root);
        store.change(|change| change.write_schedule(&of("all"))).unwrap();
        let directory = schedules(store.layout());
        std::fs::rename(directory.join("all.json"), directory.join("app-blog.json")).unwrap();
        let (found, problems) = store.schedules().unwrap();
        assert_eq!((found.len(), problems.len()), (0, 1));
        assert!(problems[0].to_string().contains("app-blog.json"), "{}", problems[0]);
    }
}
