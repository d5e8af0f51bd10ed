//! When an answer counts as the expected one.

use serde_json::Value;

use crate::harness::{Answer, Fired};
use crate::scenario::{Expected, Step, Trigger};

/// What is different between how a step was to end and how it ended, a sentence each.
pub fn differences(step: &Step, answer: &Answer) -> Vec<String> {
    let Expected { exit, stdout, stderr, triggers } = &step.expect;
    let mut found = Vec::new();
    if *exit != answer.status {
        found.push(format!("status: expected {exit}, got {}", answer.status));
    }
    found.extend(stream(step, "stdout", stdout, &answer.stdout));
    found.extend(stream(step, "stderr", stderr, &answer.stderr));
    found.extend(fired(triggers, &answer.fired));
    found
}

fn stream(step: &Step, name: &str, expected: &str, got: &str) -> Option<String> {
    let is_silent = |text: &str| text.trim().is_empty();
    let is_same = if step.loose {
        is_silent(expected) == is_silent(got)
    } else {
        let lines_suffice = step.more && !is_silent(expected);
        (lines_suffice && has_lines(expected, got)) || same_text(expected, got)
    };
    (!is_same).then(|| format!("{name}: expected {expected:?}\n{:>10} got {got:?}", ""))
}

fn fired(expected: &[Trigger], got: &[Fired]) -> Option<String> {
    // Which other plugins are asked on the way is each plugin's own business.
    let of_storage = |fired: &&Fired| {
        fired.name.starts_with("storage-") || fired.name.starts_with("scheduler-storage-")
    };
    let got: Vec<&Fired> = got.iter().filter(of_storage).collect();
    let is_same = expected.len() == got.len()
        && expected.iter().zip(&got).all(|(expected, got)| {
            expected.name == got.name
                && expected.args == got.arguments
                && same_text(&expected.stdin, &got.stdin)
        });
    (!is_same).then(|| format!("triggers: expected {expected:?}\n{:>12} got {got:?}", ""))
}

/// Whether two texts are the same, or the same as JSON, where the second may have further keys.
pub fn same_text(expected: &str, got: &str) -> bool {
    if expected == got {
        return true;
    }
    match (json(expected), json(got)) {
        (Some(expected), Some(got)) => covers(&expected, &got),
        _ => false,
    }
}

/// The text as JSON: one value, or a list of the values of its lines.
fn json(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let values: Vec<Value> = lines.map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    (!values.is_empty()).then_some(Value::Array(values))
}

/// Whether all that is expected is there; objects may have further keys, lists no further items.
fn covers(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected
            .iter()
            .all(|(key, value)| got.get(key).is_some_and(|other| covers(value, other))),
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(e, g)| covers(e, g))
        }
        _ => expected == got,
    }
}

/// Whether the expected lines are there in their order, whatever stands between them.
fn has_lines(expected: &str, got: &str) -> bool {
    let mut got = got.lines();
    expected.lines().all(|line| got.any(|other| other == line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_may_have_further_keys_but_no_fewer() {
        assert!(same_text(r#"[{"a":1}]"#, r#"[ {"b":2, "a":1} ]"#));
        assert!(!same_text(r#"[{"a":1}]"#, r#"[{"b":2}]"#));
        assert!(!same_text(r#"[{"a":1}]"#, r#"[{"a":1},{"a":1}]"#));
        assert!(!same_text(r#"{"a":"1"}"#, r#"{"a":1}"#));
        assert!(same_text("{\"a\":1}\n{\"a\":2}\n", "{\"a\":1,\"b\":0}\n\n{\"a\":2}\n"));
        assert!(!same_text("", "{}"));
        assert!(!same_text("a\n", "a"));
    }

    #[test]
    fn lines_keep_their_order() {
        assert!(has_lines("a\nc\n", "a\nb\nc\n"));
        assert!(!has_lines("c\na\n", "a\nb\nc\n"));
        assert!(!has_lines("a\na\n", "a\nb\n"));
    }
}
