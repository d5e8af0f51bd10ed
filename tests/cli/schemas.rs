//! The schemas of `docs/schemas/`: everything that a session prints as JSON is as they say, they leave nothing out, and every command that prints JSON has one.
//!
//! The schemas are open, since keys may be added. Here they are closed: a key that a schema does not describe is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use dokku_storage::catalog::{CATALOG, Kind};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::Session;
use crate::harness::{Answer, repository};

/// The triggers that print JSON.
const TRIGGERS: [&str; 2] = ["storage-app-mounts", "storage-list"];

/// The schemas, as they stand in the files.
fn schemas() -> &'static BTreeMap<String, Value> {
    static SCHEMAS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let files = fs::read_dir(directory()).unwrap().map(|file| file.unwrap().path());
        let read = |path: PathBuf| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (
                name,
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
            )
        };
        files.map(read).collect()
    })
}

fn directory() -> PathBuf {
    repository().join("docs/schemas")
}

/// What checks an answer, for each schema.
fn validators() -> &'static BTreeMap<String, Validator> {
    static VALIDATORS: OnceLock<BTreeMap<String, Validator>> = OnceLock::new();
    VALIDATORS.get_or_init(|| {
        let build = |(name, schema): (&String, &Value)| {
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&closed(schema))
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            (name.clone(), validator)
        };
        schemas().iter().map(build).collect()
    })
}

/// A schema with those that it refers to in it, whose objects have no keys but those that are described.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Array(parts) => parts.iter().map(closed).collect(),
        Value::Object(parts) => {
            if let Some(file) = parts.get("$ref") {
                return closed(referred(file));
            }
            let inner = parts.iter().filter(|(key, _)| *key != "$schema");
            let mut inner: Map<String, Value> =
                inner.map(|(key, part)| (key.clone(), closed(part))).collect();
            if parts.contains_key("properties") && parts.contains_key("type") {
                inner.entry("additionalProperties").or_insert(json!(false));
                // What a newer version wrote is handed on; in the tests, its keys begin like this.
                inner.entry("patternProperties").or_insert(json!({}))["^x_"] = json!({});
            }
            Value::Object(inner)
        }
        other => other.clone(),
    }
}

fn referred(file: &Value) -> &'static Value {
    let file = file.as_str().unwrap();
    let name = file.strip_suffix(".json").unwrap();
    schemas().get(name).unwrap_or_else(|| panic!("there is no docs/schemas/{file}"))
}

/// The name of the schema of what a call prints, where it is to print JSON.
fn of_call(words: &[&str]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    match first.strip_prefix("storage:") {
        Some(command) => {
            let mut format = None;
            let mut rest = rest.iter().copied();
            while let Some(word) = rest.next() {
                match word.strip_prefix("--format") {
                    Some("") => format = rest.next(),
                    Some(value) => format = value.strip_prefix('='),
                    None => {}
                }
            }
            (format == Some("json")).then(|| command.replace(':', "-"))
        }
        None if *first == "storage-app-mounts" => Some((*first).to_owned()),
        None if *first == "storage-list" && rest.get(2) == Some(&"json") => {
            Some((*first).to_owned())
        }
        None => None,
    }
}

/// The documents that a call has printed, and the name of their schema. None where it is not to print JSON.
fn documents(words: &[&str], answer: &Answer) -> Option<(String, Vec<Value>)> {
    let name = of_call(words)?;
    let documents = serde_json::Deserializer::from_str(&answer.stdout).into_iter();
    let documents: Result<Vec<Value>, _> = documents.collect();
    let documents =
        documents.unwrap_or_else(|e| panic!("{words:?} prints no JSON: {e}: {answer:?}"));
    Some((name, documents))
}

/// Fails where a call printed JSON that is not as its schema says.
pub fn check(words: &[&str], answer: &Answer) {
    let Some((name, documents)) = documents(words, answer) else {
        return;
    };
    if documents.is_empty() {
        return;
    }
    let validator =
        validators().get(&name).unwrap_or_else(|| panic!("{words:?}: no docs/schemas/{name}.json"));
    for document in &documents {
        let wrong: Vec<String> = validator
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            wrong.is_empty(),
            "{words:?} does not print what docs/schemas/{name}.json says:\n{}\n{document:#}",
            wrong.join("\n")
        );
    }
}

#[test]
fn every_command_that_prints_json_has_a_schema() {
    let session = Session::dokku(&[]);
    let commands = CATALOG.of_kind(Kind::Subcommand).chain(CATALOG.of_kind(Kind::Addition));
    let mut wanted: BTreeSet<String> = TRIGGERS.map(str::to_owned).into();
    for row in commands {
        let help = session.call(&[&format!("storage:{}", row.name), "--help"]).run();
        let help = if row.kind == Kind::Addition { help.stdout } else { help.stderr };
        if row.arguments.contains("--format") || help.contains("--format") {
            wanted.insert(row.name.replace(':', "-"));
        }
    }
    let there: BTreeSet<String> = schemas().keys().cloned().collect();
    assert_eq!(there, wanted, "docs/schemas/ against the commands with --format");
}

#[test]
fn every_schema_says_what_each_key_is() {
    for (name, schema) in schemas() {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        let caller = schema["title"].as_str().unwrap();
        let description = schema["description"].as_str().unwrap();
        assert_eq!(of_title(caller), *name, "{caller}");
        let command = caller.split(' ').next().unwrap();
        assert!(description.contains(&format!("Prints it: {command}")), "{name}: {description}");
        let mut missing = Vec::new();
        undescribed(schema, name, &mut missing);
        assert!(missing.is_empty(), "without a description: {}", missing.join(", "));
    }
}

/// The name of the schema with a title such as `storage:needs:list APP --format json`.
fn of_title(title: &str) -> String {
    let command = title.split(' ').next().unwrap();
    command.strip_prefix("storage:").unwrap_or(command).replace(':', "-")
}

fn undescribed(schema: &Value, place: &str, missing: &mut Vec<String>) {
    for (key, inner) in parts(schema) {
        let place = format!("{place} {key}");
        let text = inner["description"].as_str().unwrap_or_default();
        if inner.get("$ref").is_none() && (!text.ends_with('.') || text.contains('\n')) {
            missing.push(place.clone());
        }
        undescribed(inner, &place, missing);
    }
    for inner in unnamed(schema) {
        undescribed(inner, place, missing);
    }
}

/// The parts of a schema that have a key, or a pattern for keys.
fn parts(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let of = |kind: &str| schema.get(kind).and_then(Value::as_object).into_iter().flatten();
    of("properties").chain(of("patternProperties"))
}

/// The parts that have none.
fn unnamed(schema: &Value) -> impl Iterator<Item = &Value> {
    let choices = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    schema.get("items").into_iter().chain(choices.flatten())
}

/// Notes which keys of a schema a document has, as `PLACE KEY`.
fn meet(schema: &Value, document: &Value, place: &str, met: &mut BTreeSet<String>) {
    if let Value::Array(items) = document {
        for (inner, item) in unnamed(schema).flat_map(|i| items.iter().map(move |item| (i, item))) {
            meet(inner, item, place, met);
        }
    }
    for (key, inner) in parts(schema) {
        let end = key.rsplit('.').next().unwrap().trim_end_matches('$');
        let is_met = |name: &str| {
            name == key || (key.contains('\\') && name.rsplit('.').next() == Some(end))
        };
        for (_, value) in
            document.as_object().into_iter().flatten().filter(|(name, _)| is_met(name))
        {
            met.insert(format!("{place} {key}"));
            meet(inner, value, &format!("{place} {key}"), met);
        }
    }
    if !document.is_array() {
        for inner in unnamed(schema) {
            meet(inner, document, place, met);
        }
    }
}

/// Every key that a schema describes, as `PLACE KEY`.
fn described(schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    for (key, inner) in parts(schema) {
        found.insert(format!("{place} {key}"));
        described(inner, &format!("{place} {key}"), found);
    }
    for inner in unnamed(schema) {
        described(inner, place, found);
    }
}

/// An entry with everything that an entry can have.
const EVERYTHING: &str = r#"{"name":"everything","scheduler":"k3s","host_path":"/srv/everything","size":"2Gi","access_mode":"ReadWriteOnce",
"storage_class":"fast","namespace":"web","chown":"1000","mode":"0750","reclaim_policy":"Retain","annotations":{"a":"b"},"labels":{"tier":"gold"},
"scope":["blog","shop"],"type":"k3s","driver":"local","connector":"films","options":{"o":"bind"},"node":"here","exclusive":true,
"backup":{"before":"a","after":"b","process_type":"web","image":"alpine:3","apps":["blog"],"any_app":true},
"auto_volume":{"app":"blog","path":"/v"},"schema_version":1}"#;

/// A snapshot of it.
const SNAPSHOT: &str = r#"{"entry":"everything","name":"first","created":"2026-11-21T05:45:00Z","made":"copy","bytes":7,"files":1}"#;

/// A schedule with everything that a schedule can have.
const SCHEDULE: &str = r#"{"subject":"app-blog","expression":"0 3 * * *","connector":"disk","keep":{"last":1,"hourly":2,"daily":3,"weekly":4,"monthly":5,"yearly":6},
"ping_url":"https://hc.example.com/1","pause":true,"scoped":true,"created":"2026-11-21T05:45:00Z","last_begun":"2026-11-22T03:00:00Z"}"#;

/// Connectors with everything that a connector can have.
const CONNECTORS: [(&str, &str); 4] = [
    (
        "films",
        r#"{"name":"films","type":"s3","endpoint":"https://s3.example.com","region":"eu","access_key_id":"AKIA","schema_version":1}"#,
    ),
    (
        "nas",
        r#"{"name":"nas","type":"cifs","server":"nas","username":"ada","domain":"HOME","schema_version":1}"#,
    ),
    (
        "box",
        r#"{"name":"box","type":"sftp","server":"box","port":"2222","username":"ada","path":"/b","public_key":"ssh-ed25519 A","scope":["blog"],"bucket":"b","prefix":"p","schema_version":1}"#,
    ),
    ("drive", r#"{"name":"drive","type":"rclone","remote":"a:b","schema_version":1}"#),
];

/// A mount with everything that a mount can have.
const MOUNT: &str = r#"{"entry_name":"everything","container_path":"/e","phases":["build","deploy","run"],"process_type":"web","subpath":"part","readonly":true,"volume_options":"Z","volume_chown":"1000","need":"uploads"}"#;

/// A host with something of everything.
fn host() -> Session {
    let session = Session::dokku(&["blog", "shop"]);
    let registry = "lib/data/storage-registry";
    session.host.write(&format!("{registry}/entries/everything.json"), EVERYTHING);
    session.host.write(&format!("{registry}/snapshots/everything/first.json"), SNAPSHOT);
    session.host.write(&format!("{registry}/backups/schedules/app-blog.json"), SCHEDULE);
    for (name, connector) in CONNECTORS {
        session.host.write(&format!("{registry}/connectors/{name}.json"), connector);
    }
    session.host.write("lib/config/storage/blog/mounts", format!("{MOUNT}\n"));
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:share", "blog", "shop"]);
    let needs = r#"[{"id":"uploads","description":"what visitors send","path":"/up","mode":"ro"}]"#;
    session.call(&["storage:needs:import", "blog"]).stdin(needs).run();
    session.prepare(&["storage:create", "gone"]);
    session.prepare(&["storage:destroy", "gone", "--force", "--destroy-host-dir"]);
    for note in fs::read_dir(session.host.path(&format!("{registry}/trash"))).unwrap() {
        let path = note.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replacen('{', "{\"incomplete\":true,", 1)).unwrap();
    }
    session.host.write("lib/data/storage/odd.name/file", "");
    session.host.make_directory("lib/data/storage/nobodys");
    session.host.write("lib/data/storage/data/file", "a");
    session.host.make_directory("disk");
    session.destination("disk", "{ROOT}/disk");
    session.prepare(&["storage:backups:create", "--all", "--to", "disk"]);
    session
}

/// A call for every command and trigger that prints JSON, and more where one does not have every key.
const CALLS: &[&str] = &[
    "storage:annotations:report everything --format json",
    "storage:app:report shop --format json",
    "storage:backup data --to disk --format json",
    "storage:backups:create data --to disk --format json",
    "storage:backups:list --from disk --format json",
    "storage:backups:ls data@latest --from disk --format json",
    "storage:backups:restore-store --from disk --format json",
    "storage:backups:schedules --format json",
    "storage:connectors:info box --format json",
    "storage:connectors:info drive --format json",
    "storage:connectors:info films --format json",
    "storage:connectors:info nas --format json",
    "storage:connectors:list --format json",
    "storage:doctor --format json",
    "storage:info everything --format json",
    "storage:labels:report --format json",
    "storage:list --format json",
    "storage:list-entries --format json",
    "storage:needs:list blog --format json",
    "storage:policy:report --format json",
    "storage:prune --format json",
    "storage:report --format json",
    "storage:report --global --format json",
    "storage:snapshots:list --format json",
    "storage:trash:list --size --format json",
    "storage:types:info s3 --format json",
    "storage:types:info tmpfs --format json",
    "storage:types:list --format json",
    "storage:usage --format json",
    "storage-app-mounts blog deploy",
    "storage-app-mounts shop deploy",
    "storage-list blog deploy json",
];

#[test]
fn every_key_of_every_schema_is_met() {
    let mut session = host();
    let mut met: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in CALLS {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = session.run(&words);
        let (name, documents) = documents(&words, &answer).unwrap();
        let is_empty = |document: &Value| {
            document.as_array().is_some_and(Vec::is_empty)
                || document.as_object().is_some_and(Map::is_empty)
        };
        assert!(documents.iter().any(|document| !is_empty(document)), "{line}: {answer:?}");
        for document in &documents {
            meet(&schemas()[&name], document, &name, met.entry(name.clone()).or_default());
        }
    }
    for (name, schema) in schemas() {
        let mut keys = BTreeSet::new();
        described(schema, name, &mut keys);
        let met = met.get(name).unwrap_or_else(|| panic!("nothing printed what {name} describes"));
        let never: Vec<&String> = keys.difference(met).collect();
        assert!(never.is_empty(), "described and never printed: {never:?}");
    }
}

#[test]
fn where_there_is_nothing_no_headline_gets_among_the_json() {
    let mut session = Session::dokku(&[]);
    for line in CALLS {
        let words: Vec<&str> = line.split(' ').collect();
        let is_of_all = words.iter().skip(1).all(|word| word.starts_with("--") || *word == "json");
        if is_of_all && words.len() > 1 {
            let answer = session.run(&words);
            documents(&words, &answer).unwrap();
        }
    }
    session.run(&["storage:annotations:report", "--format", "json"]);
}
