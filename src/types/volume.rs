//! `volume`: a Docker volume, kept by the engine itself or by a volume driver.

use std::path::Path;

use crate::context::Context;
use crate::docker::volumes::LOCAL;
use crate::docker::{Found, volumes};
use crate::domain::{
    Entry, Error, Options, Problem, Result, Source, VolumeName, VolumeTarget, is_of,
    only_on_default_path, options, quoted,
};
use crate::fs::look::FileKind;
use crate::fs::missing_target;
use crate::host::process;
use crate::storage::{StorageRoot, root};
use crate::types::{Abilities, Description, NewEntry, Removal, StorageType};

pub(crate) struct Volume;

const DESCRIPTION: Description = Description {
    name: "volume",
    summary: "a Docker volume, made by the engine or by one of its volume drivers",
    caveat: "an empty volume takes over what the image has at its path; where the data is, the driver decides; exclusive counts the apps of this host alone",
    any_option: true,
    flags: &["PATH", "--driver"],
    can: Abilities { exclusive: true, subpath: true, ..Abilities::NONE },
    ..Description::PLAIN
};

impl StorageType for Volume {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn keeps_in_volume(&self) -> bool {
        true
    }

    fn is_on_one_host(&self, entry: &Entry) -> bool {
        // What another driver does, or a device that is mounted, may be anywhere.
        entry.is_typed() && driver(entry) == LOCAL && entry.options.is_empty()
    }

    fn no_copies(&self, what: &str) -> String {
        format!("has its data with its driver; make {what} there")
    }

    fn plan(&self, entry: &mut Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        let name = request.place.as_deref().unwrap_or(entry.name.as_str());
        VolumeName::parse(name)?;
        entry.host_path = Some(Source::parse(name)?);
        let driver = request.driver.as_deref().unwrap_or(LOCAL);
        if !is_of(driver, "._-/:") || driver.starts_with('-') {
            refuse!("driver {driver:?} is not the name of a driver");
        }
        if driver != LOCAL {
            driver.clone_into(&mut entry.driver);
        }
        entry.options.clone_from(&request.options);
        match volumes::find(&context.environment, name) {
            Found::Here(present) => adopt(entry, &present, request),
            Found::Missing => must_have(driver, context),
            Found::Failing(words) => Err(out_of_reach(name, &words)),
            Found::Unknown => Err(no_answer()),
        }
    }

    fn create(&self, entry: &Entry, _request: &NewEntry, context: &mut Context) -> Result<()> {
        if !entry.is_typed() {
            return Ok(());
        }
        make(entry, entry.options.clone(), context)
    }

    fn problem(&self, entry: &Entry, context: &Context) -> Option<Problem> {
        let notes_nothing = entry.options.is_empty() && entry.driver.is_empty();
        let found = volumes::find(&context.environment, entry.shown_source());
        let again = format!("dokku storage:wait {}", entry.name);
        match &found {
            // What Dokku's own plugin registers Docker makes by itself.
            Found::Missing if !entry.is_typed() && notes_nothing => None,
            Found::Here(present) if !entry.is_typed() && notes_nothing => {
                missing_device(entry, &present.target(), context)
            }
            Found::Here(present) => wrong(entry, present, &entry.options)
                .map(|problem| Problem {
                    remedy: format!(
                        "put the entry's own back, if nothing is in this one: docker volume rm {} && {again}",
                        entry.shown_source()
                    ),
                    ..problem
                })
                .or_else(|| missing_device(entry, &present.target(), context)),
            Found::Missing | Found::Failing(_) | Found::Unknown => {
                missing_as(entry, &found).map(|problem| {
                    if problem.may_pass {
                        return problem;
                    }
                    Problem { remedy: format!("create it again, empty: {again}"), ..problem }
                })
            }
        }
    }

    fn create_removed(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        match volumes::find(&context.environment, entry.shown_source()) {
            Found::Missing => make(entry, entry.options.clone(), context),
            Found::Here(_) | Found::Failing(_) | Found::Unknown => Ok(()),
        }
    }

    fn removal(&self, entry: &Entry, asked: bool, context: &mut Context) -> Result<Removal> {
        if !entry.is_typed() && asked {
            let default_path = root::default_path(context, entry.name.as_str());
            return Err(only_on_default_path(
                "--destroy-host-dir",
                &default_path,
                entry.shown_source(),
            ));
        }
        let goes = entry.is_typed() && (asked || entry.is_deleted_with_entry());
        Ok(if goes { Removal::Outside } else { Removal::Nothing })
    }

    fn remove(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        volumes::remove(&context.environment, entry.shown_source())
    }
}

fn driver(entry: &Entry) -> &str {
    if entry.driver.is_empty() { LOCAL } else { &entry.driver }
}

/// The refusal where Docker has to be asked and does not answer.
pub(crate) fn no_answer() -> Error {
    if process::find("docker").is_none() {
        return process::not_here("docker");
    }
    refusal!("Docker does not answer; start it and run the command again")
}

/// The refusal where Docker cannot look at a volume, in its words.
pub(crate) fn out_of_reach(name: &str, words: &str) -> Error {
    refusal!("Docker does not get at the volume {name}: {words}")
}

/// Refuses a driver that Docker does not have; where nobody knows, Docker itself will say it.
fn must_have(driver: &str, context: &Context) -> Result<()> {
    if driver == LOCAL || volumes::has_driver(&context.environment, driver) != Some(false) {
        return Ok(());
    }
    let known = volumes::drivers(&context.environment).unwrap_or_default();
    let known = super::nearest_first(driver, known.iter().map(String::as_str));
    Err(refusal!(
        "Docker has no volume driver {driver:?}; it has: {known}; one that is a Docker plugin comes with: docker plugin install {driver}; another has to be started before it has a socket in /run/docker/plugins"
    ))
}

/// Takes a volume that is there as the entry's, unless something else was asked for.
fn adopt(entry: &mut Entry, present: &volumes::Volume, request: &NewEntry) -> Result<()> {
    let name = entry.shown_source();
    refuse_if!(
        request.driver.is_some() && present.driver != driver(entry),
        "the Docker volume {name} exists with driver {}, not {}; choose another name, or leave --driver out to take it as it is",
        present.driver,
        driver(entry)
    );
    refuse_if!(
        !request.options.is_empty() && present.options != request.options,
        "the Docker volume {name} exists with other options ({}); choose another name, or leave --option out to take it as it is",
        shown(&present.options)
    );
    entry.driver.clear();
    if present.driver != LOCAL {
        entry.driver.clone_from(&present.driver);
    }
    entry.options.clone_from(&present.options);
    Ok(())
}

/// Options on one line, secrets left out.
fn shown(given: &Options) -> String {
    if given.is_empty() {
        return "none".to_owned();
    }
    let pairs = options::masked(given).into_iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

/// What Docker's `local` driver is told of a file system.
pub(crate) fn local_options(file_system: &str, device: String, options: &[String]) -> Options {
    let options = [("type", file_system.to_owned()), ("device", device), ("o", options.join(","))];
    options.map(|(key, value)| (key.to_owned(), value)).into()
}

pub(crate) fn make(entry: &Entry, options: Options, context: &mut Context) -> Result<()> {
    let name = entry.shown_source();
    let driver = driver(entry).to_owned();
    if let Found::Here(present) = volumes::find(&context.environment, name) {
        refuse_if!(
            present.options != options || present.driver != driver,
            "the Docker volume {name} exists with driver {} and other options ({}); remove it, or choose another name",
            present.driver,
            shown(&present.options)
        );
        // The other types' volumes are their own matter, and are looked for again before each deploy.
        if entry.has_own_volume() {
            context.out.detail(&format!("Uses the Docker volume {name}"));
        }
        return Ok(());
    }
    let volume = volumes::Volume { driver, options, labels: Options::new() };
    created(name, &volume, context)
}

pub(crate) fn created(name: &str, volume: &volumes::Volume, context: &mut Context) -> Result<()> {
    volumes::make(&context.environment, name, volume)?;
    context.out.detail(&format!("Created the Docker volume {name}"));
    Ok(())
}

/// What is the matter where a volume is not the entry's any more: somebody removed that, and Docker has another of the name.
pub(crate) fn wrong(entry: &Entry, present: &volumes::Volume, wanted: &Options) -> Option<Problem> {
    let is_driver = present.driver == driver(entry) || present.driver.is_empty();
    if is_driver && present.options == *wanted {
        return None;
    }
    let name = entry.shown_source();
    let sentence = if is_driver && shown(&present.options) == shown(wanted) {
        format!(
            "the Docker volume {name} has another secret among its options than its entry notes"
        )
    } else {
        format!(
            "the Docker volume {name} has driver {} and options {}, not driver {} and options {}",
            present.driver,
            shown(&present.options),
            driver(entry),
            shown(wanted)
        )
    };
    Some(Problem { code: "wrong-volume", sentence, remedy: String::new(), may_pass: false })
}

/// What is the matter where the path that a volume is bound to is not there: Docker would refuse the container.
fn missing_device(entry: &Entry, target: &VolumeTarget, context: &Context) -> Option<Problem> {
    let device = target.bind.as_ref()?;
    // From inside a container only Dokku's own directories are the host's.
    if matches!(context.environment.host_lib_root(), Ok(Some(_))) {
        return None;
    }
    let path = Path::new(device);
    let looked = StorageRoot::of(context).look(path)?;
    if looked.kind != FileKind::Nothing {
        return None;
    }
    let target = missing_target(path).map(|target| target.to_string_lossy().into_owned());
    let missing = target.as_deref().unwrap_or(device);
    Some(Problem {
        code: "missing-source",
        sentence: format!(
            "the Docker volume {} leads to {missing}, which does not exist",
            entry.shown_source()
        ),
        remedy: format!("create it: mkdir -p {}", quoted(missing)),
        may_pass: false,
    })
}

/// What is the matter where an entry's volume is not there, or its driver is down.
pub(crate) fn missing(entry: &Entry, context: &Context) -> Option<Problem> {
    missing_as(entry, &volumes::find(&context.environment, entry.shown_source()))
}

fn missing_as(entry: &Entry, found: &Found) -> Option<Problem> {
    let name = entry.shown_source();
    match found {
        Found::Here(_) | Found::Unknown => None,
        Found::Missing => Some(Problem {
            code: "missing-volume",
            sentence: format!("the Docker volume {name} does not exist"),
            remedy: String::new(),
            may_pass: false,
        }),
        Found::Failing(words) => Some(Problem {
            code: "unreachable-driver",
            sentence: format!("Docker does not get at the volume {name}: {words}"),
            remedy: format!(
                "start the volume driver {}, then run: dokku storage:wait {}",
                driver(entry),
                entry.name
            ),
            may_pass: true,
        }),
    }
}
