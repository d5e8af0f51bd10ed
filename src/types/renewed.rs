//! Docker volumes whose options follow a connector: Docker changes the options of none, so another, with the next
//! free name, takes its place.
//!
//! Every volume that is made here has labels that say for which entry of which store. So one that a container kept
//! from being removed, or that a killed command left, is found again.

use crate::context::Context;
use crate::docker::volumes::{LOCAL, Volume};
use crate::docker::{Found, volumes};
use crate::domain::{Entry, Error, Options, Result, Source};
use crate::store::changed_meanwhile;
use crate::types::volume::{created, no_answer, out_of_reach};

/// The label with the entry's name.
const ENTRY: &str = "org.dokku-storage.entry";

/// The label with the store's directory.
const STORE: &str = "org.dokku-storage.store";

/// How many names are tried for a volume.
const NAMES: usize = 1000;

/// Makes an entry's volume with these options, unless it is there.
pub(crate) fn make(entry: &Entry, options: Options, context: &mut Context) -> Result<()> {
    let name = entry.shown_source();
    let wanted = volume(entry, options, context);
    match volumes::find(&context.environment, name) {
        Found::Here(present) if is_same(&present, &wanted) => Ok(()),
        Found::Here(present) if present.labels == wanted.labels => Err(outdated(entry, context)),
        Found::Here(present) => Err(refusal!(
            "the Docker volume {name} exists with driver {} and other options; remove it, or choose another name",
            present.driver
        )),
        Found::Missing | Found::Failing(_) | Found::Unknown => created(name, &wanted, context),
    }
}

fn outdated(entry: &Entry, context: &Context) -> Error {
    let connector = entry.connector.as_ref().and_then(|name| context.store.connector(name).ok()?);
    let connector =
        connector.map(|connector| format!("{} server {}", connector.name, connector.server));
    refusal!(
        "the Docker volume {} was made with other values than the connector has now; to have it made anew: dokku storage:connectors:set {}",
        entry.shown_source(),
        connector.unwrap_or_default()
    )
}

/// Puts a volume with these options in the place of the entry's, unless it has them already. The one before stays as
/// long as a container uses it.
/// Fails where Docker refuses, with its words, and where the entry was changed meanwhile; the entry is as it was then.
pub(crate) fn renew(entry: &Entry, options: Options, context: &mut Context) -> Result<()> {
    let name = entry.shown_source();
    let wanted = volume(entry, options, context);
    match volumes::find(&context.environment, name) {
        Found::Unknown => return Err(no_answer()),
        Found::Failing(words) => return Err(out_of_reach(name, &words)),
        Found::Missing => created(name, &wanted, context)?,
        Found::Here(present) if is_same(&present, &wanted) => {}
        Found::Here(_) => return replace(entry, &wanted, context),
    }
    clear(entry, name, context);
    Ok(())
}

fn replace(entry: &Entry, wanted: &Volume, context: &mut Context) -> Result<()> {
    let name = free_name(entry, wanted, context)?;
    volumes::make(&context.environment, &name, wanted)?;
    if let Err(error) = point_to(entry, &name, context) {
        // It holds no data.
        let _ = volumes::remove(&context.environment, &name);
        return Err(error);
    }
    context.out.detail(&format!(
        "Storage entry {} uses the Docker volume {name}, which was made with the new values",
        entry.name
    ));
    let before = entry.shown_source();
    if let Err(error) = volumes::remove(&context.environment, before) {
        context.out.detail(&format!(
            "The Docker volume {before} stays as long as containers use it ({error}); afterwards: docker volume rm {before}"
        ));
    }
    clear(entry, &name, context);
    Ok(())
}

/// The entry's name, or that with a number behind it: the first that no volume has and no entry uses.
fn free_name(entry: &Entry, wanted: &Volume, context: &Context) -> Result<String> {
    let used: Vec<Source> =
        context.store.entries()?.entries.into_iter().filter_map(|other| other.host_path).collect();
    for number in 1..=NAMES {
        let name =
            if number == 1 { entry.name.to_string() } else { format!("{}-{number}", entry.name) };
        if used.iter().any(|source| source.as_str() == name) {
            continue;
        }
        match volumes::find(&context.environment, &name) {
            Found::Missing => return Ok(name),
            // A command that was killed made it.
            Found::Here(present) if present == *wanted => return Ok(name),
            Found::Here(_) => {}
            Found::Failing(words) => return Err(out_of_reach(&name, &words)),
            Found::Unknown => return Err(no_answer()),
        }
    }
    Err(refusal!(
        "there are {NAMES} Docker volumes named like storage entry \"{}\"; remove some: docker volume ls --filter label={ENTRY}={}",
        entry.name,
        entry.name
    ))
}

/// Points the entry to another volume, if it is still as it was.
fn point_to(entry: &Entry, name: &str, context: &Context) -> Result<()> {
    let source = Source::parse(name)?;
    context.store.change(|change| {
        if change.store().entry(&entry.name)?.as_ref() != Some(entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        let mut after = entry.clone();
        after.host_path = Some(source);
        change.write_entry(&after)
    })
}

/// Removes what is left of the volumes that the entry had before; one that a container uses stays for now.
fn clear(entry: &Entry, current: &str, context: &Context) {
    for name in earlier(entry, current, context) {
        let _ = volumes::remove(&context.environment, &name);
    }
}

/// Removes the entry's volume, and those that it had before.
pub(crate) fn remove(entry: &Entry, context: &Context) -> Result<()> {
    let current = entry.shown_source();
    for name in earlier(entry, current, context) {
        volumes::remove(&context.environment, &name)?;
    }
    volumes::remove(&context.environment, current)
}

fn earlier(entry: &Entry, current: &str, context: &Context) -> Vec<String> {
    let mut names =
        volumes::with_labels(&context.environment, &labels(entry, context)).unwrap_or_default();
    names.retain(|name| name != current);
    names
}

fn labels(entry: &Entry, context: &Context) -> Options {
    let store = context.store.layout().root().to_string_lossy().into_owned();
    [(ENTRY.to_owned(), entry.name.to_string()), (STORE.to_owned(), store)].into()
}

fn volume(entry: &Entry, options: Options, context: &Context) -> Volume {
    Volume { driver: LOCAL.to_owned(), options, labels: labels(entry, context) }
}

fn is_same(present: &Volume, wanted: &Volume) -> bool {
    present.driver == wanted.driver && present.options == wanted.options
}
