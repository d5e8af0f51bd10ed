//! Every parser of a text: it never panics, and what it accepts stays what it is on its way through JSON.

use std::fmt::Debug;

use dokku_storage::domain::attachment::Attachment;
use dokku_storage::domain::entry::Entry;
use dokku_storage::domain::mode::Mode;
use dokku_storage::domain::mount_string::MountString;
use dokku_storage::domain::names::{AppName, DirectoryName, EntryName, ProcessType, VolumeName};
use dokku_storage::domain::ownership::Ownership;
use dokku_storage::domain::paths::{ContainerPath, HostPath, Source, Subpath, as_typed};
use dokku_storage::domain::phases::Phase;
use dokku_storage::domain::policy::Jail;
use dokku_storage::domain::scope::Scope;
use dokku_storage::domain::volume_options::VolumeOptions;
use dokku_storage::testing::Result;
use dokku_storage::testing::arguments;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::inputs;
use crate::trial::try_all;

/// A parser's value is its own text again, and goes through JSON unchanged.
fn round_trip<T>(
    text: &str,
    value: &T,
    shown: &str,
    parse: fn(&str) -> Result<T>,
) -> Result<(), TestCaseError>
where
    T: PartialEq + Debug + Serialize + DeserializeOwned,
{
    let again = parse(shown);
    prop_assert_eq!(again.as_ref().ok(), Some(value), "from {:?}", text);
    let json = serde_json::to_string(value).unwrap();
    let read: T = serde_json::from_str(&json)
        .map_err(|error| TestCaseError::fail(format!("{json}: {error}")))?;
    prop_assert_eq!(&read, value);
    prop_assert!(!shown.chars().any(char::is_control), "a control character in {:?}", shown);
    Ok(())
}

macro_rules! checked_texts {
    ($($test:ident: $type:ident from $inputs:expr;)*) => {$(
        #[test]
        fn $test() {
            let inputs = prop_oneof![2 => $inputs, 1 => inputs::text()];
            try_all(stringify!($type), 1, &inputs, |text, count| {
                let parsed = $type::parse(&text);
                count.note(parsed.is_ok());
                match parsed {
                    Ok(value) => round_trip(&text, &value, value.as_str(), $type::parse),
                    Err(refusal) => {
                        prop_assert!(!refusal.to_string().is_empty());
                        prop_assert!(serde_json::from_value::<$type>(text.clone().into()).is_err(), "{:?} comes in by JSON", text);
                        Ok(())
                    }
                }
            });
        }
    )*};
}

checked_texts! {
    app_names: AppName from "[a-z0-9][a-z0-9._-]{0,40}";
    entry_names: EntryName from "[a-z0-9-]{1,46}";
    directory_names: DirectoryName from "[A-Za-z0-9_-]{1,20}";
    volume_names: VolumeName from inputs::volume();
    host_paths: HostPath from inputs::path();
    container_paths: ContainerPath from inputs::path();
    subpaths: Subpath from inputs::subpath();
    sources: Source from prop_oneof![inputs::path(), inputs::volume()];
    volume_options: VolumeOptions from inputs::options();
    modes: Mode from "[0-8]{2,5}";
    jails: Jail from prop_oneof![inputs::path(), inputs::path().prop_map(|path| format!("{path}/{{app}}"))];
}

/// A container path as Docker sees it: cleaned by its names alone.
fn cleaned(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

#[test]
fn container_paths_are_the_same_where_docker_takes_them_for_the_same() {
    let name =
        prop_oneof!["[ab]", Just("..".to_owned()), Just(".".to_owned()), Just(String::new())];
    let path = || {
        let names = proptest::collection::vec(name.clone(), 1..5);
        names.prop_map(|names| format!("/{}", names.join("/")))
    };
    try_all("pairs of container paths", 1, &(path(), path()), |(one, other), count| {
        let (a, b) = (ContainerPath::parse(&one), ContainerPath::parse(&other));
        count.note(a.is_ok() && b.is_ok());
        for (text, path) in [(&one, &a), (&other, &b)] {
            prop_assert!(path.is_err() || !cleaned(text).is_empty(), "{:?} is / for Docker", text);
        }
        if let (Ok(a), Ok(b)) = (a, b) {
            prop_assert_eq!(a == b, cleaned(&one) == cleaned(&other), "{:?} and {:?}", one, other);
        }
        Ok(())
    });
}

#[test]
fn subpaths_stay_inside() {
    try_all("parts of entries", 1, &inputs::subpath(), |text, count| {
        let parsed = Subpath::parse(&text);
        count.note(parsed.is_ok());
        if let Ok(part) = parsed {
            let entry = std::path::Path::new("/entry");
            let inside = entry.join(part.as_str());
            prop_assert!(inside.starts_with(entry) && inside != entry);
            let leads_up = |c: std::path::Component| c == std::path::Component::ParentDir;
            prop_assert!(!inside.components().any(leads_up));
        }
        let _ = as_typed("path", &text);
        Ok(())
    });
}

#[test]
fn process_types() {
    let inputs = prop_oneof!["[A-Za-z0-9_.-]{0,64}", inputs::text()];
    try_all("process types", 1, &inputs, |text, count| {
        let parsed = ProcessType::parse(&text);
        count.note(parsed.is_ok());
        if let Ok(parsed) = parsed {
            let shown = parsed.to_string();
            prop_assert!(shown == text || text.is_empty());
            prop_assert!(!shown.starts_with('-') && !shown.contains(char::is_whitespace));
            prop_assert_eq!(ProcessType::parse(&shown).ok(), Some(parsed));
        }
        Ok(())
    });
}

#[test]
fn owners_and_phases() {
    try_all(
        "owners",
        1,
        &prop_oneof![inputs::text(), "[0-9]{1,6}", "[0-9]{1,6}:[0-9]{1,6}"],
        |text, count| {
            let _ = Phase::parse(&text);
            let owner = Ownership::parse(&text);
            count.note(owner.is_ok());
            if let Ok(owner) = owner {
                let json = serde_json::to_string(&owner).unwrap();
                prop_assert_eq!(serde_json::from_str::<Ownership>(&json).unwrap(), owner.clone());
                prop_assert!(owner.container_ids().is_some() || text == "false");
                let (uid, gid) = owner.container_ids().unwrap_or_default();
                prop_assert!(uid <= 65_535 && gid <= 65_535, "{}:{}", uid, gid);
            }
            Ok(())
        },
    );
}

#[test]
fn scopes() {
    let pattern =
        prop_oneof!["[ab*]{1,6}", "[a-z*.-]{1,12}", "\\*{0,30}[ab]\\*{0,30}", inputs::text()];
    let app = prop_oneof!["[ab]{1,8}", "[a-z][a-z.-]{0,12}"];
    try_all("scopes", 1, &(pattern, app), |(text, app), count| {
        let scope = Scope::parse(std::slice::from_ref(&text));
        count.note(scope.is_ok());
        let app = AppName::parse(&app).unwrap();
        if let Ok(scope) = scope {
            let json = serde_json::to_string(&scope).unwrap();
            prop_assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), scope.clone());
            let mut patterns =
                text.split([',', ' ']).filter(|pattern| !pattern.is_empty()).peekable();
            let expected = patterns.peek().is_none()
                || patterns.any(|pattern| matches(pattern.as_bytes(), app.as_str().as_bytes()));
            prop_assert_eq!(scope.includes(&app), expected, "{:?} and {:?}", text, app.as_str());
        }
        Ok(())
    });
}

/// Whether a name matches a pattern in which `*` stands for any characters, by trying everything.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) if rest.first() == Some(&b'*') => matches(rest, name),
        Some((b'*', rest)) => (0..=name.len()).any(|taken| matches(rest, &name[taken..])),
        Some((first, rest)) => name.first() == Some(first) && matches(rest, &name[1..]),
    }
}

#[test]
fn mounts() {
    try_all("mounts", 1, &inputs::mount(), |text, count| {
        let typed = MountString::parse_typed(&text);
        count.note(typed.is_ok());
        if let Ok(typed) = &typed {
            let parsed = MountString::parse(&text);
            prop_assert_eq!(Some(typed), parsed.as_ref().ok());
            prop_assert!(
                !text.split(char::is_whitespace).skip(1).any(|word| word.starts_with('-')),
                "{:?}",
                text
            );
        }
        let Ok(mount) = MountString::parse(&text) else {
            return Ok(());
        };
        let start = format!("{}:{}", mount.source.as_str(), mount.container_path);
        prop_assert!(text.starts_with(&start), "{:?} is not the start of {:?}", start, text);
        let (entry, attachment) = mount.into_entry_and_attachment();
        let read: Entry =
            serde_json::from_str(&serde_json::to_string_pretty(&entry).unwrap()).unwrap();
        prop_assert_eq!(&read, &entry);
        let read: Attachment =
            serde_json::from_str(&serde_json::to_string(&attachment).unwrap()).unwrap();
        prop_assert_eq!(&read, &attachment);
        prop_assert!(entry.name.is_legacy() && EntryName::parse(entry.name.as_str()).is_ok());
        Ok(())
    });
}

#[test]
fn lists_and_pairs_of_flags() {
    try_all(
        "lists of flags",
        1,
        &proptest::collection::vec(inputs::text(), 0..3),
        |given, count| {
            let values = arguments::list(&given);
            count.note(true);
            let unquoted = given.iter().all(|text| !text.contains('"'));
            if unquoted {
                let given = given.iter().filter(|text| !text.is_empty());
                let expected: Vec<&str> = given.flat_map(|text| text.split(',')).collect();
                prop_assert_eq!(values, expected);
            }
            if let Ok(pairs) = arguments::pairs(&given) {
                prop_assert!(pairs.keys().all(|key| !key.is_empty() && !key.contains('=')));
            }
            Ok(())
        },
    );
}
