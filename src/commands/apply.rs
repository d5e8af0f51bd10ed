//! `storage:apply`: makes an app's mounts exactly what a document says, in one step.

use serde::Deserialize;

use super::arguments::{self, AppWord, Args, no_more_than};
use crate::context::Context;
use crate::domain::plain::json_reason_in_document;
use crate::domain::{
    AppName, Attachment, ContainerPath, Entry, EntryName, Error, NeedId, Ownership, Phase, Phases,
    ProcessType, Result, Source, Subpath, VolumeOptions, as_typed,
};
use crate::ops::{MountSet, access, mount, restart, scheduler};
use crate::storage::root;
use crate::store::no_such_entry;

/// The largest document, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The most mounts of a document.
const MOST: usize = 1000;

/// The status of `--plan` where something would change.
const DIFFERENT: i32 = 2;

#[derive(Debug, Args)]
struct Arguments {
    app: AppWord,
    /// --plan: only show what would change; the exit status is 2 if something would
    plan: bool,
}

/// One mount of the document: what `storage:list --format json` prints, of which only the entry, or the host
/// path, and the container path have to be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a container_path")]
struct DocumentMount {
    #[serde(default)]
    entry_name: String,
    #[serde(default)]
    host_path: String,
    container_path: String,
    phases: Option<Vec<Phase>>,
    #[serde(default)]
    process_type: String,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    volume_options: String,
    #[serde(default)]
    subpath: String,
    #[serde(default)]
    volume_chown: String,
    need: Option<NeedId>,
    /// What another app mounts is listed, and is not this app's own.
    #[serde(default)]
    shared_from: String,
}

/// Makes the mounts of an app what the document on standard input says: all of it, or nothing.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    arguments.app.existing(context)?;
    no_more_than(&rest, 0)?;
    let wanted = document(context)?;
    // The document may have taken long.
    let app = arguments.app.existing(context)?;
    let numbers = 1..=wanted.len();
    let in_place = |number: &usize, error| refusal!("mount {number} of the document: {error}");
    let one = |number: &usize| one(&app, &wanted[number - 1], context);
    let set = MountSet::check(&app, None, numbers, one, in_place, context)?;
    root::tell_old_spelling(set.owners(), context);
    let lines = if arguments.plan {
        set.difference(&context.store.mounts_file(&app)?.whole()?)
    } else {
        set.write(&app, context)?
    };
    if lines.is_empty() {
        context.out.headline(&format!("Nothing to change: {app} has these mounts already"));
        return Ok(());
    }
    if arguments.plan {
        context.out.headline(&format!("{app} would change:"));
    }
    for line in &lines {
        context.out.detail(line);
    }
    if arguments.plan {
        return Err(Error::Status(DIFFERENT));
    }
    context.out.headline(&format!("Storage mounts of {app} changed: {}", lines.len()));
    set.entries().for_each(|entry| mount::warn(&app, entry, context));
    restart::say(&app, context);
    Ok(())
}

fn document(context: &Context) -> Result<Vec<DocumentMount>> {
    let text = arguments::standard_document("the document has", LARGEST, context)?;
    let mut wanted: Vec<DocumentMount> = serde_json::from_slice(&text).map_err(|error| {
        refusal!(
            "the document is not what storage:list --format json prints: {}",
            json_reason_in_document(&error)
        )
    })?;
    wanted.retain(|wanted| wanted.shared_from.is_empty());
    let count = wanted.len();
    refuse_if!(count > MOST, "a document has up to {MOST} mounts, got {count}");
    Ok(wanted)
}

fn one(app: &AppName, wanted: &DocumentMount, context: &Context) -> Result<(Entry, Attachment)> {
    let entry = entry(app, wanted, context)?;
    scheduler::must_be_mountable(&entry, app, context)?;
    as_typed("container path", &wanted.container_path)?;
    let path = ContainerPath::parse(&wanted.container_path)?;
    let mut attachment = Attachment::new(entry.name.clone(), path);
    attachment.phases = match &wanted.phases {
        Some(phases) if phases.is_empty() => {
            refuse!("attachment must specify at least one phase");
        }
        phases => Phases::or_default(phases.clone().unwrap_or_default()),
    };
    attachment.process_type = ProcessType::parse(&wanted.process_type)?;
    attachment.readonly = wanted.readonly;
    attachment.need.clone_from(&wanted.need);
    if !wanted.subpath.is_empty() {
        as_typed("subpath", &wanted.subpath)?;
        attachment.subpath = Some(Subpath::parse(&wanted.subpath)?);
    }
    if !wanted.volume_options.is_empty() {
        attachment.volume_options = Some(VolumeOptions::parse(&wanted.volume_options)?);
    }
    if !wanted.volume_chown.is_empty() {
        attachment.volume_chown = Some(Ownership::parse_for_mount(&wanted.volume_chown)?);
    }
    attachment.check()?;
    Ok((entry, attachment))
}

/// The entry that is named, or the one of a colon mount's source.
fn entry(app: &AppName, wanted: &DocumentMount, context: &Context) -> Result<Entry> {
    let is_legacy = EntryName::parse(&wanted.entry_name).is_ok_and(|name| name.is_legacy());
    if !wanted.entry_name.is_empty() && (!is_legacy || wanted.host_path.is_empty()) {
        let entry = access::entry(&wanted.entry_name, context)?;
        return match &entry.host_path {
            Some(source) if wanted.host_path.is_empty() || wanted.host_path == source.as_str() => {
                Ok(entry)
            }
            None if wanted.host_path.is_empty() => Ok(entry),
            _ => Err(refusal!(
                "storage entry \"{}\" is at {}, not at {:?}; leave one of the two out",
                entry.name,
                entry.shown_source(),
                wanted.host_path
            )),
        };
    }
    refuse_if!(wanted.host_path.is_empty(), "it has neither an entry_name nor a host_path");
    let entry = mount::of_source(app, Source::parse(&wanted.host_path)?, context)?;
    if is_legacy && entry.name.as_str() != wanted.entry_name {
        return Err(no_such_entry(&wanted.entry_name));
    }
    Ok(entry)
}
