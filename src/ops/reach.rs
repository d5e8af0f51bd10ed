//! Which entries a caller reaches who does not see every app: read once, asked for each entry.

use std::cell::OnceCell;

use crate::context::Context;
use crate::docker::containers;
use crate::domain::{AppName, Entry, Result};
use crate::ops::places::Place;
use crate::ops::{access, apps};
use crate::store::MountsFile;

/// What all entries and apps have, and which apps the caller sees.
pub(crate) struct Reach {
    apps: Vec<AppName>,
    seen: Vec<AppName>,
    mounts: Vec<(AppName, Result<MountsFile>)>,
    entries: Vec<(Entry, Place)>,
    /// The entries that only apps have which the caller cannot see, by their numbers among all.
    hidden: OnceCell<Vec<usize>>,
    /// What docker-options of the apps mount that the caller cannot see; none where those cannot be read.
    options: Option<Vec<Place>>,
    /// What containers of such apps have, also of those that are gone; none where Docker does not answer.
    containers: OnceCell<Option<Vec<Place>>>,
}

impl Reach {
    pub(crate) fn of(context: &Context) -> Result<Self> {
        let apps = context.store.apps()?;
        let seen = apps::visible(&context.environment, apps.clone())?;
        Self::among(apps, seen, context)
    }

    /// The same where it is known which of all apps the caller sees.
    pub(crate) fn among(apps: Vec<AppName>, seen: Vec<AppName>, context: &Context) -> Result<Self> {
        let (mounts, entries) = context.store.read_consistently(|store| {
            let mounts = apps.iter().map(|app| (app.clone(), store.mounts_file(app))).collect();
            Ok((mounts, store.entries()?.entries))
        })?;
        let hidden = apps.iter().filter(|app| !seen.contains(app));
        let options: Result<Vec<_>> = hidden.map(|app| Place::of_options(app, context)).collect();
        let places = Place::of_all(&entries, context);
        Ok(Self {
            seen,
            apps,
            mounts,
            entries: entries.into_iter().zip(places).collect(),
            hidden: OnceCell::new(),
            options: options.ok().map(|options| options.into_iter().flatten().collect()),
            containers: OnceCell::new(),
        })
    }

    /// Whether the caller sees an app that mounts the entry; or nobody mounts it, its scope does not leave out whom the
    /// caller sees, and nothing that it leads to is others', nor in their containers.
    pub(crate) fn has(&self, entry: &Entry, context: &Context) -> bool {
        if !self.is_shared(entry) {
            return false;
        }
        if self.apps_mounting(entry).next().is_some() {
            return true;
        }
        if self.leaves_out(entry) {
            return false;
        }
        let known = self.entries.iter().find(|(known, _)| known == entry);
        let new = known.is_none().then(|| Place::of(entry, context));
        let Some(mine) = known.map(|(_, place)| place).or(new.as_ref()) else {
            return false;
        };
        // Options that cannot be read may be about it.
        let is_of_options = |options: &Vec<Place>| options.iter().any(|of| of.meets(mine));
        let is_of_entry =
            |(other, theirs): &(Entry, Place)| other.name != entry.name && theirs.meets(mine);
        !self.options.as_ref().is_none_or(is_of_options)
            && !self.hidden().any(is_of_entry)
            && (self.sees_all() || !self.is_in_others_container(mine, context))
    }

    /// Whether that Docker does not answer was a reason.
    pub(crate) fn is_docker_silent(&self) -> bool {
        matches!(self.containers.get(), Some(None))
    }

    fn sees_all(&self) -> bool {
        self.seen.len() == self.apps.len()
    }

    /// Whether what nobody mounts is still in a container of an app that the caller cannot see. Where Docker does not answer, it may be.
    fn is_in_others_container(&self, mine: &Place, context: &Context) -> bool {
        let others = self.containers.get_or_init(|| {
            let mut having = containers::every(&context.environment)?;
            having.retain(|container| {
                let is_seen = self.seen.iter().any(|app| app.as_str() == container.app);
                !container.app.is_empty() && !is_seen
            });
            let mounts = having.iter().flat_map(|container| &container.mounts);
            Some(mounts.map(|mount| Place::of_mount(mount, context)).collect())
        });
        others.as_ref().is_none_or(|others| others.iter().any(|theirs| theirs.meets(mine)))
    }

    fn hidden(&self) -> impl Iterator<Item = &(Entry, Place)> {
        let numbers = self.hidden.get_or_init(|| {
            let all = self.entries.iter().enumerate();
            all.filter(|(_, (entry, _))| !self.is_shared(entry)).map(|(number, _)| number).collect()
        });
        numbers.iter().map(|&number| &self.entries[number])
    }

    /// The apps that mount an entry, or may do so, for all that can be read.
    fn apps_mounting<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = &'a AppName> {
        let may_mount = |mounts: &Result<MountsFile>| {
            mounts.as_ref().map_or(true, |mounts| mounts.may_mention(&entry.name))
        };
        self.mounts.iter().filter(move |(_, mounts)| may_mount(mounts)).map(|(app, _)| app)
    }

    /// Whether nobody has the entry, or an app that the caller sees.
    fn is_shared(&self, entry: &Entry) -> bool {
        let mut using: Vec<&AppName> = self.apps_mounting(entry).collect();
        if using.is_empty() {
            using.extend(access::app_of_volume(entry).filter(|app| self.apps.contains(app)));
        }
        using.is_empty() || using.iter().any(|app| self.seen.contains(app))
    }

    /// Whether an entry's scope is about apps, and the caller sees none of them: there may be none yet, or no more.
    pub(crate) fn leaves_out(&self, entry: &Entry) -> bool {
        let is_seen = self.seen.iter().any(|app| entry.scope.includes(app));
        !entry.scope.is_empty() && !is_seen && !self.sees_all()
    }
}
