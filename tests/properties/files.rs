//! The store's files, and docker-options': whatever is in them, reading never panics, what was understood is
//! written back as the same, and what was not understood stays as it was.

use std::fs;
use std::path::Path;

use dokku_storage::domain::attachment::Attachment;
use dokku_storage::domain::entry::Entry;
use dokku_storage::domain::names::{AppName, EntryName};
use dokku_storage::testing::{Layout, MountsFile, Owner, Store};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::inputs;
use crate::trial::try_all;

/// Any JSON value.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        inputs::text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z_]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An object that mostly has the fields that it should have, with some of them wrong and some nobody knows.
fn object(
    fields: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> impl Strategy<Value = Map<String, Value>> {
    let all: Vec<BoxedStrategy<Option<(String, Value)>>> = fields
        .into_iter()
        .map(|(name, right)| {
            let field = prop_oneof![
                20 => right.prop_map(Some),
                1 => json().prop_map(Some),
                1 => Just(None),
            ];
            field.prop_map(move |value| Some((name.to_owned(), value?))).boxed()
        })
        .collect();
    let unknown = btree_map("x_[a-z]{1,4}", json(), 0..3);
    (all, unknown).prop_map(|(known, unknown)| known.into_iter().flatten().chain(unknown).collect())
}

fn texts(inputs: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    inputs.prop_map(Value::from).boxed()
}

fn attachment() -> impl Strategy<Value = Map<String, Value>> {
    let phases = prop_oneof![Just("deploy"), Just("run"), Just("build")];
    object(vec![
        ("entry_name", texts("[a-z][a-z0-9-]{0,8}[a-z]")),
        ("container_path", texts(inputs::path())),
        ("phases", vec(phases, 1..4).prop_map(Value::from).boxed()),
        ("process_type", texts(select(vec!["", "_default_", "web"]).prop_map(str::to_owned))),
        ("subpath", texts(prop_oneof![Just(String::new()), inputs::subpath()])),
        ("readonly", any::<bool>().prop_map(Value::from).boxed()),
        ("volume_options", texts(prop_oneof![Just(String::new()), inputs::options()])),
        (
            "volume_chown",
            texts(select(vec!["", "heroku", "1000", "false"]).prop_map(str::to_owned)),
        ),
    ])
}

fn entry() -> impl Strategy<Value = Map<String, Value>> {
    let keys = || btree_map("[a-z.]{1,6}", inputs::text().prop_map(Value::from), 0..3);
    let map =
        |keys: std::collections::BTreeMap<String, Value>| Value::Object(keys.into_iter().collect());
    object(vec![
        ("name", texts(Just("good".to_owned()))),
        ("scheduler", texts(select(vec!["docker-local", "k3s", ""]).prop_map(str::to_owned))),
        ("host_path", texts(prop_oneof![inputs::path(), inputs::volume()])),
        ("size", texts(select(vec!["", "1Gi"]).prop_map(str::to_owned))),
        ("chown", texts(select(vec!["", "heroku", "1000"]).prop_map(str::to_owned))),
        ("mode", texts(select(vec!["", "0755", "755"]).prop_map(str::to_owned))),
        ("annotations", keys().prop_map(map).boxed()),
        ("labels", keys().prop_map(map).boxed()),
        ("schema_version", any::<u16>().prop_map(Value::from).boxed()),
    ])
}

/// What nobody knows is the same in both.
fn keeps_unknown(before: &Map<String, Value>, after: &Value) -> Result<(), TestCaseError> {
    for (key, value) in before.iter().filter(|(key, _)| key.starts_with("x_")) {
        prop_assert_eq!(after.get(key), Some(value), "{}", key);
    }
    Ok(())
}

#[test]
fn attachments() {
    try_all("attachment lines", 1, &attachment(), |object, count| {
        let text = Value::Object(object.clone()).to_string();
        let file = MountsFile::parse(Path::new("mounts"), text.as_bytes()).unwrap();
        let read: Option<Attachment> = file.attachments().next().cloned();
        count.note(read.is_some());
        prop_assert_eq!(read.is_none(), file.problem().is_some());
        let Some(attachment) = read else {
            return Ok(());
        };
        let mut again = MountsFile::parse(Path::new("mounts"), b"").unwrap();
        again.push(attachment.clone());
        let bytes = again.to_bytes();
        prop_assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 2);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        keeps_unknown(&object, &value)?;
        let read = MountsFile::parse(Path::new("mounts"), &bytes).unwrap();
        prop_assert_eq!(read.attachments().next(), Some(&attachment));
        Ok(())
    });
}

#[test]
fn mounts_files_of_any_bytes() {
    let line = prop_oneof![
        4 => attachment().prop_map(|object| Value::Object(object).to_string().into_bytes()),
        2 => inputs::bytes(),
        1 => attachment().prop_map(|object| {
            let text = Value::Object(object).to_string().into_bytes();
            text[..text.len() / 2].to_vec()
        }),
    ];
    try_all("mounts files", 4, &vec(line, 0..8), |lines, count| {
        let content = lines.join(&b'\n');
        let parsed = MountsFile::parse(Path::new("mounts"), &content);
        count.note(parsed.is_ok());
        prop_assert_eq!(parsed.is_ok(), std::str::from_utf8(&content).is_ok());
        let Ok(file) = parsed else {
            return Ok(());
        };
        // Every line that says something is there again, in its place, whether or not it was understood.
        let said = |content: &[u8]| -> Vec<String> {
            let text = String::from_utf8(content.to_vec()).unwrap();
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(|line| line.trim_end_matches('\r').to_owned()).collect()
        };
        prop_assert_eq!(said(&file.to_bytes()), said(&content));
        let again = MountsFile::parse(Path::new("mounts"), &file.to_bytes()).unwrap();
        prop_assert_eq!(said(&again.to_bytes()), said(&content));
        prop_assert!(again.attachments().eq(file.attachments()));
        for line in file.lines() {
            let _ = (line.is_about("good"), line.container_path());
        }
        let _ = file.may_mention(&EntryName::parse("good").unwrap());
        Ok(())
    });
}

/// A store in a directory of its own.
fn store() -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    let root = directory.path().to_path_buf();
    let layout = Layout::new(root.clone());
    fs::create_dir_all(layout.entries()).unwrap();
    fs::create_dir_all(root.join("config/docker-options/blog")).unwrap();
    let store = Store::new(layout, Owner::caller(), Some(root.join("home")));
    (directory, store)
}

#[test]
fn entry_files() {
    let (_directory, store) = store();
    let name = EntryName::parse("good").unwrap();
    let path = store.layout().entry(&name);
    let content = prop_oneof![
        6 => entry().prop_map(|object| (Some(object.clone()), Value::Object(object).to_string().into_bytes())),
        1 => inputs::bytes().prop_map(|bytes| (None, bytes)),
        1 => json().prop_map(|value| (None, value.to_string().into_bytes())),
    ];
    try_all("entry files", 1, &content, |(object, content), count| {
        fs::write(&path, &content).unwrap();
        let read = store.entry(&name);
        count.note(read.is_ok());
        prop_assert_eq!(store.entries().unwrap().entries.len(), usize::from(read.is_ok()));
        let Ok(Some(entry)) = read else {
            let error = read.unwrap_err().to_string();
            prop_assert!(error.contains("good.json"), "{}", error);
            return Ok(());
        };
        let written = serde_json::to_vec_pretty(&entry).unwrap();
        let value: Value = serde_json::from_slice(&written).unwrap();
        if let Some(object) = &object {
            keeps_unknown(object, &value)?;
        }
        let again: Entry = serde_json::from_slice(&written).unwrap();
        prop_assert_eq!(&again, &entry);
        let _ = entry.check("/var/lib/dokku/data/storage/good");
        Ok(())
    });
}

#[test]
fn docker_options_files() {
    let (directory, store) = store();
    let app = AppName::parse("blog").unwrap();
    let path = directory.path().join("config/docker-options/blog/_default_.deploy");
    let line = prop_oneof![
        4 => inputs::mount().prop_map(|mount| format!("-v {mount}").into_bytes()),
        1 => inputs::mount().prop_map(|mount| format!("  -v  {mount} ").into_bytes()),
        2 => inputs::bytes(),
        1 => Just(b"--link redis".to_vec()),
    ];
    try_all("docker-options lines", 4, &vec(line, 0..8), |lines, count| {
        let content = lines.join(&b'\n');
        fs::write(&path, &content).unwrap();
        let read = store.docker_options(&app);
        count.note(read.is_ok());
        prop_assert_eq!(read.is_ok(), std::str::from_utf8(&content).is_ok());
        let Ok(files) = read else {
            return Ok(());
        };
        let text = String::from_utf8(content).unwrap();
        let kept = String::from_utf8(files[0].without(|_| false)).unwrap();
        let same = |(a, b): (&str, &str)| a.trim_end_matches('\r') == b.trim_end_matches('\r');
        let as_many = kept.lines().count() == text.lines().count();
        let all_same = as_many && kept.lines().zip(text.lines()).all(same);
        prop_assert!(all_same, "{:?} became {:?}", text, kept);
        let read = files[0].volume_lines();
        let is_read = |line: &str| read.iter().any(|read| read.line == line);
        let drained = String::from_utf8(files[0].without(is_read)).unwrap();
        prop_assert!(!drained.lines().any(|line| is_read(line.trim())), "{:?}", drained);
        for line in read {
            if let Ok((mount, _)) = line.mount {
                let (entry, attachment) = mount.into_entry_and_attachment();
                let json = serde_json::to_string(&(&entry, &attachment)).unwrap();
                let read: (Entry, Attachment) = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(read, (entry, attachment));
            }
        }
        Ok(())
    });
}

#[test]
fn policy_files() {
    let (_directory, store) = store();
    let path = store.layout().registry().join("policy.json");
    let paths = vec(inputs::path(), 0..4).prop_map(Value::from).boxed();
    let object = object(vec![("allowed_paths", paths), ("jail", texts(inputs::path()))]);
    let content = prop_oneof![
        6 => object.prop_map(|object| Value::Object(object).to_string().into_bytes()),
        1 => inputs::bytes(),
    ];
    try_all("policy files", 1, &content, |content, count| {
        fs::write(&path, &content).unwrap();
        let read = store.policy();
        count.note(read.is_ok());
        let is_object = serde_json::from_slice::<Map<String, Value>>(&content).is_ok();
        prop_assert!(read.is_err() || is_object, "what is allowed was guessed");
        if let Ok(policy) = read {
            let json = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(
                serde_json::from_str::<dokku_storage::domain::policy::Policy>(&json).unwrap(),
                policy
            );
        }
        Ok(())
    });
}
