//! A connector: where a server is and who asks, used by many entries. Its secret is kept apart.

use serde::{Deserialize, Serialize};

use crate::domain::entry::{is_default, or_default};
use crate::domain::{ConnectorName, Result, SCHEMA_VERSION, Unknown, is_of};

/// A connector, in the shape of `connectors/NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Connector {
    pub name: ConnectorName,
    #[serde(rename = "type")]
    pub type_name: String,
    /// Where the server is (s3): an http or https address; none for Amazon's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub endpoint: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub region: String,
    /// The public part of the key (s3); none where everybody may read.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub access_key_id: String,
    /// The server's name or address (cifs).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub server: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub username: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub domain: String,
    #[serde(default)]
    pub schema_version: u64,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy)]
pub enum Protocol {
    ObjectStore,
    Share,
}

#[derive(Debug, Clone, Copy)]
pub struct ConnectorType {
    pub name: &'static str,
    /// Its properties, and whether each has to be given.
    pub properties: &'static [(&'static str, bool)],
    pub secret: &'static str,
    /// The property without which there is no secret.
    pub who: &'static str,
    pub protocol: Protocol,
    /// What a server of this type has outermost.
    pub has: &'static str,
    pub not_in_secret: Option<char>,
}

pub const TYPES: &[ConnectorType] = &[
    ConnectorType {
        name: "s3",
        properties: &[("endpoint", false), ("region", false), ("access-key-id", false)],
        secret: "secret access key",
        who: "access-key-id",
        protocol: Protocol::ObjectStore,
        has: "bucket",
        not_in_secret: None,
    },
    ConnectorType {
        name: "cifs",
        properties: &[("server", true), ("username", false), ("domain", false)],
        secret: "password",
        who: "username",
        protocol: Protocol::Share,
        has: "share",
        // A mount option ends at a comma.
        not_in_secret: Some(','),
    },
];

const VALUE_MAX: usize = 1024;

impl Connector {
    pub fn new(name: ConnectorName, of: &ConnectorType) -> Self {
        Self {
            name,
            type_name: of.name.to_owned(),
            endpoint: String::new(),
            region: String::new(),
            access_key_id: String::new(),
            server: String::new(),
            username: String::new(),
            domain: String::new(),
            schema_version: SCHEMA_VERSION,
            unknown: Unknown::new(),
        }
    }

    /// What there is to know of its type; none for one of a newer version.
    pub fn known_type(&self) -> Option<&'static ConnectorType> {
        TYPES.iter().find(|known| known.name == self.type_name)
    }

    /// A property by its name; the empty text where it was not given.
    pub fn property(&self, name: &str) -> &str {
        match name {
            "endpoint" => &self.endpoint,
            "region" => &self.region,
            "access-key-id" => &self.access_key_id,
            "server" => &self.server,
            "username" => &self.username,
            "domain" => &self.domain,
            _ => "",
        }
    }

    /// Sets a property; the empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let properties = self.known_type().map_or(&[][..], |known| known.properties);
        if !properties.iter().any(|(property, _)| *property == name) {
            let names: Vec<&str> = properties.iter().map(|(property, _)| *property).collect();
            refuse!(
                "{name:?} is not a property of a connector of type {}; there are: {}",
                self.type_name,
                names.join(", ")
            );
        }
        check(name, value)?;
        let place = match name {
            "endpoint" => &mut self.endpoint,
            "region" => &mut self.region,
            "access-key-id" => &mut self.access_key_id,
            "server" => &mut self.server,
            "username" => &mut self.username,
            _ => &mut self.domain,
        };
        value.clone_into(place);
        Ok(())
    }

    /// Refuses a connector that lacks what its type needs, or has values that do not fit.
    pub fn check(&self) -> Result<()> {
        let Some(known) = self.known_type() else {
            return Ok(());
        };
        for (name, _) in known.properties {
            check(name, self.property(name))?;
        }
        let is_missing =
            |(name, required): &&(&'static str, bool)| *required && self.property(name).is_empty();
        match known.properties.iter().find(is_missing) {
            None => Ok(()),
            Some((name, _)) => Err(refusal!("a connector of type {} needs --{name}", known.name)),
        }
    }

    /// Whether it has a secret: where somebody asks, not everybody.
    pub fn has_secret(&self) -> bool {
        self.known_type().is_some_and(|known| !self.property(known.who).is_empty())
    }

    pub fn secret_name(&self) -> &'static str {
        self.known_type().map_or("secret", |known| known.secret)
    }

    /// Where its server is, for people.
    pub fn place(&self) -> &str {
        match (self.server.as_str(), self.endpoint.as_str()) {
            ("", "") => "Amazon S3",
            ("", endpoint) => endpoint,
            (server, _) => server,
        }
    }

    /// Refuses a secret that cannot be passed on.
    pub fn check_secret(&self, secret: &Secret) -> Result<()> {
        let not_in_secret = self.known_type().and_then(|known| known.not_in_secret);
        refuse_if!(
            not_in_secret.is_some_and(|not| secret.reveal().contains(not)),
            "the password of connector {} has a comma in it, which no mount option can carry; choose another",
            self.name
        );
        Ok(())
    }
}

/// Refuses a value that could mean something else where it is passed on.
fn check(name: &str, value: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_graphic() && !",;'\"\\".contains(c);
    // An address may have a password in it, which is not repeated.
    let shown = if value.contains('@') { String::new() } else { format!(" {value:?}") };
    let refused = |what: &str| Err(refusal!("{name}{shown} {what}"));
    if value.len() > VALUE_MAX || !value.chars().all(is_plain) {
        let what = "can only include letters, digits and signs, without commas and quotes";
        let is_in_domain = name == "username" && value.contains('\\');
        return if is_in_domain {
            refused(&format!("{what}; name the domain by --domain"))
        } else {
            refused(what)
        };
    }
    if value.starts_with('-') {
        return refused("begins with a dash");
    }
    if name == "endpoint" && !value.is_empty() {
        let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
        let host = rest.map(|rest| rest.trim_end_matches('/'));
        if host.is_none_or(|host| host.is_empty() || host.contains(['@', '?', '#'])) {
            return refused(
                "must be an address such as https://s3.example.com, without a user or a password in it",
            );
        }
    }
    if name == "server" && !is_of(value, ".:-_") {
        return refused("must be the name or address of a host");
    }
    Ok(())
}

/// A secret. It is not shown, not even to whoever debugs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret: one line.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        refuse_if!(text.is_empty(), "the secret is empty");
        refuse_if!(
            text.contains(char::is_control) || text.len() > VALUE_MAX,
            "the secret must be one line without control characters, {VALUE_MAX} bytes at most"
        );
        Ok(Self(text.to_owned()))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(index: usize) -> Connector {
        Connector::new(ConnectorName::parse("c").unwrap(), &TYPES[index])
    }

    #[test]
    fn a_property_belongs_to_a_type() {
        let mut s3 = connector(0);
        s3.set("endpoint", "https://s3.example.com").unwrap();
        let error = s3.set("username", "x").unwrap_err().to_string();
        assert!(error.contains("endpoint, region, access-key-id"), "{error}");
        for bad in ["s3.example.com", "https://", "ftp://x", "https://a@b", "https://a b"] {
            assert!(s3.set("endpoint", bad).is_err(), "{bad}");
        }
        assert!(s3.set("region", "eu,password=x").is_err());
        assert!(!s3.has_secret());
        s3.set("access-key-id", "AKIA").unwrap();
        assert!(s3.has_secret());
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = connector(0).set("endpoint", "https://me:hunter2@s3").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        for bad in ["nas/media", "me@nas", "nas;x", "nas%20"] {
            assert!(connector(1).set("server", bad).is_err(), "{bad}");
        }
        connector(1).set("server", "fe80::1").unwrap();
    }

    #[test]
    fn a_password_that_no_mount_option_can_carry_is_refused() {
        let secret = Secret::parse("hunter,2").unwrap();
        let error = connector(1).check_secret(&secret).unwrap_err().to_string();
        assert!(error.contains("comma") && !error.contains("hunter"), "{error}");
        assert!(connector(0).check_secret(&secret).is_ok());
    }

    #[test]
    fn what_a_type_needs_is_asked_for() {
        let error = connector(1).check().unwrap_err().to_string();
        assert!(error.contains("--server"), "{error}");
    }

    #[test]
    fn secrets_are_one_line_and_never_shown() {
        let secret = Secret::parse("s3cr3t\n").unwrap();
        assert_eq!(secret.reveal(), "s3cr3t");
        assert!(!format!("{secret:?}").contains("s3cr3t"));
        for bad in ["", "\n", "a\nb", "a\0"] {
            assert!(Secret::parse(bad).is_err(), "{bad:?}");
        }
    }
}
