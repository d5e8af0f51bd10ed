//! What a supervisor mounts, read with the rights of the store's owner, and the words that rclone is called with.

use crate::domain::{Connector, Entry, Result, Secret};
use crate::host::Environment;
use crate::privileged::mounting::Subject;
use crate::storage::ownership::on_host;
use crate::store::Rights;
use crate::types;

pub(crate) struct Remote {
    pub(crate) entry: Entry,
    connector: Connector,
    secret: Option<Secret>,
}

/// The entry as it is now; none where there is nothing to keep mounted any more.
pub(crate) fn read(subject: &Subject) -> Result<Option<Remote>> {
    let store = &subject.store;
    // The store belongs to somebody else, who may have put links in it.
    let _rights = Rights::of(store.owner(), store.layout())?;
    let Some(entry) = store.entry(&subject.name)? else {
        return Ok(None);
    };
    if types::of(&entry).place() != types::Place::MountPoint {
        return Ok(None);
    }
    let connector = types::connector(&entry, store)?;
    let secret = store.secret(&connector)?;
    Ok(Some(Remote { entry, connector, secret }))
}

/// Refuses to mount below a storage root that is away.
pub(crate) fn must_have_its_disk(subject: &Subject) -> Result<()> {
    let store = &subject.store;
    let _rights = Rights::of(store.owner(), store.layout())?;
    store.must_not_be_away()
}

impl Remote {
    /// rclone's configuration.
    ///
    /// The remote has a name in a file, not in the environment: what was written and not sent yet is found again by that
    /// name after the key was changed.
    pub(crate) fn configuration(&self) -> Result<String> {
        crate::host::rclone::configuration(&self.connector, self.secret.as_ref())
    }

    /// What rclone is to show: a bucket, or a directory in it.
    pub(crate) fn path(&self) -> String {
        types::s3::remote_path(&self.entry)
    }

    /// The remote's path, and how the mount is to look.
    pub(crate) fn words(&self, environment: &Environment) -> Vec<String> {
        let owner = self.entry.chown.as_ref().and_then(|owner| on_host(environment, owner).0);
        let mut words = vec![
            self.path(),
            format!("--uid={}", owner.map_or(0, |ids| ids.uid)),
            format!("--gid={}", owner.map_or(0, |ids| ids.gid)),
            // The kernel does not ask for permissions here; what is shown should say so.
            "--umask=000".to_owned(),
        ];
        let limit = self.entry.option("cache-size");
        if !limit.is_empty() {
            words.push(format!("--vfs-cache-max-size={limit}"));
        }
        words
    }
}
