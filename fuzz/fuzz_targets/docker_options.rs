//! docker-options' file of any bytes: the lines that mount are found, the others stay as they are.
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
        let read = files[0].volume_lines();
        let is_read = |line: &str| read.iter().any(|read| read.line == line);
        let drained = String::from_utf8(files[0].without(is_read)).unwrap();
        assert!(!lines(&drained).iter().any(|line| is_read(line.trim())));
        let taken = lines(&kept).iter().filter(|line| is_read(line.trim())).count();
        assert_eq!(lines(&kept).len(), lines(&drained).len() + taken);
        assert!(taken >= read.len());
    });
});
