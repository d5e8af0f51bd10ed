//! The file with the metrics, for the textfile collector of `node_exporter`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::context::Context;
use crate::domain::{Error, Result};
use crate::store::files;

/// The file in the directory of the textfile collector.
const FILE: &str = "dokku_storage.prom";

/// Refuses a directory that is not there, or in which the caller cannot write.
pub(crate) fn must_be_writable(directory: &str, context: &Context) -> Result<()> {
    refuse_if!(
        !Path::new(directory).is_dir(),
        "{directory:?} is not a directory; create it, or name that of node_exporter's --collector.textfile.directory"
    );
    refuse_if!(
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_err(),
        "{directory:?} cannot be written by {user}; let it: setfacl -m u:{user}:rwx {directory}",
        user = context.environment.system_user()
    );
    Ok(())
}

/// Replaces the file as a whole: somebody may read it at any moment.
pub(crate) fn write(directory: &str, text: &str) -> Result<()> {
    let path = &Path::new(directory).join(FILE);
    let temporary = files::temporary(path);
    let failed = || Error::system("write", path);
    std::fs::write(&temporary, text).map_err(failed())?;
    std::fs::set_permissions(&temporary, PermissionsExt::from_mode(0o644)).map_err(failed())?;
    std::fs::rename(&temporary, path).map_err(failed())
}
