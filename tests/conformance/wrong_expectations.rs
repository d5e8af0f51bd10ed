//! The replayer can fail: each expectation that is made wrong on purpose is reported.

use crate::harness::Plugin;
use crate::replay::replay;
use crate::scenario::{Scenario, Trigger};

/// A scenario of two steps that the plugin answers as expected.
const RIGHT: &str = r#"[{
  "name": "right",
  "apps": ["blog"],
  "steps": [
    {
      "run": ["subcommands/create", "storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"],
      "more": true,
      "expect": {
        "exit": 0, "stdout": "-----> Storage entry claim created\n", "stderr": "",
        "triggers": [{"trigger": "storage-create", "args": ["claim"], "stdin": "{\"name\":\"claim\",\"size\":\"1Gi\"}"}]
      }
    },
    {
      "run": ["subcommands/list", "storage:list", "nope"],
      "expect": {"exit": 20, "stdout": "", "stderr": " !     App nope does not exist\n"}
    }
  ],
  "expect_files": {
    "{ROOT}/lib/data/storage-registry/entries/claim.json": "{\"name\":\"claim\",\"scheduler\":\"k3s\"}",
    "{ROOT}/lib/config/storage/blog/mounts": null
  }
}]"#;

/// What is reported once the right scenario was changed.
fn reported(change: impl Fn(&mut Scenario)) -> String {
    let mut scenario = Scenario::read_all(RIGHT).remove(0);
    change(&mut scenario);
    replay(&scenario, &Plugin::shared()).join("\n")
}

#[test]
fn nothing_is_reported_where_all_is_right() {
    assert_eq!(reported(|_| ()), "");
}

#[test]
fn a_wrong_status_is_reported() {
    let found = reported(|s| s.steps[1].expect.exit = 1);
    assert!(found.contains("step 2") && found.contains("expected 1, got 20"), "{found}");
}

#[test]
fn wrong_words_are_reported() {
    let found = reported(|s| s.steps[0].expect.stdout.insert_str(0, "-----> Another line\n"));
    assert!(found.contains("step 1") && found.contains("stdout"), "{found}");
    let found = reported(|s| s.steps[1].expect.stderr.push('x'));
    assert!(found.contains("step 2") && found.contains("stderr"), "{found}");
    let found = reported(|s| s.steps[1].expect.stderr.clear());
    assert!(found.contains("step 2") && found.contains("stderr"), "{found}");
}

#[test]
fn a_loose_step_still_has_its_status_and_its_stream() {
    let found = reported(|s| {
        s.steps[1].loose = true;
        s.steps[1].expect.stdout = "words".to_owned();
        s.steps[1].expect.stderr = "other words".to_owned();
        s.steps[1].expect.exit = 1;
    });
    assert!(found.contains("stdout") && found.contains("status"), "{found}");
    assert!(!found.contains("stderr"), "{found}");
}

#[test]
fn wrong_triggers_are_reported() {
    let found = reported(|s| s.steps[0].expect.triggers.clear());
    assert!(found.contains("triggers"), "{found}");
    let found = reported(|s| s.steps[0].expect.triggers[0].args.push("more".to_owned()));
    assert!(found.contains("triggers"), "{found}");
    let found = reported(|s| s.steps[0].expect.triggers[0].stdin = r#"{"size":"2Gi"}"#.to_owned());
    assert!(found.contains("triggers"), "{found}");
    let found = reported(|s| {
        s.steps[1].expect.triggers.push(Trigger {
            name: "storage-status".to_owned(),
            args: Vec::new(),
            stdin: String::new(),
        });
    });
    assert!(found.contains("step 2"), "{found}");
}

#[test]
fn wrong_files_are_reported() {
    for (path, text) in [
        ("{ROOT}/lib/data/storage-registry/entries/claim.json", Some(r#"{"size":"2Gi"}"#)),
        ("{ROOT}/lib/data/storage-registry/entries/claim.json", None),
        ("{ROOT}/lib/config/storage/blog/mounts", Some("")),
    ] {
        let found = reported(|s| {
            s.expect_files.insert(path.to_owned(), text.map(str::to_owned));
        });
        assert!(found.contains(path), "{found}");
    }
}

#[test]
fn a_call_that_cannot_be_made_is_reported() {
    let found = reported(|s| s.steps[1].run[0] = "subcommands/no-such-file".to_owned());
    assert!(found.contains("could not be started"), "{found}");
}
