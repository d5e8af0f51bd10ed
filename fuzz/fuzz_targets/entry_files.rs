//! An entry's file of any bytes: what is understood is the same after it was written again, with all that nobody knows.
#![no_main]

use dokku_storage::domain::entry::Entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let Ok(entry) = serde_json::from_slice::<Entry>(content) else {
        return;
    };
    let written = serde_json::to_vec_pretty(&entry).unwrap();
    let again: Entry = serde_json::from_slice(&written).unwrap();
    assert_eq!(again, entry);
    let _ = entry.check("/var/lib/dokku/data/storage/data");
    let _ = (entry.shown_source(), entry.is_docker_local(), entry.is_deleted_with_entry());
    let mut completed = again;
    completed.complete_from(&entry);
    assert_eq!(completed.name, entry.name);
});
