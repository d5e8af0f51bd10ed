//! Populating a new entry's directory from the web.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use crate::context::Context;
use crate::domain::{Error, GitReference, Result, Sha256, WebAddress, readable};
use crate::fs::tree::Depth;
use crate::fs::{archive, fetch};
use crate::render::progress;
use crate::storage::{Ids, Staged, StorageRoot};

const NAMELESS: &str = "download";

const CLOSED: u32 = 0o700;

const OPEN: u32 = 0o755;

pub(crate) enum Web {
    Git { address: WebAddress, reference: Option<GitReference> },
    File { address: WebAddress, sum: Option<Sha256> },
}

impl Web {
    /// Makes the directory of that hidden name with the content in it, and says what was done. All of it belongs to who
    /// owns the store's files.
    /// Fails where it cannot be had as it should be; what there is of the directory then is the caller's to remove.
    pub(crate) fn populate(&self, hidden: &str, context: &mut Context) -> Result<String> {
        context.out.flush()?;
        let storage = context.store.layout().storage();
        let root = std::fs::canonicalize(storage).map_err(Error::system("open", storage))?;
        let directory = root.join(hidden);
        let owner = context.store.owner().get();
        let fetcher = fetch::fetcher(owner);
        std::fs::create_dir(&directory).map_err(Error::system("create", &directory))?;
        set_mode(&directory, CLOSED)?;
        let said = match self {
            Self::Git { address, reference } => {
                if let Some((uid, gid)) = fetcher {
                    chown(&directory, Some(uid), Some(gid))
                        .map_err(Error::system("own", &directory))?;
                }
                let commit = progress::of_bytes(&format!("fetching {address}"), |_| {
                    fetch::fetch_git(&root, hidden, address, reference.as_ref(), fetcher)
                })?;
                format!("Fetched commit {commit} from {address}, without its history")
            }
            Self::File { address, sum } => {
                let wanted = (address, sum.as_ref());
                let data = nameless(context)?;
                download(wanted, data, &root, hidden, fetcher)?
            }
        };
        set_mode(&directory, OPEN)?;
        if let Some((uid, gid)) = fetcher.map(|_| owner.unwrap_or((0, 0))) {
            progress::of_files("looked at", |seen| {
                StorageRoot::of(context).chown(hidden.into(), Ids { uid, gid }, Depth::Tree, seen)
            })?;
        }
        Ok(said)
    }
}

fn download(
    (address, sum): (&WebAddress, Option<&Sha256>),
    mut data: File,
    root: &Path,
    hidden: &str,
    fetcher: Option<(u32, u32)>,
) -> Result<String> {
    let (bytes, found) = progress::of_bytes("downloaded", |seen| {
        fetch::download(address, &mut data, root, fetcher, seen)
    })?;
    if let Some(wanted) = sum.filter(|wanted| **wanted != found) {
        refuse!("{address} has the SHA-256 sum {found}, and not {wanted}");
    }
    let unable = |error: io::Error| refusal!("unable to keep {address}: {error}");
    if archive::is_archive(&mut data).map_err(unable)? {
        let unpacked = archive::unpack(&mut data, root, hidden, archive::Takes::default())?;
        return Ok(format!(
            "Unpacked {} members ({}) from {address}",
            unpacked.members,
            readable(unpacked.bytes)
        ));
    }
    let name = address.file_name().unwrap_or(NAMELESS);
    let path = root.join(hidden).join(name);
    let mut kept = File::create_new(&path).map_err(unable)?;
    data.rewind().map_err(unable)?;
    io::copy(&mut data, &mut kept).map_err(unable)?;
    set_mode(&path, 0o644)?;
    Ok(format!(
        "Downloaded {name} ({}) from {address}; it is not an archive that is unpacked",
        readable(bytes)
    ))
}

/// A file in the storage root that has no name any more: it is gone with this process.
fn nameless(context: &Context) -> Result<File> {
    let staged = Staged::new(NAMELESS, context)?;
    let path = staged.path();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&path).map_err(Error::system("create", &path))?;
    std::fs::remove_file(&path).map_err(Error::system("remove", &path))?;
    Ok(file)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let set = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    set.map_err(Error::system("set the mode of", path))
}
