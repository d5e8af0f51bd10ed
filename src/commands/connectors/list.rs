//! `storage:connectors:list` and `storage:connectors:info`: what there is, but for the secrets.

use serde::Serialize;

use super::{KEY_FILE, SECRET};
use crate::commands::arguments::{self, Named, Output, no_more_than};
use crate::context::Context;
use crate::domain::{Connector, Entry, EntryName, Result};
use crate::ops::tell_problems;
use crate::render::Format;
use crate::store::Entries;

#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the JSON")]
struct Shown {
    #[serde(flatten)]
    connector: Connector,
    secret_stored: bool,
    destination: bool,
    key_stored: bool,
    known_hosts_stored: bool,
    entries: Vec<EntryName>,
}

impl Shown {
    fn of(connector: Connector, entries: &[Entry], context: &Context) -> Result<Self> {
        let (store, name) = (&context.store, &connector.name);
        let uses = |entry: &&Entry| entry.connector.as_ref() == Some(name);
        let entries = entries.iter().filter(uses).map(|entry| entry.name.clone()).collect();
        Ok(Self {
            secret_stored: store.secret(&connector)?.is_some(),
            destination: connector.is_destination(),
            key_stored: store.key(name)?.is_some(),
            known_hosts_stored: store.known_hosts(name)?.is_some(),
            connector,
            entries,
        })
    }

    /// Whether there are backups to be sent, and the key that they need.
    fn backups(&self) -> String {
        let name = &self.connector.name;
        match (self.destination, self.key_stored) {
            (true, true) => format!("key stored; to see it: dokku storage:backups:key {name}"),
            (true, false) => {
                "key missing; give it: dokku storage:connectors:set ".to_owned()
                    + &format!("{name} {KEY_FILE} PATH")
            }
            (false, _) => String::new(),
        }
    }

    fn secret(&self) -> String {
        let name = &self.connector.name;
        match (self.connector.has_secret(), self.secret_stored) {
            (_, true) => "stored, not shown".to_owned(),
            (false, false) => "none".to_owned(),
            (true, false) => {
                format!("missing; set it: dokku storage:connectors:set {name} {SECRET}")
            }
        }
    }

    fn used_by(&self) -> String {
        match self.entries.len() {
            0 => "no entry".to_owned(),
            1 => "1 entry".to_owned(),
            count => format!("{count} entries"),
        }
    }
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (output, rest) = arguments::parse_some::<Output>(words, context)?;
    super::must_be_allowed(context)?;
    no_more_than(&rest, 0)?;
    let format = output.format()?;
    let (connectors, mut problems, entries) = context.store.read_consistently(|store| {
        let (connectors, problems) = store.connectors()?;
        Ok((connectors, problems, store.entries()?))
    })?;
    let Entries { entries, problems: unreadable } = entries;
    let mut shown = Vec::with_capacity(connectors.len());
    for connector in connectors {
        match Shown::of(connector, &entries, context) {
            Ok(connector) => shown.push(connector),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(unreadable);
    let row = |shown: &Shown| {
        let Shown { connector, .. } = shown;
        let place = connector.place().to_owned();
        vec![connector.name.to_string(), connector.type_name.clone(), place, shown.used_by()]
    };
    let headings = ["Name", "Type", "Server", "Used by"];
    context.out.list(format, &shown, (&headings, row), "No connectors");
    tell_problems(&problems, context)
}

pub(crate) fn info(words: &[String], context: &mut Context) -> Result<()> {
    let (Named::<String, Output> { name, flags }, rest) = arguments::parse_some(words, context)?;
    let connector = super::existing(&name, context)?;
    no_more_than(&rest, 0)?;
    let format = flags.format()?;
    let Entries { entries, problems } = context.store.entries()?;
    let shown = Shown::of(connector, &entries, context)?;
    if format == Format::Json {
        context.out.json_pretty(&shown);
    } else {
        tell(&shown, context);
    }
    tell_problems(&problems, context)
}

fn tell(shown: &Shown, context: &mut Context) {
    let connector = &shown.connector;
    context.out.headline_unless_quiet(&format!("Connector {}", connector.name));
    let names: Vec<&str> = shown.entries.iter().map(EntryName::as_str).collect();
    let used_by = if names.is_empty() { shown.used_by() } else { names.join(", ") };
    let server = if connector.path == connector.place() { "" } else { connector.place() };
    let hosts = if shown.known_hosts_stored { "stored" } else { "" };
    for (label, value) in [
        ("Type", connector.type_name.as_str()),
        ("Server", server),
        ("Region", &connector.region),
        ("Access key id", &connector.access_key_id),
        ("Port", &connector.port),
        ("Username", &connector.username),
        ("Domain", &connector.domain),
        ("Bucket", &connector.bucket),
        ("Prefix", &connector.prefix),
        ("Path", &connector.path),
        ("Scope", &connector.scope.to_string()),
        ("Public key", &connector.public_key),
        ("Host keys", hosts),
        ("Secret", &shown.secret()),
        ("Backups", &shown.backups()),
        ("Used by", &used_by),
    ] {
        context.out.labelled(label, value);
    }
}
