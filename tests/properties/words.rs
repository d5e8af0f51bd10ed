//! The property that matters: what `docker-args-*` print, split by the real `xargs`, is exactly the words of the
//! mounts that are stored, for every mount that is accepted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use dokku_storage::domain::names::AppName;
use dokku_storage::domain::phases::Phase;
use dokku_storage::testing::{Layout, MountsFile};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use tempfile::TempDir;

use crate::harness::program_under_test;
use crate::harness::xargs;
use crate::inputs;
use crate::mounts::{Accepted, colon_words, wish};
use crate::trial::try_all;

/// How many mounts an app has at most.
const BATCH: usize = 64;

/// Splits what the call `"$@"` prints as Dokku's schedulers do.
pub const BY_XARGS: &str = r#"set -o pipefail; "$@" | xargs -r printf '%s\0'"#;

/// Splits it as a shell does.
const BY_SHELL: &str =
    r#"printed=$("$@") || exit; eval "set -- $printed"; [ $# -eq 0 ] || printf '%s\0' "$@""#;

/// Writes a store with these mounts of the app `blog`.
fn write_store(root: &Path, mounts: &[Accepted]) {
    let layout = Layout::new(root.to_path_buf());
    let app = AppName::parse("blog").unwrap();
    fs::create_dir_all(layout.entries()).unwrap();
    fs::create_dir_all(layout.app(&app)).unwrap();
    let mut file = MountsFile::parse(&layout.mounts(&app), b"").unwrap();
    for mount in mounts {
        let entry = serde_json::to_vec_pretty(&mount.entry).unwrap();
        fs::write(layout.entry(&mount.entry.name), entry).unwrap();
        file.push(mount.attachment.clone());
    }
    fs::write(layout.mounts(&app), file.to_bytes()).unwrap();
}

/// The words that come out of `line`, in which `"$@"` is the call of a trigger.
pub fn split(
    line: &str,
    root: &Path,
    trigger: &[&str],
    locale: &str,
) -> Result<Vec<String>, TestCaseError> {
    let output = Command::new("/bin/bash")
        .args(["-c", line, "bash"])
        .arg(program_under_test())
        .args(trigger)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", locale)])
        .env("DOKKU_STORAGE_ROOT", root)
        // As from inside of a container, where it cannot be seen what is there on the host and what is not.
        .env("DOKKU_LIB_HOST_ROOT", "/var/lib/dokku")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    prop_assert!(output.status.success() && errors.is_empty(), "{:?}: {}", output.status, errors);
    let text = String::from_utf8(output.stdout).unwrap();
    Ok(text.split_terminator('\0').map(str::to_owned).collect())
}

/// Which mounts a container gets, in order.
fn expected(mounts: &[Accepted], phase: Phase, process_type: &str) -> Vec<String> {
    let mut chosen: Vec<&Accepted> = mounts
        .iter()
        .filter(|mount| mount.attachment.phases.contains(phase))
        .filter(|mount| {
            let wanted = mount.attachment.process_type.to_string();
            wanted == "_default_" || wanted == process_type
        })
        .collect();
    chosen.sort_by(|a, b| a.order.cmp(&b.order));
    chosen.into_iter().flat_map(|mount| mount.words.clone()).collect()
}

/// Has the words be printed although nothing of what is mounted is there.
fn ignore_missing_sources(root: &Path, app: &str) {
    let directory = root.join("config/storage").join(app);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("settings"), r#"{"missing_source":"ignore"}"#).unwrap();
}

#[test]
fn what_is_printed_is_the_words_that_are_stored() {
    let calls = [
        (vec!["docker-args-deploy", "blog", "latest", "web", "1"], Phase::Deploy, "web"),
        (vec!["docker-args-deploy", "blog", "latest"], Phase::Deploy, "_default_"),
        (vec!["docker-args-run", "blog", "latest"], Phase::Run, "_default_"),
        (vec!["docker-args-build", "blog", "pack"], Phase::Build, "_default_"),
    ];
    let inputs = (vec(wish(), 1..BATCH), select(calls.to_vec()), select(vec!["C", "C.UTF-8"]));
    try_all(
        "words of stored mounts",
        32,
        &inputs,
        |(wishes, (trigger, phase, process_type), locale), count| {
            let mut mounts = Vec::new();
            for (index, wish) in wishes.iter().enumerate() {
                let accepted = wish.accepted(index);
                count.note(accepted.is_some());
                mounts.extend(accepted);
            }
            let root = TempDir::new().unwrap();
            write_store(root.path(), &mounts);
            ignore_missing_sources(root.path(), "blog");
            let expected = expected(&mounts, phase, process_type);
            prop_assert_eq!(&split(BY_XARGS, root.path(), &trigger, locale)?, &expected);
            prop_assert_eq!(&split(BY_SHELL, root.path(), &trigger, locale)?, &expected);
            Ok(())
        },
    );
}

#[test]
fn what_storage_mount_accepts_is_one_word() {
    // Mounts each string it reads, and prints the status of each.
    const MOUNT_EACH: &str = r#"while IFS= read -r -d '' mount; do
        "$@" storage:mount blog -- "$mount" >/dev/null 2>&1 </dev/null; printf '%s ' $?; done"#;
    let inputs = vec(
        inputs::mount().prop_filter("no argument has a NUL", |text| {
            !text.contains('\0') && text.len() < 100_000
        }),
        1..24,
    );
    try_all("words of typed mounts", 48, &inputs, |texts, count| {
        let root = TempDir::new().unwrap();
        let output = Command::new("/bin/bash")
            .args(["-c", MOUNT_EACH, "bash"])
            .arg(program_under_test())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")])
            .env("DOKKU_STORAGE_ROOT", root.path())
            .write_stdin(
                texts
                    .iter()
                    .flat_map(|text| [text.as_bytes(), b"\0"].concat())
                    .collect::<Vec<u8>>(),
            )
            .output()
            .unwrap();
        let statuses = String::from_utf8(output.stdout).unwrap();
        let mut by_place = BTreeMap::new();
        for (text, status) in texts.iter().zip(statuses.split_whitespace()) {
            count.note(status == "0");
            prop_assert!(["0", "1"].contains(&status), "{:?} ended in {}", text, status);
            if status == "0" {
                let words = colon_words(text);
                by_place.insert(words[1].clone(), words);
            }
        }
        prop_assert_eq!(statuses.split_whitespace().count(), texts.len());
        ignore_missing_sources(root.path(), "blog");
        let printed = split(
            BY_XARGS,
            root.path(),
            &["docker-args-deploy", "blog", "latest", "web", "1"],
            "C.UTF-8",
        )?;
        let mut pairs: Vec<Vec<String>> = printed.chunks(2).map(<[String]>::to_vec).collect();
        pairs.sort();
        let expected: Vec<Vec<String>> = by_place.into_values().collect();
        prop_assert_eq!(pairs, expected);
        Ok(())
    });
}

#[test]
fn the_model_of_xargs_splits_as_xargs_does() {
    let texts = inputs::text().prop_filter("xargs warns of NUL", |text| !text.contains('\0'));
    try_all("texts for xargs", 16, &texts, |text, count| {
        let output = Command::new("/usr/bin/xargs")
            .args(["-r", "printf", "%s\\0"])
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")])
            .write_stdin(text.as_bytes())
            .output()
            .unwrap();
        let model = xargs::split(&text);
        count.note(model.is_some());
        let real = String::from_utf8_lossy(&output.stdout).into_owned();
        let real = output
            .status
            .success()
            .then(|| real.split_terminator('\0').map(str::to_owned).collect::<Vec<String>>());
        prop_assert_eq!(model, real, "{:?}", text);
        Ok(())
    });
}
