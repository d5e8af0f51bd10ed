//! Which backups there are, and the one that somebody means.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::context::Context;
use crate::domain::backup_reference::short;
use crate::domain::moment::DAY;
use crate::domain::{
    AppName, BackupDocument, BackupReference, Connector, ConnectorName, Entry, EntryName, Error,
    Moment, Result,
};
use crate::host::restic::{Failure, Listed, Repository, understood};
use crate::ops::backups::maker::Maker;
use crate::ops::backups::{Reading, STORE, TAG, no_destination, open_to};
use crate::ops::{access, apps};
use crate::storage::backing_up::{self, DOCUMENT};

/// The sizes of an entry that are in its backups' tags, and what else they say.
const APP: &str = "app";
const ENTRY: &str = "entry";
const BYTES: &str = "bytes";
const FILES: &str = "files";
const STORE_ID: &str = "store-id";

/// How a backup of the store is named where an entry's name would be.
pub(crate) const STORE_NAME: &str = "store";

/// The tag of a backup in which some files are missing.
pub(crate) const PARTIAL: &str = "partial";

/// A backup, as it is listed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Backup {
    /// Its id at its destination, in hexadecimal digits.
    pub id: String,
    /// The entry; none for the plugin's own store.
    pub entry: Option<EntryName>,
    #[serde(with = "crate::domain::moment::written")]
    pub created: Moment,
    pub bytes: Option<u64>,
    pub files: Option<u64>,
    /// Whether nothing is missing in it.
    pub whole: bool,
    pub connector: ConnectorName,
    /// The host that made it.
    pub host: String,
    /// The apps that mounted the entry then.
    pub apps: Vec<AppName>,
    /// The id of the store that it is of; older ones do not say it.
    #[serde(skip)]
    pub store: Option<String>,
    /// When it was made, with the parts of the second: what is newest goes by it.
    #[serde(skip)]
    at: Timestamp,
}

impl Backup {
    fn of(listed: &Listed, connector: &Connector) -> Option<Self> {
        let number = |name| listed.tag(name).and_then(|number| number.parse().ok());
        let entry = listed.tag(ENTRY).and_then(|name| EntryName::parse(name).ok());
        let has = |wanted: &str| listed.tags.iter().any(|tag| tag == wanted);
        if entry.is_none() && !has(STORE) {
            return None;
        }
        let app = |tag: &String| {
            let name = tag.strip_prefix(APP)?.strip_prefix('=')?;
            AppName::parse(name).ok()
        };
        Some(Self {
            id: listed.id.clone(),
            entry,
            created: listed.at().into(),
            bytes: number(BYTES),
            files: number(FILES),
            whole: !has(PARTIAL),
            connector: connector.name.clone(),
            host: listed.hostname.clone(),
            apps: listed.tags.iter().filter_map(app).collect(),
            store: listed.tag(STORE_ID).map(str::to_owned),
            at: listed.at(),
        })
    }

    pub(crate) fn short_id(&self) -> &str {
        short(&self.id)
    }

    /// What it is a backup of, for people.
    pub(crate) fn subject(&self) -> &str {
        self.entry.as_ref().map_or("(the store)", EntryName::as_str)
    }

    /// The backup as it may be seen by who does not see every app: of an entry that they see, made `here` when an app of theirs
    /// mounted it. Names can be used again, so that neither the entry's nor the app's is enough.
    fn seen(mut self, here: &Maker, context: &Context) -> Result<Option<Self>> {
        let Some(name) = self.entry.as_ref().filter(|_| here.made(&self)) else {
            return Ok(None);
        };
        let state = context.store.backup_state(Some(name))?;
        let is_of_it = state.is_some_and(|state| state.covers(self.created));
        if !is_of_it || access::entry(name.as_str(), context).is_err() {
            return Ok(None);
        }
        self.apps = apps::visible(&context.environment, std::mem::take(&mut self.apps))?;
        Ok((!self.apps.is_empty()).then_some(self))
    }
}

/// The tags of a backup of an entry, or of the store.
pub(crate) fn tags(
    entry: Option<&EntryName>,
    apps: &[AppName],
    size: Option<(u64, u64)>,
    store: &str,
) -> Vec<String> {
    let mut tags = vec![TAG.to_owned(), format!("{STORE_ID}={store}")];
    match entry {
        Some(name) => tags.push(format!("{ENTRY}={name}")),
        None => tags.push(STORE.to_owned()),
    }
    tags.extend(apps.iter().map(|app| format!("{APP}={app}")));
    if let Some((bytes, files)) = size {
        tags.extend([format!("{BYTES}={bytes}"), format!("{FILES}={files}")]);
    }
    tags
}

/// What restic finds the backups of an entry by, or those of the store.
pub(crate) fn filter(entry: Option<&EntryName>) -> String {
    match entry {
        Some(name) => format!("{TAG},{ENTRY}={name}"),
        None => format!("{TAG},{STORE}"),
    }
}

/// The backups of an entry at a destination, or all that are there, oldest first, whoever may see them. One that has no repository
/// yet has none.
pub(crate) fn at(
    connector: &Connector,
    repository: &Repository,
    entry: Option<&EntryName>,
    context: &Context,
) -> Result<Vec<Backup>> {
    let state = context.store.repository_state(&connector.name)?;
    let is_known = state.is_some_and(|state| state.repository_id.is_some());
    let tags = entry.map_or_else(|| TAG.to_owned(), |name| filter(Some(name)));
    let listed = match repository.backups(&tags, None) {
        Err(Failure::Missing) if !is_known => return Ok(Vec::new()),
        other => other.map_err(|failure| failure.told(connector))?,
    };
    Ok(listed.iter().filter_map(|listed| Backup::of(listed, connector)).collect())
}

/// Those of the backups that the caller may see.
fn seen(backups: Vec<Backup>, context: &Context) -> Result<Vec<Backup>> {
    if access::must_see_every_app("", context).is_ok() {
        return Ok(backups);
    }
    let here = Maker::here(context)?;
    let mut seen = Vec::new();
    for backup in backups {
        seen.extend(backup.seen(&here, context)?);
    }
    Ok(seen)
}

/// The destinations at which to look: the one that is named, or all that are open to the caller.
pub(crate) fn places(from: Option<&str>, context: &Context) -> Result<Vec<Connector>> {
    let all = context.store.apps()?;
    match from {
        Some(_) => Ok(vec![super::destination(from, &all, context)?]),
        None => open_to(&all, context),
    }
}

/// The backups at some destinations, oldest first, and why some could not be listed.
pub(crate) fn all(
    places: &[Connector],
    entry: Option<&EntryName>,
    context: &Context,
) -> (Vec<Backup>, Vec<Error>) {
    let (mut backups, mut problems) = (Vec::new(), Vec::new());
    for connector in places {
        let found = backing_up::repository(&context.store, &connector.name)
            .and_then(|repository| seen(at(connector, &repository, entry, context)?, context));
        match found {
            Ok(found) => backups.extend(found),
            Err(error) => problems.push(error),
        }
    }
    backups.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    (backups, problems)
}

/// A backup that was found, and the destination that has it.
pub(crate) struct Found {
    pub backup: Backup,
    pub connector: Connector,
}

impl Found {
    /// The one backup that somebody means.
    /// Fails where there is none or several, saying what there is.
    pub(crate) fn of(
        text: &str,
        place: (Option<&str>, Option<&str>),
        context: &Context,
    ) -> Result<Self> {
        if text.is_empty() {
            return Err(context.missing("the backup"));
        }
        Self::of_reference(&BackupReference::parse(text)?, place, context)
    }

    pub(crate) fn of_reference(
        reference: &BackupReference,
        (from, host): (Option<&str>, Option<&str>),
        context: &Context,
    ) -> Result<Self> {
        let text = reference;
        let places = places(from, context)?;
        if places.is_empty() {
            return Err(no_destination(
                "create its connector with its key, as in: dokku storage:connectors:create NAME --type local --path DIRECTORY --key-file PATH (types: s3, sftp, rclone, local, rest)",
                context,
            )?);
        }
        let entry = match reference {
            BackupReference::Entry { name, .. } => Some(name),
            BackupReference::Id { .. } => None,
        };
        let (mut backups, mut problems) = all(&places, entry, context);
        backups.retain(|backup| host.is_none_or(|host| backup.host == host));
        let found = match reference {
            BackupReference::Id { id, .. } => of_id(id, &backups)?,
            BackupReference::Entry { name, before } => {
                let of = format!("of storage entry \"{name}\"");
                last(&of, *before, &backups, context)?
            }
        };
        let Some(backup) = found.cloned() else {
            if problems.is_empty() {
                refuse!(
                    "there is no backup {text}; those that there are: dokku storage:backups:list"
                );
            }
            return Err(problems.swap_remove(0));
        };
        if let BackupReference::Id { id, of: Some(name) } = reference
            && backup.entry.as_ref() != Some(name)
        {
            match &backup.entry {
                Some(of) => refuse!(
                    "backup {id} is of storage entry \"{of}\", not of \"{name}\"; type {of}@{id}"
                ),
                None => refuse!("backup {id} is of the store, not of \"{name}\"; type {id}"),
            }
        }
        Ok(Self { connector: place_of(&backup, places)?, backup })
    }

    /// The backup of the store that is named by its id; else the last one, of this store or of the host that is named.
    pub(crate) fn of_store(
        named: &str,
        (from, host): (Option<&str>, Option<&str>),
        context: &Context,
    ) -> Result<Self> {
        if !named.is_empty() {
            let found = Self::of(named, (from, host), context)?;
            refuse_if!(
                found.backup.entry.is_some(),
                "backup {named} is of a storage entry and not of the store; see which are: dokku storage:backups:list"
            );
            return Ok(found);
        }
        let places = places(from, context)?;
        refuse_if!(
            places.is_empty(),
            "this host has no destination for backups; create the connector of the lost host with its key, as in: dokku storage:connectors:create NAME --type local --path DIRECTORY --key-file PATH (types: s3, sftp, rclone, local, rest)"
        );
        let (mut backups, mut problems) = all(&places, None, context);
        backups.retain(|backup| backup.entry.is_none());
        backups.retain(|backup| host.is_none_or(|host| backup.host == host));
        let Some(backup) = last("of their store", None, &backups, context)?.cloned() else {
            let asked: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
            let of_host = host.map(|host| format!(" of host {host}")).unwrap_or_default();
            refuse_if!(
                problems.is_empty(),
                "there is no backup of the store{of_host} at {}; name another destination with --from, or the host that made it with --host; to make one: dokku storage:backups:create --all",
                asked.join(", ")
            );
            return Err(problems.swap_remove(0));
        };
        Ok(Self { connector: place_of(&backup, places)?, backup })
    }

    /// Refuses where the caller may not see the backup any more: what is restored takes long.
    pub(crate) fn must_still_be_seen(&self, context: &Context) -> Result<()> {
        let is_seen = !seen(vec![self.backup.clone()], context)?.is_empty();
        refuse_if!(
            !is_seen,
            "there is no backup {}; those that there are: dokku storage:backups:list",
            self.backup.short_id()
        );
        Ok(())
    }

    /// The entry that the backup is of.
    pub(crate) fn entry_of(&self, document: &BackupDocument) -> Result<Entry> {
        let id = self.backup.short_id();
        let entry = document.entry.clone().ok_or_else(|| {
            refusal!(
                "backup {id} is of the store and not of an entry; restore it: dokku storage:backups:restore-store"
            )
        })?;
        refuse_if!(
            self.backup.entry.as_ref() != Some(&entry.name),
            "backup {id} is not of the entry that its tag names: somebody else changed it"
        );
        Ok(entry)
    }

    /// The document of the backup.
    pub(crate) fn document(&self, context: &mut Context) -> Result<BackupDocument> {
        let reading = Reading::begin(&self.connector, context)?;
        let path = format!("/{DOCUMENT}");
        let words = ["dump", "--no-lock", "--", &self.backup.id, &path];
        let answer = reading.repository.ask(&words);
        let answer = answer.map_err(|failure| failure.told(&self.connector))?;
        let document: BackupDocument = understood(&answer.stdout)?;
        refuse_if!(
            document.is_newer(),
            "backup {} was made by a newer version of this plugin; install that one first",
            self.backup.short_id()
        );
        Ok(document)
    }
}

/// The destination, of those where it was looked for, that has a backup.
fn place_of(backup: &Backup, places: Vec<Connector>) -> Result<Connector> {
    let place = places.into_iter().find(|place| place.name == backup.connector);
    place.ok_or_else(|| refusal!("connector {:?} does not exist", backup.connector.as_str()))
}

fn of_id<'a>(id: &str, backups: &'a [Backup]) -> Result<Option<&'a Backup>> {
    let mut matching = backups.iter().filter(|backup| backup.id.starts_with(id));
    let first = matching.next();
    refuse_if!(
        first.is_some() && matching.next().is_some(),
        "several backups begin with {id}; give more of the id, or name the destination with --from"
    );
    Ok(first)
}

/// How far in the future a backup is that a wrong clock has made, in seconds.
const FUTURE: i64 = DAY;

/// Whether a backup was made before a moment, or, where none is named, by a clock that was not wrong.
pub(super) fn is_before(backup: &Backup, before: Option<Moment>) -> bool {
    backup.created < before.unwrap_or_else(|| Moment::now().plus_seconds(FUTURE))
}

/// The last of some backups before a moment: this store's, else that of the one other that has some. `of` is what they are of.
fn last<'a>(
    of: &str,
    before: Option<Moment>,
    backups: &'a [Backup],
    context: &Context,
) -> Result<Option<&'a Backup>> {
    let own = Maker::here(context)?.last(backups.iter(), before);
    if own.is_some() {
        return Ok(own);
    }
    let early = || backups.iter().filter(|backup| is_before(backup, before));
    let hosts: BTreeSet<&str> = early().map(|backup| backup.host.as_str()).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();
    refuse_if!(
        hosts.len() > 1,
        "several hosts have backups {of}: {}; name one with --host",
        hosts.join(", ")
    );
    let stores: BTreeSet<&str> = early().filter_map(|backup| backup.store.as_deref()).collect();
    refuse_if!(
        stores.len() > 1,
        "several hosts of the name {} have backups {of}; name a backup by its id, of those in: dokku storage:backups:list",
        hosts.join(", ")
    );
    Ok(early().next_back())
}
