//! Names, paths, options, modes, owners, scopes, jails, sizes and secrets: whatever is accepted is the same after its way through JSON,
//! and JSON lets nothing in that the parser refuses. The first byte chooses the parser.
#![no_main]

use std::fmt::Debug;

use dokku_storage::domain::mode::Mode;
use dokku_storage::domain::names::{
    AppName, ConnectorName, DirectoryName, EntryName, ProcessType, VolumeName,
};
use dokku_storage::domain::needs::NeedId;
use dokku_storage::domain::options;
use dokku_storage::domain::ownership::Ownership;
use dokku_storage::domain::paths::{ContainerPath, HostPath, Source, Subpath, as_typed};
use dokku_storage::domain::phases::Phase;
use dokku_storage::domain::policy::Jail;
use dokku_storage::domain::scope::Scope;
use dokku_storage::domain::secret::Secret;
use dokku_storage::domain::size::ByteSize;
use dokku_storage::domain::volume_options::VolumeOptions;
use dokku_storage::testing::Result;
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn checked<T>(text: &str, parse: fn(&str) -> Result<T>)
where
    T: PartialEq + Debug + Serialize + DeserializeOwned,
{
    let read = serde_json::from_value::<T>(text.into());
    match parse(text) {
        Ok(value) => {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
            assert!(!text.chars().any(char::is_control), "{text:?} is accepted");
        }
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            assert!(read.is_err(), "{text:?} comes in by JSON");
        }
    }
}

fuzz_target!(|input: (u8, &str)| {
    let (parser, text) = input;
    match parser % 20 {
        0 => checked(text, AppName::parse),
        1 => checked(text, EntryName::parse),
        2 => {
            if let Ok(name) = EntryName::parse_new(text) {
                assert!(!name.is_legacy() && EntryName::parse(text).is_ok());
            }
        }
        3 => checked(text, DirectoryName::parse),
        4 => checked(text, VolumeName::parse),
        5 => checked(text, HostPath::parse),
        6 => checked(text, ContainerPath::parse),
        7 => checked(text, Subpath::parse),
        8 => checked(text, Source::parse),
        9 => checked(text, VolumeOptions::parse),
        10 => checked(text, Mode::parse),
        11 => checked(text, Jail::parse),
        12 => checked(text, NeedId::parse),
        13 => drop(Ownership::parse(text).map(|owner| owner.as_str().to_owned())),
        14 => drop(
            Scope::parse(&[text.to_owned()])
                .map(|scope| AppName::parse("web-prod").map(|app| scope.includes(&app))),
        ),
        15 => checked(text, ConnectorName::parse),
        16 => {
            if let Ok(size) = ByteSize::parse(text) {
                assert!(size.bytes() > 0);
                assert_eq!(ByteSize::parse(&size.to_string()).unwrap(), size);
            }
        }
        17 => {
            let given: Vec<String> = text.split('\n').map(str::to_owned).collect();
            if let Ok(read) = options::parse(&given) {
                assert!(given.iter().all(|option| {
                    option.split_once('=').is_some_and(|(key, value)| read[key] == value)
                }));
                let shown = options::masked(&read);
                assert!(shown.iter().all(|(key, value)| !options::is_secret(key) || value == "***"));
            }
        }
        18 => {
            if let Ok(secret) = Secret::parse(text) {
                assert!(text.starts_with(secret.reveal()));
                assert_eq!(format!("{secret:?}"), "Secret(***)");
            }
        }
        _ => {
            let _ = Phase::parse(text);
            let _ = as_typed("path", text);
            if let Ok(process_type) = ProcessType::parse(text) {
                assert!(!process_type.to_string().contains(char::is_whitespace));
            }
        }
    }
});
