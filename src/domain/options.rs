//! The options that a type is told, as `KEY=VALUE`, and what of them can be shown.

use crate::domain::{Result, is_of};

/// Names with their values, as types, drivers and labels have them.
pub type Options = std::collections::BTreeMap<String, String>;

/// What stands in the place of a value that is not shown.
pub const HIDDEN: &str = "***";

/// Parts of names whose values nobody should see.
const SECRETS: &str =
    "password passwd passphrase pwd secret token credential privatekey apikey accountkey";

const VALUE_MAX: usize = 4096;

/// Reads options; a value may contain anything but control characters, commas and equals signs included.
pub fn parse(given: &[String]) -> Result<Options> {
    let mut options = Options::new();
    for text in given {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            refuse!("--option takes KEY=VALUE, got {text:?}");
        };
        refuse_if!(
            !is_of(key, "._-"),
            "option name {key:?} can only include letters, digits, dots, dashes and underscores"
        );
        refuse_if!(
            value.contains(char::is_control) || value.len() > VALUE_MAX,
            "the value of option {key:?} has control characters in it, or more than {VALUE_MAX} bytes"
        );
        if options.insert(key.to_owned(), value.to_owned()).is_some() {
            refuse!("option {key:?} was given twice");
        }
    }
    Ok(options)
}

/// The same with what looks like a secret left out, also inside of a list such as `user=a,password=b`.
pub fn masked(options: &Options) -> Options {
    let mask = |(key, value): (&String, &String)| (key.clone(), masked_value(key, value));
    options.iter().map(mask).collect()
}

pub fn is_secret(key: &str) -> bool {
    let key = key.trim().to_ascii_lowercase().replace(['-', '.', '_'], "");
    key == "pass" || SECRETS.split(' ').any(|secret| key.contains(secret))
}

fn masked_value(key: &str, value: &str) -> String {
    if is_secret(key) {
        return HIDDEN.to_owned();
    }
    value.split(',').map(|part| masked_part(part, false)).collect::<Vec<_>>().join(",")
}

/// What another program said with the secrets in it left out, such as a mount's options in an error of Docker's. Each ends at
/// a comma, at the end of its line, or where the reason follows it (`password=a b: permission denied`).
pub fn masked_words(said: &str) -> String {
    let line = |line: &str| {
        let last = line.matches(',').count();
        let parts = line.split(',').enumerate();
        parts.map(|(at, part)| masked_part(part, at == last)).collect::<Vec<_>>().join(",")
    };
    said.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A part of a list without the value of a secret's name in it.
fn masked_part(part: &str, has_reason: bool) -> String {
    let name = |before: &str| {
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c)).next();
        name.is_some_and(is_secret)
    };
    let Some((at, _)) = part.match_indices('=').find(|(at, _)| name(&part[..*at])) else {
        return part.to_owned();
    };
    let reason =
        if has_reason { part[at..].rfind(": ").map(|from| &part[at + from..]) } else { None };
    format!("{}={HIDDEN}{}", &part[..at], reason.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        let options =
            parse(&["o=username=a,password=b".into(), "API-Token=c".into(), "device=:/x".into()])
                .unwrap();
        let shown = masked(&options);
        assert_eq!(shown["o"], "username=a,password=***");
        assert_eq!(shown["API-Token"], "***");
        assert_eq!(shown["device"], ":/x");
        for secret in
            ["API_KEY", "api-key", "x.password", "passphrase", "AccountKey", "pwd", "pass"]
        {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in ["device", "size", "region", "compass", "access-key-id"] {
            assert!(!is_secret(plain), "{plain}");
        }
    }

    #[test]
    fn what_others_say_is_shown_without_secrets() {
        for (said, shown) in [
            (
                "failed to mount local volume: mount //nas/a:/b, data: addr=10.0.0.1,username=anna,password=a b: c: permission denied",
                "failed to mount local volume: mount //nas/a:/b, data: addr=10.0.0.1,username=anna,password=***: permission denied",
            ),
            (
                "docker volume create -o o=addr=1,password=x,vers=3 box",
                "docker volume create -o o=addr=1,password=***,vers=3 box",
            ),
            ("one\npassword=x y\ntwo: three", "one\npassword=***\ntwo: three"),
            ("invalid mount option \"api-key=x\"", "invalid mount option \"api-key=***"),
            ("no such volume: a=b, c", "no such volume: a=b, c"),
        ] {
            assert_eq!(masked_words(said), shown);
        }
    }

    #[test]
    fn options_have_a_name_and_a_value() {
        for bad in ["", "=x", "novalue", "a b=c", "a=b\n"] {
            assert!(parse(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
        assert!(parse(&["a=1".into(), "a=2".into()]).is_err());
        assert_eq!(parse(&["o=addr=1.2.3.4,rw".into()]).unwrap()["o"], "addr=1.2.3.4,rw");
    }
}
