//! What an app gets of what another app mounts, derived whenever mounts are read.
//!
//! # Shares
//!
//! `storage:share` notes the other app in the app's settings, and nothing is copied: `src/store/shares.rs` derives
//! the mounts whenever an app's mounts are read, each marked with where it comes from. So what is mounted later is
//! shared later, and a share never has to be repaired. An app that others share from cannot share itself; that
//! keeps the look to one step.

use super::apps::SETTINGS;
use super::reading::EntryCache;
use super::{Change, Mounted, Mounts, Store, files};
use crate::domain::{AppName, Attachment, Entry, EntryName, Error, Result, Share};

#[derive(Debug, Clone)]
pub struct LeftOut {
    pub from: AppName,
    pub entry: EntryName,
    pub why: String,
}

impl LeftOut {
    pub fn sentence(&self, app: &AppName) -> String {
        format!("{app} does not get storage entry \"{}\": {}", self.entry, self.why)
    }
}

impl Store {
    /// The apps that get what an app mounts.
    pub fn apps_sharing_from(&self, from: &AppName) -> Result<Vec<AppName>> {
        let Some(directory) = files::Directory::open(self.layout().apps())? else {
            return Ok(Vec::new());
        };
        // Most apps have no settings.
        let mut apps = Vec::new();
        let mut settings = String::new();
        directory.each_name(|name, _| {
            let Ok(name) = name.to_str() else { return };
            settings.clear();
            settings.extend([name, "/", SETTINGS]);
            if !directory.lacks(&settings) {
                apps.extend(AppName::parse(name));
            }
        })?;
        let root = self.apps_root().unwrap_or(self.layout().apps());
        apps.retain(|app| root.join(app.as_str()).is_dir());
        apps.sort_unstable();
        let mut sharing = Vec::new();
        for app in apps {
            if self.app_settings(&app)?.share(from).is_some() {
                sharing.push(app);
            }
        }
        Ok(sharing)
    }

    /// The apps that mount an entry, or may, and those that get it from one of them.
    pub fn apps_with(&self, name: &EntryName) -> Result<Vec<AppName>> {
        let mut apps = self.apps_mounting(name)?;
        if apps.is_empty() {
            return Ok(apps);
        }
        apps.extend(self.apps_getting(name, &apps)?);
        apps.sort_unstable();
        apps.dedup();
        Ok(apps)
    }

    fn apps_getting(&self, name: &EntryName, mounting: &[AppName]) -> Result<Vec<AppName>> {
        // Whoever cannot be read well enough to be left out counts.
        let entry = self.entry(name).ok().flatten();
        if entry.as_ref().is_some_and(|entry| entry.exclusive) {
            return Ok(Vec::new());
        }
        let mut apps = self.apps()?;
        apps.retain(|app| entry.as_ref().is_none_or(|entry| entry.scope.includes(app)));
        let mut getting = Vec::new();
        for app in apps {
            let settings = self.app_settings(&app)?;
            if mounting.iter().any(|from| settings.share(from).is_some()) {
                getting.push(app);
            }
        }
        Ok(getting)
    }

    pub fn apps_getting_entry(&self, name: &EntryName) -> Result<Vec<AppName>> {
        let mounting = self.apps_mounting(name)?;
        if mounting.is_empty() { Ok(mounting) } else { self.apps_getting(name, &mounting) }
    }

    /// Adds to an app's mounts what it gets from other apps. One step only: what those get themselves is not theirs
    /// to give.
    pub(super) fn add_shared(&self, app: &AppName, mounts: &mut Mounts, entries: &mut EntryCache) {
        let settings = match self.app_settings(app) {
            Ok(settings) => settings,
            Err(problem) => {
                mounts.problems.push(problem);
                return;
            }
        };
        for share in &settings.shared_from {
            let shared = self.mounts_by(app, share, entries);
            mounts.mounted.extend(shared.mounted);
            mounts.left_out.extend(shared.left_out);
            mounts.problems.extend(shared.problems);
        }
    }

    /// What an app gets, or would get, by a share.
    pub fn mounts_by(&self, app: &AppName, share: &Share, entries: &mut EntryCache) -> Mounts {
        let mut mounts = Mounts::default();
        let file = match self.mounts_file(&share.app) {
            Ok(file) => file,
            Err(problem) => {
                mounts.problems.push(problem);
                return mounts;
            }
        };
        mounts.problems.extend(file.problem());
        for attachment in file.attachments() {
            if let Err(problem) = self.add_one(app, share, attachment, &mut mounts, entries) {
                mounts.problems.push(problem);
            }
        }
        mounts
    }

    fn add_one(
        &self,
        app: &AppName,
        share: &Share,
        attachment: &Attachment,
        mounts: &mut Mounts,
        entries: &mut EntryCache,
    ) -> Result<()> {
        let from = share.app.clone();
        let name = attachment.entry_name.clone();
        let Some(entry) = entries.find(self, &name)? else {
            let why = format!("its file is gone, though {from} mounts it");
            mounts.left_out.push(LeftOut { from, entry: name, why });
            return Ok(());
        };
        let attachment = attachment.shared(share.read_only);
        match self.why_not_shared(app, &entry, &attachment)? {
            Some(why) => mounts.left_out.push(LeftOut { from, entry: name, why }),
            None => mounts.mounted.push(Mounted { entry, attachment, shared_from: Some(from) }),
        }
        Ok(())
    }

    fn why_not_shared(
        &self,
        app: &AppName,
        entry: &Entry,
        attachment: &Attachment,
    ) -> Result<Option<String>> {
        if entry.exclusive {
            return Ok(Some("it is exclusive, and such entries are never shared".to_owned()));
        }
        if !entry.scope.includes(app) {
            return Ok(Some(format!("its scope leaves {app} out")));
        }
        self.in_the_way_of_sharing(app, entry, attachment)
    }

    /// Refuses a new attachment of an app where its container path is taken by what the app gets from others, or by
    /// what an app has that would get it. `giver` gives the entry up in the same step.
    pub fn refuse_shared_collision(
        &self,
        app: &AppName,
        giver: Option<&AppName>,
        entry: &Entry,
        attachment: &Attachment,
    ) -> Result<()> {
        let mut entries = EntryCache::default();
        let mut got = Mounts::default();
        self.add_shared(app, &mut got, &mut entries);
        got.mounted.retain(|m| m.shared_from.as_ref() != giver || giver.is_none());
        if let Some((mine, from)) = taken(attachment, &got.mounted) {
            let from = from.unwrap_or(app);
            let taken = format!(
                "container path \"{}\" on {app} is taken by storage entry \"{mine}\", which it shares from",
                attachment.container_path
            );
            return Err(Error::BecauseOf {
                app: from.clone(),
                sentence: format!(
                    "{taken} {from}; mount at another path, or end the sharing: dokku storage:unshare {from} {app}"
                ),
                hidden: format!("{taken} an app that you cannot see; mount at another path"),
            });
        }
        for other in self.apps_sharing_from(app)? {
            let Some(read_only) = self.app_settings(&other)?.share(app).map(|s| s.read_only) else {
                continue;
            };
            let attachment = attachment.shared(read_only);
            if self.why_not_shared(&other, entry, &attachment)?.is_some() {
                continue;
            }
            let mut theirs = self.mounts_with(&other, &mut entries)?;
            theirs.mounted.retain(|m| m.shared_from.as_ref() != Some(app));
            if let Some((theirs, _)) = taken(&attachment, &theirs.mounted) {
                let path = &attachment.container_path;
                let sentence = format!(
                    "{other} shares from {app} and would get container path \"{path}\", which is taken there by storage entry \"{theirs}\"; mount at another path, or end the sharing: dokku storage:unshare {app} {other}"
                );
                let hidden = format!(
                    "an app that you cannot see shares from {app}, and has something else at container path \"{path}\"; mount at another path"
                );
                return Err(Error::BecauseOf { app: other, sentence, hidden });
            }
        }
        Ok(())
    }
}

/// The mount that takes an attachment's container path, and whom it is shared from.
fn taken<'a>(
    attachment: &Attachment,
    mounted: &'a [Mounted],
) -> Option<(&'a EntryName, Option<&'a AppName>)> {
    let found = mounted.iter().find(|m| attachment.collision([&m.attachment]).is_some())?;
    Some((&found.entry.name, found.shared_from.as_ref()))
}

impl Change<'_> {
    pub fn end_sharing_from(&mut self, from: &AppName) -> Result<Vec<AppName>> {
        let sharing = self.store().apps_sharing_from(from)?;
        for app in &sharing {
            let mut settings = self.store().app_settings(app)?;
            settings.shared_from.retain(|share| share.app != *from);
            self.write_app_settings(app, &settings)?;
        }
        Ok(sharing)
    }

    pub fn rename_sharing_from(&mut self, old: &AppName, new: &AppName) -> Result<()> {
        for app in self.store().apps_sharing_from(old)? {
            let mut settings = self.store().app_settings(&app)?;
            settings.shared_from.retain(|share| share.app != *new);
            for share in &mut settings.shared_from {
                if share.app == *old {
                    share.app = new.clone();
                }
            }
            self.write_app_settings(&app, &settings)?;
        }
        Ok(())
    }
}
