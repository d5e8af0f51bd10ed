//! `cifs`: a share of a Windows or Samba server, mounted by Docker's `local` driver.

use crate::context::Context;
use crate::domain::{Connector, Entry, Mode, Options, Ownership, Problem, Result, Source};
use crate::types::remote::{self, FileSystem};
use crate::types::{Abilities, Choice, Description, NewEntry, Reach, StorageType, renewed, volume};

/// The type `cifs`.
///
/// The kernel takes a share's password as a mount option only, and Docker keeps the options of a volume: whoever may
/// talk to Docker can read it there.
pub(crate) struct Cifs;

const CIFS: FileSystem = FileSystem {
    name: "cifs",
    package: "cifs-utils",
    port: 445,
    version_option: "vers",
    version: "3.0",
    versions: &["2.0", "2.1", "3.0", "3.0.2", "3.1.1"],
};

const DESCRIPTION: Description = Description {
    name: "cifs",
    summary: "a share of a Windows or Samba server, mounted by Docker",
    reach: Reach::Anywhere,
    caveat: "owners and modes are those of the mount, not of the files; Docker keeps the password among the volume's options; exclusive counts the apps of this host alone",
    options: &[
        Choice::required("share", "the share's name, with a path in it where only that is wanted"),
        Choice::optional("version", "2.0, 2.1, 3.0, 3.0.2 or 3.1.1", Some(CIFS.version)),
        Choice::optional("port", "the server's port", Some("445")),
        Choice::optional("file-mode", "the permissions of files, in octal", Some("0664")),
        Choice::optional("dir-mode", "the permissions of directories, in octal", Some("0775")),
        Choice::optional("mount-options", "more mount options, such as nobrl,seal", None),
    ],
    flags: &["--chown"],
    connector: Some("cifs"),
    file_system: Some(&CIFS),
    can: Abilities { exclusive: true, subpath: true, ..Abilities::NONE },
    ..Description::PLAIN
};

impl StorageType for Cifs {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn plan(&self, entry: &mut Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        entry.options.clone_from(&request.options);
        entry.connector.clone_from(&request.connector);
        shared_options(entry, &super::connector(entry, &context.store)?)?;
        self.check_reclaim_policy(entry)?;
        entry.host_path = Some(Source::parse(entry.name.as_str())?);
        Ok(())
    }

    fn create(&self, entry: &Entry, _request: &NewEntry, context: &mut Context) -> Result<()> {
        let options = volume_options(entry, context)?;
        renewed::make(entry, options, context)
    }

    fn problem(&self, entry: &Entry, context: &Context) -> Option<Problem> {
        match super::connector(entry, &context.store) {
            Ok(connector) => {
                // Without its secret nobody knows what the volume was made with.
                let wanted = volume_options(entry, context).unwrap_or_default();
                CIFS.problem(entry, &wanted, &connector.server, context)
            }
            Err(error) => Some(Problem {
                code: "missing-connector",
                sentence: error.to_string(),
                remedy: format!(
                    "make it: dokku storage:connectors:create {} --type cifs",
                    entry.connector.as_ref().map_or("NAME", |name| name.as_str())
                ),
                may_pass: false,
            }),
        }
    }

    fn remove(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        renewed::remove(entry, context)
    }

    fn connector_changed(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        let options = volume_options(entry, context)?;
        renewed::renew(entry, options, context)
    }
}

/// The mount options that this type sets itself.
const OWN: &str = "addr ip vers port username user password pass password2 domain dom \
    workgroup credentials cred file_mode dir_mode uid gid guest";

/// The options without the secret (mount.cifs(8)).
fn shared_options(entry: &Entry, connector: &Connector) -> Result<Vec<String>> {
    let mut options = CIFS.options(entry, remote::server(&connector.server)?)?;
    if connector.username.is_empty() {
        // The kernel takes no one without a name; `guest` alone is a word of mount.cifs(8).
        options.push("username=guest".to_owned());
    } else {
        options.push(format!("username={}", connector.username));
    }
    if !connector.domain.is_empty() {
        options.push(format!("domain={}", connector.domain));
    }
    for (key, name, default) in
        [("file-mode", "file_mode", "0664"), ("dir-mode", "dir_mode", "0775")]
    {
        let given = entry.option(key);
        let mode = Mode::parse(if given.is_empty() { default } else { given })?;
        options.push(format!("{name}={mode}"));
    }
    if let Some((uid, gid)) = entry.chown.as_ref().and_then(Ownership::container_ids) {
        options.extend([format!("uid={uid}"), format!("gid={gid}")]);
    }
    let further = remote::further(entry.option("mount-options"), OWN)?;
    options.extend(further.into_iter().map(str::to_owned));
    share(entry)?;
    Ok(options)
}

fn share(entry: &Entry) -> Result<&str> {
    let share = entry.option("share").trim_start_matches('/');
    let is_plain = |c: char| !c.is_control() && !"\\:*?\"<>|".contains(c);
    refuse_if!(
        share.is_empty()
            || !share.chars().all(is_plain)
            || share.split('/').any(|part| part == ".."),
        "share {:?} is not the name of a share, such as media or media/films",
        entry.option("share")
    );
    Ok(share)
}

/// What Docker's `local` driver is told, the password included.
fn volume_options(entry: &Entry, context: &Context) -> Result<Options> {
    let connector = super::connector(entry, &context.store)?;
    let mut options = shared_options(entry, &connector)?;
    if connector.has_secret() {
        let secret = context.store.secret(&connector)?.ok_or_else(|| {
            refusal!(
                "connector {} has no password; set it: dokku storage:connectors:set {} secret",
                connector.name,
                connector.name
            )
        })?;
        connector.check_secret(&secret)?;
        options.push(format!("password={}", secret.reveal()));
    }
    let device = format!("//{}/{}", connector.server, share(entry)?);
    Ok(volume::local_options("cifs", device, &options))
}
