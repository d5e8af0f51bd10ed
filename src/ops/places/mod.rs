//! Who uses a path or a volume, by whichever name.
//!
//! # Places
//!
//! A place is a path of this host, or a Docker volume. It is used by whoever names it, something that it holds, or
//! something that it lies in: entries, mounted or not; apps by their mounts, shares and docker-options; the devices of
//! Docker volumes; containers, running or not. `Places` gathers them all, each file read once and all of them
//! consistently, and Docker is asked twice. Links are resolved. Where Dokku's user may not look, a helper of root's
//! does (`usage-storage-dir --resolve`). What cannot be read, and a Docker that does not answer, count as a use.
//!
//! Who only reads what holds the place, such as a backup or a monitor that mounts the whole storage root read-only, does not
//! use it. Neither does a container that has Dokku's whole directory: it is the host's own.
//!
//! Within `Store::change`, [`Places::registered`] asks neither Docker nor root: programs are not waited for under the lock.
//!
//! `judge` is the other half: which places an app or a caller may name.

mod everybodys;
pub(crate) mod judge;
pub(crate) mod links;
mod options;
mod place;

pub(crate) use place::{Place, resolved};

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::docker::containers::Mount;
use crate::docker::{Container, Listed, containers, volumes};
use crate::domain::{
    AppName, Attachment, Entry, EntryName, Error, Remote, Result, Source, Use, Whose, quoted,
};
use crate::fs::{RealPath, mount_points};
use crate::ops::access;
use crate::storage::StorageRoot;
use crate::store::{Entries, MountsFile, Store};
use crate::types;
use options::OptionMount;

pub(crate) struct Places {
    pub apps: Vec<AppName>,
    /// The apps of which only the store still has something.
    abandoned: Vec<AppName>,
    pub entries: Entries,
    /// What each app mounts, the abandoned ones too: they may come back.
    mounts: Vec<(AppName, Result<MountsFile>)>,
    /// The apps that get what another mounts, each with that one.
    shares: Vec<(AppName, AppName)>,
    options: Vec<OptionMount>,
    /// What could not be read besides.
    problems: Vec<Error>,
    docker: Docker,
    /// Where the paths lead that are named by all of these.
    real: HashMap<String, RealPath>,
    lib_root: RealPath,
    storage: RealPath,
    store: Store,
}

enum Docker {
    NotAsked,
    Silent,
    Said { containers: Vec<Container>, volumes: Vec<Listed> },
}

impl Docker {
    /// What there is, with the paths as they are here.
    fn asked(for_containers: bool, context: &Context) -> Self {
        let environment = &context.environment;
        let containers =
            if for_containers { containers::every(environment) } else { Some(Vec::new()) };
        match (containers, volumes::all(environment)) {
            (Some(mut containers), Some(volumes)) => {
                for mount in containers.iter_mut().flat_map(|container| &mut container.mounts) {
                    mount.source = context.as_seen_from_here(&mount.source);
                }
                Self::Said { containers, volumes }
            }
            _ => Self::Silent,
        }
    }
}

#[derive(Default)]
struct Target {
    volume: Option<String>,
    paths: Vec<RealPath>,
    /// What of servers it has, where that matters: nothing that is on a server goes with its volume.
    remotes: Vec<Remote>,
}

/// How a path lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It is the other, or lies in it.
    Within,
    /// It holds the other.
    Above,
}

impl Places {
    /// What the store and the docker-options of the apps say.
    pub(crate) fn registered(store: &Store) -> Result<Self> {
        let apps = store.apps()?;
        let abandoned = store.abandoned_apps()?;
        let mut all: Vec<&AppName> = apps.iter().chain(&abandoned).collect();
        all.sort_unstable();
        let (mut mounts, mut shares, mut options) = (Vec::new(), Vec::new(), Vec::new());
        let mut problems = Vec::new();
        for app in all {
            mounts.push((app.clone(), store.mounts_file(app)));
            match store.app_settings(app) {
                Ok(settings) => {
                    let from = settings.shared_from.into_iter().map(|share| share.app);
                    shares.extend(from.map(|from| (app.clone(), from)));
                }
                Err(problem) => problems.push(problem),
            }
            match options::of_app(app, store) {
                Ok(found) => options.extend(found),
                Err(problem) => problems.push(problem),
            }
        }
        let entries = store.entries()?;
        let lib_root = RealPath::of(store.layout().root());
        let storage = RealPath::of(store.layout().storage());
        let (docker, real) = (Docker::NotAsked, HashMap::new());
        Ok(Self {
            apps,
            abandoned,
            entries,
            mounts,
            shares,
            options,
            problems,
            docker,
            real,
            lib_root,
            storage,
            store: store.clone(),
        })
    }

    /// The same with what Docker's volumes are, and with every link resolved.
    pub(crate) fn with_volumes(context: &Context) -> Result<Self> {
        Self::gathered(false, context)
    }

    /// The same with the containers, too.
    pub(crate) fn of_this_host(context: &Context) -> Result<Self> {
        Self::gathered(true, context)
    }

    fn gathered(asks_for_containers: bool, context: &Context) -> Result<Self> {
        let mut places = context.store.read_consistently(Self::registered)?;
        places.docker = Docker::asked(asks_for_containers, context);
        let mut named: Vec<String> = places.entries.entries.iter().flat_map(Entry::paths).collect();
        named.extend(places.options.iter().map(|mount| mount.source.clone()));
        if let Docker::Said { containers, volumes } = &places.docker {
            named.extend(volumes.iter().flat_map(|volume| volume.target().paths));
            let mounts = containers.iter().flat_map(|container| &container.mounts);
            named.extend(mounts.map(|mount| mount.source.clone()));
        }
        named.retain(|path| path.starts_with('/'));
        named.sort_unstable();
        named.dedup();
        let paths: Vec<&Path> = named.iter().map(Path::new).collect();
        match StorageRoot::of(context).resolve(&paths) {
            Ok(real) => places.real = named.into_iter().zip(real).collect(),
            Err(problem) => places.problems.push(problem),
        }
        Ok(places)
    }

    /// What could not be read, and may be about anything.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        let unreadable = self.mounts.iter().filter_map(|(_, mounts)| match mounts {
            Ok(mounts) => mounts.problem().map(|problem| problem.to_string()),
            Err(error) => Some(error.to_string()),
        });
        unreadable.chain(self.entries.problems.iter().chain(&self.problems).map(Error::to_string))
    }

    /// Whether an app mounts an entry of this name, or may mount it.
    pub(crate) fn is_mounted(&self, name: &EntryName) -> bool {
        self.mounts
            .iter()
            .any(|(_, mounts)| mounts.as_ref().map_or(true, |mounts| mounts.may_mention(name)))
    }

    /// Everybody who uses a place, but for the entry that it belongs to.
    pub(crate) fn uses(&self, place: &Source, own: Option<&EntryName>) -> Vec<Use> {
        let target = self.target(place);
        let mut uses = self.uses_by_registry(&target, own, false);
        uses.extend(self.uses_by_docker(&target));
        if let Source::Path(path) = place {
            uses.extend(self.mount_points(Path::new(path.as_str()), own));
        }
        uses.extend(self.unknown());
        uses
    }

    /// Everybody but the containers: those that do not run see what is there when they start.
    pub(crate) fn uses_without_containers(
        &self,
        place: &Source,
        own: Option<&EntryName>,
    ) -> Vec<Use> {
        let target = self.target(place);
        let mut uses = self.uses_by_registry(&target, own, false);
        uses.extend(self.uses_by_volumes(&target));
        uses.extend(self.unknown());
        uses
    }

    /// The apps that get at an entry's place, by its name or another, also if they only read it; each with how.
    pub(crate) fn apps_at(&self, entry: &Entry) -> Vec<Use> {
        let Some(place) = &entry.host_path else {
            return Vec::new();
        };
        let mut target = self.target(place);
        target.paths.extend(entry.paths().iter().map(|path| self.real(path)));
        target.remotes = self.remotes(entry);
        let mut uses = self.uses_by_registry(&target, None, true);
        uses.retain(|of| matches!(of.whose, Whose::App(_)));
        uses
    }

    /// Everybody who uses an entry, by its name or another, also if they only read it.
    pub(crate) fn uses_of_entry(&self, entry: &Entry) -> Vec<Use> {
        let Some(place) = &entry.host_path else {
            return self.uses_of(entry, false);
        };
        let target = Target { remotes: self.remotes(entry), ..self.target(place) };
        let mut uses = self.uses_by_registry(&target, None, true);
        uses.extend(self.uses_by_docker(&target));
        let remedy = format!("dokku storage:destroy {}", entry.name);
        uses.retain(|of| of.remedy != remedy);
        uses
    }

    /// Refuses an entry whose scope leaves out an app that gets at its place.
    pub(crate) fn must_be_in_scope_of(&self, entry: &Entry) -> Result<()> {
        let mut uses = self.apps_at(entry);
        uses.retain(|of| matches!(&of.whose, Whose::App(app) if !entry.scope.includes(app)));
        let (name, scope) = (&entry.name, &entry.scope);
        refused(format!("scope {scope} of storage entry \"{name}\" leaves out who has it"), uses)
    }

    /// The same before the store is locked, under which is not asked where links and volumes lead.
    pub(crate) fn must_suit_scope(entry: &Entry, context: &Context) -> Result<()> {
        if entry.scope.is_empty() {
            return Ok(());
        }
        access::must_see_scope(entry, context)?;
        Self::with_volumes(context)?.must_be_in_scope_of(entry)
    }

    fn real(&self, path: &str) -> RealPath {
        self.real.get(path).cloned().unwrap_or_else(|| RealPath::of(Path::new(path)))
    }

    fn remotes(&self, entry: &Entry) -> Vec<Remote> {
        self.store.remotes(entry)
    }

    fn target(&self, place: &Source) -> Target {
        match place {
            Source::Path(path) => {
                Target { paths: vec![self.real(path.as_str())], ..Target::default() }
            }
            Source::Volume(name) => {
                let listed = self.volumes().iter().find(|listed| listed.name == name.as_str());
                // A volume that is somewhere else leaves that when it goes.
                let own = listed.filter(|listed| !listed.target().has_options);
                let at = own.map(|listed| self.real(&listed.mountpoint));
                let paths = at.into_iter().filter(|path| !path.path().as_os_str().is_empty());
                Target {
                    volume: Some(name.to_string()),
                    paths: paths.collect(),
                    ..Target::default()
                }
            }
        }
    }

    fn volumes(&self) -> &[Listed] {
        match &self.docker {
            Docker::Said { volumes, .. } => volumes,
            _ => &[],
        }
    }

    /// How a source lies to what is asked about; none where they have nothing to do with each other.
    fn relation(&self, target: &Target, source: &str) -> Option<Relation> {
        if source.starts_with('/') {
            return target.relation(&self.real(source));
        }
        if target.volume.as_deref() == Some(source) {
            return Some(Relation::Within);
        }
        let listed = self.volumes().iter().find(|listed| listed.name == source)?;
        let of_volume = listed.target();
        let own = Some(listed.mountpoint.clone());
        let own = own.filter(|path| !of_volume.has_options && path.starts_with('/'));
        let mut paths = of_volume.paths.iter().chain(&own);
        let by_path = paths.find_map(|path| target.relation(&self.real(path)));
        by_path.or_else(|| target.relation_by_server(&of_volume.remotes))
    }

    /// The same for an entry, which may note where its volume leads.
    fn relation_of(&self, target: &Target, entry: &Entry) -> Option<Relation> {
        let source = entry.host_path.as_ref().map(Source::as_str)?;
        let noted = || entry.paths().iter().find_map(|path| target.relation(&self.real(path)));
        let by_server = || target.relation_by_server(&self.remotes(entry));
        self.relation(target, source).or_else(noted).or_else(by_server)
    }

    /// Those of entries, apps and docker-options; where `readers_count`, also who only reads what holds the place.
    fn uses_by_registry(
        &self,
        target: &Target,
        own: Option<&EntryName>,
        readers_count: bool,
    ) -> Vec<Use> {
        let mut uses = Vec::new();
        for entry in self.entries.entries.iter().filter(|entry| own != Some(&entry.name)) {
            if let Some(relation) = self.relation_of(target, entry) {
                uses.extend(self.uses_of(entry, relation == Relation::Above && !readers_count));
            }
        }
        for mount in &self.options {
            let Some(relation) = self.relation(target, &mount.source) else {
                continue;
            };
            if relation == Relation::Above && mount.is_readonly && !readers_count {
                continue;
            }
            let app = &mount.app;
            let sentence = format!("docker-options of {app} have {:?}", mount.line);
            uses.push(Use::of_app(app, sentence, mount.remedy.clone()));
        }
        uses
    }

    fn uses_of(&self, entry: &Entry, only_writers: bool) -> Vec<Use> {
        let (name, source) = (&entry.name, entry.shown_source());
        let mut uses = Vec::new();
        for (app, mounts) in &self.mounts {
            let problem = match mounts {
                Ok(mounts) if mounts.attachments().any(|a| a.entry_name == *name) => None,
                Ok(mounts) if mounts.may_mention(name) => mounts.problem().map(|p| p.to_string()),
                Ok(_) => None,
                Err(problem) => Some(problem.to_string()),
            };
            uses.extend(problem.map(|problem| {
                Use::of_app(app, format!("{app} may mount storage entry \"{name}\""), problem)
            }));
        }
        let mounts: Vec<_> = self.mounts_of(name).collect();
        if mounts.is_empty() && uses.is_empty() {
            let sentence = format!("storage entry \"{name}\" has {source}");
            let remedy = format!("dokku storage:destroy {name}");
            return vec![Use { whose: Whose::Nobody, sentence, remedy }];
        }
        for (app, attachment) in mounts {
            if only_writers && attachment.is_readonly() {
                continue;
            }
            let path = &attachment.container_path;
            let sentence = format!("{app} mounts {source} at {path}");
            let sentence = if name.is_legacy() {
                sentence
            } else {
                format!("{sentence} as storage entry \"{name}\"")
            };
            let remedy = if self.abandoned.contains(app) {
                format!("dokku plugin:trigger post-delete {app}")
            } else {
                judge::unmount(app, entry, attachment)
            };
            uses.push(Use::of_app(app, sentence, remedy));
            let getting = self
                .shares
                .iter()
                .filter(|(to, from)| from == app && entry.scope.includes(to) && !entry.exclusive);
            uses.extend(getting.map(|(to, from)| {
                let sentence = format!("{to} gets storage entry \"{name}\" from {from}");
                Use::of_app(to, sentence, format!("dokku storage:unshare {from} {to}"))
            }));
        }
        uses
    }

    fn mounts_of<'a>(
        &'a self,
        name: &'a EntryName,
    ) -> impl Iterator<Item = (&'a AppName, &'a Attachment)> {
        self.mounts.iter().flat_map(move |(app, mounts)| {
            let attachments = mounts.iter().flat_map(MountsFile::attachments);
            attachments.filter(move |a| a.entry_name == *name).map(move |a| (app, a))
        })
    }

    fn uses_by_docker(&self, target: &Target) -> Vec<Use> {
        let mut uses = self.uses_by_volumes(target);
        if let Docker::Said { containers, .. } = &self.docker {
            let having = containers.iter().filter(|container| self.has(container, target));
            uses.extend(having.map(|container| self.use_of(container)));
        }
        uses
    }

    /// The containers that have a place, running or not; none where Docker does not answer. Those that have the whole storage root
    /// are the host's own.
    pub(crate) fn containers_at(
        &self,
        place: &Source,
        remotes: &[Remote],
    ) -> Option<Vec<Container>> {
        let Docker::Said { containers, .. } = &self.docker else {
            return None;
        };
        let target = Target { remotes: remotes.to_vec(), ..self.target(place) };
        let has = |mount: &Mount| {
            if !mount.name.is_empty() {
                return self.relation(&target, &mount.name).is_some();
            }
            let source = self.real(&mount.source);
            !self.storage.is_within(&source) && target.relation(&source).is_some()
        };
        Some(
            containers
                .iter()
                .filter(|container| container.mounts.iter().any(has))
                .cloned()
                .collect(),
        )
    }

    /// Whether it is a Docker volume that Compose or a stack made.
    pub(crate) fn is_of_project(&self, place: &Source) -> bool {
        let Source::Volume(name) = place else {
            return false;
        };
        let mut volumes = self.volumes().iter();
        volumes.any(|listed| listed.name == name.as_str() && listed.volume.is_of_project())
    }

    fn uses_by_volumes(&self, target: &Target) -> Vec<Use> {
        let is_it = |listed: &&Listed| {
            let of_volume = listed.target();
            let mut paths = of_volume.paths.iter().map(|path| self.real(path));
            let by_path = paths.find_map(|path| target.relation(&path));
            let is_own = target.volume.as_ref() == Some(&listed.name);
            let by_server = || target.relation_by_server(&of_volume.remotes);
            let relation = by_path.or_else(|| by_server().filter(|_| !is_own));
            relation.is_some_and(|relation| relation == Relation::Within || !listed.is_readonly())
        };
        let used = self.volumes().iter().filter(is_it);
        used.map(|Listed { name, .. }| {
            let sentence = format!("the Docker volume {name} leads there");
            Use::of_host(sentence, format!("docker volume rm {name}"))
        })
        .collect()
    }

    /// Leaves out the stopped containers of an app that is being deleted, and of apps that are gone: Dokku removes them once all
    /// plugins have forgotten the app, and starts none of them again.
    fn leave_out_stopped(&mut self, deleted: &AppName) {
        let apps = &self.apps;
        let starts_again = |container: &Container| {
            let app = AppName::parse(&container.app);
            app.map_or(true, |app| app != *deleted && apps.contains(&app))
        };
        if let Docker::Said { containers, .. } = &mut self.docker {
            containers.retain(|container| container.is_running || starts_again(container));
        }
    }

    fn has(&self, container: &Container, target: &Target) -> bool {
        container.mounts.iter().any(|mount| {
            if !mount.name.is_empty() {
                let is_harmless = |relation| relation == Relation::Above && !mount.is_writable;
                let relation = self.relation(target, &mount.name);
                return relation.is_some_and(|relation| !is_harmless(relation));
            }
            let source = self.real(&mount.source);
            match target.relation(&source) {
                Some(Relation::Above) => mount.is_writable && !self.lib_root.is_within(&source),
                relation => relation.is_some(),
            }
        })
    }

    fn use_of(&self, container: &Container) -> Use {
        let name = if container.name.is_empty() { &container.id } else { &container.name };
        let state = if container.is_running { "" } else { ", which does not run," };
        let sentence = format!("the container {name}{state} has it");
        match AppName::parse(&container.app).ok().filter(|_| !container.app.is_empty()) {
            Some(app) => {
                let is_deployed = !container.is_one_off && self.apps.contains(&app);
                let remedy = if is_deployed && container.is_running {
                    format!("dokku ps:restart {app}; the old container goes a minute later")
                } else if is_deployed {
                    format!(
                        "dokku ps:retire, where a deploy has replaced it, or: docker rm -f {name}"
                    )
                } else {
                    container.run_stop().unwrap_or_else(|| format!("docker rm -f {name}"))
                };
                Use::of_app(&app, sentence, remedy)
            }
            None => match links::entry_of_command(container, &self.entries.entries, &self.store) {
                Some(entry) => Use {
                    whose: Whose::Entry(entry.name.clone()),
                    sentence: links::said_of_command(&entry.name),
                    remedy: format!("end it, or: docker rm -f {name}"),
                },
                None => Use::of_host(sentence, format!("docker rm -f {name}")),
            },
        }
    }

    /// What is mounted at or below a path, but for what belongs there.
    fn mount_points(&self, path: &Path, own: Option<&EntryName>) -> Vec<Use> {
        let is_mounted_there =
            |entry: &Entry| own == Some(&entry.name) && types::of(entry).must_be_mounted(entry);
        let is_own = |point: &PathBuf| {
            mount_points::is_same(point, path) && self.entries.entries.iter().any(is_mounted_there)
        };
        let points = mount_points::below(path).into_iter().filter(|point| !is_own(point));
        let used = points.map(|point| {
            let point = point.to_string_lossy().into_owned();
            let sentence = format!("{point} is a mount point");
            Use::of_host(sentence, format!("umount {}", quoted(&point)))
        });
        used.collect()
    }

    /// What nobody can judge.
    fn unknown(&self) -> Vec<Use> {
        let unreadable = self.entries.problems.iter().chain(&self.problems);
        let mut unknown: Vec<Use> = unreadable
            .map(|problem| {
                Use::of_host("what cannot be read may use it".to_owned(), problem.to_string())
            })
            .collect();
        if matches!(self.docker, Docker::Silent) {
            let sentence = "Docker does not answer, and a container may use it".to_owned();
            let remedy = "start it, and run the command again".to_owned();
            unknown.push(Use { whose: Whose::Nobody, sentence, remedy });
        }
        unknown
    }
}

impl Target {
    fn relation_by_server(&self, remotes: &[Remote]) -> Option<Relation> {
        let is_within = |one: &Remote, other: &[Remote]| other.iter().any(|of| one.is_within(of));
        if remotes.iter().any(|remote| is_within(remote, &self.remotes)) {
            Some(Relation::Within)
        } else {
            let is_above = self.remotes.iter().any(|remote| is_within(remote, remotes));
            is_above.then_some(Relation::Above)
        }
    }

    fn relation(&self, source: &RealPath) -> Option<Relation> {
        let relations = self.paths.iter().filter_map(|path| {
            if source.is_within(path) {
                Some(Relation::Within)
            } else if path.is_within(source) {
                Some(Relation::Above)
            } else {
                None
            }
        });
        // What is in it counts for more than what holds it.
        relations.min_by_key(|relation| *relation == Relation::Above)
    }
}

/// Refuses to do `what` where somebody uses a place, but for the entry that it belongs to, and for an app that is being deleted.
pub(crate) fn must_be_free(
    what: impl Into<String>,
    place: &Source,
    own: Option<&EntryName>,
    deleted: Option<&AppName>,
    context: &Context,
) -> Result<()> {
    let mut places = Places::of_this_host(context)?;
    if let Some(app) = deleted {
        places.leave_out_stopped(app);
    }
    refused(what, places.uses(place, own)).map_err(|error| access::redact(error, context))
}

/// The same by what is registered, while the store's lock is held. The error is still to be redacted.
pub(crate) fn must_be_unregistered(
    what: impl Into<String>,
    place: &Source,
    own: Option<&EntryName>,
    store: &Store,
) -> Result<()> {
    let places = Places::registered(store)?;
    let target = places.target(place);
    refused(what, places.uses_by_registry(&target, own, false))
}

/// Whether nothing registered is at the place that an entry of that name would have in the storage root, nor in it: what is made
/// there would be somebody's already. What cannot be read may be about it.
fn is_nobodys(name: &EntryName, store: &Store) -> bool {
    let Ok(places) = Places::registered(store) else {
        return false;
    };
    let path = store.layout().directory(name.as_str());
    let target = Target { paths: vec![RealPath::of(&path)], ..Target::default() };
    let is_there = |relation: Option<Relation>| relation == Some(Relation::Within);
    let mut entries = places.entries.entries.iter();
    let mut options = places.options.iter();
    !entries.any(|entry| is_there(places.relation_of(&target, entry)))
        && !options.any(|mount| is_there(places.relation(&target, &mount.source)))
}

/// Whether a name for a new entry is taken: by an entry, in the storage root, or by what is registered at the place that it would have.
pub(crate) fn is_taken(name: &EntryName, store: &Store) -> Result<bool> {
    Ok(store.is_taken(name)? || !is_nobodys(name, store))
}

/// A name for a new entry whose place is nobody's, as [`Store::free_entry_name`] finds it.
pub(crate) fn free_entry_name(
    wanted: &str,
    is_taken: impl Fn(&EntryName) -> bool,
    store: &Store,
) -> Result<EntryName> {
    store.free_entry_name(wanted, |name| is_taken(name) || !is_nobodys(name, store))
}

pub(crate) fn refused(what: impl Into<String>, uses: Vec<Use>) -> Result<()> {
    if uses.is_empty() { Ok(()) } else { Err(Error::InUse { what: what.into(), uses }) }
}
