//! What the checked text types have in common.

use sha1::{Digest, Sha1};

/// Gives a type around one `String` what every such type has: `as_str` and `Display`.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Gives an enum whose values are words the words.
macro_rules! words {
    ($name:ident: $($value:ident = $word:literal),+) => {
        impl $name {
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }

            /// The value of a word.
            #[allow(dead_code, reason = "some are only shown")]
            pub(crate) fn named(word: &str) -> Option<Self> {
                [$(Self::$value),+].into_iter().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// Gives a type with `as_str` and a `parse` of its own the way through JSON, which goes through `parse` too.
macro_rules! parsed {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                $name::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Gives a checked text type (a struct around one `String` with a `parse` of its own) what every such type has.
macro_rules! checked_text {
    ($name:ident) => {
        crate::domain::text::text!($name);
        crate::domain::text::parsed!($name);
    };
}

pub(crate) use {checked_text, parsed, text, words};

/// The fields of a file that this version does not know; they are written back as they were.
pub type Unknown = serde_json::Map<String, serde_json::Value>;

/// Takes from an earlier version the fields that this one does not have.
pub(crate) fn complete_unknown(mine: &mut Unknown, earlier: &Unknown) {
    for (key, value) in earlier {
        mine.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

pub fn or_empty<T: AsRef<str>>(value: Option<&T>) -> &str {
    value.map_or("", AsRef::as_ref)
}

/// Whether a text is only of letters and digits, and of these signs.
pub(crate) fn is_of(text: &str, signs: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

/// A number that follows from bytes.
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    let digest = Sha1::digest(bytes);
    digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Bytes as they stand in an address: all but letters, digits and the signs `-_.` as `%` and two digits.
pub(crate) fn percent_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The word at a place, or the empty text.
pub(crate) fn word(words: &[String], index: usize) -> &str {
    words.get(index).map_or("", String::as_str)
}

/// The value of a flag or a property, where it was given and is not empty.
pub fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}
