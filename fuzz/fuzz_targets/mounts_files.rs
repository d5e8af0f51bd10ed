//! An app's `mounts` file of any bytes: every line that says something is written back as it was, and what was
//! understood is understood again.
#![no_main]

use std::path::Path;

use dokku_storage::domain::names::EntryName;
use dokku_storage::testing::MountsFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let path = Path::new("mounts");
    let Ok(mut file) = MountsFile::parse(path, content) else {
        assert!(std::str::from_utf8(content).is_err());
        return;
    };
    let said = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| line.trim_end_matches('\r').to_owned()).collect()
    };
    assert_eq!(said(&file.to_bytes()), said(content));
    let again = MountsFile::parse(path, &file.to_bytes()).unwrap();
    assert!(again.attachments().eq(file.attachments()));
    assert_eq!(file.problem().is_none(), file.attachments().count() == file.lines().len());
    for line in file.lines() {
        let _ = (line.is_about("data"), line.container_path());
    }
    let _ = file.may_mention(&EntryName::parse("data").unwrap());
    // A line that is written anew says the same.
    let before: Vec<_> = file.attachments().cloned().collect();
    file.update(|_| true);
    let anew = MountsFile::parse(path, &file.to_bytes()).unwrap();
    assert!(anew.attachments().eq(&before));
});
