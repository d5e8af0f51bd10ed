//! A connector: where a server is and who asks, used by many entries. Its secret is kept apart.

use serde::{Deserialize, Serialize};

use crate::domain::connector_type::{ConnectorType, Protocol, SCOPE, SecretForm, TYPES, check};
use crate::domain::entry::{is_default, or_default};
use crate::domain::rclone_configuration;
use crate::domain::{AppName, ConnectorName, Result, SCHEMA_VERSION, Scope, Secret, Unknown};

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
    /// The server's name or address (cifs, sftp).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub server: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub username: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub domain: String,
    /// The server's port; none for the usual one (sftp).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub port: String,
    /// The directory for backups (sftp, local, rest).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub path: String,
    /// A remote of the configuration, and a directory in it: `NAME:PATH` (rclone).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub remote: String,
    /// The bucket for backups (s3); none where the connector is for mounts alone.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub bucket: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub prefix: String,
    /// The public part of the key pair whose private part is the secret (sftp).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub public_key: String,
    /// The apps whose storage may be backed up to it by those who see the app; none where it is for who sees every app.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub scope: Scope,
    #[serde(default)]
    pub schema_version: u64,
    #[serde(flatten)]
    pub unknown: Unknown,
}

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
            port: String::new(),
            path: String::new(),
            remote: String::new(),
            bucket: String::new(),
            prefix: String::new(),
            public_key: String::new(),
            scope: Scope::default(),
            schema_version: SCHEMA_VERSION,
            unknown: Unknown::new(),
        }
    }

    /// What there is to know of its type; none for one of a newer version.
    pub fn known_type(&self) -> Option<&'static ConnectorType> {
        TYPES.iter().find(|known| known.name == self.type_name)
    }

    /// How its server is spoken to; none for one of a newer version.
    pub fn protocol(&self) -> Option<Protocol> {
        self.known_type().map(|known| known.protocol)
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
            "port" => &self.port,
            "path" => &self.path,
            "remote" => &self.remote,
            "bucket" => &self.bucket,
            "prefix" => &self.prefix,
            _ => "",
        }
    }

    /// Sets a property; the empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let known = self.known_type().filter(|known| known.names().any(|known| known == name));
        let Some(known) = known else {
            let names: Vec<&str> =
                self.known_type().into_iter().flat_map(ConnectorType::names).collect();
            refuse!(
                "{name:?} is not a property of a connector of type {}; there are: {}",
                self.type_name,
                names.join(", ")
            );
        };
        if name == SCOPE {
            self.scope = Scope::parse(&[value.to_owned()])?;
            return Ok(());
        }
        check(known, name, value)?;
        let place = match name {
            "endpoint" => &mut self.endpoint,
            "region" => &mut self.region,
            "access-key-id" => &mut self.access_key_id,
            "server" => &mut self.server,
            "username" => &mut self.username,
            "port" => &mut self.port,
            "path" => &mut self.path,
            "remote" => &mut self.remote,
            "bucket" => &mut self.bucket,
            "prefix" => &mut self.prefix,
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
            check(known, name, self.property(name))?;
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
        let who = self.known_type().and_then(|known| known.who);
        who.is_some_and(|who| !self.property(who).is_empty())
    }

    pub fn secret_form(&self) -> SecretForm {
        self.known_type().map_or(SecretForm::Line, |known| known.secret_form)
    }

    /// Whether backups can be sent there.
    pub fn is_destination(&self) -> bool {
        let property = self.known_type().and_then(|known| known.destination);
        property.is_some_and(|property| !self.property(property).is_empty())
    }

    /// What says where the repository of the backups is: another value is another repository.
    pub fn repository_place(&self) -> [&str; 6] {
        ["endpoint", "server", "path", "remote", "bucket", "prefix"].map(|name| self.property(name))
    }

    /// Whether those who see the app may back up its storage there; who sees every app always may.
    pub fn is_open_to(&self, app: &AppName) -> bool {
        !self.scope.is_empty() && self.scope.includes(app)
    }

    /// The server's port for ssh.
    pub fn ssh_port(&self) -> &str {
        if self.port.is_empty() { "22" } else { &self.port }
    }

    /// The server's name as `ssh` keeps it among its known hosts.
    pub fn ssh_host(&self) -> String {
        match self.ssh_port() {
            "22" => self.server.clone(),
            port => format!("[{}]:{port}", self.server),
        }
    }

    pub fn secret_name(&self) -> &'static str {
        self.known_type().map_or("secret", |known| known.secret)
    }

    /// Where its server, or its directory, is, for people.
    pub fn place(&self) -> &str {
        let places = [&self.server, &self.endpoint, &self.remote, &self.path];
        places.into_iter().find(|place| !place.is_empty()).map_or("Amazon S3", |place| place)
    }

    /// Refuses a secret that cannot be passed on.
    pub fn check_secret(&self, secret: &Secret) -> Result<()> {
        let not_in_secret = self.known_type().and_then(|known| known.not_in_secret);
        refuse_if!(
            not_in_secret.is_some_and(|not| secret.reveal().contains(not)),
            "the password of connector {} has a comma in it, which no mount option can carry; choose another",
            self.name
        );
        match self.secret_form() {
            SecretForm::Configuration => rclone_configuration::check(secret, &self.remote),
            SecretForm::Line | SecretForm::PrivateKey => Ok(()),
        }
    }

    /// Takes the text of its secret, which has one line or many as its type wants it.
    pub fn parse_secret(&self, text: &str) -> Result<Secret> {
        match self.secret_form() {
            SecretForm::Line => Secret::parse(text),
            SecretForm::Configuration | SecretForm::PrivateKey => Secret::parse_text(text),
        }
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
        assert!(
            error.contains("endpoint, region, access-key-id, bucket, prefix, scope"),
            "{error}"
        );
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
    fn a_bucket_makes_a_destination_and_a_scope_opens_it() {
        let app = AppName::parse("blog").unwrap();
        let mut s3 = connector(0);
        assert!(!s3.is_destination() && !connector(1).is_destination());
        s3.set("bucket", "backups").unwrap();
        assert!(s3.is_destination() && !s3.is_open_to(&app));
        s3.set("scope", "web-*,blog").unwrap();
        assert!(s3.is_open_to(&app));
        s3.set("scope", "").unwrap();
        assert!(!s3.is_open_to(&app));
        assert!(connector(1).set("scope", "blog").is_err());
    }

    #[test]
    fn a_server_has_the_name_that_ssh_keeps() {
        let mut sftp = connector(2);
        sftp.set("server", "nas").unwrap();
        assert_eq!(sftp.ssh_host(), "nas");
        sftp.set("port", "2222").unwrap();
        assert_eq!(sftp.ssh_host(), "[nas]:2222");
    }

    #[test]
    fn what_a_type_needs_is_asked_for() {
        let error = connector(1).check().unwrap_err().to_string();
        assert!(error.contains("--server"), "{error}");
    }
}
