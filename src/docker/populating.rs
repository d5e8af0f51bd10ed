//! Directories populated with what an image has at a path, by Docker itself: as it populates a new volume.

use std::collections::BTreeMap;

use crate::docker::containers::{labelled, remove_labelled};
use crate::docker::volumes::{LOCAL, Volume};
use crate::docker::{Docker, Environment, Found, volumes};
use crate::domain::Result;
use crate::host::{process, random};

/// The label of the containers and volumes that are there for a moment; its value is the process that needs them.
const LABEL: &str = "org.dokku-storage.filling";

pub(crate) struct StagedVolume {
    pub path: String,
    /// The directory, as the engine's host sees it. It is there, and empty.
    pub directory: String,
}

/// Populates directories with what an image has at the paths: owners, modes, links and extended attributes with it. Where
/// the image has nothing at a path, the directory stays as it is. Where Docker refuses, what was populated by then is left.
pub(crate) fn populate(
    environment: &Environment,
    image: &str,
    staged: &[StagedVolume],
) -> Result<()> {
    let own = std::process::id().to_string();
    clear(environment, |of| !process::is_alive(of));
    let result = copy(environment, image, staged, &own);
    clear(environment, |of| of == own);
    result
}

fn copy(environment: &Environment, image: &str, staged: &[StagedVolume], own: &str) -> Result<()> {
    let label = format!("{LABEL}={own}");
    let mut words: Vec<String> =
        ["create", "--network", "none", "--label", &label].map(str::to_owned).to_vec();
    for staged in staged {
        // A volume that is a directory: Docker populates it at the first container that has it. Nobody can have one of its name ready.
        let name = format!("dokku-storage-filling-{}", random::secret()?.reveal());
        let options = [("type", "none"), ("o", "bind"), ("device", &staged.directory)];
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = BTreeMap::from([(LABEL.to_owned(), own.to_owned())]);
        let volume = Volume { driver: LOCAL.to_owned(), options: options.into(), labels };
        volumes::make(environment, &name, &volume)?;
        // Docker says nothing where there is one by now.
        let is_own = |found: &Volume| {
            found.options == volume.options && found.labels.get(LABEL).is_some_and(|of| of == own)
        };
        refuse_if!(
            !matches!(volumes::find(environment, &name), Found::Here(found) if is_own(&found)),
            "somebody else made the Docker volume {name} meanwhile, which stays as it is; deploy again"
        );
        words.extend(["-v".to_owned(), format!("{name}:{}", staged.path)]);
    }
    words.extend([image.to_owned(), "true".to_owned()]);
    let answer = Docker(environment).client(&words).run()?;
    if answer.is_ok() {
        return Ok(());
    }
    let why = answer.reason();
    Err(refusal!("Docker did not copy what {image} has at its volumes: {why}"))
}

/// Removes the containers and the volumes of the processes that are chosen; what cannot be removed stays for the next time.
fn clear(environment: &Environment, is_chosen: impl Fn(&str) -> bool) {
    remove_labelled(environment, LABEL, &is_chosen);
    for volume in labelled(environment, LABEL, &["volume", "ls"], "Name", is_chosen) {
        let _ = volumes::remove(environment, &volume);
    }
}
