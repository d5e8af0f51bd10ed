//! The quoting of `docker-args-*`: split as `xargs` does it, the line is exactly the words. Each line of the input is
//! a mount; what is accepted of them is one app's.
#![no_main]

#[path = "../../tests/harness/xargs.rs"]
mod xargs;

use dokku_storage::domain::docker_args::{line, mounted_source, quoted, words};
use dokku_storage::domain::mount_string::MountString;
use dokku_storage::domain::paths::Subpath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut all = Vec::new();
    let mut subpath = None;
    for mount in text.lines() {
        if let Ok(part) = Subpath::parse(mount) {
            subpath = Some(part);
        }
        if let Ok(mount) = MountString::parse(mount) {
            let (entry, mut attachment) = mount.into_entry_and_attachment();
            attachment.subpath = subpath.take();
            let pair = words(&mounted_source(&entry, &attachment), &entry, &attachment);
            assert!(pair[0] == "-v" || pair[0] == "--mount");
            all.extend(pair);
        }
        // Any word at all that has no end of line, which no accepted value has.
        let words = xargs::split(&format!("{} end", quoted(mount)));
        assert_eq!(words, Some(vec![mount.to_owned(), "end".to_owned()]));
    }
    let printed = format!(" {}", line(&all));
    assert_eq!(xargs::split(&printed), Some(all), "{printed:?}");
});
