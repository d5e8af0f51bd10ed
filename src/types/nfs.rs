//! `nfs`: a directory of an NFS server, mounted by Docker's `local` driver.

use crate::context::Context;
use crate::domain::{Entry, HostPath, Options, Problem, Result, Source};
use crate::types::remote::{self, FileSystem};
use crate::types::{Abilities, Choice, Description, NewEntry, Reach, StorageType, volume};

pub(crate) struct Nfs;

const NFS: FileSystem = FileSystem {
    name: "nfs",
    package: "nfs-common",
    port: 2049,
    version_option: "nfsvers",
    version: "4",
    versions: &["3", "4", "4.0", "4.1", "4.2"],
};

const DESCRIPTION: Description = Description {
    name: "nfs",
    summary: "a directory of an NFS server, mounted by Docker",
    reach: Reach::Anywhere,
    caveat: "databases that lock files or map them into memory, SQLite among them, do not belong here; exclusive counts the apps of this host alone",
    options: &[
        Choice::required("server", "the server's name or address"),
        Choice::required("path", "the directory that the server exports"),
        Choice::optional("version", "3, 4, 4.0, 4.1 or 4.2", Some(NFS.version)),
        Choice::optional("port", "the server's port", Some("2049")),
        Choice::optional("mount-options", "more mount options, such as soft,timeo=50", None),
    ],
    file_system: Some(&NFS),
    can: Abilities { exclusive: true, subpath: true, ..Abilities::NONE },
    ..Description::PLAIN
};

impl StorageType for Nfs {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn plan(&self, entry: &mut Entry, request: &NewEntry, _context: &mut Context) -> Result<()> {
        entry.options.clone_from(&request.options);
        volume_options(entry)?;
        self.check_reclaim_policy(entry)?;
        entry.host_path = Some(Source::parse(entry.name.as_str())?);
        Ok(())
    }

    fn create(&self, entry: &Entry, _request: &NewEntry, context: &mut Context) -> Result<()> {
        volume::make(entry, volume_options(entry)?, context)
    }

    fn problem(&self, entry: &Entry, context: &Context) -> Option<Problem> {
        let wanted = volume_options(entry).ok()?;
        NFS.problem(entry, &wanted, entry.option("server"), context)
    }
}

/// The names of the options that the kernel takes for NFS (nfs(5)), and for any file system (mount(8)).
const KNOWN: &str = "ac acdirmax acdirmin acl acregmax acregmin actimeo async bsize clientaddr cto fsc hard intr \
    local_lock lock lookupcache max_connect migration minorversion mountaddr mountport \
    mountproto mountvers namlen nconnect noac noacl noatime nocto nodev nodiratime noexec nofsc \
    nointr nolock nomigration nordirplus noresvport nosharecache nosuid proto rdirplus relatime \
    resvport retrans ro rsize rw sec sharecache soft softreval sync tcp timeo udp wsize";

/// What Docker's `local` driver is told (nfs(5)).
fn volume_options(entry: &Entry) -> Result<Options> {
    let server = remote::server(entry.option("server"))?;
    let path = HostPath::parse(entry.option("path")).map_err(|_| {
        refusal!(
            "path {:?} is not the path of a directory, such as /srv/data",
            entry.option("path")
        )
    })?;
    let mut options = NFS.options(entry, server)?;
    let further = remote::further(entry.option("mount-options"), "addr nfsvers vers port")?;
    let is_known =
        |part: &&str| KNOWN.split(' ').any(|known| Some(known) == part.split('=').next());
    if let Some(unknown) = further.iter().find(|part| !is_known(part)) {
        refuse!(
            "mount option {unknown:?} is not one of NFS (nfs(5)); there are: {}",
            super::nearest_first(unknown, KNOWN.split(' '))
        );
    }
    options.extend(further.into_iter().map(str::to_owned));
    Ok(volume::local_options("nfs", format!(":{path}"), &options))
}
