//! What an app says that it needs: places for data, declared in its `app.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::plain::{json_reason, json_reason_in_document};
use crate::domain::text::checked_text;
use crate::domain::{ContainerPath, Error, Result, as_typed, is_of};

/// The name of a need: letters, digits, dashes and underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeedId(String);
checked_text!(NeedId);

impl NeedId {
    pub fn parse(text: &str) -> Result<Self> {
        refuse_if!(
            !is_of(text, "-_") || text.is_empty() || text.starts_with('-') || text.len() > 63,
            "need {text:?} can only be letters, digits, dashes and underscores, 63 at most"
        );
        Ok(Self(text.to_owned()))
    }
}

/// What an app does with the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Ro,
    #[default]
    Rw,
}

/// A place for data that an app needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Need {
    pub id: NeedId,
    /// What it is for, in the words of the app's author.
    #[serde(default)]
    pub description: String,
    pub path: ContainerPath,
    #[serde(default)]
    pub mode: Mode,
    /// Whether the app can do without.
    #[serde(default)]
    pub optional: bool,
}

/// The most needs of an app.
const MOST: usize = 1000;

/// Reads needs from an `app.json`, from its `storage` part, or from a bare list.
pub fn parse(document: &[u8]) -> Result<Vec<Need>> {
    let value: Value = serde_json::from_slice(document).map_err(|error| {
        refusal!("the needs cannot be read: {}", json_reason_in_document(&error))
    })?;
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut object) => {
            let inner = match object.remove("storage") {
                Some(Value::Object(mut storage)) => storage.remove("needs"),
                Some(_) => refuse!("\"storage\" must be an object"),
                None => object.remove("needs"),
            };
            match inner {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(list)) => list,
                Some(_) => refuse!("\"needs\" must be a list"),
            }
        }
        _ => refuse!("the needs must be an object or a list"),
    };
    refuse_if!(list.len() > MOST, "an app has up to {MOST} needs, got {}", list.len());
    let needs: Vec<Need> = list
        .into_iter()
        .enumerate()
        .map(|(index, need)| {
            serde_json::from_value(need).map_err(|error| in_need(index, &json_reason(&error)))
        })
        .collect::<Result<_>>()?;
    for (index, need) in needs.iter().enumerate() {
        let path = as_typed("path", need.path.as_str()).and_then(|()| need.path.must_start());
        path.map_err(|error| in_need(index, &error.to_string()))?;
        if let Some(other) = needs[..index].iter().find(|other| other.id == need.id) {
            refuse!("need {:?} is declared twice", other.id.as_str());
        }
        if let Some(other) = needs[..index].iter().find(|other| other.path == need.path) {
            refuse!(
                "needs {:?} and {:?} have the same path {}",
                other.id.as_str(),
                need.id.as_str(),
                need.path
            );
        }
    }
    Ok(needs)
}

/// What is wrong with a need, by its number; what it has is a path alone.
fn in_need(index: usize, reason: &str) -> Error {
    refusal!("need {}: {}", index + 1, reason.replacen("attachment container path", "path", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_found_in_each_of_their_places() {
        let list = r#"[{"id":"assets","path":"/usr/share/nginx/html","mode":"ro"}]"#;
        for document in [
            list.to_owned(),
            format!(r#"{{"needs":{list}}}"#),
            format!(r#"{{"name":"x","storage":{{"needs":{list}}}}}"#),
        ] {
            let needs = parse(document.as_bytes()).unwrap();
            assert_eq!(needs.len(), 1);
            assert_eq!((needs[0].mode, needs[0].optional), (Mode::Ro, false));
        }
        assert!(parse(br#"{"scripts":{}}"#).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_a_need_is_named() {
        for (document, word) in [
            ("nonsense", "JSON"),
            ("3", "must be an object or a list"),
            (r#"{"storage":[]}"#, "must be an object"),
            (r#"{"needs":{}}"#, "must be a list"),
            (r#"[{"id":"a b","path":"/a"}]"#, "need 1"),
            (r#"[{"id":"a","path":"a"}]"#, "need 1: path \"a\" must be absolute"),
            (r#"[{"id":"a","path":"/x --privileged"}]"#, "need 1: "),
            (r#"[{"id":"a","path":"/a"},{"id":"a","path":"/b"}]"#, "twice"),
            (r#"[{"id":"a","path":"/a"},{"id":"b","path":"/a/"}]"#, "same path"),
            (r#"[{"id":"a","path":"/a","mode":"rx"}]"#, "need 1"),
        ] {
            let sentence = parse(document.as_bytes()).unwrap_err().to_string();
            assert!(sentence.contains(word), "{document}: {sentence}");
        }
    }
}
