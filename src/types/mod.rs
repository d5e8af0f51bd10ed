//! The storage types: one trait, and one file for each type.
//!
//! # An entry's life with its type
//!
//! 1. `check_request` compares what was typed with the type's `Description` (options, flags, connector), and names
//!    what there is, nearest first.
//! 2. `plan` completes the new entry and refuses what cannot be: nothing is changed yet. It sets `host_path`, which
//!    `-v` takes, so that Dokku's own plugin and its schedulers can go on with the entry.
//! 3. The entry is registered in `Store::change`; then `create` makes what is outside of the store. If that fails, it
//!    undoes what it did and the entry is put back. It finds what a killed command left, and takes it or makes it
//!    anew.
//! 4. `check_attachment` judges a mount when it is asked for, `words` prints it for Docker.
//! 5. `problem` says why containers cannot use the entry now. Deploys and restarts, `storage:doctor`,
//!    `storage:wait`, `storage:info` and `storage:exec` all ask it. `may_pass` marks what is worth waiting for.
//! 6. `attach` repairs what it can without a person: it starts what keeps a bucket mounted, attaches an image, makes a volume
//!    without data again. A deploy calls it before it stops.
//! 7. `removal` says what goes with the entry, before anybody is asked to confirm; `detach` takes down what the
//!    host holds, before the entry leaves the registry; `remove` removes what is outside, afterwards.
//!
//! `place` says what the storage root has under the entry's name (a directory, a file, a mount point, nothing).
//! With `must_be_mounted`, `docker-args-*` print nothing while nothing is mounted there: a container on an empty
//! mount point would write to the host's disk and look well.
//!
//! A new type is a new file and a line in [`ALL`]. Everything else (`types:list`, refusals, doctor, deploys) asks the
//! trait. Give it a caveat that a newcomer can act on, requirements with the package that brings them, a bats file
//! with the real thing, and a row in `docs/types.md`.

pub(crate) mod cifs;
mod description;
pub(crate) mod directory;
pub(crate) mod file;
pub(crate) mod k3s;
pub(crate) mod nfs;
mod remote;
mod renewed;
pub(crate) mod s3;
pub(crate) mod tmpfs;
pub(crate) mod volume;

pub(crate) use crate::domain::finding::Problem;
pub(crate) use crate::storage::root::Place;
pub(crate) use description::{
    Abilities, Choice, Description, NewEntry, Reach, Removal, Requirement,
};

use std::path::Path;

use crate::context::Context;
use crate::docker::volumes;
use crate::domain::{
    Attachment, ByteSize, Connector, ConnectorName, Entry, Error, K3S, Result, Source,
};
use crate::domain::{connector_type, docker_args, hooks};
use crate::host::Environment;
use crate::storage::{DirectorySpec, SnapshotKind};
use crate::store::Store;
use crate::types::remote::FileSystem;

/// Every type, in the order in which they are listed.
pub(crate) static ALL: &[&dyn StorageType] = &[
    &directory::Directory,
    &volume::Volume,
    &file::File,
    &tmpfs::Tmpfs,
    &nfs::Nfs,
    &cifs::Cifs,
    &s3::S3,
    &k3s::K3s,
];

/// The type of an entry for which none is named.
pub(crate) static DEFAULT: &dyn StorageType = &directory::Directory;

#[expect(unused_variables, reason = "what most types do needs less than what some do")]
pub(crate) trait StorageType: Sync {
    fn description(&self) -> &'static Description;

    /// What it needs on this host.
    fn requirements(&self, environment: &Environment) -> Vec<Requirement> {
        self.description().file_system.map(FileSystem::requirement).into_iter().collect()
    }

    /// Completes a new entry by what was said for its type, and refuses what cannot be. Nothing is changed.
    fn plan(&self, entry: &mut Entry, request: &NewEntry, context: &mut Context) -> Result<()>;

    /// Creates what the entry needs outside of the store. It may be there already.
    /// Fails where it cannot be made; what was made of it is gone again.
    fn create(&self, entry: &Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        Ok(())
    }

    /// What an entry notes as its type: nothing where Dokku's own plugin makes the same, perhaps without a size.
    fn noted_name(&self, has_size: bool) -> &'static str {
        self.description().name
    }

    /// Refuses a path, or a name, that the data of a new entry cannot have.
    fn check_place(&self, place: &str) -> Result<()> {
        Ok(())
    }

    /// Whether the data is in a Docker volume, which the engine counts and may lose with the entry.
    fn keeps_in_volume(&self) -> bool {
        false
    }

    /// Whether the entry is a Docker volume that holds no data itself: it can be created again at any time.
    fn is_created_again(&self) -> bool {
        self.description().file_system.is_some()
    }

    /// What the storage root has under the entry's name.
    fn place(&self) -> Place {
        Place::None
    }

    /// Whether something is mounted in the entry's place: then nothing may be written there before it is.
    fn must_be_mounted(&self, entry: &Entry) -> bool {
        self.place() == Place::MountPoint
    }

    /// Refuses a size that the entry cannot have, before that is noted.
    fn may_resize(&self, entry: &Entry, size: ByteSize, context: &Context) -> Result<()> {
        Err(refusal!(
            "type {} has no size that could be changed; create storage entry \"{}\" anew",
            self.description().name,
            entry.name
        ))
    }

    /// Has the entry hold the size that is noted in it.
    fn resize(&self, entry: &Entry, context: &Context) -> Result<()> {
        Ok(())
    }

    /// Whether what is written stays, rather than going with the container.
    fn keeps_data(&self) -> bool {
        true
    }

    /// Whether the data is on this host, which the entry then notes.
    fn is_on_one_host(&self, entry: &Entry) -> bool {
        self.description().reach == Reach::Host
    }

    /// Refuses an attachment that this type cannot make.
    fn check_attachment(&self, attachment: &Attachment) -> Result<()> {
        refuse_what_it_cannot(self, attachment)
    }

    /// Refuses to change a property that this type does not have, or only takes at the beginning.
    fn check_property(&self, entry: &Entry, property: &str) -> Result<()> {
        let of_every_type = ["exclusive", "scope", "node", "reclaim-policy"];
        let is_hook = hooks::PROPERTIES.contains(&property);
        if !entry.is_typed() || is_hook || of_every_type.contains(&property) {
            return Ok(());
        }
        let description = self.description();
        let name = description.name;
        let is_option = description.options.iter().any(|choice| choice.name == property);
        let is_taken = is_option || description.takes(&format!("--{property}"));
        refuse_if!(
            !is_taken,
            "type {name} has no {property}; dokku storage:types:info {name} shows what it takes"
        );
        Err(refusal!(
            "{property} cannot be changed for type {name}; destroy storage entry \"{}\" and create it anew",
            entry.name
        ))
    }

    fn check_reclaim_policy(&self, entry: &Entry) -> Result<()> {
        let is_asked = entry.is_deleted_with_entry() && self.description().reach == Reach::Anywhere;
        refuse_to_remove(entry, "reclaim policy Delete", is_asked)
    }

    /// The words that mount an attachment of an entry, for a source as Docker sees it.
    fn words(&self, source: &str, entry: &Entry, attachment: &Attachment) -> [String; 2] {
        docker_args::words(source, entry, attachment)
    }

    /// Where the data of a type is of which there are no copies here, and what can be done instead of making `what`
    /// ("a snapshot", "a clone"); completes "… is of type X, which ".
    fn no_copies(&self, what: &str) -> String {
        match self.description().reach {
            Reach::Anywhere => format!("has its data on a server; make {what} there"),
            Reach::Cluster => format!("has its data in a cluster; make {what} there"),
            Reach::Host => format!("has nothing that {what} could be made of"),
        }
    }

    /// What snapshots and clones of the entry's data are made of; `what` is wanted ("a snapshot", "a clone").
    fn snapshot_kind(&self, entry: &Entry, what: &str, context: &Context) -> Result<SnapshotKind> {
        Err(refusal!(
            "storage entry \"{}\" is of type {}, which {}",
            entry.name,
            self.description().name,
            self.no_copies(what)
        ))
    }

    /// What is said of an entry that has no problem.
    fn readiness(&self) -> &'static str {
        self.description().file_system.map_or("ready", |_| remote::ANSWERS)
    }

    /// Why containers cannot use the entry as it is now; none where they can, or where nobody knows.
    fn problem(&self, entry: &Entry, context: &Context) -> Option<Problem> {
        None
    }

    /// Repairs what it can without a person: starts what keeps the entry mounted, makes again what holds no
    /// data.
    fn attach(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        if self.is_created_again() {
            return self.create(entry, &NewEntry::default(), context);
        }
        Ok(())
    }

    /// Creates again, empty, what somebody removed with the data in it. A person asked for that: no deploy does it.
    fn create_removed(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        Ok(())
    }

    /// What is to go with the entry; `asked` where `--destroy-host-dir` was typed.
    fn removal(&self, entry: &Entry, asked: bool, context: &mut Context) -> Result<Removal> {
        refuse_to_remove(entry, "--destroy-host-dir", asked).map(|()| Removal::Outside)
    }

    /// Detaches or unmounts what the entry has on this host before it is destroyed.
    /// Fails where that fails; the entry stays.
    fn detach(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        Ok(())
    }

    /// Removes what is outside of the storage root, after the entry is gone.
    /// Fails where that fails; the entry is put back.
    fn remove(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        if self.is_created_again() {
            return volumes::remove(&context.environment, entry.shown_source());
        }
        Ok(())
    }

    /// Takes up the values of the entry's connector, which may have changed; it may have taken them up already.
    fn connector_changed(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        Ok(())
    }
}

fn refuse_what_it_cannot<B: StorageType + ?Sized>(
    storage_type: &B,
    attachment: &Attachment,
) -> Result<()> {
    let description = storage_type.description();
    let refused = |what: &str| {
        Err(refusal!(
            "storage entry \"{}\" is of type {}, which {what}",
            attachment.entry_name,
            description.name
        ))
    };
    if attachment.subpath.is_some() && !description.can.subpath {
        return refused("cannot mount a part of it; leave --volume-subpath out");
    }
    if attachment.sets_owner() && !description.can.chown {
        return refused("has no owner that could be set; leave --volume-chown out");
    }
    Ok(())
}

pub(crate) fn find(name: &str) -> Result<&'static dyn StorageType> {
    let found = ALL.iter().find(|storage_type| storage_type.description().name == name);
    found.copied().ok_or_else(|| {
        let all =
            nearest_first(name, ALL.iter().map(|storage_type| storage_type.description().name));
        refusal!("{name:?} is not a type of storage; there are: {all}")
    })
}

/// What an entry wants of its directory or its file, as its type keeps it.
pub(crate) fn directory_spec(
    entry: &Entry,
    recursive: bool,
    context: &mut Context,
) -> Result<DirectorySpec> {
    DirectorySpec::of(entry, of(entry).place(), recursive, context)
}

/// What copies of an entry's data are made of; `what` is wanted ("a snapshot", "a clone").
pub(crate) fn snapshot_kind(entry: &Entry, what: &str, context: &Context) -> Result<SnapshotKind> {
    of(entry).snapshot_kind(entry, what, context)
}

/// The type of an entry. Where its file names none, or one that a newer version has, the source says it.
pub(crate) fn of(entry: &Entry) -> &'static dyn StorageType {
    let named = ALL.iter().find(|storage_type| storage_type.description().name == entry.type_name);
    match (named, &entry.host_path) {
        (Some(named), _) => *named,
        _ if entry.scheduler == K3S => &k3s::K3s,
        (None, Some(Source::Volume(_))) => &volume::Volume,
        (None, _) => DEFAULT,
    }
}

/// Why containers cannot use an entry as it is now, its type or the storage root being the matter; none where they can, or where nobody
/// knows.
pub(crate) fn problem(entry: &Entry, context: &Context) -> Option<Problem> {
    away(entry, context).or_else(|| of(entry).problem(entry, context))
}

/// What is the matter where an entry's data is in a storage root that is away.
pub(crate) fn away(entry: &Entry, context: &Context) -> Option<Problem> {
    let Some(Source::Path(path)) = &entry.host_path else {
        return None;
    };
    let is_below = Path::new(path.as_str()).starts_with(context.store.layout().storage());
    if entry.is_docker_local() && is_below { context.store.away() } else { None }
}

pub(crate) fn name_of(entry: &Entry) -> &'static str {
    of(entry).description().name
}

/// Refuses flags and options that a type does not take, and the lack of what it needs.
pub(crate) fn check_request(storage_type: &dyn StorageType, request: &NewEntry) -> Result<()> {
    let description = storage_type.description();
    let name = description.name;
    let given = [
        ("PATH", request.place.is_some()),
        ("--driver", request.driver.is_some()),
        ("--connector", request.connector.is_some()),
        ("--option", !request.options.is_empty()),
        ("--size", request.size.is_some()),
        ("--mode", request.mode.is_some()),
        ("--from", request.from.is_some()),
        ("--chown", request.chown.is_some()),
        ("--preallocate", request.preallocate),
    ];
    for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
        if !description.takes(flag) {
            return Err(does_not_take(name, flag));
        }
    }
    let is_known = |key: &str| description.options.iter().any(|choice| choice.name == key);
    if let Some(key) = request.options.keys().find(|key| !description.any_option && !is_known(key))
    {
        let names = nearest_first(key, description.options.iter().map(|choice| choice.name));
        refuse!("{key:?} is not an option of type {name}; there are: {names}");
    }
    let is_missing = |choice: &&Choice| {
        choice.required && request.options.get(choice.name).is_none_or(String::is_empty)
    };
    if let Some(choice) = description.options.iter().find(is_missing) {
        refuse!("type {name} needs --option {}=…: {}", choice.name, choice.help);
    }
    if let Some(wanted) = description.connector
        && request.connector.is_none()
    {
        let properties = connector_type::needed(wanted);
        refuse!(
            "type {name} needs --connector NAME; to create one: dokku storage:connectors:create NAME --type {wanted}{properties}"
        );
    }
    Ok(())
}

/// The refusal of a flag that a type does not take.
pub(crate) fn does_not_take(name: &str, flag: &str) -> Error {
    match flag {
        "PATH" => refusal!(
            "type {name} does not take a path; dokku storage:types:info {name} shows what it takes"
        ),
        flag => refusal!("type {name} does not take {flag}; types that do: {}", taking(flag)),
    }
}

/// The types that take a flag, for a sentence.
pub(crate) fn taking(flag: &str) -> String {
    let takes = ALL.iter().map(|storage_type| storage_type.description());
    let names: Vec<&str> = takes.filter(|it| it.takes(flag)).map(|it| it.name).collect();
    names.join(", ")
}

/// Refuses a type whose programs are not on this host.
pub(crate) fn must_be_here(
    storage_type: &dyn StorageType,
    environment: &Environment,
) -> Result<()> {
    match storage_type.requirements(environment).into_iter().find(|needed| !needed.is_here) {
        None => Ok(()),
        Some(missing) => Err(refusal!(
            "type {} needs {}, which is not here; {}",
            storage_type.description().name,
            missing.what,
            missing.remedy
        )),
    }
}

pub(crate) fn must_be_able_to_be_exclusive(entry: &Entry) -> Result<()> {
    let description = of(entry).description();
    refuse_if!(
        !description.can.exclusive,
        "storage entry \"{}\" is of type {}, which cannot be exclusive; dokku storage:types:list shows the types",
        entry.name,
        description.name
    );
    Ok(())
}

/// Names, those first that look most like what somebody wrote.
pub(crate) fn nearest_first<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|name| strsim::damerau_levenshtein(written, name));
    names.join(", ")
}

/// The connector of an entry, which must be of the type that its type needs.
pub(crate) fn connector(entry: &Entry, store: &Store) -> Result<Connector> {
    let name = entry.connector.as_ref().map_or("", ConnectorName::as_str);
    let connector = store.existing_connector(name)?;
    let Description { name: own, connector: wanted, .. } = of(entry).description();
    match *wanted {
        Some(wanted) if connector.type_name != wanted => Err(refusal!(
            "connector {name:?} is of type {}, and type {own} needs one of type {wanted}",
            connector.type_name
        )),
        _ => Ok(connector),
    }
}

fn refuse_to_remove(entry: &Entry, flag: &str, asked: bool) -> Result<()> {
    refuse_if!(
        asked,
        "storage entry \"{}\" is of type {}, whose data is not on this host; {flag} cannot remove it",
        entry.name,
        name_of(entry)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_nearest_is_first() {
        let error = find("direktory").map(drop).unwrap_err().to_string();
        assert!(error.contains("there are: directory,"), "{error}");
        let names: std::collections::BTreeSet<_> =
            ALL.iter().map(|storage_type| storage_type.description().name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn unknown_and_missing_options_are_refused() {
        let nfs = find("nfs").unwrap();
        let mut request = NewEntry::default();
        let error = check_request(nfs, &request).unwrap_err().to_string();
        assert!(error.contains("--option server="), "{error}");
        request.options.insert("sever".to_owned(), "x".to_owned());
        let error = check_request(nfs, &request).unwrap_err().to_string();
        assert!(error.contains("there are: server,"), "{error}");
    }
}
