//! `storage:connectors:*`: where servers are and who asks them. The credentials are the host's, so they are for callers
//! who may see every app.

pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod list;
mod secret;
pub(crate) mod set;
pub(crate) mod test;

use clap::Parser;

use super::arguments::{Positional, given};
use crate::context::Context;
use crate::domain::{Connector, ConnectorName, Result, Secret, options};
use crate::ops::access;

/// The flag that says where the secret is.
const SECRET_FILE: &str = "--secret-file";

const SECRET: &str = "secret";

/// What both commands that write a connector take.
#[derive(Debug, Default, Parser)]
struct Flags {
    /// --access-key-id: public part of the key; the secret part is asked for (s3)
    access_key_id: Option<String>,
    /// --domain: domain of the user (cifs)
    domain: Option<String>,
    /// --endpoint: address of the object store, by default Amazon's (s3)
    endpoint: Option<String>,
    /// --region: region (s3)
    region: Option<String>,
    /// --secret-file: file with the secret, - for standard input
    secret_file: Option<String>,
    /// --server: name or address of the server (cifs)
    server: Option<String>,
    /// --username: user; the password is asked for (cifs)
    username: Option<String>,
}

impl Flags {
    /// The properties that were given, with their values.
    fn properties(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let flags = [
            ("access-key-id", &self.access_key_id),
            ("domain", &self.domain),
            ("endpoint", &self.endpoint),
            ("region", &self.region),
            ("server", &self.server),
            ("username", &self.username),
        ];
        flags.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    fn secret_file(&self) -> Option<&str> {
        given(self.secret_file.as_deref())
    }
}

/// The connector that is named, for a caller who may see it.
fn existing(positional: &Positional, context: &Context) -> Result<Connector> {
    must_be_allowed(context)?;
    let name = positional.at(0);
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
        let is_refused = options::is_secret(flag) && format!("--{flag}") != SECRET_FILE;
        is_refused.then(|| flag.to_owned())
    };
    match words.iter().take_while(|word| *word != "--").find_map(|word| name(word)) {
        Some(flag) => Err(refusal!("--{flag} is refused: {}", secret::HOW)),
        None => Ok(()),
    }
}

/// Refuses arguments too many without repeating them: one may be a secret.
fn no_more_than(positional: &Positional, most: usize) -> Result<()> {
    if positional.len() <= most {
        return Ok(());
    }
    let behind = match most.checked_sub(1) {
        Some(last) => format!(" behind {:?}", positional.at(last)),
        None => String::new(),
    };
    refuse!("unexpected argument{behind}; {}", secret::HOW)
}

fn stored_secret(connector: &Connector, context: &Context) -> Result<Option<Secret>> {
    if !connector.has_secret() {
        return Ok(None);
    }
    let name = &connector.name;
    context.store.secret(name)?.map(Some).ok_or_else(|| {
        refusal!(
            "connector {name} has no {}; set it: dokku storage:connectors:set {name} {SECRET}",
            connector.secret_name()
        )
    })
}
