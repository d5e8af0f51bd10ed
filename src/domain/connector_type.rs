//! The types of connectors: their properties, and which values these can have.

use crate::domain::bucket::{check_bucket, check_prefix};
use crate::domain::{Result, is_of};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    ObjectStore,
    Share,
    Sftp,
    Rclone,
    /// No server: a directory of this host.
    Directory,
    /// restic's own server, over HTTP.
    Rest,
}

/// What a secret looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    Line,
    /// A configuration of rclone.
    Configuration,
    /// The private part of a key pair of ssh, which is made here unless one is given.
    PrivateKey,
}

#[derive(Debug, Clone, Copy)]
pub struct ConnectorType {
    pub name: &'static str,
    /// Its properties, and whether each has to be given.
    pub properties: &'static [(&'static str, bool)],
    pub secret: &'static str,
    pub secret_form: SecretForm,
    /// The property without which there is no secret; none where there never is one.
    pub who: Option<&'static str>,
    /// The property without which it is no destination of backups; none where it never is one.
    pub destination: Option<&'static str>,
    pub protocol: Protocol,
    /// What a server of this type has outermost.
    pub has: &'static str,
    pub not_in_secret: Option<char>,
}

impl ConnectorType {
    /// The names of what can be set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let scope = self.destination.map(|_| SCOPE);
        self.properties.iter().map(|(name, _)| *name).chain(scope)
    }
}

/// What to type behind the type of a new connector: what it needs, and who asks the server.
pub fn needed(type_name: &str) -> String {
    let Some(known) = TYPES.iter().find(|known| known.name == type_name) else {
        return String::new();
    };
    let is_needed = |(name, is_required): &&(&str, bool)| *is_required || known.who == Some(*name);
    let flag = |(name, _): &(&str, bool)| {
        format!(" --{name} {}", name.replace('-', "_").to_ascii_uppercase())
    };
    known.properties.iter().filter(is_needed).map(flag).collect()
}

/// The property that says which apps may be backed up to a destination.
pub const SCOPE: &str = "scope";

const PLAIN: ConnectorType = ConnectorType {
    name: "",
    properties: &[],
    secret: "password",
    secret_form: SecretForm::Line,
    who: Some("username"),
    destination: Some("path"),
    protocol: Protocol::Directory,
    has: "file",
    not_in_secret: None,
};

pub const TYPES: &[ConnectorType] = &[
    ConnectorType {
        name: "s3",
        properties: &[
            ("endpoint", false),
            ("region", false),
            ("access-key-id", false),
            ("bucket", false),
            ("prefix", false),
        ],
        secret: "secret access key",
        who: Some("access-key-id"),
        destination: Some("bucket"),
        protocol: Protocol::ObjectStore,
        has: "bucket",
        ..PLAIN
    },
    ConnectorType {
        name: "cifs",
        properties: &[("server", true), ("username", false), ("domain", false)],
        destination: None,
        protocol: Protocol::Share,
        has: "share",
        // A mount option ends at a comma.
        not_in_secret: Some(','),
        ..PLAIN
    },
    ConnectorType {
        name: "sftp",
        properties: &[("server", true), ("port", false), ("username", true), ("path", true)],
        secret: "private key",
        secret_form: SecretForm::PrivateKey,
        protocol: Protocol::Sftp,
        ..PLAIN
    },
    ConnectorType {
        name: "rclone",
        properties: &[("remote", true)],
        secret: "configuration of rclone",
        secret_form: SecretForm::Configuration,
        who: Some("remote"),
        destination: Some("remote"),
        protocol: Protocol::Rclone,
        ..PLAIN
    },
    ConnectorType { name: "local", properties: &[("path", true)], who: None, ..PLAIN },
    ConnectorType {
        name: "rest",
        properties: &[("endpoint", true), ("username", false), ("path", false)],
        destination: Some("endpoint"),
        protocol: Protocol::Rest,
        ..PLAIN
    },
];

const VALUE_MAX: usize = 1024;

/// Refuses a value that could mean something else where it is passed on.
pub(super) fn check(of: &ConnectorType, name: &str, value: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_graphic() && !",;'\"\\".contains(c);
    // An address may have a password in it, which is not repeated.
    let shown = if value.contains('@') { String::new() } else { format!(" {value:?}") };
    let refused = |what: &str| Err(refusal!("{name}{shown} {what}"));
    if value.len() > VALUE_MAX || !value.chars().all(is_plain) {
        let what = "can only include letters, digits and signs, without commas and quotes";
        let is_in_domain =
            name == "username" && of.protocol == Protocol::Share && value.contains('\\');
        return if is_in_domain {
            refused(&format!("{what}; name the domain by --domain"))
        } else {
            refused(what)
        };
    }
    if value.starts_with('-') {
        return refused("begins with a dash");
    }
    if value.is_empty() {
        return Ok(());
    }
    match name {
        "bucket" => return check_bucket(value),
        "prefix" => return check_prefix(value),
        "path" => return check_path(of, value),
        _ => {}
    }
    let what = match name {
        "endpoint" if !is_address(value) => {
            "must be an address such as https://s3.example.com, without a user or a password in it"
        }
        "server" if !is_of(value, ".:-_") => "must be the name or address of a host",
        "port" if value.starts_with(['0', '+']) || value.parse::<u16>().is_err() => {
            "must be a number from 1 to 65535"
        }
        "username" if of.protocol == Protocol::Sftp && !is_of(value, "._-+") => {
            "can only include letters, digits, dots, dashes, underscores and plus signs"
        }
        "username" if of.protocol == Protocol::Rest && value.contains(':') => {
            "has a colon in it, which ends a user's name"
        }
        "remote" if !is_remote(value) => {
            "must be the name of a remote in rclone's configuration, a colon and a directory, such as box:backups"
        }
        _ => return Ok(()),
    };
    refused(what)
}

fn is_address(value: &str) -> bool {
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '?', '#']))
}

fn is_remote(value: &str) -> bool {
    value.split_once(':').is_some_and(|(name, directory)| {
        !name.is_empty()
            && is_of(name, "_-.+")
            && !directory.split('/').any(|part| part == ".." || part == ".")
    })
}

/// Refuses what is no directory, or one that a program on the way could take for another.
fn check_path(of: &ConnectorType, path: &str) -> Result<()> {
    let is_local = of.protocol == Protocol::Directory;
    refuse_if!(
        is_local && !path.starts_with('/'),
        "path {path:?} must be a directory's absolute path, such as /mnt/backups"
    );
    refuse_if!(
        of.protocol == Protocol::Rest && path.starts_with('/'),
        "path {path:?} must be a path on the server without a slash before it, such as ada/blog"
    );
    let inner = path.trim_matches('/');
    let is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
    refuse_if!(
        inner.is_empty() || inner.split('/').any(is_odd) || !is_of(inner, "/._-+~=@"),
        "path {path:?} is not a directory such as {}: only letters, digits and the signs . _ - + ~ = @, and no parts such as ..",
        if of.protocol == Protocol::Rest { "ada/blog" } else { "/srv/backups" }
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fine(of: &str, name: &str, value: &str) -> bool {
        let of = TYPES.iter().find(|known| known.name == of).unwrap();
        check(of, name, value).is_ok()
    }

    #[test]
    fn every_value_can_be_passed_on() {
        for (of, name, good, bad) in [
            ("sftp", "port", &["22", "65535"][..], &["0", "022", "65536", "ssh", "+1"][..]),
            ("sftp", "username", &["ada", "u123-sub1"], &["a@b", "a:b", "a b", "-oX"]),
            ("sftp", "path", &["/srv/b", "backups/blog"], &["/", "a/../b", "a*", "a b", "a//b"]),
            ("local", "path", &["/mnt/disk/restic"], &["mnt", "/", "/a/./b", "/a?b"]),
            ("rest", "path", &["ada/blog"], &["/ada", "a#b", "..", "a%2f"]),
            ("rest", "endpoint", &["http://nas:8000", "https://x/y"], &["nas:8000", "http://a@b"]),
            ("rest", "username", &["ada", "ada@x"], &["a:b"]),
            (
                "rclone",
                "remote",
                &["box:backups", "box:", "a.b:/srv"],
                &["box", ":local:/etc", "a,x=y:b", "b:../x"],
            ),
            ("s3", "bucket", &["backups"], &["b", "-b", "a/b", "a b"]),
            ("s3", "prefix", &["blog", "/a/b/"], &["..", "a//b", "/"]),
        ] {
            for value in good {
                assert!(is_fine(of, name, value), "{of} {name} {value}");
            }
            for value in bad {
                assert!(!is_fine(of, name, value), "{of} {name} {value}");
            }
        }
    }
}
