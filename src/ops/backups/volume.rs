//! Backups of what is in a Docker volume.

use crate::context::Context;
use crate::docker::volumes::{self, Found};
use crate::domain::{Entry, Result};
use crate::render::progress;
use crate::storage::StorageRoot;
use crate::types::{self, NewEntry};

/// The volume behind an entry.
/// Refuses one whose data is elsewhere, and one that is not there.
pub(super) fn name(entry: &Entry, context: &Context) -> Result<String> {
    let name = entry.shown_source();
    match volumes::find(&context.environment, name) {
        Found::Here(_) => {}
        Found::Missing => refuse!(
            "the Docker volume {name} of storage entry \"{}\" is not there yet; there is nothing to back up",
            entry.name
        ),
        Found::Failing(words) => return Err(types::volume::out_of_reach(name, &words)),
        Found::Unknown => return Err(types::volume::no_answer()),
    }
    refuse_if!(
        volumes::own_directory_of(&context.environment, name).is_none(),
        "storage entry \"{}\" is the Docker volume {name}, whose driver or options say where its data is; back it up there",
        entry.name
    );
    Ok(name.to_owned())
}

/// Registers a new entry with a new volume, which holds what is under a hidden name.
pub(super) fn create(entry: &Entry, hidden: &str, context: &mut Context) -> Result<()> {
    let name = entry.shown_source();
    refuse_if!(
        volumes::exists(&context.environment, name) != Some(false),
        "the Docker volume {name} exists already, or Docker does not answer; restore to another entry: --as NEW"
    );
    let volume = volumes::Volume {
        driver: volumes::LOCAL.to_owned(),
        options: entry.options.clone(),
        labels: crate::domain::Options::new(),
    };
    volumes::make(&context.environment, name, &volume)?;
    let populated = populate(entry, hidden, context);
    if let Err(error) = populated {
        volumes::remove(&context.environment, name)?;
        return Err(error);
    }
    types::of(entry).create(entry, &NewEntry::default(), context)
}

fn populate(entry: &Entry, hidden: &str, context: &mut Context) -> Result<()> {
    context.out.flush()?;
    progress::of_files("restored", |seen| {
        StorageRoot::of(context).fill_volume(hidden, entry.shown_source(), seen)
    })?;
    context.store.change(|change| {
        refuse_if!(
            change.store().entry(&entry.name)?.is_some(),
            "storage entry \"{}\" exists already; choose another name with --as",
            entry.name
        );
        change.write_entry(entry)
    })
}
