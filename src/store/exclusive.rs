//! Who else has what belongs to an exclusive entry, whichever name it was mounted by.

use std::path::Path;

use super::{Mounted, Store};
use crate::domain::remote;
use crate::domain::{AppName, Attachment, Entry, EntryName, Error, Result, Source, Use};
use crate::fs::RealPath;

const FIELD: &str = "exclusive";

const SCOPE: &str = "scope";

impl Store {
    /// Refuses an attachment of an app that would share with another app what belongs to an exclusive entry: that
    /// entry, or another that names the same place. To read a place by another name is not refused, unless what is there
    /// has a scope that leaves the app out.
    /// [`Error::Held`] with the apps that have it; and where files cannot be read.
    pub fn refuse_second(
        &self,
        app: &AppName,
        entry: &Entry,
        attachment: &Attachment,
    ) -> Result<()> {
        self.refuse_second_in_move(app, None, entry, attachment)
    }

    /// The entries that [`Store::refuse_second_among`] asks for each of several mounts.
    pub fn restricted_entries(&self) -> Result<Vec<Entry>> {
        self.entries_mentioning(&[FIELD, SCOPE])
    }

    /// The same where `giver` gives the entry up in the same step.
    pub fn refuse_second_in_move(
        &self,
        app: &AppName,
        giver: Option<&AppName>,
        entry: &Entry,
        attachment: &Attachment,
    ) -> Result<()> {
        self.refuse_second_among(&self.restricted_entries()?, app, giver, entry, attachment)
    }

    /// The same where the restricted entries are known.
    pub fn refuse_second_among(
        &self,
        restricted: &[Entry],
        app: &AppName,
        giver: Option<&AppName>,
        entry: &Entry,
        attachment: &Attachment,
    ) -> Result<()> {
        let no_others = |exclusive: &Entry| {
            let same = self.others_at_its_place(exclusive)?;
            let mut holders = self.holders(exclusive, &same, giver)?;
            holders.retain(|holder| holder != app);
            if holders.is_empty() {
                return Ok(());
            }
            Err(Error::Held { entry: exclusive.name.clone(), holders, app: Some(app.clone()) })
        };
        if entry.exclusive {
            no_others(entry)?;
        }
        let mut same = restricted
            .iter()
            .filter(|other| other.name != entry.name && self.is_same_place(other, entry));
        same.try_for_each(|other| {
            if !other.scope.includes(app) {
                return Err(out_of_scope(app, entry, other));
            }
            if other.exclusive && !attachment.is_readonly() { no_others(other) } else { Ok(()) }
        })
    }

    /// The exclusive entries of which mounts have the place writable by another name, each with such a mount.
    /// Fails where files cannot be read.
    pub fn written_by_another_name<'a>(
        &self,
        mounts: impl IntoIterator<Item = &'a Mounted>,
    ) -> Result<Vec<(Entry, &'a Mounted)>> {
        let mut mounts = mounts.into_iter().peekable();
        if mounts.peek().is_none() {
            return Ok(Vec::new());
        }
        let mut exclusive = self.entries_mentioning(&[FIELD])?;
        exclusive.retain(|entry| entry.exclusive);
        let mounts: Vec<&Mounted> =
            mounts.filter(|mounted| !mounted.attachment.is_readonly()).collect();
        let named = exclusive.into_iter().filter_map(|entry| {
            let is_there = |mounted: &&&Mounted| {
                mounted.entry.name != entry.name && self.is_same_place(&mounted.entry, &entry)
            };
            let mounted = *mounts.iter().find(is_there)?;
            Some((entry, mounted))
        });
        Ok(named.collect())
    }

    /// Refuses to make an entry exclusive that several apps have.
    /// [`Error::Held`] with the apps; and where files cannot be read.
    pub(crate) fn refuse_several(&self, entry: &Entry) -> Result<()> {
        let mut holders = self.apps_holding(entry)?;
        holders.extend(self.apps_getting_entry(&entry.name)?);
        holders.sort_unstable();
        holders.dedup();
        if holders.len() < 2 {
            return Ok(());
        }
        Err(Error::Held { entry: entry.name.clone(), holders, app: None })
    }

    /// Why an app does not get an entry that another shares with it: what else is in its place.
    pub(super) fn in_the_way_of_sharing(
        &self,
        app: &AppName,
        entry: &Entry,
        attachment: &Attachment,
    ) -> Result<Option<String>> {
        let all = self.entries_mentioning(&[FIELD, SCOPE])?.into_iter();
        let mut same =
            all.filter(|other| other.name != entry.name && self.is_same_place(other, entry));
        // Which one is not for everybody; storage:doctor has it.
        Ok(same.find_map(|Entry { scope, exclusive, .. }| {
            if !scope.includes(app) {
                return Some(format!(
                    "an entry with the same place has a scope that leaves {app} out"
                ));
            }
            (exclusive && !attachment.is_readonly())
                .then(|| "an entry with the same place is exclusive".to_owned())
        }))
    }

    /// The apps that mount an entry, or can write to its place by the name of another.
    pub fn apps_holding(&self, entry: &Entry) -> Result<Vec<AppName>> {
        self.holders(entry, &self.others_at_its_place(entry)?, None)
    }

    /// The apps that mount the entry, but for one that gives it up, or one of the `same` entries writable.
    fn holders(
        &self,
        entry: &Entry,
        same: &[EntryName],
        giver: Option<&AppName>,
    ) -> Result<Vec<AppName>> {
        let mut holders = Vec::new();
        for app in self.apps()? {
            let mounts = self.mounts_file(&app)?;
            let gives_up = giver == Some(&app);
            let holds = |a: &Attachment| {
                (a.entry_name == entry.name && !gives_up)
                    || (!a.is_readonly() && same.contains(&a.entry_name))
            };
            if mounts.attachments().any(holds) {
                holders.push(app);
            } else if !gives_up
                && mounts.may_mention(&entry.name)
                && let Some(problem) = mounts.problem()
            {
                // Nobody knows whether it mounts the entry before its file can be read.
                return Err(problem);
            }
        }
        Ok(holders)
    }

    /// The other entries that name, hold or lie in an entry's place.
    fn others_at_its_place(&self, entry: &Entry) -> Result<Vec<EntryName>> {
        let others = self.entries()?.entries.into_iter();
        let others =
            others.filter(|other| other.name != entry.name && self.is_same_place(other, entry));
        Ok(others.map(|other| other.name).collect())
    }

    /// Whether one of two entries is, holds or lies in the place of the other. A volume's place is where its options lead, and
    /// where Docker keeps it; a server's directory is one by whichever entry or volume.
    fn is_same_place(&self, a: &Entry, b: &Entry) -> bool {
        if let (Some(Source::Volume(a)), Some(Source::Volume(b))) = (&a.host_path, &b.host_path)
            && a == b
        {
            return true;
        }
        let real = |entry: &Entry| -> Vec<RealPath> {
            entry.paths().iter().map(|path| RealPath::of(Path::new(path))).collect()
        };
        let (ours, theirs) = (real(a), real(b));
        let keeps = |entry: &Entry, paths: &[RealPath]| {
            let source = entry.host_path.as_ref();
            source.is_some_and(|source| {
                paths.iter().flat_map(RealPath::paths).any(|path| source.keeps(path))
            })
        };
        remote::overlap(&self.remotes(a), &self.remotes(b))
            || keeps(a, &theirs)
            || keeps(b, &ours)
            || ours.iter().any(|ours| theirs.iter().any(|theirs| ours.overlaps(theirs)))
    }
}

/// The refusal of an entry in whose place is what belongs to one whose scope leaves the app out.
fn out_of_scope(app: &AppName, entry: &Entry, other: &Entry) -> Error {
    let (name, scope) = (&other.name, &other.scope);
    let sentence = format!("storage entry \"{name}\" is there, which is for {scope} only");
    let remedy = format!("to let it in: dokku storage:set {name} scope {scope},{app}");
    let what = format!("{app} cannot mount {:?}", entry.shown_source());
    Error::InUse { what, uses: vec![Use::of_host(sentence, remedy)] }
}
