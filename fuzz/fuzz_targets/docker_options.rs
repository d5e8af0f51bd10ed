//! docker-options' file of any bytes: its `-v` lines are found, the others stay as they are.
#![no_main]

mod scratch;

use std::fs;

use dokku_storage::domain::names::AppName;
use libfuzzer_sys::fuzz_target;
use scratch::with_store;

fuzz_target!(|content: &[u8]| {
    with_store(|root, store| {
        let app = AppName::parse("blog").unwrap();
        fs::write(root.join("config/docker-options/blog/_default_.deploy"), content).unwrap();
        let Ok(files) = store.docker_options(&app) else {
            assert!(std::str::from_utf8(content).is_err());
            return;
        };
        let text = std::str::from_utf8(content).unwrap();
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
        };
        let kept = String::from_utf8(files[0].without(|_| false)).unwrap();
        assert_eq!(lines(&kept), lines(text));
        let drained = String::from_utf8(files[0].without(|_| true)).unwrap();
        assert_eq!(lines(&kept).len(), lines(&drained).len() + files[0].volume_lines().len());
    });
});
