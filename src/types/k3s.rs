//! `k3s`: a claim in a Kubernetes cluster, which Dokku's k3s plugin makes.

use crate::context::Context;
use crate::domain::{Entry, Result};
use crate::host::Environment;
use crate::types::{Abilities, Description, NewEntry, Reach, Removal, Requirement, StorageType};

pub(crate) struct K3s;

const DESCRIPTION: Description = Description {
    name: "k3s",
    summary: "a claim in a Kubernetes cluster, made by Dokku's k3s plugin; the same as --scheduler k3s",
    reach: Reach::Cluster,
    caveat: "for apps of the scheduler k3s alone; its size is set with --size",
    flags: &["PATH", "--size"],
    can: Abilities { resize: true, subpath: true, chown: true, ..Abilities::NONE },
    ..Description::PLAIN
};

impl StorageType for K3s {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn noted_name(&self, _has_size: bool) -> &'static str {
        ""
    }

    fn requirements(&self, environment: &Environment) -> Vec<Requirement> {
        let remedy = "install Dokku and its k3s scheduler, or choose another type";
        vec![Requirement {
            what: "a Dokku host".to_owned(),
            is_here: environment.is_dokku(),
            remedy: remedy.to_owned(),
        }]
    }

    fn plan(&self, _entry: &mut Entry, _request: &NewEntry, _context: &mut Context) -> Result<()> {
        Ok(())
    }

    fn removal(&self, entry: &Entry, asked: bool, _context: &mut Context) -> Result<Removal> {
        refuse_if!(
            asked,
            "--destroy-host-dir only applies to docker-local storage entries; \"{}\" is scheduler {:?} and follows --reclaim-policy",
            entry.name,
            entry.scheduler
        );
        Ok(Removal::Nothing)
    }
}
