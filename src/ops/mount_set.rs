//! All mounts of an app, or all of one process type: checked as a whole, written in one step.

use crate::context::Context;
use crate::domain::{AppName, Attachment, Entry, Error, Ownership, ProcessType, Result};
use crate::ops::mount::{check, give, refuse_collision, refuse_others_among};
use crate::ops::places::links;
use crate::ops::{access, judge, unmount};
use crate::store::{MountsFile, changed_meanwhile};

pub(crate) struct MountSet {
    mounts: Vec<(Entry, Attachment)>,
    /// Which mounts there are no others of; all of the app's where it is none.
    scope: Option<ProcessType>,
}

impl MountSet {
    /// Checks each mount against the host, those before it and those that stay. What is wrong is said by `in_place` with the mount's word.
    pub(crate) fn check<W>(
        app: &AppName,
        scope: Option<ProcessType>,
        words: impl IntoIterator<Item = W>,
        mount: impl Fn(&W) -> Result<(Entry, Attachment)>,
        in_place: impl Fn(&W, Error) -> Error,
        context: &Context,
    ) -> Result<Self> {
        let mut set = Self { mounts: Vec::new(), scope };
        let restricted = context.store.restricted_entries()?;
        let now = context.store.mounts_file(app)?;
        let mut bounds = Vec::new();
        for word in words {
            let checked = mount(&word).and_then(|(entry, attachment)| {
                let entry = set.checked(app, entry, &attachment, (&now, &restricted), context)?;
                links::must_not_lead_each_other_away(&entry, &attachment, &mut bounds, context)?;
                Ok((entry, attachment))
            });
            let redacted = |error| in_place(&word, access::redact(error, context));
            set.mounts.push(checked.map_err(redacted)?);
        }
        Ok(set)
    }

    fn checked(
        &self,
        app: &AppName,
        entry: Entry,
        attachment: &Attachment,
        (now, restricted): (&MountsFile, &[Entry]),
        context: &Context,
    ) -> Result<Entry> {
        attachment.check()?;
        let found = check(app, &entry, attachment, context)?;
        let earlier = self.mounts.iter().map(|(_, attachment)| attachment);
        if let Some(other) = attachment.collision(earlier) {
            refuse!(
                "container path \"{}\" is specified more than once, for the storage entries \"{}\" and \"{}\"",
                attachment.container_path,
                other.entry_name,
                entry.name
            );
        }
        refuse_collision(app, attachment, self.staying(now))?;
        context.store.refuse_second_among(restricted, app, None, &entry, attachment)?;
        let is_new = context.store.entry(&entry.name)?.is_none();
        Ok(if is_new { judge::noted(&entry, found.as_ref()) } else { entry })
    }

    /// Writes it, with the entries that colon mounts need. Returns what is different, as [`MountSet::difference`] does.
    pub(crate) fn write(&self, app: &AppName, context: &Context) -> Result<Vec<String>> {
        context.store.change(|change| {
            let mut mounts = change.store().mounts_file(app)?.whole()?;
            let lines = self.difference(&mounts);
            if lines.is_empty() {
                return Ok(lines);
            }
            // Read once: nothing else changes while the lock is held.
            let restricted = change.store().restricted_entries()?;
            for (entry, attachment) in &self.mounts {
                refuse_collision(app, attachment, self.staying(&mounts))?;
                refuse_others_among(&restricted, app, entry, attachment, change.store(), context)?;
                match change.store().entry(&entry.name)? {
                    Some(now) if now == *entry => {}
                    None if entry.name.is_legacy() => change.write_entry(entry)?,
                    _ => return Err(changed_meanwhile(&entry.name)),
                }
            }
            give(app, self.mounts.iter().map(|(_, attachment)| attachment), change)?;
            let before = mounts.attachments().map(|a| a.entry_name.clone()).collect();
            mounts.retain(|line| {
                line.attachment().is_some_and(|a| !self.covers(a) || self.same(a).is_some())
            });
            for (_, attachment) in &self.mounts {
                mounts.put(attachment);
            }
            unmount::write(app, &mounts, before, change)?;
            Ok(lines)
        })
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.mounts.iter().map(|(entry, _)| entry)
    }

    /// The owners that deploys are to set.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &Ownership> {
        self.mounts.iter().filter_map(|(_, attachment)| attachment.volume_chown.as_ref())
    }

    /// One line for each mount that comes, goes or changes.
    pub(crate) fn difference(&self, mounts: &MountsFile) -> Vec<String> {
        let mut lines = Vec::new();
        for existing in mounts.attachments().filter(|existing| self.covers(existing)) {
            match self.same(existing) {
                None => lines.push(format!("- {}", in_words(existing))),
                Some(attachment) if existing.with_settings_of(attachment) != *existing => {
                    lines.push(format!("~ {}", in_words(attachment)));
                }
                Some(_) => {}
            }
        }
        let is_new = |a: &&Attachment| !mounts.attachments().any(|other| other.is_same_mount(a));
        let new = self.mounts.iter().map(|(_, attachment)| attachment).filter(is_new);
        lines.extend(new.map(|attachment| format!("+ {}", in_words(attachment))));
        lines
    }

    fn covers(&self, attachment: &Attachment) -> bool {
        self.scope.as_ref().is_none_or(|scope| attachment.process_type == *scope)
    }

    fn staying<'a>(&self, mounts: &'a MountsFile) -> impl Iterator<Item = &'a Attachment> {
        mounts.attachments().filter(|existing| !self.covers(existing))
    }

    /// The mount of the set that an existing one becomes.
    fn same(&self, existing: &Attachment) -> Option<&Attachment> {
        self.mounts.iter().map(|(_, attachment)| attachment).find(|a| a.is_same_mount(existing))
    }
}

fn in_words(a: &Attachment) -> String {
    let options = a.options().map(|options| format!(":{options}")).unwrap_or_default();
    format!("{} at {}{options} ({}, {})", a.entry_name, a.container_path, a.phases, a.process_type)
}
