//! `storage:create`: registers an entry.

use super::arguments::{self, Args, given, no_more_than, pairs, parsed};
use crate::context::Context;
use crate::domain::entry::unsupported_scheduler;
use crate::domain::{
    ConnectorName, DOCKER_LOCAL, Entry, EntryName, Error, K3S, Mode, Ownership, Result, Scope,
    Sha256, Source, as_typed, options, source,
};
use crate::host::environment;
use crate::ops::create::{create, must_be_asked};
use crate::ops::{access, apps};
use crate::storage::{Place, root};
use crate::types::{self, NewEntry, Reach};

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    path: String,
    /// --access-mode: PVC access mode (k3s only)
    access_mode: Option<String>,
    /// --annotation key=value: PVC annotation (repeatable)
    annotation: Vec<String>,
    /// --connector: connector with the credentials that the type uses
    #[arg(help_heading = arguments::OWN)]
    connector: Option<String>,
    /// --chown: chown option (docker-local only)
    chown: Option<String>,
    /// --chown-recursive: also change the owner of the files in the directory
    #[arg(help_heading = arguments::OWN)]
    chown_recursive: bool,
    /// --driver: volume driver (type volume)
    #[arg(help_heading = arguments::OWN)]
    driver: Option<String>,
    /// --exclusive: allow one app at a time to mount it, and one container at a time to write to it
    #[arg(help_heading = arguments::OWN)]
    exclusive: bool,
    /// --from: populate the new entry from snapshot:ENTRY@NAME, backup:ENTRY@latest, dir:PATH, git+URL[#REF] or https://…; for type file a path, - for standard input
    #[arg(help_heading = arguments::OWN)]
    from: Option<String>,
    /// --label key=value: PVC label (repeatable)
    label: Vec<String>,
    /// --mode: octal permissions for the host directory, such as 0755 (docker-local only)
    mode: Option<String>,
    /// --namespace: PVC namespace (k3s only)
    namespace: Option<String>,
    /// --option key=value: option of the type (repeatable)
    #[arg(value_name = "string", help_heading = arguments::OWN)]
    option: Vec<String>,
    /// --preallocate: reserve the whole size on the disk at once
    #[arg(help_heading = arguments::OWN)]
    preallocate: bool,
    /// --reclaim-policy: reclaim policy for the underlying volume (Retain or Delete)
    reclaim_policy: Option<String>,
    /// --scheduler: target scheduler (docker-local, k3s)
    #[arg(default_value = DOCKER_LOCAL)]
    scheduler: String,
    /// --scope: app that may mount the entry, a name or a pattern such as web-* (repeatable)
    #[arg(help_heading = arguments::OWN)]
    scope: Vec<String>,
    /// --sha256: SHA-256 sum of the file that --from downloads
    #[arg(help_heading = arguments::OWN)]
    sha256: Option<String>,
    /// --size: PVC size (k3s only, e.g. 2Gi)
    #[arg(long_help = "size limit of the directory, or PVC size (k3s), such as 2G")]
    size: Option<String>,
    /// --storage-class-name: PVC storage class (k3s only)
    storage_class_name: Option<String>,
    /// --type: storage type, as storage:types:list shows
    #[arg(help_heading = arguments::OWN)]
    r#type: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    let sum = parsed(arguments.sha256.as_ref(), Sha256::parse)?;
    let (entry, request) = planned(&arguments, &rest, context)?;
    let source = match &request.from {
        Some(from) => filled_from(from, &entry, &request)?,
        None => None,
    };
    if sum.is_some() && !matches!(source, Some(source::Source::Web(_))) {
        refuse!("--sha256 goes with --from https://… or http://…");
    }
    let name = entry.name.clone();
    let is_copy =
        matches!(source, Some(source::Source::Snapshot { .. } | source::Source::Backup(_)));
    create(entry, &request, (source, sum), arguments.chown_recursive, context)?;
    if is_copy && arguments.scope.is_empty() && apps::are_restricted(&context.environment) {
        let made = context.store.existing_entry(name.as_str())?;
        access::tell_of_scope(&made, &Scope::default(), context);
    }
    context.out.headline(&format!("Storage entry {name} created"));
    Ok(())
}

/// The entry that was asked for, and what was said for its type; `rest` are the words too many.
fn planned(
    arguments: &Arguments,
    rest: &[String],
    context: &mut Context,
) -> Result<(Entry, NewEntry)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let annotations = pairs(&arguments.annotation)?;
    let labels = pairs(&arguments.label)?;
    let name = EntryName::parse_new(&arguments.name)?;
    no_more_than(rest, 0)?;
    must_not_be_of_switch(arguments)?;
    let default_path = root::default_path(context, name.as_str());
    let (type_name, scheduler) = type_and_scheduler(arguments)?;
    let typed = given(Some(&arguments.path));
    let request = request(type_name, typed, arguments)?;
    let source = match typed {
        _ if !type_name.is_empty() => None,
        None if scheduler == DOCKER_LOCAL => Some(Source::parse(&default_path)?),
        None => None,
        Some(typed) => {
            as_typed("host path", typed)?;
            Some(
                Source::parse(typed)
                    .map_err(|reason| bad_source(&name, scheduler, typed, &reason))?,
            )
        }
    };
    let mut entry = Entry::new(name, source);
    scheduler.clone_into(&mut entry.scheduler);
    entry.size = text(&arguments.size);
    entry.access_mode = text(&arguments.access_mode);
    entry.storage_class = text(&arguments.storage_class_name);
    entry.namespace = text(&arguments.namespace);
    entry.reclaim_policy = text(&arguments.reclaim_policy);
    entry.mode = parsed(arguments.mode.as_ref(), Mode::parse)?;
    entry.chown = parsed(arguments.chown.as_ref(), Ownership::parse)?;
    entry.annotations = annotations;
    entry.labels = labels;
    entry.scope = Scope::parse(&arguments.scope)?;
    entry.exclusive = arguments.exclusive;
    if !type_name.is_empty() {
        type_name.clone_into(&mut entry.type_name);
        entry.size.clear();
        let storage_type = types::find(type_name)?;
        types::check_request(storage_type, &request)?;
        must_be_asked(&entry, &request, context)?;
        storage_type.plan(&mut entry, &request, context)?;
    }
    if scheduler == K3S && !context.environment.is_dokku() {
        refuse!("type k3s needs a Dokku host; dokku storage:types:list shows the types");
    }
    let is_here = matches!(entry.host_path, Some(Source::Path(_))) || !type_name.is_empty();
    if scheduler == DOCKER_LOCAL && is_here && types::of(&entry).is_on_one_host(&entry) {
        entry.node = environment::node();
    }
    if entry.exclusive {
        types::must_be_able_to_be_exclusive(&entry)?;
    }
    entry.check(&default_path)?;
    if type_name.is_empty() {
        entry.check_directory(&default_path)?;
    }
    Ok((entry, request))
}

/// Refuses a path that somebody typed as the value of a switch: it would be the name of a Docker volume.
fn must_not_be_of_switch(arguments: &Arguments) -> Result<()> {
    let switches = [
        ("--chown-recursive", arguments.chown_recursive),
        ("--exclusive", arguments.exclusive),
        ("--preallocate", arguments.preallocate),
    ];
    let path = &*arguments.path;
    let Some((flag, _)) = switches.iter().find(|(_, is_given)| *is_given) else {
        return Ok(());
    };
    match path {
        "yes" | "true" | "on" => Err(refusal!("{flag} takes no value; leave {path:?} out")),
        "no" | "false" | "off" => {
            Err(refusal!("{flag} takes no value; leave {flag} and {path:?} out"))
        }
        _ => Ok(()),
    }
}

/// The type as the entry notes it, and the scheduler.
fn type_and_scheduler(arguments: &Arguments) -> Result<(&str, &str)> {
    let scheduler = given(Some(&arguments.scheduler)).unwrap_or(DOCKER_LOCAL);
    let has_size = given(arguments.size.as_deref()).is_some();
    let Some(name) = given(arguments.r#type.as_deref()) else {
        let noted =
            if scheduler == DOCKER_LOCAL { types::DEFAULT.noted_name(has_size) } else { "" };
        return Ok((noted, scheduler));
    };
    let storage_type = types::find(name)?;
    let noted = storage_type.noted_name(has_size);
    match (storage_type.description().reach, scheduler) {
        (Reach::Cluster, _) => Ok((noted, K3S)),
        (_, DOCKER_LOCAL) => Ok((noted, scheduler)),
        _ => Err(refusal!("type {name} is for scheduler docker-local, not {scheduler}")),
    }
}

/// What was said that not every type takes, refused where it was said without a type.
fn request(type_name: &str, typed: Option<&str>, arguments: &Arguments) -> Result<NewEntry> {
    let text = |value: &Option<String>| given(value.as_deref()).map(str::to_owned);
    let connector = given(arguments.connector.as_deref());
    let request = NewEntry {
        is_registered: false,
        place: typed.map(str::to_owned),
        driver: text(&arguments.driver),
        connector: connector.map(ConnectorName::parse).transpose()?,
        options: options::parse(&arguments.option)?,
        size: text(&arguments.size),
        mode: text(&arguments.mode),
        from: text(&arguments.from),
        chown: text(&arguments.chown),
        preallocate: arguments.preallocate,
    };
    let of_types = [
        ("--connector", request.connector.is_some()),
        ("--driver", request.driver.is_some()),
        ("--option", !request.options.is_empty()),
        ("--preallocate", request.preallocate),
    ];
    if type_name.is_empty()
        && let Some((flag, _)) = of_types.iter().find(|(_, is_given)| *is_given)
    {
        let storage_type = match given(arguments.r#type.as_deref()) {
            Some(name) => types::find(name)?,
            None => types::DEFAULT,
        };
        let name = storage_type.description().name;
        return Err(match (*flag, arguments.r#type.as_deref()) {
            _ if storage_type.description().takes(flag) => refusal!(
                "{flag} needs --size; as in: dokku storage:create {} --size 2G {flag}",
                arguments.name
            ),
            (flag, Some(_)) => types::does_not_take(name, flag),
            (flag, None) => {
                refusal!("{flag} needs a --type that takes it: {}", types::taking(flag))
            }
        });
    }
    if let (Some(name), Some(place)) = (given(arguments.r#type.as_deref()), typed) {
        types::find(name)?.check_place(place)?;
    }
    Ok(request)
}

/// What a directory is to be populated from, or a file from a snapshot; any other content of a file is read by itself.
fn filled_from(from: &str, entry: &Entry, request: &NewEntry) -> Result<Option<source::Source>> {
    match types::of(entry).place() {
        Place::Directory => {}
        Place::File if from.starts_with("snapshot:") || from.starts_with("backup:") => {}
        _ => return Ok(None),
    }
    let source = source::Source::parse(from)?;
    refuse_if!(
        !entry.is_docker_local() || request.place.is_some(),
        "--from {from} populates a new storage entry at its default host path; leave the path and --scheduler out"
    );
    Ok(Some(source))
}

fn bad_source(name: &EntryName, scheduler: &str, typed: &str, reason: &Error) -> Error {
    let kind = match scheduler {
        DOCKER_LOCAL => "an absolute path or a docker named volume token",
        K3S => "absolute",
        other => return unsupported_scheduler(name, other),
    };
    if typed.starts_with('/') {
        return Error::refused(reason.to_string());
    }
    refusal!("storage entry \"{name}\" host_path must be {kind}, got {typed:?}")
}
