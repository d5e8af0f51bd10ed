//! The options that a type is told, as `KEY=VALUE`, and what of them can be shown.

use crate::domain::{Error, Result};

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
            return Err(Error::refused(format!("--option takes KEY=VALUE, got {text:?}")));
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !key.chars().all(is_plain) {
            return Err(Error::refused(format!(
                "option name {key:?} can only include letters, digits, dots, dashes and underscores"
            )));
        }
        if value.contains(char::is_control) || value.len() > VALUE_MAX {
            return Err(Error::refused(format!(
                "the value of option {key:?} has control characters in it, or more than {VALUE_MAX} bytes"
            )));
        }
        if options.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::refused(format!("option {key:?} was given twice")));
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
    let part = |part: &str| match part.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={HIDDEN}"),
        _ => part.to_owned(),
    };
    value.split(',').map(part).collect::<Vec<_>>().join(",")
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
    fn options_have_a_name_and_a_value() {
        for bad in ["", "=x", "novalue", "a b=c", "a=b\n"] {
            assert!(parse(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
        assert!(parse(&["a=1".into(), "a=2".into()]).is_err());
        assert_eq!(parse(&["o=addr=1.2.3.4,rw".into()]).unwrap()["o"], "addr=1.2.3.4,rw");
    }
}
