//! The properties of an app as Dokku's backups write them: a list of plays, each with tasks, each a property.
//!
//! It is YAML. Strings are written as JSON writes them, which is YAML too, and whatever YAML they are in is read.

use yaml_rust2::parser::{Event, MarkedEventReceiver, Parser};
use yaml_rust2::scanner::Marker;
use yaml_rust2::{Yaml, YamlLoader};

use crate::domain::{AppName, Error, Result};

const TASK: &str = "dokku_storage_property";

/// A property with its value; none where it is to be absent.
pub type Property = (String, Option<String>);

/// The recipe that sets an app's properties.
pub fn write(app: &AppName, properties: &[(&str, String)]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut recipe = "- name: storage properties\n  tasks:\n".to_owned();
    for (name, value) in properties {
        for line in [
            format!("    - {TASK}:\n"),
            format!("        app: {}\n", quoted(app.as_str())),
            format!("        property: {}\n", quoted(name)),
            format!("        value: {}\n", quoted(value)),
        ] {
            recipe.push_str(&line);
        }
    }
    recipe
}

/// What a recipe sets. A task that sets something else is refused.
pub fn read(text: &str) -> Result<Vec<Property>> {
    let broken = |error: yaml_rust2::ScanError| refusal!("it is no YAML: {error}");
    // What refers to something before it could grow without end.
    let mut found = References::default();
    Parser::new(text.chars()).load(&mut found, true).map_err(broken)?;
    refuse_if!(found.any, "it has references (*name), which a backup does not have");
    let mut properties = Vec::new();
    for document in YamlLoader::load_from_str(text).map_err(broken)? {
        for play in list(&document, "it is not a list of plays")? {
            for task in list(&play["tasks"], "a play has no list of tasks")? {
                properties.extend(property(task)?);
            }
        }
    }
    Ok(properties)
}

#[derive(Default)]
struct References {
    any: bool,
}

impl MarkedEventReceiver for References {
    fn on_event(&mut self, event: Event, _at: Marker) {
        self.any |= matches!(event, Event::Alias(_));
    }
}

fn list<'a>(yaml: &'a Yaml, wrong: &str) -> Result<&'a Vec<Yaml>> {
    yaml.as_vec().ok_or_else(|| Error::refused(wrong))
}

fn property(task: &Yaml) -> Result<Option<Property>> {
    let words = task.as_hash().filter(|words| words.len() == 1);
    let Some((name, body)) = words.and_then(|words| words.iter().next()) else {
        refuse!("a task is not one name with what it is to do");
    };
    if name.as_str() != Some(TASK) {
        refuse!("it has the task {:?}; this version knows {TASK}", name.as_str().unwrap_or("?"));
    }
    let text = |key: &str| match &body[key] {
        Yaml::BadValue | Yaml::Null => Ok(String::new()),
        Yaml::String(text) | Yaml::Real(text) => Ok(text.clone()),
        Yaml::Boolean(is_so) => Ok(is_so.to_string()),
        Yaml::Integer(number) => Ok(number.to_string()),
        _ => Err(refusal!("{key} of a task is no text")),
    };
    let (name, value) = (text("property")?, text("value")?);
    let is_absent = text("state")? == "absent";
    Ok((!name.is_empty()).then_some((name, (!is_absent).then_some(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let app = AppName::parse("blog").unwrap();
        let mounts = "{\"a\":\"ü \\\"x\\\" # : - 'y'\"}\n{\"b\":1}\n".to_owned();
        let text = write(&app, &[("mounts", mounts.clone()), ("other", "true".to_owned())]);
        let read = read(&text).unwrap();
        assert_eq!(
            read,
            [("mounts".to_owned(), Some(mounts)), ("other".to_owned(), Some("true".to_owned()))]
        );
    }

    #[test]
    fn as_dokku_writes_it() {
        let text = "- name: storage properties\n  tasks:\n    - dokku_storage_property:\n        app: blog\n        property: legacy-mounts-migrated\n        value: \"true\"\n    - dokku_storage_property:\n        app: blog\n        property: mounts\n        value: |-\n            {\"entry_name\":\"a\"}\n            {\"entry_name\":\"b\"}\n    - dokku_storage_property:\n        app: blog\n        property: gone\n        state: absent\n";
        let read = read(text).unwrap();
        assert_eq!(read[0], ("legacy-mounts-migrated".to_owned(), Some("true".to_owned())));
        assert_eq!(read[1].1.as_deref(), Some("{\"entry_name\":\"a\"}\n{\"entry_name\":\"b\"}"));
        assert_eq!(read[2], ("gone".to_owned(), None));
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        for text in [
            "a: b",
            "- tasks: x",
            "- name: x",
            "- tasks:\n  - dokku_app: {app: blog}",
            "- tasks:\n  - [a]",
            "a: &a [x]\nb: *a",
            "\"",
            "- tasks:\n  - dokku_storage_property: {property: [x]}",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("- tasks: []").unwrap(), []);
    }
}
