//! Asking the server of a connector, as backups will ask it.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::context::Context;
use crate::domain::connector_type::Protocol;
use crate::domain::{Connector, Error, Result, Secret, readable};
use crate::fs::{fetch, space};
use crate::host::rclone::listing::{self, Remote};
use crate::host::ssh;
use crate::store::Rights;

/// What a server, or a directory of this host, has.
pub(crate) struct Found {
    /// Where that was looked for; none where it is the server itself.
    pub place: Option<String>,
    /// The names, in order; none where nobody can list them.
    pub names: Option<Vec<String>>,
    /// What else is to know.
    pub note: Option<String>,
}

impl Found {
    fn at(place: &str, names: Vec<String>) -> Self {
        let place = Some(place.to_owned()).filter(|place| !place.is_empty());
        Self { place, names: Some(names), note: None }
    }
}

/// Looks into a bucket or a share, or at the destination that the connector is. Only buckets and shares take a path.
pub(crate) fn look(
    connector: &Connector,
    secret: Option<&Secret>,
    path: &str,
    context: &Context,
) -> Result<Found> {
    let protocol = connector.protocol();
    let takes_path = matches!(protocol, None | Some(Protocol::ObjectStore | Protocol::Share));
    refuse_if!(
        !takes_path && !path.is_empty(),
        "connector {} leads to one place alone; leave {path:?} out",
        connector.name
    );
    let found = match protocol {
        Some(Protocol::Directory) => directory(&connector.path, context),
        Some(Protocol::Sftp) => sftp(connector, context),
        Some(Protocol::Rclone) => rclone(connector, context),
        Some(Protocol::Rest) => rest(connector, secret, context),
        _ => {
            let path = if path.is_empty() { connector.bucket.as_str() } else { path };
            let remote = Remote::of(connector, secret, path)?;
            listing::list(&remote).map(|names| Found::at(path, names))
        }
    };
    found.map_err(|error| {
        let what = match path {
            "" if connector.bucket.is_empty() => connector.place().to_owned(),
            "" => connector.bucket.clone(),
            path => path.to_owned(),
        };
        refusal!("connector {} cannot list {what}: {error}", connector.name)
    })
}

/// A directory of this host, as the store's owner finds it.
fn directory(path: &str, context: &Context) -> Result<Found> {
    let _rights = Rights::of(context.store.owner(), context.store.layout())?;
    let read = fs::read_dir(path).map_err(Error::system("read", path))?;
    let mut names: Vec<String> =
        read.flatten().map(|found| found.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    let may_write =
        accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok();
    refuse_if!(
        !may_write,
        "{} may not write to {path}; change its owner: chown {} {path}",
        context.environment.system_user(),
        context.environment.system_user()
    );
    let free = readable(space::free(Path::new(path))?);
    let note = format!("{free} free for backups");
    Ok(Found { note: Some(note), ..Found::at(path, names) })
}

fn sftp(connector: &Connector, context: &Context) -> Result<Found> {
    let (layout, name) = (context.store.layout(), &connector.name);
    let files = ssh::Files {
        secret: layout.connector_secret(name),
        known_hosts: layout.connector_known_hosts(name),
    };
    let names = ssh::list(connector, &files, &connector.path, context.store.owner().get())?;
    Ok(Found::at(&format!("{}:{}", connector.server, connector.path), names))
}

fn rclone(connector: &Connector, context: &Context) -> Result<Found> {
    let file = context.store.layout().connector_secret(&connector.name);
    let names = listing::list_with(&file, &connector.remote, context.store.owner().get())?;
    Ok(Found::at(&connector.remote, names))
}

/// restic's own server has no list that everybody may see: it is asked whether there is a repository.
fn rest(connector: &Connector, secret: Option<&Secret>, context: &Context) -> Result<Found> {
    let mut address = connector.endpoint.trim_end_matches('/').to_owned();
    if !connector.path.is_empty() {
        address = format!("{address}/{}", connector.path.trim_matches('/'));
    }
    let user = secret.map(|secret| (connector.username.as_str(), secret.reveal()));
    let status = fetch::status(&format!("{address}/config"), user, context.store.owner().get())?;
    let note = match status {
        200..=299 => "there are backups",
        404 => "there are no backups yet",
        401 | 403 => refuse!(
            "the server answers {status}: it does not let the user in; give the user's password: dokku storage:connectors:set {} secret",
            connector.name
        ),
        _ => refuse!("the server answers {status}"),
    };
    Ok(Found { place: Some(address), names: None, note: Some(note.to_owned()) })
}
