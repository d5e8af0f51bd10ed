//! What the types of entries are told: options, sizes, connectors and secrets, and the words of a tmpfs.

use std::fs;

use dokku_storage::domain::attachment::Attachment;
use dokku_storage::domain::connector::Connector;
use dokku_storage::domain::connector_type::TYPES;
use dokku_storage::domain::entry::Entry;
use dokku_storage::domain::mode::Mode;
use dokku_storage::domain::names::{AppName, ConnectorName};
use dokku_storage::domain::options::{HIDDEN, is_secret, masked, parse};
use dokku_storage::domain::secret::{KnownHosts, Secret};
use dokku_storage::domain::size::ByteSize;
use dokku_storage::testing::{Layout, MountsFile};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tempfile::TempDir;

use crate::inputs;
use crate::trial::try_all;
use crate::words::{BY_XARGS, split};

/// How many mounts an app has at most.
const BATCH: usize = 32;

/// Sizes as people write them, and some that nobody should.
fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[0-9]{1,6}(\\.[0-9]{1,7})?[kKmMgGtTpP]?(b|B|ib|iB)?",
        1 => "[0-9]{1,25}[kKmMgGtTpPeE]?",
        1 => inputs::text(),
    ]
}

/// Names of options, secret and not.
fn key() -> impl Strategy<Value = String> {
    let names = ["o", "device", "API_KEY", "api-key", "Pass", "x.password", "secretName", "tokens"];
    prop_oneof![select(names.to_vec()).prop_map(str::to_owned), "[a-zA-Z0-9._-]{0,8}"]
}

#[test]
fn sizes_are_what_they_show() {
    try_all("ByteSize", 1, &size(), |text, count| {
        let parsed = ByteSize::parse(&text);
        count.note(parsed.is_ok());
        if let Ok(size) = parsed {
            prop_assert!(size.bytes() > 0, "{:?}", text);
            prop_assert_eq!(ByteSize::parse(&size.to_string()).ok(), Some(size), "{:?}", text);
            prop_assert_eq!(ByteSize::parse(&size.bytes().to_string()).ok(), Some(size));
            // Reckoned another way.
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let power = "kmgtp"
                .find(text[digits.len()..].chars().next().unwrap_or('b').to_ascii_lowercase());
            let factor = 1024_f64.powi(power.map_or(0, |at| i32::try_from(at).unwrap() + 1));
            #[expect(clippy::cast_precision_loss, reason = "it is compared with a tolerance")]
            let (found, wanted) = (size.bytes() as f64, digits.parse::<f64>().unwrap() * factor);
            prop_assert!((found - wanted).abs() <= 1.0 + wanted * 1e-9, "{:?} is {}", text, found);
        }
        Ok(())
    });
}

#[test]
fn options_are_kept_as_they_are_and_shown_without_secrets() {
    let value =
        prop_oneof![inputs::text(), inputs::options(), "[a-z]{1,4}=[^,]{0,6},password=hush,x"];
    let given = vec((key(), value).prop_map(|(key, value)| format!("{key}={value}")), 1..5);
    try_all("options", 1, &given, |given, count| {
        let parsed = parse(&given);
        count.note(parsed.is_ok());
        let Ok(parsed) = parsed else {
            return Ok(());
        };
        prop_assert_eq!(parsed.len(), given.len());
        for text in &given {
            let (key, value) = text.split_once('=').unwrap();
            prop_assert_eq!(&parsed[key], value);
            prop_assert!(!text.contains(char::is_control), "{:?}", text);
        }
        for (key, shown) in masked(&parsed) {
            prop_assert!(!shown.contains("hush"), "{} shows {}", key, shown);
            if is_secret(&key) {
                prop_assert_eq!(&shown, HIDDEN);
            } else {
                let parts = parsed[&key].split(',').count();
                prop_assert_eq!(shown.split(',').count(), parts, "{}", shown);
            }
        }
        Ok(())
    });
}

#[test]
fn connectors_hold_what_can_be_passed_on() {
    let properties = [
        "endpoint",
        "region",
        "access-key-id",
        "server",
        "username",
        "domain",
        "port",
        "path",
        "remote",
        "bucket",
        "prefix",
        "x",
    ];
    let value = prop_oneof![
        1 => "[a-z0-9/:.]{1,12}",
        2 => inputs::text(),
        2 => "[!-~]{0,20}",
        1 => "https?://[!-~]{0,20}",
    ];
    let inputs = (0..TYPES.len(), select(properties.to_vec()), value);
    try_all("Connector", 1, &inputs, |(kind, property, value), count| {
        let mut connector = Connector::new(ConnectorName::parse("c").unwrap(), &TYPES[kind]);
        let before = connector.clone();
        let set = connector.set(property, &value);
        count.note(set.is_ok());
        if set.is_err() {
            prop_assert_eq!(connector, before);
            return Ok(());
        }
        prop_assert_eq!(connector.property(property), value.as_str());
        let is_apart = |c: char| c.is_control() || c.is_whitespace() || ",'\"\\;".contains(c);
        prop_assert!(!value.contains(is_apart) && !value.starts_with('-'), "{:?}", value);
        let text = serde_json::to_string(&connector).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Connector>(&text).unwrap(), &connector);
        Ok(())
    });
}

#[test]
fn texts_of_many_lines_are_kept_whole() {
    let text = prop_oneof![inputs::text(), "([ -~]{0,20}\r?\n){0,4}[ -~]{0,5}"];
    try_all("Secret of many lines", 1, &text, |text, count| {
        let parsed = Secret::parse_text(&text);
        count.note(parsed.is_ok());
        if let Ok(secret) = parsed {
            let kept = secret.reveal();
            prop_assert!(kept.ends_with('\n') && !kept.contains('\r'), "{:?}", kept);
            prop_assert!(text.lines().eq(kept.lines()), "{:?} {:?}", text, kept);
            prop_assert!(Secret::parse_text(kept).unwrap() == secret);
            prop_assert_eq!(format!("{secret:?}"), "Secret(***)");
        }
        if let Ok(hosts) = KnownHosts::parse(&text) {
            prop_assert_eq!(&KnownHosts::parse(hosts.as_str()).unwrap(), &hosts);
        }
        Ok(())
    });
}

#[test]
fn secrets_are_kept_whole_and_not_shown() {
    let text = prop_oneof![inputs::text(), "[ -~]{1,30}\r?\n?"];
    try_all("Secret", 1, &text, |text, count| {
        let parsed = Secret::parse(&text);
        count.note(parsed.is_ok());
        match parsed {
            Ok(secret) => {
                let rest = text.strip_prefix(secret.reveal());
                prop_assert!(matches!(rest, Some("" | "\n" | "\r" | "\r\n")), "{:?}", text);
                prop_assert!(!secret.reveal().contains(char::is_control));
                prop_assert_eq!(format!("{secret:?}"), "Secret(***)");
            }
            Err(refusal) => {
                let told = refusal.to_string();
                prop_assert!(text.trim().len() < 4 || !told.contains(&text), "{}", told);
            }
        }
        Ok(())
    });
}

/// A tmpfs as texts: its size, mode and owner, its place, the options of its mount, and whether it is read-only.
type Wish = (Option<String>, Option<String>, Option<u16>, String, String, bool);

fn wish() -> impl Strategy<Value = Wish> {
    (
        option::of(size()),
        option::of("[0-7]{3,4}"),
        option::of(any::<u16>()),
        inputs::path(),
        inputs::options(),
        any::<bool>(),
    )
}

/// The entry, the attachment and the words that Docker is to get; none for what cannot be stored.
fn accepted(number: usize, wish: Wish) -> Option<(Entry, Attachment, [String; 2])> {
    let (size, mode, owner, place, options, readonly) = wish;
    let name = format!("t{number:03}");
    let mut entry =
        json!({"name": name, "host_path": format!("tmpfs-{name}"), "type": "tmpfs", "options": {}});
    let mut words = Vec::new();
    if let Some(size) = size {
        words.push(format!("size={}", ByteSize::parse(&size).ok()?.bytes()));
        entry["options"]["size"] = size.into();
    }
    let kept = mode.as_deref().map_or("1777".to_owned(), |mode| format!("{mode:0>4}"));
    words.push(format!("mode={kept}"));
    if let Some(mode) = mode {
        entry["options"]["mode"] = Mode::parse(&mode).ok()?.as_str().into();
    }
    if let Some(owner) = owner {
        entry["chown"] = owner.to_string().into();
        words.push(format!("uid={owner},gid={owner}"));
    }
    let mut attachment = json!({"entry_name": name, "container_path": place, "phases": ["run"], "readonly": readonly});
    if readonly {
        words.push("ro".to_owned());
    }
    if !options.is_empty() {
        let is_said = |option: &&str| readonly && *option == "ro";
        let rest: Vec<&str> = options.split(',').filter(|option| !is_said(option)).collect();
        words.extend(rest.into_iter().map(str::to_owned));
        attachment["volume_options"] = options.into();
    }
    let entry: Entry = serde_json::from_value(entry).ok()?;
    let attachment: Attachment = serde_json::from_value(attachment).ok()?;
    let argument = format!("{}:{}", attachment.container_path, words.join(","));
    Some((entry, attachment, ["--tmpfs".to_owned(), argument]))
}

#[test]
fn xargs_reads_the_words_of_a_tmpfs_as_they_are() {
    let batch = u32::try_from(BATCH).unwrap();
    try_all("tmpfs words", batch * 4, &vec(wish(), 1..=BATCH), |wishes, count| {
        let mut expected = Vec::new();
        let root = TempDir::new().unwrap();
        let layout = Layout::new(root.path().to_path_buf());
        let app = AppName::parse("blog").unwrap();
        fs::create_dir_all(layout.entries()).unwrap();
        fs::create_dir_all(layout.app(&app)).unwrap();
        let mut file = MountsFile::parse(&layout.mounts(&app), b"").unwrap();
        for (number, wish) in wishes.into_iter().enumerate() {
            let mount = accepted(number, wish);
            count.note(mount.is_some());
            if let Some((entry, attachment, words)) = mount {
                let text = serde_json::to_vec_pretty(&entry).unwrap();
                fs::write(layout.entry(&entry.name), text).unwrap();
                file.push(attachment);
                expected.extend(words);
            }
        }
        fs::write(layout.mounts(&app), file.to_bytes()).unwrap();
        let words =
            split(BY_XARGS, root.path(), &["docker-args-run", "blog", "latest"], "C.UTF-8")?;
        prop_assert_eq!(words, expected);
        Ok(())
    });
}
