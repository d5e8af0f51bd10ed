//! `storage:connectors:*`: where servers are and who asks them. The credentials are the host's, so they are for callers
//! who may see every app.

pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod list;
mod parts;
mod secret;
pub(crate) mod set;
pub(crate) mod test;

use super::arguments::{Args, given};
use crate::context::Context;
use crate::domain::connector_type::SCOPE;
use crate::domain::{Connector, ConnectorName, Result, Secret, options};
use crate::ops::access;

/// The flag that says where the secret is.
const SECRET_FILE: &str = "--secret-file";

const SECRET: &str = "secret";

const KEY_FILE: &str = "--key-file";

const KNOWN_HOSTS_FILE: &str = "--known-hosts-file";

/// What both commands that write a connector take.
#[derive(Debug, Default, Args)]
struct Flags {
    /// --access-key-id: public part of the access key; the secret part is asked for (s3)
    access_key_id: Option<String>,
    /// --bucket: bucket that holds the backups (s3)
    bucket: Option<String>,
    /// --domain: domain of the user (cifs)
    domain: Option<String>,
    /// --endpoint: URL of the server; for s3 by default Amazon's (s3, rest)
    endpoint: Option<String>,
    /// --key-file: file with the key of existing backups, or - for standard input; a new destination gets a new key without it
    key_file: Option<String>,
    /// --known-hosts-file: file with the server's host keys, or - for standard input; the server is asked without it (sftp)
    known_hosts_file: Option<String>,
    /// --path: directory that holds the backups (sftp, local, rest)
    path: Option<String>,
    /// --port: port of the server (sftp)
    port: Option<String>,
    /// --prefix: directory in the bucket that holds the backups (s3)
    prefix: Option<String>,
    /// --region: region of the server (s3)
    region: Option<String>,
    /// --remote: remote of rclone's configuration, and the directory that holds the backups there, as NAME:PATH (rclone)
    remote: Option<String>,
    /// --scope: app that those who see it may back up there, a name or a pattern such as web-* (repeatable)
    #[arg(action = clap::ArgAction::Append)]
    scope: Option<Vec<String>>,
    /// --secret-file: file with the secret, or - for standard input
    secret_file: Option<String>,
    /// --server: name or address of the server (cifs, sftp)
    server: Option<String>,
    /// --username: user on the server; the password is asked for, or a key pair is made (cifs, rest, sftp)
    username: Option<String>,
}

impl Flags {
    /// The properties that were given, with their values.
    fn properties(&self) -> Vec<(String, String)> {
        let scope = self.scope.as_ref().map(|scope| scope.join(","));
        let flags = [
            ("access-key-id", &self.access_key_id),
            ("bucket", &self.bucket),
            ("domain", &self.domain),
            ("endpoint", &self.endpoint),
            ("path", &self.path),
            ("port", &self.port),
            ("prefix", &self.prefix),
            ("region", &self.region),
            ("remote", &self.remote),
            (SCOPE, &scope),
            ("server", &self.server),
            ("username", &self.username),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    fn secret_file(&self) -> Option<&str> {
        given(self.secret_file.as_deref())
    }

    fn key_file(&self) -> Option<&str> {
        given(self.key_file.as_deref())
    }

    fn known_hosts_file(&self) -> Option<&str> {
        given(self.known_hosts_file.as_deref())
    }
}

/// The connector that is named, for a caller who may see it.
fn existing(name: &str, context: &Context) -> Result<Connector> {
    must_be_allowed(context)?;
    if name.is_empty() {
        return Err(context.missing("the name of the connector"));
    }
    // What is wrong with a name is said before that there is none of it.
    ConnectorName::parse(name)?;
    context.store.existing_connector(name)
}

fn must_be_allowed(context: &Context) -> Result<()> {
    access::must_see_every_app("a connector's credentials are the host's", context)
}

/// Refuses a secret among the arguments, which everybody on the host can see. It is not repeated.
fn no_secret_among(words: &[String]) -> Result<()> {
    let name = |word: &str| {
        let flag = word.strip_prefix("--")?.split('=').next().unwrap_or_default();
        let is_secret = options::is_secret(flag) || flag == "key";
        let is_refused = is_secret && format!("--{flag}") != SECRET_FILE;
        is_refused.then(|| flag.to_owned())
    };
    match words.iter().take_while(|word| *word != "--").find_map(|word| name(word)) {
        Some(flag) => Err(refusal!("--{flag} is refused: {}", secret::HOW)),
        None => Ok(()),
    }
}

/// Refuses arguments too many without repeating them: one may be a secret.
fn none_behind(last: Option<&str>, rest: &[String]) -> Result<()> {
    let behind = last.map(|last| format!(" behind {last:?}")).unwrap_or_default();
    refuse_if!(!rest.is_empty(), "unexpected argument{behind}; {}", secret::HOW);
    Ok(())
}

fn stored_secret(connector: &Connector, context: &Context) -> Result<Option<Secret>> {
    if !connector.has_secret() {
        return Ok(None);
    }
    let name = &connector.name;
    context.store.secret(connector)?.map(Some).ok_or_else(|| {
        refusal!(
            "connector {name} has no {}; set it: dokku storage:connectors:set {name} {SECRET}",
            connector.secret_name()
        )
    })
}
