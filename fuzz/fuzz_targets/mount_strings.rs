//! `host:container[:options]`: no panic, nothing that looks like an option gets through, and the entry and the
//! attachment made of it are the same after their way through the store's files.
#![no_main]

use std::path::Path;

use dokku_storage::domain::entry::Entry;
use dokku_storage::domain::mount_string::MountString;
use dokku_storage::testing::MountsFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if MountString::parse_typed(text).is_ok() {
        assert!(MountString::parse(text).is_ok());
        assert!(!text.split(char::is_whitespace).skip(1).any(|word| word.starts_with('-')));
        assert!(!text.chars().any(char::is_control));
    }
    let Ok(mount) = MountString::parse(text) else {
        return;
    };
    let (entry, attachment) = mount.into_entry_and_attachment();
    let json = serde_json::to_vec_pretty(&entry).unwrap();
    assert_eq!(serde_json::from_slice::<Entry>(&json).unwrap(), entry);
    let mut file = MountsFile::parse(Path::new("mounts"), b"").unwrap();
    file.push(attachment.clone());
    let bytes = file.to_bytes();
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 1);
    let read = MountsFile::parse(Path::new("mounts"), &bytes).unwrap();
    assert!(read.attachments().eq([&attachment]));
});
