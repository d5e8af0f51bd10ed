//! What the system and the JSON parser say, in plain words.

use std::borrow::Cow;
use std::io;

use serde_json::error::Category;

/// A sentence without the numbers that the system has for its errors.
pub(crate) fn without_numbers(sentence: &str) -> Cow<'_, str> {
    const NUMBER: &str = " (os error ";
    let Some((before, rest)) = sentence.split_once(NUMBER) else {
        return sentence.into();
    };
    match rest.split_once(')') {
        Some((_, after)) => format!("{before}{}", without_numbers(after)).into(),
        None => sentence.into(),
    }
}

/// What the system, or a parser that reads from it, has said.
pub(crate) fn cause(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => json_reason(error),
        None => without_numbers(&error.to_string()).into_owned(),
    }
}

/// What is wrong with a line, or a file, of JSON.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let reason = match error.classify() {
        Category::Eof => return "the JSON ends too early".to_owned(),
        Category::Syntax => "it is not JSON".to_owned(),
        Category::Data | Category::Io => {
            let said = error.to_string();
            in_plain_words(said.rfind(" at line ").map_or(&said, |at| &said[..at]))
        }
    };
    match error.column() {
        0 => reason,
        column => format!("{reason} (column {column})"),
    }
}

/// The same for a document that has no name.
pub(crate) fn json_reason_in_document(error: &serde_json::Error) -> String {
    match error.line() {
        0 => json_reason(error),
        line => format!("line {line}: {}", json_reason(error)),
    }
}

fn in_plain_words(said: &str) -> String {
    let quoted = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    let choices = || {
        let (_, choices) = said.split_once(", expected ").unwrap_or_default();
        choices.trim_start_matches("one of ").replace('`', "")
    };
    if let Some(rest) = said.strip_prefix("missing field `") {
        return format!("the field {:?} is missing", quoted(rest));
    }
    if let Some(rest) = said.strip_prefix("duplicate field `") {
        return format!("the field {:?} is there twice", quoted(rest));
    }
    if let Some(rest) = said.strip_prefix("unknown field `") {
        return format!("the field {:?} is not known; there are: {}", quoted(rest), choices());
    }
    if let Some(rest) = said.strip_prefix("unknown variant `") {
        return format!("{:?} is not known; it can be {}", quoted(rest), choices());
    }
    let typed = said.strip_prefix("invalid type: ").or(said.strip_prefix("invalid value: "));
    match typed.and_then(|typed| typed.rsplit_once(", expected ")) {
        Some((found, wanted)) => format!("{} where {} is expected", shown(found), named(wanted)),
        None => said.to_owned(),
    }
}

fn shown(found: &str) -> String {
    match found.split_once(' ') {
        Some(("integer", number)) => format!("the number {}", number.replace('`', "")),
        Some(("floating", point)) => {
            format!("the number {}", point.trim_start_matches("point ").replace('`', ""))
        }
        Some(("boolean", value)) => value.replace('`', ""),
        Some(("string", text)) => format!("the text {text}"),
        _ => named(found).to_owned(),
    }
}

fn named(what: &str) -> &str {
    match what {
        "map" | "a map" => "an object",
        "sequence" | "a sequence" => "a list",
        "a string" => "a text",
        "a boolean" => "true or false",
        "u16" | "u32" | "u64" | "i32" | "i64" | "usize" => "a number",
        what if what.starts_with("struct ") => "an object",
        what => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_left_out() {
        for (said, wanted) in [
            ("unable to read /a: No such file (os error 2)", "unable to read /a: No such file"),
            ("a (os error 2); b (os error 17), c", "a; b, c"),
            ("a (os error 2", "a (os error 2"),
        ] {
            assert_eq!(without_numbers(said), wanted);
        }
    }

    #[test]
    fn json_that_a_program_has_printed_is_said_to_be_wrong_in_plain_words() {
        let error = serde_json::from_str::<u64>("x").unwrap_err();
        assert_eq!(cause(&error.into()), "it is not JSON (column 1)");
        assert_eq!(cause(&io::Error::from_raw_os_error(2)), "No such file or directory");
    }

    #[test]
    fn json_is_said_to_be_wrong_in_plain_words() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only reading it fails")]
        struct Item {
            size: u64,
            #[serde(default)]
            name: String,
        }
        for (text, wanted) in [
            ("[{", "line 1: the JSON ends too early"),
            ("[\nx]", "line 2: it is not JSON (column 1)"),
            ("[{}]", "line 1: the field \"size\" is missing (column 3)"),
            ("[{\"size\":1,\"size\":2}]", "line 1: the field \"size\" is there twice (column 17)"),
            (
                "[{\"sise\":1}]",
                "line 1: the field \"sise\" is not known; there are: size or name (column 8)",
            ),
            ("[{\"size\":true}]", "line 1: true where a number is expected (column 13)"),
            ("[{\"size\":\"a\"}]", "line 1: the text \"a\" where a number is expected (column 12)"),
            (
                "[{\"size\":1,\"name\":7}]",
                "line 1: the number 7 where a text is expected (column 19)",
            ),
            ("{}", "line 1: an object where a list is expected"),
        ] {
            let error = serde_json::from_str::<Vec<Item>>(text).unwrap_err();
            assert_eq!(json_reason_in_document(&error), wanted, "{text}");
        }
    }
}
